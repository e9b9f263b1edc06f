#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "coalesce/group.h"
#include "ledger/records.h"
#include "ledger/spool_error.h"

namespace onecopy::ledger {

/// One copy as `why` tells it.
struct CopyRecord {
    struct Recipient {
        std::string address;
        std::string verdict;  // coalesce::to_text(Verdict)
    };
    std::int64_t number = 0;
    base::WallTime arrived{};
    std::string client, helo, protocol, sender;
    std::vector<Recipient> recipients;
};

/// What the backend, or nobody, said to one recipient in one attempt.
struct AttemptRecord {
    base::WallTime at{};
    std::string server;
    std::string address;
    std::string what;  // delivered, refused, deferred, rested, apart
    std::string reply;
};

/// A group as people see it.
struct GroupRecord {
    std::int64_t id = 0;
    bool readable = true;  // false: of the group itself nothing is known but its number
    std::string damage;    // why some of it, or all, can't be read; empty: it could be
    std::string message_id, sender;
    std::string subject;     // as people read it: UTF-8 where it was that, or encoded (RFC 2047)
    std::string digest;      // hex
    base::WallTime first{};  // when its first copy came
    std::uint64_t size = 0;
    std::optional<base::Time> due;  // ledger time; past: overdue or in flight; none: nobody waits
    bool held = false;              // in its window: not due yet, and nobody was tried; who waits otherwise is queued
    coalesce::Kind kind = coalesce::Kind::mail;
    std::int64_t about = 0;  // of a notice: the group that it tells of
    bool has_content = false;
    std::string header;  // as it is kept; only of show()
    std::vector<coalesce::Member> members;
    std::vector<CopyRecord> copies;       // only where asked for
    std::vector<AttemptRecord> attempts;  // only where asked for
};

struct Counts {
    std::uint64_t held = 0, queued = 0, failed = 0;  // groups; failed: with somebody who failed
    std::uint64_t untold = 0;                        // recipients who failed, and nobody was told
    Totals totals;
};

/// Reads the spool beside the ledger's thread, on a read-only connection of its own; for the helper thread. Throws
/// SpoolError. One thread at a time uses it, but for interrupt(). A group of which SQLite can't read a row, since the
/// database is damaged there, hides no other: it is in each answer that it may belong to, and says so.
class Reader {
public:
    enum class Which { held, queued, failed, all };

    /// `now`: ledger time, by which those that are held and those that are queued are told apart; who does not ask for that
    /// may leave it out.
    explicit Reader(const std::string& directory, base::Time now = {});
    ~Reader();

    Counts counts();
    /// Newest last; at most `most`, the latest of them, and as many that can't be read.
    std::vector<GroupRecord> list(Which which, std::size_t most);
    /// One group with its header, copies and attempts.
    std::optional<GroupRecord> show(std::int64_t group);
    /// With or without brackets; every group of that Message-ID, with copies and attempts.
    std::vector<GroupRecord> why(const std::string& message_id);

    /// The latest groups that an address sends or gets (ASCII without case), and those with a text in their subject, with
    /// copies and attempts; newest last, at most `most`.
    std::vector<GroupRecord> why_address(const std::string& address, std::size_t most);
    std::vector<GroupRecord> why_subject(const std::string& text, std::size_t most);

    /// The tables that check() knows.
    static std::span<const char* const> tables();
    /// What SQLite's quick_check finds wrong with one table first, or whose mail would lie in the spool for ever without a
    /// word; empty: nothing. Throws where it can't look. One at a time, since who reads keeps the write-ahead log from being
    /// cut.
    std::string check(const char* table);
    /// Whatever another thread reads by this now ends, and throws.
    void interrupt();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace onecopy::ledger
