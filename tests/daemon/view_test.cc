#include "view.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace onecopy;
using nlohmann::json;

namespace {

ledger::GroupRecord group_of(std::initializer_list<coalesce::State> states) {
    ledger::GroupRecord group;
    group.id = 7;
    group.message_id = "<a@x>";
    group.sender = "s@x";
    for (coalesce::State state : states) {
        coalesce::Member member;
        member.address = "r@x";
        member.state = state;
        group.members.push_back(member);
    }
    return group;
}

json shown(const ledger::GroupRecord& group) {
    return json::parse(view::groups({group}, base::time_of(100'000))).at(0);
}

}  // namespace

TEST_SUITE_BEGIN("view");

TEST_CASE("a group is held in its window, queued after it, failed where somebody failed, else done") {
    using coalesce::State;
    ledger::GroupRecord waiting = group_of({State::pending, State::failed});
    waiting.due = base::time_of(101'500);
    waiting.held = true;
    CHECK(shown(waiting).at("state") == "held");
    CHECK(shown(waiting).at("due_in_seconds") == 1.5);
    waiting.held = false;
    CHECK(shown(waiting).at("state") == "queued");
    ledger::GroupRecord failed = group_of({State::delivered, State::failed});
    CHECK_MESSAGE(shown(failed).at("state") == "done", "it is not kept any more");
    failed.has_content = true;
    CHECK(shown(failed).at("state") == "failed");
    CHECK(shown(group_of({State::delivered, State::ignored})).at("state") == "done");
    CHECK(shown(group_of({State::delivered})).at("due_in_seconds").is_null());
}

TEST_CASE("every state of a recipient has its name") {
    using coalesce::State;
    json recipients =
        shown(group_of({State::pending, State::delivered, State::failed, State::dropped, State::ignored, State::forgotten}))
            .at("recipients");
    std::vector<std::string> names;
    for (const json& one : recipients) names.push_back(one.at("state"));
    CHECK(names == std::vector<std::string>{"pending", "delivered", "failed", "dropped", "ignored", "forgotten"});
}

TEST_CASE("copies and attempts stand in the document where they were asked for") {
    ledger::GroupRecord group = group_of({coalesce::State::delivered});
    CHECK_FALSE(shown(group).contains("copies"));
    ledger::CopyRecord copy;
    copy.number = 3;
    copy.client = "127.0.0.1";
    copy.recipients = {{"a@x", "added"}};
    group.copies = {copy};
    group.attempts = {{base::WallTime{}, "mx:25", "a@x", "delivered", "250 ok"}};
    json document = shown(group);
    CHECK(document.at("copies").at(0).at("number") == 3);
    CHECK(document.at("copies").at(0).at("recipients").at(0) == json{{"address", "a@x"}, {"verdict", "added"}});
    CHECK(document.at("attempts").at(0).at("reply") == "250 ok");
}

TEST_CASE("of a group that can't be read nothing is made up, and what of it can be stands in the document") {
    ledger::GroupRecord group;
    group.id = 7;
    group.readable = false;
    group.damage = "database disk image is malformed";
    CHECK(shown(group) == json{{"id", 7}, {"state", "unreadable"}, {"damage", "database disk image is malformed"}});
    group.header = "From: a@x\r\n";
    ledger::CopyRecord copy;
    copy.recipients = {{"a@x", "added"}};
    group.copies = {copy};
    CHECK(shown(group).at("header") == "From: a@x\r\n");
    CHECK(shown(group).at("copies").at(0).at("recipients").at(0).at("address") == "a@x");
    group.readable = true;
    CHECK(shown(group).at("state") == "done");
    CHECK(shown(group).at("damage") == "database disk image is malformed");
}

TEST_CASE("bytes that are not UTF-8 make no document invalid") {
    ledger::GroupRecord group = group_of({});
    group.message_id = "<\xff\xc3(@x>";
    CHECK(shown(group).at("message_id") == "<\xef\xbf\xbd\xef\xbf\xbd(@x>");
}

TEST_CASE("status joins what the process knows with what the spool counts") {
    view::Running running;
    running.version = "1.2";
    running.uptime = base::Duration(2500);
    running.room = 0;
    relay::Backend::Health health;
    health.server = "mx:25";
    health.rests_for = base::Duration(3000);
    health.words = "421 busy";
    health.connections = 3;
    health.connecting = 1;
    running.servers = {health};
    ledger::Counts counts;
    counts.held = 4;
    counts.totals.copies = 9;
    json document = json::parse(view::status(running, counts));
    CHECK(document.at("uptime_seconds") == 2.5);
    CHECK(document.at("counts").at("held") == 4);
    CHECK(document.at("counts").at("copies") == 9);
    CHECK(document.at("backend").at(0).at("state") == "resting");
    CHECK(document.at("backend").at(0).at("last_words") == "421 busy");
    CHECK(document.at("backend").at(0).at("connections") == 3);
    CHECK(document.at("backend").at(0).at("connecting") == 1);
    CHECK(document.at("spool").at("low_on_space") == true);
}

TEST_CASE("status tells what the process knows also where the spool's figures can't be read") {
    view::Running running;
    running.damage = "group 5";
    const json document = json::parse(view::status(running, std::nullopt, "malformed"));
    CHECK(document.at("spool").at("damage") == "group 5");
    CHECK(document.at("unreadable") == "malformed");
    CHECK_FALSE(document.contains("counts"));
}

TEST_CASE("the short answers are documents too") {
    CHECK(json::parse(view::changed(ledger::Change::release, 3)) == json{{"released", 3}});
    CHECK(json::parse(view::changed(ledger::Change::forget, 1)) == json{{"forgotten", 1}});
    CHECK(json::parse(view::changed(ledger::Change::retry, 2, 1)) == json{{"retried", 2}, {"unreadable", 1}});
    CHECK(json::parse(view::error("no \"such\" group")) == json{{"error", "no \"such\" group"}});
}

TEST_SUITE_END();
