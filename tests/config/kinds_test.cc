#include "config/kinds.h"

#include <doctest/doctest.h>

#include <string>

#include "config/values.h"

TEST_SUITE_BEGIN("kinds");

namespace onecopy::config {

namespace {

using std::chrono::milliseconds;

/// What a kind reads from a value as it would stand behind `key: `, shown again; else what is wrong, behind a `!`.
template <typename Value>
std::string outcome(const Kind<Value>& kind, const std::string& value) {
    const Document document = parse("key: " + value);
    REQUIRE(document.problems.empty());
    Report report;
    const auto read = kind.read("key", document.root.items.at(0), report);
    std::string wrong;
    for (const Problem& problem : report.problems) wrong += "!" + problem.what.substr(std::string("key: ").size());
    return wrong.empty() ? kind.show(read.value()) : wrong;
}

struct Row {
    std::string value, outcome;
};

template <typename Value, std::size_t Size>
void check(const Kind<Value>& kind, const Row (&rows)[Size]) {
    for (const Row& row : rows) {
        CAPTURE(row.value);
        CHECK(outcome(kind, row.value) == row.outcome);
    }
}

}  // namespace

TEST_CASE("a flag is true or false, and nothing that YAML takes for it besides") {
    const std::string not_flag = " is not true or false (without quotes)";
    const Row rows[] = {
        {"true", "true"},
        {"false", "false"},
        {"yes", "!`yes`" + not_flag + "; did you mean true?"},
        {"True", "!`True`" + not_flag + "; did you mean true?"},
        {"off", "!`off`" + not_flag + "; did you mean false?"},
        {"0", "!`0`" + not_flag + "; did you mean false?"},
        {"\"true\"", "!`true`" + not_flag + "; did you mean true?"},
        {"maybe", "!`maybe`" + not_flag},
        {"[true]", "!true or false is asked for, not a list"},
        {"{}", "!true or false is asked for, not an empty map"},
        {"", "!true or false is asked for, not nothing"},
    };
    check(flag(), rows);
}

TEST_CASE("a number has plain digits and no leading zero, which others read as octal") {
    const std::string no = " is no whole number from 1 to 1000 in plain digits";
    const Row rows[] = {
        {"1", "1"},
        {"1000", "1000"},
        {"0", "!`0` is not from 1 to 1000"},
        {"1001", "!`1001` is not from 1 to 1000"},
        {"4294967295", "!`4294967295` is not from 1 to 1000"},
        {"4294967296", "!`4294967296`" + no},
        {"010", "!`010`" + no},
        {"00", "!`00`" + no},
        {"0x10", "!`0x10`" + no},
        {"0o10", "!`0o10`" + no},
        {"1e2", "!`1e2`" + no},
        {"1_000", "!`1_000`" + no},
        {"1,000", "!`1,000`" + no},
        {"-1", "!`-1`" + no},
        {"+1", "!`+1`" + no},
        {"1.0", "!`1.0`" + no},
        {"'1'", "!`1`" + no},
        {"ten", "!`ten`" + no},
        {"[1]", "!a whole number from 1 to 1000 is asked for, not a list"},
    };
    check(number(1, 1000), rows);
}

TEST_CASE("a duration has a unit, and bounds that are told") {
    const std::string no = " is no duration such as 300ms, 30s, 5m, 2h or 7d";
    const Row rows[] = {
        {"100ms", "100ms"},
        {"1000ms", "1s"},
        {"90s", "90s"},
        {"'2h'", "2h"},
        {"24h", "1d"},
        {"99ms", "!`99ms` is not from 100ms to 1d"},
        {"0", "!`0` is not from 100ms to 1d"},
        {"86401s", "!`86401s` is not from 100ms to 1d"},
        {"3660d", "!`3660d` is not from 100ms to 1d"},
        {"3661d", "!`3661d`" + no},
        {"30", "!`30`" + no + "; did you mean 30s?"},
        {"30 s", "!`30 s`" + no + "; did you mean 30s?"},
        {"30S", "!`30S`" + no + "; did you mean 30s?"},
        {"5min", "!`5min`" + no + "; did you mean 5m?"},
        {"5 millis", "!`5 millis`" + no + "; did you mean 5ms?"},
        {"7 days", "!`7 days`" + no + "; did you mean 7d?"},
        {"2w", "!`2w`" + no},
        {"1.5h", "!`1.5h`" + no},
        {"-1s", "!`-1s`" + no},
        {"010s", "!`010s`" + no},
        {"18446744073709551616s", "!`18446744073709551616s`" + no},
        {"''", "!``" + no},
        {"{a: b}", "!a duration from 100ms to 1d is asked for, not keys and values"},
    };
    check(duration(milliseconds(100), hours(24)), rows);
}

TEST_CASE("a size is counted in powers of 1024, and has bounds that are told") {
    const std::string no = " is no size such as 4096, 64K, 50M or 1G";
    const Row rows[] = {
        {"65536", "64K"},
        {"1024K", "1M"},
        {"2G", "2G"},
        {"65535", "!`65535` is not from 64K to 2G"},
        {"2049M", "!`2049M` is not from 64K to 2G"},
        {"50m", "!`50m`" + no + "; did you mean 50M?"},
        {"50MB", "!`50MB`" + no + "; did you mean 50M?"},
        {"50 MiB", "!`50 MiB`" + no + "; did you mean 50M?"},
        {"1T", "!`1T`" + no},
        {"1.5G", "!`1.5G`" + no},
        {"010", "!`010`" + no},
        {"-1", "!`-1`" + no},
        {"", "!a size from 64K to 2G is asked for, not nothing"},
    };
    check(size(64 << 10, std::uint64_t{2} << 30), rows);
}

TEST_CASE("of several words one is taken, as it is written") {
    enum class Colour { red, green, blue };
    const auto colour = word<Colour>({{"red", Colour::red}, {"green", Colour::green}, {"blue", Colour::blue}});
    const Row rows[] = {
        {"red", "red"},
        {"\"blue\"", "blue"},
        {"Red", "!`Red` is not red, green or blue; did you mean red?"},
        {"gren", "!`gren` is not red, green or blue; did you mean green?"},
        {"pink", "!`pink` is not red, green or blue"},
        {"''", "!`` is not red, green or blue"},
        {"[red]", "!red, green or blue is asked for, not a list"},
    };
    check(colour, rows);
}

TEST_CASE("of a list each item that is wrong is told") {
    const auto domains = list(text("a domain", values::domain), 1);
    const Row rows[] = {
        {"[a.example, 'b.example']", "[a.example, b.example]"},
        {"\n  - a.example\n  - b.example\n", "[a.example, b.example]"},
        {"[]", "!a list [...] of a domain is asked for, not an empty list"},
        {"a.example", "!a list [...] of a domain is asked for, not `a.example`; write [a.example]"},
        {"'*.a'", "!a list [...] of a domain is asked for, not `*.a`; write [\"*.a\"]"},
        {"{a: b}", "!a list [...] of a domain is asked for, not keys and values"},
        {"[a, a]", "!`a` stands in the list twice"},
        {"[a b, [a], ~, {a: b}]",
         "!`a b` is no domain such as corp.example!a domain is asked for, not a list!a domain is asked for, not nothing"
         "!a domain is asked for, not keys and values"},
    };
    check(domains, rows);
    CHECK(outcome(list(text("a domain", values::domain), 0), "[]") == "[]");
    CHECK(outcome(list(text("a domain", values::domain), 1, Repeats::allowed), "[a, a]") == "[a, a]");
}

TEST_CASE("domains are mapped to domains, and only the first may be empty") {
    const Row rows[] = {
        {"{}", "{}"},
        {"{\"\": corp.example, Localhost: corp.example}", "{\"\": corp.example, localhost: corp.example}"},
        {"{a: ''}", "!`` is empty; a domain is asked for"},
        {"{a: ~}", "!a domain is asked for, not nothing"},
        {"{a: [b]}", "!a domain is asked for, not a list"},
        {"{a b: c}", "!`a b` is no domain such as corp.example"},
        {"{a: b, A: c}", "!`A` stands there twice"},
        {"[a]", "!a map {domain: domain} is asked for, not a list"},
    };
    check(domain_map(), rows);
}

TEST_CASE("text is quoted where some YAML would not read it as text") {
    struct Quoted {
        std::string text, shown;
    };
    const Quoted rows[] = {
        {"mail.example:25", "mail.example:25"},
        {"127.0.0.0/8", "127.0.0.0/8"},
        {"192.0.2.1", "192.0.2.1"},
        {"/var/lib/onecopy", "/var/lib/onecopy"},
        {"a@b", "a@b"},
        {"", "\"\""},
        {"yes", "\"yes\""},
        {"No", "\"No\""},
        {"null", "\"null\""},
        {"1.2", "\"1.2\""},
        {"25", "\"25\""},
        {"1e5", "\"1e5\""},
        {"12:30", "\"12:30\""},
        {"::1", "\"::1\""},
        {"[::1]:25", "\"[::1]:25\""},
        {"a b", "\"a b\""},
        {"a:", "\"a:\""},
        {"*", "\"*\""},
        {"-a", "\"-a\""},
        {"a#b", "\"a#b\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\xc3\xbc", "\"\xc3\xbc\""},
    };
    for (const Quoted& row : rows) {
        CAPTURE(row.text);
        CHECK(yaml_text(row.text) == row.shown);
        CHECK(parse("a: " + row.shown).root.items.at(0).text == row.text);
    }
}

TEST_CASE("no control character and no long text gets from a value into a message") {
    const std::string hostile = "\x1b[31m\nlog line" + std::string(1000, 'x');
    Node node;
    node.kind = Node::Kind::text;
    for (const std::string& text :
         {hostile, hostile + ":25", "a:" + hostile, "me@" + hostile, "[" + hostile, "10.0.0.0/" + hostile}) {
        node.text = text;
        Report report;
        for (auto wrong : {values::server, values::listen_address, values::network, values::domain, values::address,
                           values::path, values::field_name}) {
            list(config::text("texts", wrong), 1).read("key", node, report);
            config::text("a text", wrong).read("key", node, report);
        }
        number(1, 2).read("key", node, report);
        duration(seconds(1), seconds(2)).read("key", node, report);
        size(1, 2).read("key", node, report);
        flag().read("key", node, report);
        CHECK(report.problems.size() > 15);
        for (const Problem& problem : report.problems) {
            CAPTURE(problem.what);
            CHECK(problem.what.find_first_of("\x1b\n") == std::string::npos);
            CHECK(problem.what.size() < 400);
        }
    }
}

}  // namespace onecopy::config

TEST_SUITE_END();
