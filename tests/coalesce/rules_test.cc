#include "coalesce/rules.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

using namespace onecopy;
using namespace onecopy::coalesce;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

message::Identity identity(std::string id, std::uint8_t content, bool has_date = true) {
    message::Identity identity;
    identity.message_id = std::move(id);
    identity.content[0] = content;
    identity.has_date = has_date;
    return identity;
}

Arriving copy_for(std::vector<std::string> recipients, message::Identity which = identity("<1@x>", 1)) {
    Arriving copy;
    copy.sender = "sender@s.example";
    copy.identity = std::move(which);
    for (std::string& recipient : recipients) copy.recipients.push_back({std::move(recipient), false, false});
    return copy;
}

Now at(base::Duration since_start) {
    return {base::Time(since_start), base::Time(since_start)};
}

using Notify = message::RecipientOptions;

/// Asks the same for each of its recipients.
Arriving asking(std::vector<std::string> recipients, message::RecipientOptions options) {
    Arriving copy = copy_for(std::move(recipients));
    for (Arriving::Recipient& recipient : copy.recipients) recipient.options = options;
    return copy;
}

/// A group that lives through copies and attempts as the ledger would have it.
struct Life {
    Group group;
    Policy policy;

    explicit Life(const Arriving& first) {
        group.id = 1;
        group.sender = first.sender;
        group.identity = first.identity;
    }
    Joined arrive(const Arriving& copy, base::Duration when, std::span<const Group> siblings = {}) {
        Joined joined = join(group, copy, ++copies, siblings, policy, at(when));
        for (std::size_t i = 0; i < group.members.size(); ++i) group.members[i].id = static_cast<std::int64_t>(i) + 1;
        return joined;
    }
    void outcome(std::int64_t member, Outcome::What what, base::Duration when, std::string reply = "reply") {
        Outcome outcome{member, what, std::move(reply)};
        settle(group, {&outcome, 1}, policy, at(when));
        if (!needs_content(group)) group.has_content = false;
    }
    State state(std::size_t member) const { return group.members.at(member - 1).state; }
    std::int64_t copies = 0;
};

using What = Outcome::What;

}  // namespace

TEST_SUITE_BEGIN("rules");

TEST_CASE("the first copy opens a window for each of its recipients and brings the content") {
    Life life(copy_for({"a@x", "b@x"}));
    Joined joined = life.arrive(copy_for({"a@x", "b@x"}), seconds(10));
    CHECK(joined.verdicts == std::vector{Verdict::added, Verdict::added});
    CHECK(joined.changed == std::vector<std::size_t>{0, 1});
    CHECK(joined.store_content);
    CHECK(due(life.group) == base::Time(seconds(40)));
}

TEST_CASE("a further copy joins: new recipients are added, those who wait stay as they are") {
    Life life(copy_for({"a@x"}));
    life.arrive(copy_for({"a@x"}), seconds(0));
    Joined joined = life.arrive(copy_for({"A@X", "b@x"}), seconds(20));
    CHECK(joined.verdicts == std::vector{Verdict::merged, Verdict::added});
    CHECK(joined.changed == std::vector<std::size_t>{1});
    CHECK_FALSE(joined.store_content);
    CHECK(life.group.members.size() == 2);
    CHECK_MESSAGE(due(life.group) == base::Time(seconds(30)), "later copies do not extend the window");
    CHECK(life.group.members[1].due == base::Time(seconds(50)));
}

TEST_CASE("one named twice in a copy is one recipient") {
    Life life(copy_for({"a@x"}));
    CHECK(life.arrive(copy_for({"a@x", "a@X", "a@x."}), seconds(0)).verdicts ==
          std::vector{Verdict::added, Verdict::repeated, Verdict::repeated});
}

TEST_CASE("fold_case decides whether local-parts differ by case") {
    Life life(copy_for({"User@x"}));
    life.policy.fold_case = false;
    CHECK(life.arrive(copy_for({"User@x", "user@x", "User@X"}), seconds(0)).verdicts ==
          std::vector{Verdict::added, Verdict::added, Verdict::repeated});
}

TEST_CASE("who stands twice in a group from before fold_case is one: he has it, or gets it, where one of the two does") {
    for (const bool first_fails : {false, true}) {
        Life life(copy_for({"User@x", "user@x"}));
        life.policy.fold_case = false;
        life.arrive(copy_for({"User@x", "user@x"}), seconds(0));
        life.group.has_content = true;
        life.outcome(first_fails ? 1 : 2, What::refused, seconds(1));
        life.policy.fold_case = true;
        CHECK_MESSAGE(retry(life.group, {}, life.policy, at(seconds(2))).size() == 1, "the one who waits");
        CHECK(life.arrive(copy_for({"USER@x"}), seconds(3)).verdicts == std::vector{Verdict::merged});
        CHECK(std::ranges::count(life.group.members, State::pending, &Member::state) == 1);
        life.outcome(first_fails ? 2 : 1, What::delivered, seconds(4));
        CHECK(retry(life.group, {}, life.policy, at(seconds(5))).empty());
        CHECK(life.arrive(copy_for({"USER@x"}), seconds(6)).verdicts == std::vector{Verdict::suppressed});
        Arriving verp = copy_for({"USER@x"});
        verp.sender = "verp-2@s.example";
        Life other(verp);
        CHECK(other.arrive(verp, seconds(6), {&life.group, 1}).verdicts == std::vector{Verdict::elsewhere});
        life.policy.fold_case = false;
        CHECK_MESSAGE(retry(life.group, {}, life.policy, at(seconds(7))).size() == 1, "they are two again");
    }
}

TEST_CASE("a late copy: who has it is skipped, the others get a window of their own") {
    Life life(copy_for({"a@x"}));
    life.arrive(copy_for({"a@x"}), seconds(0));
    life.outcome(1, What::delivered, seconds(31));
    Joined joined = life.arrive(copy_for({"a@x", "b@x"}), hours(1));
    CHECK(joined.verdicts == std::vector{Verdict::suppressed, Verdict::added});
    CHECK(joined.store_content);
    CHECK(due(life.group) == base::Time(hours(1) + seconds(30)));
    CHECK(life.state(1) == State::delivered);
}

TEST_CASE("history ends: after it a copy is delivered again, and history 0 forgets at once") {
    Life life(copy_for({"a@x"}));
    life.arrive(copy_for({"a@x"}), seconds(0));
    life.outcome(1, What::delivered, seconds(31));
    CHECK(life.arrive(copy_for({"a@x"}), days(7)).verdicts == std::vector{Verdict::suppressed});
    CHECK(life.arrive(copy_for({"a@x"}), days(7) + seconds(31)).verdicts == std::vector{Verdict::again});
    life.outcome(1, What::delivered, days(8));
    life.policy.history = seconds(0);
    CHECK(life.arrive(copy_for({"a@x"}), days(8)).verdicts == std::vector{Verdict::again});
}

TEST_CASE("history runs by history time: a wrong wall clock at a start ends none of it") {
    Life life(copy_for({"a@x"}));
    life.arrive(copy_for({"a@x"}), seconds(0));
    life.outcome(1, What::delivered, seconds(31));
    Now jumped{base::Time(days(3650)), base::Time(seconds(60))};
    CHECK(join(life.group, copy_for({"a@x"}), 2, {}, life.policy, jumped).verdicts == std::vector{Verdict::suppressed});
}

TEST_CASE("a failed recipient is tried again by a further copy, a dropped one is not") {
    Life life(copy_for({"a@x", "b@x"}));
    life.arrive(copy_for({"a@x", "b@x"}), seconds(0));
    life.outcome(1, What::refused, seconds(30), "550 5.1.1 unknown");
    life.group.members[1].state = State::dropped;
    CHECK(life.arrive(copy_for({"a@x", "b@x"}), seconds(60)).verdicts == std::vector{Verdict::again, Verdict::dropped});
    CHECK(life.state(1) == State::pending);
    CHECK(life.group.members[0].attempts == 0);
    CHECK(life.group.members[0].reply.empty());
    CHECK(life.group.members[0].copy == 2);
}

TEST_CASE("foreign recipients are remembered as ignored and never become due") {
    Arriving copy = copy_for({"a@x", "f@foreign"});
    copy.recipients[1].ignored = true;
    Life life(copy);
    CHECK(life.arrive(copy, seconds(0)).verdicts == std::vector{Verdict::added, Verdict::ignored});
    CHECK(life.arrive(copy, seconds(1)).verdicts == std::vector{Verdict::merged, Verdict::ignored});
    life.outcome(1, What::delivered, seconds(30));
    CHECK_FALSE(life.group.waiting());
}

TEST_CASE("quiet releases earlier, and each further copy puts that off, within the window") {
    Life life(copy_for({"a@x"}));
    life.policy.quiet = seconds(5);
    life.arrive(copy_for({"a@x"}), seconds(0));
    CHECK(due(life.group) == base::Time(seconds(5)));
    Joined joined = life.arrive(copy_for({"a@x", "b@x"}), seconds(4));
    CHECK(due(life.group) == base::Time(seconds(9)));
    CHECK(joined.changed == std::vector<std::size_t>{0, 1});
    life.arrive(copy_for({"a@x"}), seconds(8));
    life.arrive(copy_for({"a@x"}), seconds(12));
    life.arrive(copy_for({"a@x"}), seconds(16));
    life.arrive(copy_for({"a@x"}), seconds(20));
    life.arrive(copy_for({"a@x"}), seconds(24));
    life.arrive(copy_for({"a@x"}), seconds(28));
    CHECK_MESSAGE(due(life.group) == base::Time(seconds(30)), "the window is the longest that anyone waits");
}

TEST_CASE("who is due stays due when a further copy comes") {
    Life life(copy_for({"a@x"}));
    life.policy.quiet = seconds(5);
    life.arrive(copy_for({"a@x"}), seconds(0));
    life.arrive(copy_for({"a@x"}), seconds(7));
    CHECK(due(life.group) == base::Time(seconds(5)));
}

TEST_CASE("the header that shows least is kept, until the first attempt of the round") {
    Arriving open = copy_for({"a@x"}), clean = copy_for({"a@x"}), cleaner = copy_for({"a@x"});
    open.exposure = 2;
    clean.exposure = 1;
    cleaner.exposure = 0;
    Life life(open);
    life.arrive(open, seconds(0));
    CHECK(life.arrive(clean, seconds(1)).store_header);
    CHECK_FALSE(life.arrive(open, seconds(2)).store_header);
    life.outcome(1, What::deferred, seconds(30));
    CHECK_MESSAGE(!life.arrive(cleaner, seconds(31)).store_header, "what was tried is tried again with the same bytes");
    life.outcome(1, What::refused, seconds(90));
    CHECK_MESSAGE(life.arrive(cleaner, seconds(100)).store_header, "a new round, the content is still there");
}

TEST_CASE("a resting backend fixes nothing and costs no step") {
    Arriving open = copy_for({"a@x"}), clean = copy_for({"a@x"});
    open.exposure = 1;
    Life life(open);
    life.arrive(open, seconds(0));
    life.outcome(1, What::rested, seconds(30), "connection refused");
    CHECK(life.group.members[0].attempts == 0);
    CHECK(life.group.tried);
    CHECK(due(life.group) == base::Time(seconds(30) + least_rest));
    CHECK(life.arrive(clean, seconds(31)).store_header);
}

TEST_CASE("mail that a server fell ill with is left alone the longer the older it is, within bounds") {
    const std::pair<base::Duration, base::Duration> rows[] = {{seconds(0), seconds(1)},
                                                              {seconds(8), seconds(1)},
                                                              {seconds(80), seconds(10)},
                                                              {minutes(8), minutes(1)},
                                                              {days(1), minutes(1)}};
    for (const auto& [age, rest] : rows) {
        CAPTURE(age.count());
        Life life(copy_for({"a@x"}));
        life.policy.window = seconds(0);
        life.arrive(copy_for({"a@x"}), seconds(0));
        Life other = life;
        other.outcome(1, What::rested, age);
        CHECK_MESSAGE(due(other.group) == base::Time(age + least_rest), "none was to be had");
        const Outcome own{1, What::rested, "421 4.3.2 closing", true};
        settle(life.group, {&own, 1}, life.policy, at(age));
        CHECK(due(life.group) == base::Time(age + rest));
    }
}

TEST_CASE("who is refused together with others is tried apart, at once, until he ends") {
    Life life(copy_for({"a@x", "b@x", "c@x"}));
    life.arrive(copy_for({"a@x", "b@x", "c@x"}), seconds(0));
    const base::Time was_due = due(life.group);
    for (std::int64_t member : {1, 2, 3}) life.outcome(member, What::apart, seconds(30), "554 5.7.1 not all of you");
    for (const Member& member : life.group.members) {
        CHECK(member.apart);
        CHECK(member.state == State::pending);
        CHECK(member.due == was_due);
        CHECK(member.attempts == 0);
        CHECK(member.owed == 0);
    }
    life.outcome(1, What::delivered, seconds(31));
    life.outcome(2, What::refused, seconds(31));
    life.outcome(3, What::deferred, seconds(31));
    CHECK(life.group.members[2].apart);
    const Concluded concluded = conclude(life.group);
    CHECK(concluded.changed == std::vector<std::size_t>{0, 1});
    CHECK(concluded.spoilers == std::vector<std::size_t>{1});
    CHECK_FALSE(life.group.members[1].apart);
    CHECK(life.group.members[2].apart);
}

TEST_CASE("a message that is refused for everybody, each alone, was spoiled by nobody") {
    Life life(copy_for({"a@x", "b@x"}));
    life.arrive(copy_for({"a@x", "b@x"}), seconds(0));
    for (std::int64_t member : {1, 2}) life.outcome(member, What::apart, seconds(30));
    for (std::int64_t member : {1, 2}) life.outcome(member, What::refused, seconds(31));
    CHECK(conclude(life.group).spoilers.empty());
}

TEST_CASE("a notice holds too much where it failed for what it holds; with less in it it has all of its time again") {
    struct Row {
        Kind kind;
        What what;
        bool of_message;
        base::Duration when;
        bool too_much;
    };
    const Row rows[] = {
        {Kind::notice, What::refused, true, seconds(1), true},
        {Kind::last_notice, What::refused, true, seconds(1), true},
        {Kind::delay_notice, What::refused, true, seconds(1), true},
        {Kind::last_notice, What::deferred, true, days(6), true},
        {Kind::last_notice, What::deferred, true, seconds(1), false},
        {Kind::last_notice, What::refused, false, seconds(1), false},
        {Kind::last_notice, What::delivered, true, seconds(1), false},
        {Kind::mail, What::refused, true, seconds(1), false},
    };
    for (const Row& row : rows) {
        CAPTURE(static_cast<int>(row.kind));
        CAPTURE(static_cast<int>(row.what));
        Life life(copy_for({"a@x"}));
        life.arrive(copy_for({"a@x"}), seconds(0));
        life.group.kind = row.kind;
        Outcome outcome{1, row.what, "reply"};
        outcome.of_message = row.of_message;
        settle(life.group, {&outcome, 1}, life.policy, at(row.when));
        CHECK(holds_too_much(life.group, {&outcome, 1}) == row.too_much);
        if (!row.too_much) continue;
        renew(life.group, at(row.when));
        CHECK(life.state(1) == State::pending);
        const Member& member = life.group.members[0];
        CHECK(member.due == base::Time(row.when));
        CHECK(member.since == base::Time(row.when));
        CHECK(member.attempts == 0);
        CHECK(member.owed == 0);
    }
}

TEST_CASE("both outcomes of one attempt count, in their order") {
    Life life(copy_for({"a@x"}));
    life.arrive(copy_for({"a@x"}), seconds(0));
    const Outcome both[] = {{1, What::apart, "554 no"}, {1, What::rested, "the server fell ill"}};
    settle(life.group, both, life.policy, at(seconds(30)));
    CHECK(life.group.members[0].apart);
    CHECK(life.group.members[0].reply == "the server fell ill");
    CHECK(due(life.group) > base::Time(seconds(30)));
}

TEST_CASE("a failure is owed once for a recipient, however often he fails") {
    Life life(copy_for({"a@x"}));
    life.arrive(copy_for({"a@x"}), seconds(0));
    life.outcome(1, What::refused, seconds(30));
    Member& member = life.group.members[0];
    CHECK(member.owed == tell_failed);
    SUBCASE("a further copy before anybody was told takes it back, since it may still end well") {
        life.arrive(copy_for({"a@x"}), seconds(40));
        CHECK(member.owed == 0);
        life.outcome(1, What::refused, seconds(80));
        CHECK(member.owed == tell_failed);
    }
    SUBCASE("who was told is not told again") {
        member.told = std::exchange(member.owed, 0);
        life.group.has_content = true;
        SUBCASE("for a further copy") {
            life.arrive(copy_for({"a@x"}), seconds(40));
        }
        SUBCASE("for a retry by hand") {
            CHECK(retry(life.group, {}, life.policy, at(seconds(40))) == std::vector<std::size_t>{0});
        }
        REQUIRE(member.state == State::pending);
        life.outcome(1, What::refused, seconds(80));
        CHECK(member.state == State::failed);
        CHECK(member.owed == 0);
    }
}

TEST_CASE("expiry is a failure like any other") {
    Life life(copy_for({"a@x"}));
    life.arrive(copy_for({"a@x"}), seconds(0));
    life.outcome(1, What::deferred, days(6), "450 4.2.1 not today");
    CHECK(life.group.members[0].owed == tell_failed);
    CHECK(life.group.members[0].reply == std::string(expired_words) + "5d: 450 4.2.1 not today");
}

TEST_CASE("a delay is owed at the first failed attempt after warn_after, once, where NOTIFY does not speak against it") {
    const std::pair<unsigned, unsigned> rows[] = {{0, tell_delayed},
                                                  {Notify::delay, tell_delayed},
                                                  {Notify::delay | Notify::failure, tell_delayed},
                                                  {Notify::failure, 0},
                                                  {Notify::never, 0}};
    for (What what : {What::deferred, What::rested}) {
        for (const auto& [notify, owed] : rows) {
            CAPTURE(notify);
            Life life(asking({"a@x"}, {notify, ""}));
            life.policy.warn_after = hours(4);
            life.arrive(asking({"a@x"}, {notify, ""}), seconds(0));
            Member& member = life.group.members[0];
            life.outcome(1, what, hours(4) - seconds(1));
            CHECK(member.owed == 0);
            life.outcome(1, what, hours(4));
            CHECK(member.owed == owed);
            member.told = std::exchange(member.owed, 0);
            life.outcome(1, what, hours(5));
            CHECK(member.owed == 0);
            life.outcome(1, What::delivered, hours(6));
            CHECK(member.owed == 0);
        }
    }
}

TEST_CASE("a delay that nobody heard of yet is no news once he has it") {
    Life life(copy_for({"a@x"}));
    life.policy.warn_after = hours(4);
    life.arrive(copy_for({"a@x"}), seconds(0));
    life.outcome(1, What::deferred, hours(4));
    life.outcome(1, What::delivered, hours(5));
    CHECK(life.group.members[0].owed == 0);
}

TEST_CASE("who asked for SUCCESS is told how far his mail came where the server tells nobody") {
    for (unsigned notify : {0u, unsigned{Notify::failure}, unsigned{Notify::success}, Notify::success | Notify::failure}) {
        for (bool dsn : {true, false}) {
            CAPTURE(notify);
            CAPTURE(dsn);
            Life life(asking({"a@x"}, {notify, ""}));
            life.arrive(asking({"a@x"}, {notify, ""}), seconds(0));
            const Outcome outcome{1, What::delivered, "250 ok", false, dsn};
            settle(life.group, {&outcome, 1}, life.policy, at(seconds(30)));
            const bool owed = !dsn && (notify & Notify::success) != 0;
            CHECK(life.group.members[0].owed == (owed ? unsigned{tell_relayed} : 0));
        }
    }
}

TEST_CASE("by hand: retry, drop and forget do what they say to whom they can, and to nobody else") {
    Life life(copy_for({"pending@x", "delivered@x", "failed@x", "dropped@x", "ignored@x"}));
    life.arrive(copy_for({"pending@x", "delivered@x", "failed@x", "dropped@x", "ignored@x"}), seconds(0));
    life.group.has_content = true;
    const State states[] = {State::pending, State::delivered, State::failed, State::dropped, State::ignored};
    for (std::size_t i = 0; i < 5; ++i) life.group.members[i].state = states[i];
    auto after = [&] {
        std::vector<State> found;
        for (const Member& member : life.group.members) found.push_back(member.state);
        return found;
    };
    using States = std::vector<State>;
    const Now now = at(seconds(10));
    SUBCASE("retry") {
        CHECK(retry(life.group, {}, life.policy, now).size() == 2);
        CHECK(after() == States{State::pending, State::delivered, State::pending, State::dropped, State::ignored});
        CHECK(life.group.members[0].due == now.ledger);
        CHECK(life.group.members[2].due == now.ledger);
        CHECK(life.group.members[2].since == now.history);
    }
    SUBCASE("retry of one whom another group serves, or served with the same content") {
        Group other = life.group;
        other.members = {life.group.members[2]};
        for (State state : {State::pending, State::delivered}) {
            other.members[0].state = state;
            Group group = life.group;
            CHECK(retry(group, {&other, 1}, life.policy, now).size() == 1);
            CHECK(group.members[2].state == State::failed);
        }
        other.identity.content[0] ^= 1;
        CHECK(retry(life.group, {&other, 1}, life.policy, now).size() == 2);
    }
    SUBCASE("retry without the message itself") {
        life.group.has_content = false;
        CHECK(retry(life.group, {}, life.policy, now).size() == 1);
        CHECK(life.group.members[2].state == State::failed);
    }
    SUBCASE("drop") {
        CHECK(drop(life.group, now).size() == 2);
        CHECK(after() == States{State::dropped, State::delivered, State::dropped, State::dropped, State::ignored});
        CHECK(life.group.members[0].owed == 0);
    }
    SUBCASE("forget while a failure is still to be told") {
        life.group.members[2].owed = tell_failed;
        life.group.members[0].state = State::delivered;
        forget(life.group, now);
        CHECK(life.group.members[2].owed == tell_failed);
        CHECK(needs_content(life.group));
        life.group.members[2].owed = 0;
        CHECK_FALSE(needs_content(life.group));
    }
    SUBCASE("forget") {
        CHECK(forget(life.group, now).size() == 3);
        CHECK(after() == States{State::pending, State::forgotten, State::forgotten, State::forgotten, State::ignored});
        Joined joined = life.arrive(copy_for({"delivered@x", "failed@x", "dropped@x"}), seconds(20));
        CHECK(joined.verdicts == std::vector{Verdict::again, Verdict::again, Verdict::again});
    }
}

TEST_CASE("retry steps: each in turn, the last repeats") {
    Life life(copy_for({"a@x"}));
    life.policy.retry = {minutes(1), minutes(5)};
    life.arrive(copy_for({"a@x"}), seconds(0));
    life.outcome(1, What::deferred, seconds(30));
    CHECK(due(life.group) == base::Time(seconds(90)));
    life.outcome(1, What::deferred, seconds(90));
    CHECK(due(life.group) == base::Time(seconds(390)));
    life.outcome(1, What::deferred, seconds(390));
    CHECK(due(life.group) == base::Time(seconds(690)));
    CHECK(life.group.members[0].reply == "reply");
}

TEST_CASE("only a failed attempt expires mail, and only after expire since the copy that named the recipient") {
    Life life(copy_for({"a@x"}));
    life.arrive(copy_for({"a@x"}), seconds(0));
    life.arrive(copy_for({"b@x"}), days(1));
    life.outcome(1, What::rested, days(5) - seconds(1));
    CHECK(life.state(1) == State::pending);
    life.outcome(1, What::rested, days(5), "connection refused");
    life.outcome(2, What::deferred, days(5));
    CHECK(life.state(1) == State::failed);
    CHECK(life.group.members[0].reply == "expired after 5d: connection refused");
    CHECK_MESSAGE(life.state(2) == State::pending, "each recipient has clocks of his own");
    life.outcome(2, What::delivered, days(30));
    CHECK(life.state(2) == State::delivered);
}

TEST_CASE("a jump that the wall clock made at a start expires no mail, and stretches no window beyond its length") {
    Life life(copy_for({"a@x"}));
    life.policy.quiet = seconds(10);
    life.arrive(copy_for({"a@x"}), seconds(0));
    const base::Duration jump = days(7);
    const Now after{base::Time(jump + seconds(5)), base::Time(seconds(5))};
    const Outcome outcome{1, What::rested, "connection refused"};
    settle(life.group, {&outcome, 1}, life.policy, after);
    CHECK(life.state(1) == State::pending);
    join(life.group, copy_for({"b@x"}), 2, {}, life.policy, after);
    CHECK(life.group.members[0].due <= base::Time(jump + seconds(30)));
    CHECK(life.group.members[1].due == base::Time(jump + seconds(15)));
}

TEST_CASE("outcomes for somebody who does not wait change nothing") {
    Life life(copy_for({"a@x"}));
    life.arrive(copy_for({"a@x"}), seconds(0));
    life.outcome(1, What::delivered, seconds(30));
    life.outcome(1, What::refused, seconds(31));
    life.outcome(7, What::refused, seconds(31));
    CHECK(life.state(1) == State::delivered);
}

TEST_CASE("release makes all who wait due, and nobody else") {
    Life life(copy_for({"a@x", "b@x"}));
    life.arrive(copy_for({"a@x", "b@x"}), seconds(0));
    life.outcome(1, What::delivered, seconds(1));
    CHECK(release(life.group, at(seconds(2))) == std::vector<std::size_t>{1});
    CHECK(due(life.group) == base::Time(seconds(2)));
    CHECK(release(life.group, at(seconds(3))).empty());
}

TEST_CASE("content is needed while somebody waits or failed") {
    Life life(copy_for({"a@x", "b@x"}));
    life.arrive(copy_for({"a@x", "b@x"}), seconds(0));
    life.outcome(1, What::refused, seconds(30));
    life.outcome(2, What::delivered, seconds(30));
    CHECK(needs_content(life.group));
    life.group.members[0].state = State::dropped;
    CHECK_FALSE(needs_content(life.group));
}

TEST_CASE("a group is idle from its last event on, and never while somebody waits") {
    Life life(copy_for({"a@x"}));
    life.arrive(copy_for({"a@x"}), seconds(0));
    CHECK(idle_since(life.group) == base::never);
    life.outcome(1, What::delivered, seconds(30));
    CHECK(idle_since(life.group) == base::Time(seconds(30)));
    life.arrive(copy_for({"a@x"}), seconds(90));
    CHECK(idle_since(life.group) == base::Time(seconds(90)));
    Policy policy;
    policy.history = days(1);
    CHECK(retention(policy) == days(7));
}

TEST_CASE("nobody gets one message under two senders") {
    Life other(copy_for({"a@x", "b@x", "c@x"}));
    other.arrive(copy_for({"a@x", "b@x", "c@x"}), seconds(0));
    other.outcome(1, What::delivered, seconds(1));
    other.outcome(3, What::refused, seconds(1));
    Arriving copy = copy_for({"a@x", "b@x", "c@x", "d@x"});
    copy.sender = "verp-2@s.example";
    CHECK(kinship(other.group, copy, other.policy) == Kinship::other_sender);
    Life life(copy);
    Joined joined = life.arrive(copy, seconds(2), {&other.group, 1});
    CHECK(joined.verdicts == std::vector{Verdict::elsewhere, Verdict::elsewhere, Verdict::added, Verdict::added});
    CHECK(std::ranges::count(life.group.members, State::pending, &Member::state) == 2);
    CHECK_MESSAGE(life.group.members.size() == 4, "the others are known, so that nothing shows them");
}

TEST_CASE("kinship by what match names") {
    struct Row {
        const char* what;
        bool id, sender, content;  // match
        message::Identity other;
        const char* other_sender;
        bool waiting;
        Kinship expected;
    };
    const message::Identity mine = identity("<1@x>", 1);
    const char* me = "sender@S.example";
    const Row rows[] = {
        {"all equal", true, true, true, mine, me, true, Kinship::same},
        {"all equal, forwarded", true, true, true, mine, me, false, Kinship::same},
        {"other id", true, true, true, identity("<2@x>", 1), me, true, Kinship::stranger},
        {"id in other case", true, true, true, identity("<1@X>", 1), me, true, Kinship::stranger},
        {"other content", true, true, true, identity("<1@x>", 2), me, true, Kinship::stranger},
        {"other sender", true, true, true, mine, "Sender@s.example", true, Kinship::other_sender},
        {"other sender, not matched", true, false, true, mine, "y@z", true, Kinship::same},
        {"no id on either side", true, true, true, identity("", 1), me, true, Kinship::stranger},
        {"other content, id alone counts", true, true, false, identity("<1@x>", 2), me, true, Kinship::same},
        {"the same, forwarded", true, true, false, identity("<1@x>", 2), me, false, Kinship::stranger},
        {"the same, other sender", true, true, false, identity("<1@x>", 2), "y@z", true, Kinship::stranger},
        {"other id, content alone counts", false, true, true, identity("<2@x>", 1), me, true, Kinship::same},
        {"content alone, other content", false, true, true, identity("<2@x>", 2), me, true, Kinship::stranger},
        {"content alone, other sender", false, true, true, identity("<2@x>", 1), "y@z", true, Kinship::other_sender},
    };
    for (const Row& row : rows) {
        Arriving first = copy_for({"a@x"}, row.other);
        first.sender = row.other_sender;
        Life life(first);
        life.arrive(first, seconds(0));
        if (!row.waiting) life.outcome(1, What::delivered, seconds(1));
        life.policy.match_id = row.id;
        life.policy.match_sender = row.sender;
        life.policy.match_content = row.content;
        CHECK_MESSAGE(kinship(life.group, copy_for({"b@x"}, mine), life.policy) == row.expected, row.what);
    }
}

TEST_CASE("without Message-ID the content stands in for it, without Date besides only while somebody waits") {
    for (bool has_date : {true, false}) {
        Arriving copy = copy_for({"a@x"}, identity("", 1, has_date));
        Life life(copy);
        life.arrive(copy, seconds(0));
        CHECK(kinship(life.group, copy, life.policy) == Kinship::same);
        life.outcome(1, What::delivered, seconds(31));
        CHECK(kinship(life.group, copy, life.policy) == (has_date ? Kinship::same : Kinship::stranger));
    }
}

TEST_CASE("what goes alone merges with nothing") {
    Arriving copy = copy_for({"a@x"});
    Life life(copy);
    life.arrive(copy, seconds(0));
    Arriving lone = copy;
    lone.alone = true;
    CHECK(kinship(life.group, lone, life.policy) == Kinship::stranger);
    life.group.alone = true;
    CHECK(kinship(life.group, copy, life.policy) == Kinship::stranger);
}

TEST_CASE("match without content: who has the first message already gets the other one of that id too") {
    Life life(copy_for({"a@x", "b@x"}));
    life.policy.match_content = false;
    life.arrive(copy_for({"a@x", "b@x"}), seconds(0));
    life.outcome(1, What::delivered, seconds(1));
    const Arriving other = copy_for({"a@x", "b@x", "c@x"}, identity("<1@x>", 2));
    CHECK(kinship(life.group, copy_for({"b@x"}, other.identity), life.policy) == Kinship::same);
    CHECK(kinship(life.group, other, life.policy) == Kinship::partly_served);
    Life apart(other);
    const Joined joined = apart.arrive(other, seconds(2), {&life.group, 1});
    const std::vector expected{Verdict::added, Verdict::elsewhere, Verdict::added};
    CHECK_MESSAGE(joined.verdicts == expected, "b waits for the first content, and gets that alone");
}

TEST_CASE(
    "match without content: a copy of other content does not join where one it names gets the first by another group") {
    Policy policy;
    policy.match_content = false;
    const Arriving first = copy_for({"a@x", "b@x"});
    Life other(first), life(first);
    other.group.sender = "verp-2@s.example";
    other.arrive(copy_for({"a@x"}), seconds(0));
    life.arrive(first, seconds(1), {&other.group, 1});
    const auto is_served = [&](const Arriving& copy, base::Duration when = seconds(2)) {
        return is_served_by({&other.group, 1}, life.group, copy, policy, at(when));
    };
    const Arriving to_a = copy_for({"c@x", "A@x"}, identity("<1@x>", 2));
    CHECK(kinship(life.group, to_a, policy) == Kinship::same);
    CHECK(is_served(to_a));
    CHECK_FALSE(is_served(copy_for({"b@x", "c@x"}, identity("<1@x>", 2))));
    Arriving ignored = to_a;
    ignored.recipients[1].ignored = true;
    CHECK_FALSE(is_served(ignored));
    other.outcome(1, What::delivered, seconds(30));
    CHECK_MESSAGE(is_served(to_a, seconds(31)), "of what he has he gets no second one");
    CHECK_FALSE_MESSAGE(is_served(to_a, days(8)), "that is forgotten");
    other.group.members[0].state = State::failed;
    CHECK_FALSE_MESSAGE(is_served(to_a, seconds(31)), "he will get it by this one alone");
}

TEST_CASE("the order of copies within a window does not matter") {
    std::vector<Arriving> copies = {copy_for({"a@x", "b@x"}), copy_for({"b@x", "c@x"}), copy_for({"C@x"}),
                                    copy_for({"d@x", "a@x"})};
    std::vector<std::size_t> order = {0, 1, 2, 3};
    do {
        Life life(copies[order[0]]);
        for (std::size_t i = 0; i < order.size(); ++i) life.arrive(copies[order[i]], seconds(i));
        CHECK(life.group.members.size() == 4);
        CHECK(due(life.group) == base::Time(seconds(30)));
    } while (std::ranges::next_permutation(order).found);
}

TEST_CASE("who was only read from a field and is then named by an envelope may be told of to the sender") {
    Arriving recovered = copy_for({"a@x"});
    recovered.recipients[0].recovered = true;
    Life life(recovered);
    life.arrive(recovered, seconds(0));
    CHECK(life.group.members[0].recovered);
    const std::int64_t of_field = life.group.members[0].copy;
    CHECK(life.arrive(copy_for({"a@x"}), seconds(1)).changed == std::vector<std::size_t>{0});
    CHECK_FALSE(life.group.members[0].recovered);
    CHECK_MESSAGE(life.group.members[0].copy != of_field, "to the sender of the copy that named him");
}

TEST_CASE("without content in match a recipient whom foreign leaves out parts no copies that wait") {
    Policy policy;
    policy.match_content = false;
    Arriving first = copy_for({"a@x", "f@else"});
    first.recipients[1].ignored = true;
    Life life(first);
    life.arrive(first, seconds(0));
    Arriving other = first;
    other.identity.content.fill(9);
    CHECK(kinship(life.group, other, policy) == Kinship::same);
    life.outcome(1, What::delivered, seconds(1));
    life.arrive(copy_for({"b@x"}), seconds(2));
    CHECK_MESSAGE(kinship(life.group, other, policy) == Kinship::partly_served, "somebody has the other content");
}

TEST_CASE("what RCPT asked for is each recipient's own, in one group") {
    Life life(copy_for({"a@x"}));
    life.arrive(asking({"a@x"}, {Notify::never, ""}), seconds(0));
    life.arrive(asking({"b@x"}, {Notify::success, "rfc822;b@x"}), seconds(1));
    life.arrive(copy_for({"c@x"}), seconds(2));
    CHECK(life.group.members[0].options == Notify{Notify::never, ""});
    CHECK(life.group.members[1].options == Notify{Notify::success, "rfc822;b@x"});
    CHECK(life.group.members[2].options == Notify{});
}

TEST_CASE(
    "who waits and is named again gets the notices that either copy asked for, and is stored only where that differs") {
    Life life(copy_for({"a@x"}));
    life.arrive(copy_for({"a@x"}), seconds(0));
    CHECK(life.arrive(copy_for({"A@x"}), seconds(1)).changed.empty());
    CHECK(life.arrive(asking({"A@x"}, {Notify::never, "rfc822;A@x"}), seconds(2)).changed == std::vector<std::size_t>{0});
    CHECK(life.group.members[0].options == Notify{Notify::failure, "rfc822;A@x"});
    CHECK(life.arrive(asking({"a@x"}, {Notify::never, "rfc822;other@x"}), seconds(3)).changed.empty());
    life.arrive(asking({"a@x"}, {Notify::delay, ""}), seconds(4));
    CHECK(life.group.members[0].options == Notify{Notify::failure | Notify::delay, "rfc822;A@x"});
}

TEST_CASE("one transaction may name a recipient twice and ask for different notices") {
    Life life(copy_for({"a@x"}));
    Arriving copy = asking({"a@x", "A@x"}, {Notify::never, ""});
    copy.recipients[1].options.notify = Notify::success;
    CHECK(life.arrive(copy, seconds(0)).verdicts == std::vector{Verdict::added, Verdict::repeated});
    CHECK(life.group.members[0].options.notify == Notify::success);
    life.outcome(1, What::delivered, seconds(30));
    CHECK(life.arrive(asking({"a@x", "a@x"}, {Notify::delay, ""}), seconds(31)).changed.empty());
    CHECK_MESSAGE(life.group.members[0].options.notify == Notify::success, "he has it: nothing more is asked for him");
}

TEST_CASE("who is tried again by a further copy is asked for what that copy says alone") {
    Life life(copy_for({"a@x", "b@x"}));
    life.arrive(asking({"a@x", "b@x"}, {Notify::success, "rfc822;old@x"}), seconds(0));
    life.outcome(1, What::refused, seconds(30));
    life.outcome(2, What::delivered, seconds(30));
    life.arrive(asking({"a@x"}, {Notify::never, ""}), seconds(60));
    CHECK(life.group.members[0].options == Notify{Notify::never, ""});
    life.arrive(copy_for({"b@x"}), days(8));
    CHECK(life.group.members[1].options == Notify{});
}

TEST_CASE("a field asks for nothing: the envelope's word counts, before it and behind it") {
    const Notify asked{Notify::never, "rfc822;a@x"};
    Arriving recovered = copy_for({"a@x"});
    recovered.recipients[0].recovered = true;
    for (bool field_first : {true, false}) {
        Life life(recovered);
        life.arrive(field_first ? recovered : asking({"a@x"}, asked), seconds(0));
        life.arrive(field_first ? asking({"a@x"}, asked) : recovered, seconds(1));
        CHECK(life.group.members[0].options == asked);
        CHECK_FALSE(life.group.members[0].recovered);
    }
}

TEST_CASE("copies that differ in SMTPUTF8, RET or ENVID go apart, and nobody's notices are mixed up") {
    Arriving with = copy_for({"a@x"});
    with.options.envid = "QQ314159";
    with.identity = message::sent_with(with.options, with.identity);
    Life life(copy_for({"a@x"}));
    life.arrive(copy_for({"a@x"}), seconds(0));
    CHECK(kinship(life.group, with, life.policy) == Kinship::stranger);
    life.policy.match_content = false;
    CHECK(kinship(life.group, with, life.policy) == Kinship::same);
}

TEST_CASE("one recipient in every way a domain may be spelt, with a local-part beyond ASCII too") {
    const std::string u_label =
                          "b\xc3\xbc"
                          "cher.example",
                      upper =
                          "B\xc3\x9c"
                          "CHER.Example.",
                      a_label = "XN--bcher-kva.example";
    const std::string local = "jos\xc3\xa9";
    Life life(copy_for({}));
    CHECK(life.arrive(copy_for({local + "@" + u_label, local + "@" + upper, local + "@" + a_label}), seconds(0)).verdicts ==
          std::vector{Verdict::added, Verdict::repeated, Verdict::repeated});
    CHECK_MESSAGE(life.group.members[0].address == local + "@" + u_label, "as the first copy spelt it");
    CHECK(life.arrive(copy_for({"Jos\xc3\xa9@" + a_label}), seconds(1)).verdicts == std::vector{Verdict::merged});
    CHECK_MESSAGE(life.arrive(copy_for({"JOS\xc3\x89@" + a_label}), seconds(2)).verdicts == std::vector{Verdict::added},
                  "case is folded in ASCII alone");
}

TEST_SUITE_END();
