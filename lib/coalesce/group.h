#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "message/envelope.h"
#include "message/identity.h"

namespace onecopy::coalesce {

/// Where one (message, recipient) stands. The table of all moves is in lib/ledger/README.md.
enum class State { pending, delivered, failed, dropped, ignored, forgotten };

/// What somebody is told of a recipient (RFC 3464 2.3.3), as a set.
enum Tell : unsigned { tell_failed = 1, tell_delayed = 2, tell_relayed = 4 };

/// One recipient of a group, with clocks of his own.
struct Member {
    std::int64_t id = 0;  // in the ledger; 0: not stored yet
    std::string address;  // as received by the first copy that named him, after rewrite_domains
    State state = State::pending;
    std::int64_t copy = 0;   // which named him, the first time or again: its sender gets the notice
    bool recovered = false;  // read from a field (recover_from): a failure is told to postmaster alone
    base::Time since{};      // history time: when that copy came; window, expire and warn_after count from here
    base::Time due{};        // ledger time; while pending: not before
    unsigned attempts = 0;   // of this obligation, those that cost a step of delivery.retry
    base::Time ended{};      // history time (rules.h Now), when delivered, failed, dropped or ignored
    std::string reply;       // the backend's last words, or ours
    /// Of all copies that named him since he began to wait.
    message::RecipientOptions options{};
    bool apart = false;  // refused together with others: tried alone until he ends
    unsigned owed = 0;   // what is still to be told of him, a set of Tell
    unsigned told = 0;   // what was told, or needs no telling
};

/// Ordinary mail; or a notice of ours. Of a `notice` that is refused postmaster is told, of a last one nobody is.
enum class Kind { mail, notice, last_notice, delay_notice };

/// The copies of one message: what identifies it, and everyone who was named.
struct Group {
    std::int64_t id = 0;
    Kind kind = Kind::mail;
    std::int64_t about = 0;  // of a notice: the group that it tells of
    std::string sender;      // of the first copy
    /// Of the first copy; those of all where `match` has content.
    message::MailOptions options{};
    message::Identity identity;
    bool alone = false;        // never merged with anything
    bool has_content = false;  // header and body are in the spool
    bool fixed = false;        // a first attempt was made in this round: the header stays
    bool tried = false;  // an attempt of this round came back, be it that no server was to be had: it is queued from then on
    unsigned exposure = 0;  // of the header that is kept (message/trace.h)
    base::Time touched{};   // history time of the last copy
    std::vector<Member> members;

    bool waiting() const;  // somebody is pending: held or queued
};

/// What arrives: a copy as intake has resolved it (addresses rewritten, recovered, foreign ones marked).
struct Arriving {
    struct Recipient {
        std::string address;
        bool recovered = false;
        bool ignored = false;  // foreign, under `foreign: ignore`
        message::RecipientOptions options{};
    };
    std::string sender;
    message::MailOptions options{};
    /// With these options in it: message::sent_with().
    message::Identity identity;
    bool alone = false;  // can't be compared (header too large, nothing to match by) or `observe`
    unsigned exposure = 0;
    std::vector<Recipient> recipients;
};

}  // namespace onecopy::coalesce
