#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "ledger/ledger_thread.h"
#include "message/trace.h"
#include "relay/backend.h"

namespace onecopy::relay {

/// What is due goes out: takes groups from the ledger, as many as the backend can use, makes transactions of them, and tells
/// the ledger what each brought, as it comes.
class Delivery {
public:
    struct Counters {
        std::uint64_t transactions = 0;
        std::uint64_t possible_duplicates = 0;
        std::size_t in_flight = 0;  // groups
    };

    Delivery(net::Loop& loop, base::Worker& worker, ledger::LedgerThread& ledger, const config::Config& config,
             const Credentials& credentials);
    ~Delivery();

    /// For the ledger's handler.
    void due(std::vector<ledger::Due> groups);
    void settled(const ledger::Settled& settled);
    void told(const ledger::Told& told);

    void configure(const config::Config& config, const Credentials& credentials);
    /// Servers that rest are tried again at once.
    void wake() { backend_.wake(); }
    void stop(std::function<void()> done);

    Counters counters() const;
    std::vector<Backend::Health> health() const { return backend_.health(); }

private:
    struct Sending;

    void ask_for_more();
    void begin(ledger::Due due);
    void next(const std::shared_ptr<Sending>& sending);
    void report(const std::shared_ptr<Sending>& sending, const std::vector<ledger::Due::Recipient>& tried,
                const Report& report);
    void log_settled(const ledger::Settled& settled);
    void log_transaction(const Sending& sending, const std::vector<ledger::Due::Recipient>& tried, const Report& report,
                         const ledger::Settlement& settlement);

    ledger::LedgerThread& ledger_;
    Backend backend_;
    unsigned connections_ = 1;
    std::size_t max_recipients_ = 1;
    message::KnownSpellings spellings_;
    unsigned asked_for_ = 0;  // of the ledger, not handed out yet
    std::size_t in_flight_ = 0;
    std::map<std::int64_t, std::shared_ptr<Sending>> unsettled_;  // by group: wait for the ledger before they go on
    bool stopping_ = false;
    Counters counters_;
};

}  // namespace onecopy::relay
