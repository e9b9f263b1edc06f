#include "config/records.h"

#include <doctest/doctest.h>

#include "fixture.h"

TEST_SUITE_BEGIN("records");

namespace onecopy::config {

using Texts = std::vector<std::string>;

namespace {

std::string recovering(const std::string& value) {
    return least + "recipients:\n  local_domains: [corp.example]\n  recover_from: " + value + "\n";
}

}  // namespace

TEST_CASE("what is no list of sockets is refused, item by item") {
    struct Row {
        std::string listen;
        Texts told;
    };
    const std::string form = "listen: a list of sockets, each as `- address: host:port`, is asked for, not ";
    const Row rows[] = {
        {"listen: 127.0.0.1:25\n", {"1:9: " + form + "`127.0.0.1:25`"}},
        {"listen: []\n", {"1:9: " + form + "an empty list"}},
        {"listen: {address: a:25}\n", {"1:9: " + form + "keys and values"}},
        {"listen: [127.0.0.1:25]\n", {"1:10: listen: `address: host:port` is asked for, not `127.0.0.1:25`"}},
        {"listen:\n  - ~\n  - [a]\n",
         {"2:5: listen: `address: host:port` is asked for, not nothing",
          "3:5: listen: `address: host:port` is asked for, not a list"}},
        {"listen:\n  - address: a:25\n  - address: A:25\n", {"3:14: listen[].address: `A:25` has a socket above"}},
        {"listen:\n  - address: a:25\n    allow: []\n",
         {"3:12: listen[].allow: a list [...] of networks is asked for, not an empty list"}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.listen);
        CHECK(told(row.listen + "backend: {servers: [mail.example:25]}\n") == row.told);
    }
}

TEST_CASE("a field to recover from is a name, or a name and a prefix") {
    const Reading reading = read(recovering("[X-Original-To, {field: Delivered-To, strip: 'mbox \"corp\\-'}, {field: X}]"));
    REQUIRE(reading.problems.empty());
    const auto& sources = reading.config.recipients.recover_from;
    REQUIRE(sources.size() == 3);
    CHECK(sources[0].field == "X-Original-To");
    CHECK(sources[0].strip == "");
    CHECK(sources[1].field == "Delivered-To");
    CHECK(sources[1].strip == "mbox \"corp\\-");
    CHECK(show(reading.config).find("[X-Original-To, {field: Delivered-To, strip: \"mbox \\\"corp\\\\-\"}, X]") !=
          std::string::npos);
}

TEST_CASE("what is no field to recover from is refused once") {
    struct Row {
        std::string value;
        Texts told;
    };
    const std::string list = "recipients.recover_from: ";
    const std::string item = "recipients.recover_from[].";
    const std::string form = "a field's name, or {field: NAME, strip: PREFIX}";
    const std::string no_name = "is no name of a header field such as Delivered-To";
    const Row rows[] = {
        {"Delivered-To",
         {"7:17: " + list + "a list [...] of " + form + " is asked for, not `Delivered-To`; write [Delivered-To]"}},
        {"['Delivered-To:']", {"7:18: " + list + "`Delivered-To:` has a colon: write the name of the field without it"}},
        {"['', '']", {"7:18: " + list + "`` " + no_name, "7:22: " + list + "`` " + no_name}},
        {"[[a], [b]]",
         {"7:18: " + list + form + " is asked for, not a list", "7:23: " + list + form + " is asked for, not a list"}},
        {"[{strip: a}, {strip: a}]",
         {"7:18: " + item + "field: is missing and must be given", "7:30: " + item + "field: is missing and must be given"}},
        {"[{field: a b}]", {"7:26: " + item + "field: `a b` " + no_name}},
        {"[{field: X, strip: [a]}]", {"7:36: " + item + "strip: a prefix is asked for, not a list"}},
        {"[{field: X, stripp: a}]", {"7:29: " + item + "stripp: unknown key; did you mean strip?"}},
        {"[X, X]", {"7:21: " + list + "`X` stands in the list twice"}},
        {"[X-Rcpt-To, {field: X-Rcpt-To}]", {"7:29: " + list + "`X-Rcpt-To` stands in the list twice"}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.value);
        CHECK(told(recovering(row.value)) == row.told);
    }
}

}  // namespace onecopy::config

TEST_SUITE_END();
