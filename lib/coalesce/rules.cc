#include "coalesce/rules.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/units.h"
#include "message/mailbox.h"

namespace onecopy::coalesce {
namespace {

bool same_sender(const std::string& a, const std::string& b) {
    return a == b || message::normal_form(a, false) == message::normal_form(b, false);
}

/// The addresses of a group, as they compare today.
class Directory {
public:
    Directory(const std::vector<Member>& members, bool fold_case) : fold_case_(fold_case) {
        for (std::size_t i = 0; i < members.size(); ++i) {
            auto [place, fresh] = places_.emplace(normal(members[i].address), i);
            // Under an earlier fold_case they were two: who waits, or has it, counts.
            if (!fresh && members[i].state < members[place->second].state) place->second = i;
        }
    }
    void add(const std::string& address, std::size_t index) { places_.emplace(normal(address), index); }
    const std::size_t* find(const std::string& address) const {
        auto place = places_.find(normal(address));
        return place == places_.end() ? nullptr : &place->second;
    }

private:
    std::string normal(const std::string& address) const { return message::normal_form(address, fold_case_); }

    std::map<std::string, std::size_t> places_;
    bool fold_case_;
};

bool anyone_has_it(const Group& group, const Arriving& copy, bool fold_case) {
    Directory directory(group.members, fold_case);
    return std::ranges::any_of(copy.recipients, [&](const Arriving::Recipient& recipient) {
        const std::size_t* place = directory.find(recipient.address);
        return place && group.members[*place].state == State::delivered;
    });
}

bool has_history(const message::Identity& identity) {
    return !identity.message_id.empty() || identity.has_date;
}

bool remembered(const Member& member, const Policy& policy, const Now& now) {
    return member.ended + policy.history > now.history;
}

/// `since`: history time; what comes out is ledger time.
base::Time first_due(base::Time since, const Policy& policy, const Now& now) {
    base::Time window_ends = now.ledger + (since - now.history) + policy.window;
    return policy.quiet.count() > 0 ? std::min(window_ends, now.ledger + policy.quiet) : window_ends;
}

/// Groups of a message, as they serve the recipients of one of them, or of a copy.
class Siblings {
public:
    Siblings(std::span<const Group> groups, const message::Identity& identity, const Policy& policy, const Now& now)
        : identity_(identity), policy_(policy), now_(now) {
        for (const Group& group : groups) add(group);
    }
    void add(const Group& group) { groups_.emplace_back(&group, Directory(group.members, policy_.fold_case)); }

    /// The one by which somebody has the message, or is about to get it; null: none.
    const Group* serving(const std::string& address) const {
        auto sibling = std::ranges::find_if(groups_, [&](const auto& each) {
            const std::size_t* place = each.second.find(address);
            return place && serves(*each.first, each.first->members[*place]);
        });
        return sibling == groups_.end() ? nullptr : sibling->first;
    }

private:
    /// Who waits there gets what that group holds; who was served there has this message only if it was of equal content.
    bool serves(const Group& sibling, const Member& member) const {
        if (member.state == State::pending) return true;
        return member.state == State::delivered && sibling.identity.content == identity_.content &&
               remembered(member, policy_, now_);
    }

    const message::Identity& identity_;
    const Policy& policy_;
    const Now& now_;
    std::vector<std::pair<const Group*, Directory>> groups_;
};

/// One arriving copy being joined to one group.
class Joining {
public:
    Joining(Group& group, const Arriving& copy, std::int64_t copy_id, std::span<const Group> siblings, const Policy& policy,
            const Now& now)
        : group_(group),
          copy_(copy),
          copy_id_(copy_id),
          policy_(policy),
          now_(now),
          was_waiting_(group.waiting()),
          members_(group.members, policy.fold_case),
          siblings_(siblings, copy.identity, policy, now) {}

    Joined run() {
        for (const Arriving::Recipient& recipient : copy_.recipients) joined_.verdicts.push_back(add(recipient));
        if (policy_.quiet.count() > 0) postpone_quiet_ones();
        keep_content();
        group_.touched = now_.history;
        joined_.changed.assign(changed_.begin(), changed_.end());
        return std::move(joined_);
    }

private:
    Verdict add(const Arriving::Recipient& recipient) {
        const std::size_t* place = members_.find(recipient.address);
        if (place && !named_.insert(*place).second) return repeat(*place, recipient);
        if (!place && served_elsewhere(recipient)) return know(recipient);
        return place ? join_member(*place, recipient) : new_member(recipient);
    }

    Verdict new_member(const Arriving::Recipient& recipient) {
        std::size_t place = group_.members.size();
        group_.members.emplace_back().address = recipient.address;
        members_.add(recipient.address, place);
        named_.insert(place);
        if (recipient.ignored) return ignore(place);
        open(place, recipient);
        return Verdict::added;
    }

    /// He gets nothing here, but he is one of those whom the header, which may be that of this copy, must not show.
    Verdict know(const Arriving::Recipient& recipient) {
        std::size_t place = group_.members.size();
        Member& member = group_.members.emplace_back();
        member.address = recipient.address;
        member.state = State::forgotten;
        member.copy = copy_id_;
        member.recovered = recipient.recovered;
        member.since = now_.history;
        member.ended = now_.history;
        members_.add(recipient.address, place);
        named_.insert(place);
        changed_.insert(place);
        return Verdict::elsewhere;
    }

    /// RFC 5321 lets one transaction name a recipient twice, with other options too.
    Verdict repeat(std::size_t place, const Arriving::Recipient& recipient) {
        if (group_.members[place].state == State::pending) name_again(place, recipient);
        return Verdict::repeated;
    }

    Verdict join_member(std::size_t place, const Arriving::Recipient& recipient) {
        Member& member = group_.members[place];
        switch (member.state) {
            case State::pending:
                name_again(place, recipient);
                return Verdict::merged;
            case State::delivered:
                if (was_waiting_ && !has_history(group_.identity)) return Verdict::suppressed;
                if (remembered(member, policy_, now_)) return Verdict::suppressed;
                break;
            case State::dropped:
                return Verdict::dropped;
            case State::ignored:
            case State::failed:
            case State::forgotten:
                break;
        }
        if (recipient.ignored) return Verdict::ignored;
        if (served_elsewhere(recipient)) return Verdict::elsewhere;
        open(place, recipient);
        return Verdict::again;
    }

    /// One who waits. Whom only a field named so far, nobody asked anything for, and now a sender knows of him.
    void name_again(std::size_t place, const Arriving::Recipient& recipient) {
        if (recipient.recovered) return;
        Member& member = group_.members[place];
        auto options = member.recovered ? recipient.options : message::combined(member.options, recipient.options);
        if (!member.recovered && options == member.options) return;
        if (member.recovered) member.copy = copy_id_;  // another one's, maybe, where `match` has no sender
        member.recovered = false;
        member.options = std::move(options);
        changed_.insert(place);
    }

    Verdict ignore(std::size_t place) {
        Member& member = group_.members[place];
        member.state = State::ignored;
        member.copy = copy_id_;
        member.since = now_.history;
        member.ended = now_.history;
        changed_.insert(place);
        return Verdict::ignored;
    }

    void open(std::size_t place, const Arriving::Recipient& recipient) {
        Member& member = group_.members[place];
        member.state = State::pending;
        member.copy = copy_id_;
        member.recovered = recipient.recovered;
        member.since = now_.history;
        member.due = first_due(member.since, policy_, now_);
        member.attempts = 0;
        member.reply.clear();
        member.options = recipient.options;
        member.apart = false;
        member.owed = 0;
        changed_.insert(place);
    }

    bool served_elsewhere(const Arriving::Recipient& recipient) {
        if (recipient.ignored) return false;
        const Group* sibling = siblings_.serving(recipient.address);
        if (!sibling) return false;
        joined_.elsewhere = sibling->id;
        return true;
    }

    /// A further copy came: those who wait in their window wait for the next one, within it.
    void postpone_quiet_ones() {
        for (std::size_t i = 0; i < group_.members.size(); ++i) {
            Member& member = group_.members[i];
            if (member.state != State::pending || member.attempts > 0 || member.due <= now_.ledger) continue;
            base::Time due = first_due(member.since, policy_, now_);
            if (due == member.due) continue;
            member.due = due;
            changed_.insert(i);
        }
    }

    void keep_content() {
        if (!was_waiting_) group_.fixed = group_.tried = false;
        if (!group_.waiting()) return;
        bool equal = group_.identity.content == copy_.identity.content;
        if (!group_.has_content) {
            joined_.store_content = true;
        } else if (equal && !group_.fixed && copy_.exposure < group_.exposure) {
            joined_.store_header = true;
        } else {
            return;
        }
        group_.has_content = true;
        group_.exposure = copy_.exposure;
    }

    Group& group_;
    const Arriving& copy_;
    std::int64_t copy_id_;
    const Policy& policy_;
    const Now& now_;
    bool was_waiting_;
    Directory members_;
    Siblings siblings_;
    std::set<std::size_t> named_;  // in this copy
    std::set<std::size_t> changed_;
    Joined joined_;
};

using Notify = message::RecipientOptions;

void end(Member& member, State state, const std::string& reply, const Now& now) {
    member.state = state;
    member.reply = reply;
    member.ended = now.history;
    member.owed = 0;
}

/// Nobody hears the same of one recipient twice.
void owe(Member& member, Tell what) {
    if ((member.told & what) == 0) member.owed |= what;
}

void fail(Member& member, const std::string& reply, const Now& now) {
    end(member, State::failed, reply, now);
    owe(member, tell_failed);
}

/// The server tells nobody that he has it: whoever asked for that is told how far his mail came (RFC 3461 5.2.2).
void deliver(Member& member, const Outcome& outcome, const Now& now) {
    end(member, State::delivered, outcome.reply, now);
    if (!outcome.dsn && (member.options.notify & Notify::success) != 0) owe(member, tell_relayed);
}

/// RFC 3461 4.1: where NOTIFY is given, DELAY must be in it.
bool is_late(const Member& member, const Policy& policy, const Now& now) {
    bool wanted = member.options.notify == 0 || (member.options.notify & Notify::delay) != 0;
    return wanted && policy.warn_after.count() > 0 && now.history - member.since >= policy.warn_after;
}

/// Only here, at a failed attempt, may mail expire: no clock alone ends it.
void put_off(Member& member, const Outcome& outcome, const Policy& policy, const Now& now) {
    const base::Duration age = now.history - member.since;
    if (age >= policy.expire) {
        fail(member, std::string(expired_words) + base::to_text(policy.expire) + ": " + outcome.reply, now);
        return;
    }
    member.reply = outcome.reply;
    if (is_late(member, policy, now)) owe(member, tell_delayed);
    if (outcome.what == Outcome::What::rested) {
        const base::Duration rest = outcome.own ? std::clamp(age / 8, least_rest, longest_rest) : least_rest;
        member.due = std::max(member.due, now.ledger + rest);
        return;
    }
    std::size_t step = std::min<std::size_t>(member.attempts, policy.retry.size() - 1);
    member.due = now.ledger + policy.retry[step];
    ++member.attempts;
}

void apply(Member& member, const Outcome& outcome, const Policy& policy, const Now& now) {
    switch (outcome.what) {
        case Outcome::What::delivered:
            return deliver(member, outcome, now);
        case Outcome::What::refused:
            return fail(member, outcome.reply, now);
        case Outcome::What::deferred:
        case Outcome::What::rested:
            return put_off(member, outcome, policy, now);
        case Outcome::What::apart:
            member.reply = outcome.reply;
            member.apart = true;
    }
}

void wait_anew(Member& member, const Now& now) {
    member.state = State::pending;
    member.since = now.history;
    member.due = now.ledger;
    member.attempts = 0;
    member.owed = 0;
}

/// Everyone in one of these states is in that one then.
std::vector<std::size_t> end_all(Group& group, std::initializer_list<State> which, State state, const Now& now) {
    std::vector<std::size_t> changed;
    for (std::size_t i = 0; i < group.members.size(); ++i) {
        Member& member = group.members[i];
        if (std::ranges::find(which, member.state) == which.end()) continue;
        end(member, state, member.reply, now);
        changed.push_back(i);
    }
    return changed;
}

}  // namespace

bool Group::waiting() const {
    return std::ranges::any_of(members, [](const Member& member) { return member.state == State::pending; });
}

std::string_view to_text(Verdict verdict) {
    static constexpr std::array names = {"added",   "merged",  "suppressed", "again",
                                         "ignored", "dropped", "repeated",   "elsewhere"};
    return names[static_cast<std::size_t>(verdict)];
}

Kinship kinship(const Group& group, const Arriving& copy, const Policy& policy) {
    if (group.alone || copy.alone) return Kinship::stranger;
    bool same_content = group.identity.content == copy.identity.content;
    bool same_id = group.identity.message_id == copy.identity.message_id;
    bool has_id = !copy.identity.message_id.empty();
    if (policy.match_id && (!same_id || (!has_id && !policy.match_content))) return Kinship::stranger;
    if (!same_content) {
        if (!same_id || !has_id) return Kinship::stranger;
        if (policy.match_content || !group.waiting()) return Kinship::stranger;
        if (policy.match_sender && !same_sender(group.sender, copy.sender)) return Kinship::stranger;
        return anyone_has_it(group, copy, policy.fold_case) ? Kinship::partly_served : Kinship::same;
    }
    if (!has_history(copy.identity) && !group.waiting()) return Kinship::stranger;
    if (policy.match_sender && !same_sender(group.sender, copy.sender)) return Kinship::other_sender;
    return Kinship::same;
}

bool is_served_by(std::span<const Group> others, const Group& group, const Arriving& copy, const Policy& policy,
                  const Now& now) {
    const Siblings siblings(others, group.identity, policy, now);
    return std::ranges::any_of(copy.recipients, [&](const Arriving::Recipient& recipient) {
        return !recipient.ignored && siblings.serving(recipient.address);
    });
}

Joined join(Group& group, const Arriving& copy, std::int64_t copy_id, std::span<const Group> siblings, const Policy& policy,
            const Now& now) {
    return Joining(group, copy, copy_id, siblings, policy, now).run();
}

std::vector<std::size_t> settle(Group& group, std::span<const Outcome> outcomes, const Policy& policy, const Now& now) {
    std::map<std::int64_t, std::size_t> places;
    for (std::size_t i = 0; i < group.members.size(); ++i) places[group.members[i].id] = i;
    std::set<std::size_t> changed;
    for (const Outcome& outcome : outcomes) {
        auto place = places.find(outcome.member);
        if (place == places.end() || group.members[place->second].state != State::pending) continue;
        apply(group.members[place->second], outcome, policy, now);
        group.tried = true;
        if (outcome.what != Outcome::What::rested) group.fixed = true;
        changed.insert(place->second);
    }
    return {changed.begin(), changed.end()};
}

bool holds_too_much(const Group& notice, std::span<const Outcome> outcomes) {
    if (notice.kind == Kind::mail) return false;
    return std::ranges::any_of(outcomes, [&](const Outcome& outcome) {
        const auto member = std::ranges::find(notice.members, outcome.member, &Member::id);
        return outcome.of_message && member != notice.members.end() && member->state == State::failed;
    });
}

void renew(Group& notice, const Now& now) {
    for (Member& member : notice.members) {
        if (member.state == State::failed) wait_anew(member, now);
    }
}

Concluded conclude(Group& group) {
    Concluded concluded;
    bool some_got_it = false;
    for (std::size_t i = 0; i < group.members.size(); ++i) {
        Member& member = group.members[i];
        if (!member.apart || member.state == State::pending) continue;
        member.apart = false;
        concluded.changed.push_back(i);
        if (member.state == State::failed) concluded.spoilers.push_back(i);
        some_got_it = some_got_it || member.state == State::delivered;
    }
    if (!some_got_it) concluded.spoilers.clear();
    return concluded;
}

std::vector<std::size_t> release(Group& group, const Now& now) {
    std::vector<std::size_t> changed;
    for (std::size_t i = 0; i < group.members.size(); ++i) {
        Member& member = group.members[i];
        if (member.state != State::pending || member.due <= now.ledger) continue;
        member.due = now.ledger;
        changed.push_back(i);
    }
    return changed;
}

std::vector<std::size_t> retry(Group& group, std::span<const Group> siblings, const Policy& policy, const Now& now) {
    Siblings all(siblings, group.identity, policy, now);
    all.add(group);  // under an earlier fold_case he may stand in it twice
    if (!group.waiting()) group.fixed = group.tried = false;
    std::vector<std::size_t> changed = release(group, now);
    for (std::size_t i = 0; i < group.members.size(); ++i) {
        Member& member = group.members[i];
        if (member.state != State::failed || !group.has_content || all.serving(member.address)) continue;
        wait_anew(member, now);
        changed.push_back(i);
    }
    return changed;
}

std::vector<std::size_t> drop(Group& group, const Now& now) {
    return end_all(group, {State::pending, State::failed}, State::dropped, now);
}

std::vector<std::size_t> forget(Group& group, const Now& now) {
    std::vector<unsigned> owed;  // the news of this delivery stay news
    for (const Member& member : group.members) owed.push_back(member.owed);
    std::vector<std::size_t> changed =
        end_all(group, {State::delivered, State::failed, State::dropped}, State::forgotten, now);
    for (std::size_t place : changed) group.members[place].owed = owed[place];
    return changed;
}

base::Time due(const Group& group) {
    base::Time earliest = base::never;
    for (const Member& member : group.members) {
        if (member.state == State::pending) earliest = std::min(earliest, member.due);
    }
    return earliest;
}

bool needs_content(const Group& group) {
    return std::ranges::any_of(group.members, [](const Member& member) {
        const bool to_be_told = member.state == State::forgotten && member.owed != 0;  // with what he is told of
        return member.state == State::pending || member.state == State::failed || to_be_told;
    });
}

base::Time idle_since(const Group& group) {
    if (group.waiting()) return base::never;
    base::Time last = group.touched;
    for (const Member& member : group.members) last = std::max(last, member.ended);
    return last;
}

base::Duration retention(const Policy& policy) {
    return std::max(policy.history, policy.keep_failed);
}

}  // namespace onecopy::coalesce
