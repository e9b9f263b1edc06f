#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "smtp/content.h"
#include "smtp/reply.h"

namespace onecopy::smtp {

/// The client's side of one SMTP connection to the backend (RFC 5321, 1870, 2920, 6152). Passive. It pipelines where
/// that is offered, falls back to HELO, and keeps a queue of the replies that it awaits; every reply is hostile.
/// Order of calls: feed() until Handler::ready(); start(); content() ... end_of_content() after Handler::send_content();
/// Handler::done(); then start() again, or quit().
class ClientSession {
public:
    struct Transaction {
        std::string sender;
        std::vector<std::string> recipients;
        std::uint64_t size = 0;  // octets of the message as it will be sent, before stuffing
        bool eight_bit = false;
    };

    /// What became of one recipient. `again`: not tried for a limit of the backend's (452, 552 after others were
    /// accepted): belongs into the next transaction at once. `unknown`: the answer to the data was lost.
    enum class Outcome { delivered, deferred, refused, again, unknown };

    struct Result {
        struct Recipient {
            Outcome outcome;
            Reply reply;  // the backend's last word on it; code 0: none came, the text says why
        };
        std::vector<Recipient> recipients;  // in the order of Transaction::recipients
        /// The refusal came with the data rather than at RCPT (one verdict for all who had been accepted).
        bool at_data = false;
    };

    class Handler {
    public:
        virtual ~Handler() = default;
        virtual void ready() = 0;
        /// 354 came and somebody was accepted: content() is wanted now.
        virtual void send_content() = 0;
        virtual void done(const Result& result) = 0;
        /// The server is ill or wrongly set up, at any stage where that blames no mail: 421, refused greeting or EHLO,
        /// 530/534/535/538 to MAIL, a broken reply, a lost connection. Where a transaction was open, done() came before it
        /// (its recipients deferred, or unknown after the final dot). The session is dead then.
        virtual void ill(const Reply& reply) = 0;
    };

    ClientSession(std::string hostname, Handler& handler);

    void feed(std::string_view bytes);
    /// The connection is gone (`why` for people: "connection lost", "timed out after 300 s"). ill() follows.
    void lost(std::string_view why);

    void start(Transaction transaction);
    void content(std::string_view piece);
    void end_of_content();
    /// The content can't be had (a damaged spool): nothing more may be sent, the owner closes the connection. No event
    /// follows.
    void abandon();
    void quit();

    std::string take_output();
    /// How long to wait for what is awaited now (RFC 5321 4.5.3.2): counted anew by the owner when progress() changes.
    base::Duration timeout() const;
    std::uint64_t progress() const { return progress_; }
    bool dead() const { return dead_; }
    /// The final dot is out and its answer is not here.
    bool awaiting_verdict() const;
    /* private members: the implementation's */
private:
    std::uint64_t progress_ = 0;
    bool dead_ = false;
};

}  // namespace onecopy::smtp
