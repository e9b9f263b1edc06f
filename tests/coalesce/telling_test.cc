#include "coalesce/telling.h"

#include <doctest/doctest.h>

using namespace onecopy;
using namespace onecopy::coalesce;
using Asked = message::RecipientOptions;

namespace {

/// A group whose copies came from these senders; members are added by owing().
struct Debts {
    Group group;
    std::vector<std::string> senders{"s@far.example"};
    TellingPolicy policy{Notified::sender, "postmaster@x"};

    Member& owing(const std::string& address, unsigned owed, std::int64_t copy = 1) {
        Member& member = group.members.emplace_back();
        member.address = address;
        member.owed = owed;
        member.copy = copy;
        return member;
    }
    /// `failed to s@far.example: a@x b@x`, `+` for all of the message, `!` where nobody is told of its own failure.
    std::vector<std::string> told() const {
        std::vector<std::string> lines;
        auto sender = [this](std::int64_t copy) { return senders.at(static_cast<std::size_t>(copy) - 1); };
        for (const Telling& one : tellings(group, sender, policy)) {
            std::string line = one.what == tell_failed ? "failed" : one.what == tell_delayed ? "delayed" : "relayed";
            line += std::string(one.whole ? "+" : "") + (one.last ? "!" : "") + " to " + one.to + ":";
            for (std::size_t place : one.members) line += " " + group.members[place].address;
            lines.push_back(line);
        }
        return lines;
    }
};
using Lines = std::vector<std::string>;

}  // namespace

TEST_SUITE_BEGIN("telling");

TEST_CASE("one notice for each sender names only the recipients of his own copy") {
    Debts debts;
    debts.senders = {"s@far.example", "t@far.example"};
    debts.owing("a@x", tell_failed, 1);
    debts.owing("b@x", tell_failed, 2);
    debts.owing("c@x", tell_failed, 1);
    debts.owing("d@x", 0);
    CHECK(debts.told() == Lines{"failed to s@far.example: a@x c@x", "failed to t@far.example: b@x"});
}

TEST_CASE("of what a sender sent who is no address postmaster is told, with all of it") {
    for (const std::string sender : {"", "a@b@far.example", "host!user", "a:b@x", "a@far..example"}) {
        CAPTURE(sender);
        Debts debts;
        debts.senders = {sender};
        debts.owing("a@x", tell_failed);
        debts.owing("b@x", tell_relayed);
        CHECK(debts.told() == Lines{"failed+! to postmaster@x: a@x"});
    }
}

TEST_CASE("NOTIFY decides whether the sender hears of a failure") {
    const std::pair<unsigned, bool> rows[] = {{0, true},
                                              {Asked::failure, true},
                                              {Asked::failure | Asked::success, true},
                                              {Asked::success, false},
                                              {Asked::delay, false},
                                              {Asked::never, false}};
    for (const auto& [notify, told] : rows) {
        CAPTURE(notify);
        Debts debts;
        debts.owing("a@x", tell_failed).options.notify = notify;
        CHECK(debts.told().size() == (told ? 1 : 0));
    }
}

TEST_CASE("postmaster hears what can't be told to a sender, with the whole message") {
    Debts debts;
    debts.senders = {""};
    SUBCASE("the null sender") {
        debts.owing("a@x", tell_failed);
    }
    SUBCASE("the null sender, whatever NOTIFY says: it is not the sender who is told") {
        debts.owing("a@x", tell_failed).options.notify = Asked::never;
    }
    SUBCASE("a recipient that a field alone named") {
        debts.senders = {"s@far.example"};
        debts.owing("a@x", tell_failed).recovered = true;
    }
    SUBCASE("where he is to hear all") {
        debts.senders = {"s@far.example"};
        debts.policy.notify = Notified::postmaster;
        debts.owing("a@x", tell_failed);
    }
    SUBCASE("a notice of ours that was refused") {
        debts.group.kind = Kind::notice;
        debts.owing("a@x", tell_failed);
    }
    CHECK(debts.told() == Lines{"failed+! to postmaster@x: a@x"});
    debts.policy.postmaster.clear();
    CHECK(debts.told() == Lines{"failed+! to : a@x"});
}

TEST_CASE("of the last of notices nobody hears, but that nobody does is said") {
    for (Kind kind : {Kind::last_notice, Kind::delay_notice}) {
        Debts debts;
        debts.group.kind = kind;
        debts.owing("postmaster@x", tell_failed | tell_delayed);
        CHECK(debts.told() == Lines{"failed! to : postmaster@x"});
    }
}

TEST_CASE("where nobody wants to hear, nobody does") {
    Debts debts;
    debts.policy.notify = Notified::none;
    debts.owing("a@x", tell_failed);
    debts.owing("b@x", tell_relayed);
    CHECK(debts.told().empty());
}

TEST_CASE("a delay is told to postmaster, without the message, if there is one") {
    Debts debts;
    debts.owing("a@x", tell_delayed);
    debts.owing("b@x", tell_delayed);
    CHECK(debts.told() == Lines{"delayed! to postmaster@x: a@x b@x"});
    debts.policy.postmaster.clear();
    CHECK(debts.told().empty());
}

TEST_CASE("how far mail came is told to the sender who asked for it") {
    Debts debts;
    debts.owing("a@x", tell_relayed);
    CHECK(debts.told() == Lines{"relayed! to s@far.example: a@x"});
    SUBCASE("not to the null sender") {
        debts.senders = {""};
    }
    SUBCASE("not of whom he did not name") {
        debts.group.members[0].recovered = true;
    }
    SUBCASE("not where senders are told nothing") {
        debts.policy.notify = Notified::postmaster;
    }
    CHECK_FALSE(debts.told() == Lines{"relayed! to s@far.example: a@x"});
}

TEST_CASE("different news to the same one are different notices") {
    Debts debts;
    debts.owing("a@x", tell_failed);
    debts.owing("b@x", tell_relayed);
    CHECK(debts.told() == Lines{"failed to s@far.example: a@x", "relayed! to s@far.example: b@x"});
}

TEST_SUITE_END();
