#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ledger/records.h"
#include "message/envelope.h"
#include "smtp/client_transaction.h"

namespace onecopy::relay {

/// What one transaction brought.
struct Report {
    enum class Fate {
        answered,    // `result` holds an outcome for each recipient; where the server fell ill `ill` says so
        no_server,   // none could be had: `words` says why
        damaged,     // the content in the spool is not what was put there: `words` says how
        unreadable,  // it can't be read now: `words` says why
    };
    Fate fate = Fate::no_server;
    smtp::ClientTransaction::Result result;
    bool ill = false;
    bool dsn = true;     // the server tells senders what becomes of their mail (RFC 3461)
    std::string server;  // host:port; empty where there was none
    std::string words;
    base::Duration took{};
};

/// One transaction to be had with a backend, and whom to tell.
struct Job {
    message::Envelope envelope;
    std::shared_ptr<const std::string> header;  // as it goes out
    std::shared_ptr<const ledger::Content> content;
    bool eight_bit = false;
    std::function<void(const Report&)> done;

    /// Of what is at hand, not of what was noted once: a chunk's length must be that of its bytes.
    std::uint64_t size() const {
        std::uint64_t size = header->size() + content->body.size();
        for (const ledger::Extent& extent : content->extents) size += extent.length;
        return size;
    }
};

}  // namespace onecopy::relay
