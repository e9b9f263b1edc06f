#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "coalesce/group.h"
#include "message/trace.h"

namespace onecopy::coalesce {

/// Who gets a failure notice (delivery.notify).
enum class Notified { sender, postmaster, none };

struct TellingPolicy {
    Notified notify = Notified::none;
    std::string postmaster;  // empty: there is none
};

/// What of the configuration the rules look at.
struct Policy {
    base::Duration window{30'000};
    base::Duration quiet{0};
    bool match_id = true;
    bool match_sender = true;
    bool match_content = true;
    bool fold_case = true;
    base::Duration history{7 * 86'400'000LL};
    base::Duration keep_failed{7 * 86'400'000LL};
    std::vector<base::Duration> retry{base::Duration(60'000)};
    base::Duration expire{5 * 86'400'000LL};
    base::Duration warn_after{0};  // 0: nobody is told of a delay
    TellingPolicy telling;
    message::KnownSpellings spellings{};  // of recipients, for what is returned to a sender
};

/// Two clocks (CONTRACT.md "Every duration is ledger time"): `history` leaves out what a wall clock that is
/// clearly wrong added at a start, so that no history, and no mail that waits, ends by it.
struct Now {
    base::Time ledger{};
    base::Time history{};
};

/// How an arriving copy stands to a group that shares its Message-ID or its content.
enum class Kinship {
    stranger,       // other mail: its own group
    same,           // a copy of that message: joins
    other_sender,   // the same message under another sender: transactions apart, but nobody gets it twice
    partly_served,  // would join but for its content, which somebody named here has already: its own group for those
};
Kinship kinship(const Group& group, const Arriving& copy, const Policy& policy);

/// Whether somebody named in the copy has, or is about to get, what `group` sends by one of `others`, groups of equal
/// content. A copy of other content does not join it then (partly_served): he would get the one twice, or his own never.
bool is_served_by(std::span<const Group> others, const Group& group, const Arriving& copy, const Policy& policy,
                  const Now& now);

/// What happens to one recipient of an arriving copy.
enum class Verdict { added, merged, suppressed, again, ignored, dropped, repeated, elsewhere };
/// added: new in the group. merged: was pending anyway. suppressed: has it already. again: failed before (or was
/// served so long ago that it is forgotten), tried again. ignored: foreign. dropped: an admin gave it up. repeated: named
/// twice in this copy. elsewhere: has it, or is about to get it, by another group.
std::string_view to_text(Verdict verdict);

struct Joined {
    std::vector<Verdict> verdicts;     // one for each recipient of the copy
    std::vector<std::size_t> changed;  // indices into Group::members that are new or differ now
    bool store_content = false;        // the copy's header and body become the group's
    bool store_header = false;         // only its header does: it shows less
    std::int64_t elsewhere = 0;        // a group that made somebody `elsewhere`; 0: none did
};

/// Adds a copy to its group (a new, empty one for the first copy). What RCPT asked for a recipient is his own, combined()
/// while he waits and that of the new copy when he is tried again. `siblings`: other groups with the same message: under
/// other senders, or of other content where `match` has no content. Changes `group` and says what changed.
Joined join(Group& group, const Arriving& copy, std::int64_t copy_id, std::span<const Group> siblings, const Policy& policy,
            const Now& now);

/// What a transaction, or the wish of an admin, did to one recipient.
struct Outcome {
    enum class What {
        delivered,
        refused,   // for good
        deferred,  // costs a step of delivery.retry
        rested,    // the backend is ill: costs none, and no mail but by `expire`
        apart,     // refused together with others: he is tried alone next, at once
    };
    std::int64_t member = 0;
    What what = What::deferred;
    std::string reply;
    bool own = false;         // rested: in a transaction of this mail, which may be the cause
    bool dsn = true;          // delivered: to a server that tells the sender whatever he asked to be told (RFC 3461)
    bool of_message = false;  // refused, deferred, rested: for what is sent, maybe, and not for him to whom it is
};

/// How long a group that met only ill servers is left alone: not so short that it spins; where a server fell ill with it, by
/// its age, so that a message whose fault that is holds up no others.
constexpr base::Duration least_rest{1'000}, longest_rest{60'000};

/// What the reply of an expired recipient begins with.
constexpr std::string_view expired_words = "expired after ";

/// What changed by the outcomes of an attempt: indices into Group::members. Expiry happens here, and only here, and here it
/// is found out what has to be told (Member::owed).
std::vector<std::size_t> settle(Group& group, std::span<const Outcome> outcomes, const Policy& policy, const Now& now);

/// Whether a notice has failed, by these outcomes, for what it holds: one that holds less may arrive yet.
bool holds_too_much(const Group& notice, std::span<const Outcome> outcomes);

/// Whoever failed in it waits anew, with another content.
void renew(Group& notice, const Now& now);

/// Nobody of the group is under way any more: of those who were tried apart, who spoiled it for the others.
struct Concluded {
    std::vector<std::size_t> changed;   // indices into Group::members
    std::vector<std::size_t> spoilers;  // failed alone where others who were tried alone got it
};
Concluded conclude(Group& group);

/// Makes everyone who waits due now. What changed.
std::vector<std::size_t> release(Group& group, const Now& now);
/// The same, and whoever failed waits anew, as long as there is something to send him, and nobody serves him: none of
/// `siblings` (as for join()), nor this group by an address that is his too.
std::vector<std::size_t> retry(Group& group, std::span<const Group> siblings, const Policy& policy, const Now& now);
/// Whoever waits, or failed, is given up: nobody is told, and further copies do not reach him.
std::vector<std::size_t> drop(Group& group, const Now& now);
/// Whoever has it, failed or was dropped is as one who was never named; but what is owed of him is told.
std::vector<std::size_t> forget(Group& group, const Now& now);

/// When the group is due next: the earliest of those pending; `never` where none is.
base::Time due(const Group& group);

/// Whether its header and body are still needed: somebody is pending, or failed and may be tried again.
bool needs_content(const Group& group);

/// When the last thing happened to a group that waits for nothing, in history time; `never` while somebody is pending.
base::Time idle_since(const Group& group);

/// For how long after that a group is kept: the later of history and keep_failed.
base::Duration retention(const Policy& policy);

}  // namespace onecopy::coalesce
