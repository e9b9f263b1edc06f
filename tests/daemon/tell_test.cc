#include "tell.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <utility>

using namespace onecopy;
using nlohmann::json;

namespace {

json group_with(const json& changes = json::object()) {
    json group = {{"id", 7},
                  {"message_id", "<a@x>"},
                  {"subject", "Invoice 5"},
                  {"sender", "s@far.example"},
                  {"state", "held"},
                  {"age_seconds", 12.0},
                  {"due_in_seconds", 18.0},
                  {"recipients", {{{"address", "anna@corp.example"}, {"state", "pending"}, {"reply", ""}}}}};
    group.update(changes);
    return json::array({group});
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
}

}  // namespace

TEST_SUITE_BEGIN("tell");

TEST_CASE("times are told as roughly as a person wants them, and never as nothing while something is left") {
    const std::pair<double, const char*> rows[] = {{0, "0s"},      {0.2, "1s"},    {59, "59s"},  {119, "119s"},
                                                   {120, "2m"},    {7199, "120m"}, {7200, "2h"}, {172799, "48h"},
                                                   {172800, "2d"}, {864000, "10d"}};
    for (const auto& [seconds, text] : rows) CHECK(tell::rough(seconds) == text);
}

TEST_CASE("a list names each group and its recipients") {
    CHECK(tell::list(group_with()) ==
          "ID  STATE  AGE  NEXT TRY  FROM           MESSAGE-ID  SUBJECT\n"
          "7   held   12s  in 18s    s@far.example  <a@x>       Invoice 5\n"
          "  pending   anna@corp.example\n");
}

TEST_CASE("an empty list is no text at all") {
    CHECK(tell::list(json::array()).empty());
}

TEST_CASE("what can't be read is named, and nothing is said of it that is not known") {
    const json unreadable = json::array({{{"id", 5}, {"state", "unreadable"}, {"damage", "malformed\x1b"}}});
    json both = group_with();
    both.insert(both.begin(), unreadable[0]);
    CHECK(tell::list(both) ==
          "ID  STATE       AGE  NEXT TRY  FROM           MESSAGE-ID  SUBJECT\n"
          "5   unreadable  -    -         -              -           -\n"
          "  not all of it can be read: malformed\\x1b\n"
          "7   held        12s  in 18s    s@far.example  <a@x>       Invoice 5\n"
          "  pending   anna@corp.example\n");
    CHECK(tell::show(unreadable) == "group 5  unreadable\n  not all of it can be read: malformed\\x1b\n");
    const std::string partly = tell::show(group_with({{"damage", "malformed"}}));
    CHECK(holds(partly, "group 7  held"));
    CHECK(holds(partly, "  not all of it can be read: malformed\n"));
    CHECK_FALSE(holds(partly, "not kept any more"));
    CHECK(tell::changed({{"retried", 2}, {"unreadable", 1}}) == "2 retried\n1 unreadable\n");
}

TEST_CASE("the null sender, what is overdue and what waits for nobody have words of their own") {
    CHECK(holds(tell::list(group_with({{"sender", ""}})), "  <>  "));
    CHECK(holds(tell::list(group_with({{"due_in_seconds", -3.0}})), "  now  "));
    CHECK(holds(tell::list(group_with({{"due_in_seconds", nullptr}})), "12s  -   "));
}

TEST_CASE("a recipient read from the header is told as such, with the backend's words") {
    json recipient = {{"address", "b@x"}, {"state", "failed"}, {"reply", "550 5.1.1 unknown"}, {"recovered", true}};
    CHECK(holds(tell::list(group_with({{"recipients", {recipient}}})),
                "  failed    b@x (read from the header)  550 5.1.1 unknown\n"));
}

TEST_CASE("why tells each copy with its verdicts, and each attempt") {
    json copy = {
        {"number", 2},
        {"time", "2026-11-24T10:00:00Z"},
        {"client", "127.0.0.1"},
        {"helo", "fetch"},
        {"protocol", "ESMTP"},
        {"sender", "s@x"},
        {"recipients", {{{"address", "a@x"}, {"verdict", "suppressed"}}, {{"address", "b@x"}, {"verdict", "added"}}}}};
    json attempt = {{"time", "2026-11-24T10:01:00Z"},
                    {"server", "mx:25"},
                    {"recipient", "b@x"},
                    {"outcome", "delivered"},
                    {"reply", "250 ok"}};
    std::string text = tell::why(group_with({{"copies", {copy}}, {"attempts", {attempt}}}));
    CHECK(holds(text,
                "2026-11-24T10:00:00Z  copy 2 from s@x by 127.0.0.1 (fetch, ESMTP)\n"
                "    a@x: has it already: skipped\n"
                "    b@x: added\n"));
    CHECK(holds(text, "2026-11-24T10:01:00Z  delivered b@x at mx:25: 250 ok\n"));
}

TEST_CASE("what came with mail drives no terminal and forges no line") {
    const std::string hostile = "\x1b]0;owned\x07\nforged";
    json recipient = {{"address", hostile}, {"state", "pending"}, {"reply", hostile}};
    json copy = {{"number", 1}, {"client", hostile}, {"helo", hostile}, {"sender", hostile}, {"recipients", {recipient}}};
    json attempt = {{"server", hostile}, {"recipient", hostile}, {"outcome", hostile}, {"reply", hostile}};
    json document = group_with({{"message_id", hostile},
                                {"subject", hostile},
                                {"sender", hostile},
                                {"recipients", {recipient}},
                                {"copies", {copy}},
                                {"attempts", {attempt}}});
    for (const std::string& text : {tell::list(document), tell::why(document)}) {
        CHECK_FALSE(holds(text, "\x1b"));
        CHECK_FALSE(holds(text, "\nforged"));
        CHECK(holds(text, "\\x1b]0;owned\\x07\\x0aforged"));
    }
}

TEST_CASE("status says what an admin asks first, and shouts only where something is wrong") {
    json well = {{"version", "1.2"},
                 {"uptime_seconds", 7200.0},
                 {"counts", {{"held", 3}, {"queued", 1}, {"delivered", 20}, {"messages", 5}, {"copies", 15}}},
                 {"backend", {{{"server", "mx:25"}, {"state", "ok"}, {"connections", 2}, {"transactions", 9}}}},
                 {"spool", {{"directory", "/var/lib/onecopy"}, {"low_on_space", false}}}};
    std::string text = tell::status(well);
    CHECK(holds(text, "onecopyd      1.2, up 2h\n"));
    CHECK(holds(text, "held          3 messages wait for further copies\n"));
    CHECK(holds(text, "backend       mx:25  ok  connections 2, transactions 9\n"));
    CHECK_FALSE(holds(text, "TOO FULL"));
    CHECK_FALSE(holds(text, "perhaps twice"));
    json growing = well;
    growing["backend"][0]["connecting"] = 1;
    CHECK(holds(tell::status(growing), "mx:25  ok  connections 1, connecting 1, transactions 9\n"));
    growing["backend"][0]["connecting"] = 2;
    CHECK(holds(tell::status(growing), "mx:25  connecting  connections 0, connecting 2, transactions 9\n"));
    json ill = well;
    ill["spool"]["low_on_space"] = true;
    ill["counts"]["possible_duplicates"] = 2;
    ill["backend"][0].update({{"state", "resting"}, {"rests_for_seconds", 30.0}, {"last_words", "421 busy\x1b"}});
    text = tell::status(ill);
    CHECK(holds(text, "resting, next try in 30s"));
    CHECK(holds(text, "421 busy\\x1b"));
    CHECK(holds(text, "TOO FULL"));
    CHECK(holds(text, "perhaps twice 2\n"));
    ill.erase("counts");
    ill["unreadable"] = "malformed\x1b";
    text = tell::status(ill);
    CHECK(holds(text, "the figures can't be read: malformed\\x1b\n"));
    CHECK(holds(text, "TOO FULL"));
    CHECK_FALSE(holds(text, "0 messages"));
}

TEST_CASE("colours are there only where they are asked for, and widen no column") {
    const std::string text = tell::list(group_with({{"state", "failed"}}), Ink{true});
    CHECK(holds(text, "\x1b[1m7\x1b[0m   \x1b[31mfailed\x1b[0m  12s  in 18s    s@far.example  <a@x>"));
    CHECK_FALSE(holds(tell::list(group_with({{"state", "failed"}})), "\x1b"));
}

TEST_CASE("columns stand in line, in characters and not bytes, and what is very long widens none") {
    Table table;
    table.add({"a", "bb", "c"});
    table.add({"grün", "b", "c"});
    table.add({std::string(41, 'x'), "b", "c"});
    table.note("  a note");
    CHECK(table.text() == "a     bb  c\ngrün  b   c\n" + std::string(41, 'x') + "  b   c\n  a note\n");
}

TEST_CASE("a document that lacks everything is told without a crash") {
    CHECK_FALSE(tell::status(json::object()).empty());
    CHECK_FALSE(tell::why(json::array({json::object()})).empty());
}

TEST_SUITE_END();
