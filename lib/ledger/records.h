#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coalesce/group.h"
#include "coalesce/rules.h"
#include "ledger/segment.h"
#include "message/trace.h"

namespace onecopy::ledger {

/// A body of up to this size stands in the ledger's row; a larger one is uploaded to segments while it arrives.
constexpr std::size_t most_inline_body = 16 << 10;

/// A body that is being uploaded, named by whoever uploads it; 0: none.
using UploadId = std::uint64_t;

/// What intake offers: one transaction, whole.
struct Copy {
    coalesce::Arriving arriving;
    message::Arrival arrival;
    std::string header;  // canonical, without the blank line; empty where `untouched`
    std::string body;    // canonical, with the blank line on top; of an upload: its last piece, up to most_extent_bytes
    UploadId upload = 0;
    std::uint64_t size = 0;  // header and body
    bool eight_bit = false;
    bool untouched = false;  // forwarded as it came (observe, header too large): nothing private is taken out
};

/// What became of an offered copy. Any other status than `accepted` is answered 4xx, and nothing of the copy stays.
struct Acceptance {
    enum class Status {
        accepted,
        no_room,
        comes_back,  // it is what is being sent from here: taken, it would be recorded as delivered, and nobody had it
        failed,
    };
    Status status = Status::failed;
    std::int64_t group = 0;
    std::int64_t copy = 0;                    // number of the copy within its group, from 1
    std::vector<coalesce::Verdict> verdicts;  // one for each recipient of the copy
    std::int64_t other_content = 0;           // of a new group: one with the same Message-ID and other content; 0: none
    std::int64_t elsewhere = 0;               // a group by which somebody named here has it, or gets it; 0: none
    std::string first_digest;                 // hex; set where the content of a merged copy differs (match without content)
    std::string digest;
    bool loop = false;             // our own Received is in it and nobody was left
    base::Time due = base::never;  // of the group, ledger time
    base::Time now{};
};

/// Header and body as they are kept; immutable once made, shared between threads.
struct Content {
    std::string header;           // ours on top: the Received field, then the header block
    std::string body;             // inline, or
    std::vector<Extent> extents;  // where it lies, in order
    std::uint64_t body_size = 0;
};

/// A group that is due, with all who wait in it; in flight until settled with `finished`.
struct Due {
    struct Recipient {
        std::int64_t member = 0;
        std::string address;
        bool alone = false;
        /// What RCPT is to ask for him (RFC 3461 5.2.1), as he was named.
        message::RecipientOptions options{};
    };
    std::int64_t group = 0;
    std::string sender;
    message::MailOptions options{};
    std::string message_id;
    std::vector<Recipient> recipients;
    std::vector<std::string> everyone;  // every address of the group, whatever its state: whom the header must not show
    std::shared_ptr<const Content> content;
    bool eight_bit = false;
    bool untouched = false;
    std::optional<base::Duration> held;  // since its first recipient was named; only where nobody was tried yet
};

/// What one transaction with the backend did, or could not do.
struct Settlement {
    std::int64_t group = 0;
    std::vector<coalesce::Outcome> outcomes;
    std::string server;               // for `why`; empty: none was reached
    bool possible_duplicate = false;  // the answer to the data was lost
    bool finished = true;             // nobody of the group is in flight any more
};

/// What an admin may do to groups.
enum class Change {
    release,  // those who wait are due now
    retry,    // and those who failed wait again
    drop,     // those who wait or failed are given up
    forget,   // those who have it, failed or were dropped may get it again
};

struct Changed {
    unsigned groups = 0;      // in which somebody changed
    unsigned in_flight = 0;   // left as they are, since they are being sent; Change::drop alone
    unsigned unreadable = 0;  // left as they are, since they, or others that may have sent the same, can't be read
    std::string trouble;      // why nothing could be stored; empty: it was
};

/// What settling changed for good, for the log: only members that ended.
struct Settled {
    struct Ended {
        std::string address;
        coalesce::State state;
        std::string reply;
    };
    std::int64_t group = 0;
    std::vector<Ended> ended;
    base::Time next = base::never;  // when those who were put off are tried again
    base::Time now{};
    bool owing = false;      // something is to be told of somebody in it
    bool shortened = false;  // it is a notice that was refused, and waits now with less in it
};

/// Who was told what of a group.
struct Told {
    struct Notice {
        std::int64_t group = 0;  // its own
        coalesce::Tell what{};
        std::string to;
        std::vector<std::string> recipients;  // that it tells of
    };
    std::int64_t about = 0;
    std::vector<Notice> notices;
    std::vector<std::string> untold;  // who failed, and nobody is there to be told
    bool done = false;                // false: it could not be stored; to be tried again
};

/// Totals since the spool was made, kept in it.
struct Totals {
    std::uint64_t copies = 0;
    std::uint64_t messages = 0;   // groups that were made
    std::uint64_t delivered = 0;  // recipients
    std::uint64_t suppressed = 0;
    std::uint64_t failed = 0;
    std::uint64_t possible_duplicates = 0;
    std::uint64_t notices = 0;
};

}  // namespace onecopy::ledger
