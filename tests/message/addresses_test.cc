#include "message/addresses.h"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

#include "holds.h"
#include "message/header.h"

using namespace onecopy::message;
using onecopy::message::testing::holds_address;

TEST_SUITE_BEGIN("addresses");

TEST_CASE("addresses are found wherever a text shows them") {
    const std::vector<std::pair<std::string, std::vector<std::string>>> rows{
        {"", {}},
        {"nobody", {}},
        {"@", {}},
        {"a@", {}},
        {"@b", {}},
        {"a@b", {"a@b"}},
        {" <A@B.Example>", {"A@B.Example"}},
        {"a@b, \"x (c@d)\" <e@f>", {"a@b", "c@d", "e@f"}},
        {"for <a@b>; by c", {"a@b"}},
        {"rfc822;a@b", {"a@b"}},
        {"mailto:a@b?x", {"a@b"}},
        {"\"a b\"@c", {"\"a b\"@c"}},
        {"\"a\\\"@b\"@c", {"\"a\\\"@b\"@c"}},
        {"a@[192.0.2.1] b@[IPv6:::1]", {"a@[192.0.2.1]", "b@[IPv6:::1]"}},
        {"mail a@x.example.", {"a@x.example"}},
        {"a..b@x", {"a..b@x"}},
        {"'a@x' <a@x>", {"a@x", "a@x"}},
        {"@r1,@r2:u@d", {"u@d"}},
        {"user@\r\n x.example", {"user@x.example"}},
        {"user\r\n @x.example", {"user@x.example"}},
        {"undisclosed-recipients:;", {}},
        {"\xc3\xa9@\xc3\xbc.example", {"\xc3\xa9@\xc3\xbc.example"}},
    };
    for (const auto& [value, expected] : rows) {
        CAPTURE(value);
        CHECK(addresses_in(value) == expected);
    }
}

TEST_CASE("a text holds an address as a whole, in any case, also encoded") {
    const std::string address = "a@x.example";
    for (const std::string text : {
             "a@x.example",
             "A@X.EXAMPLE",
             "<a@x.example>",
             "for a@x.example;",
             "say a@x.example.",
             "a@x.example...",
             "list-a@x.example",
             "prvs=1234=a@x.example",
             "b+a@x.example",
             "bounce+a=x.example@list.example",
             "bounce-a=x.example-77@list.example",
             "\"a\"@x.example",
             "x=a@x.example\"",
             "a@x.example\xe2\x80\x9d",
             "\xe2\x80\x9c"
             "a@x.example",
             "a=x.example",
             "a@x.example@y",
             "rfc822;a@x.example",
             "https://l.example/u?e=a%40x.example&x",
             "=?utf-8?q?a=40x.example?=",
         }) {
        CAPTURE(text);
        CHECK(holds_address(text, address));
    }
    for (const std::string text : {
             "",
             "a",
             "@x.example",
             "ba@x.example",
             "b.a@x.example",
             "b_a@x.example",
             "a@x.example.org",
             "a@x.examples",
             "a@y.x.example",
             "a@x",
             "a @ x.example",
             "a+b@x.example",
             "a@x-example",
             "\"b a\"@x.example",
             "a=x.exampled@y",
             "a%41x.example",
             "a40x.example",
             "=40x.example",
         }) {
        CAPTURE(text);
        CHECK_FALSE(holds_address(text, address));
    }
}

TEST_CASE("quoted local-parts, literals and both spellings of a domain are found") {
    CHECK(holds_address("for <\"a b\"@x>;", "\"a b\"@x"));
    CHECK(holds_address("for <\"a\\\"b\"@x>;", "\"a\\\"b\"@x"));
    CHECK(holds_address("u@[192.0.2.1]", "u@[192.0.2.1]"));
    CHECK(
        holds_address("u@B\xc3\xbc"
                      "cher.example",
                      "u@b\xc3\xbc"
                      "cher.example"));
    CHECK(
        holds_address("u@b\xc3\xbc"
                      "cher.example",
                      "u@xn--bcher-kva.example"));
    CHECK(holds_address("u@xn--bcher-kva.example",
                        "u@b\xc3\xbc"
                        "cher.example"));
    CHECK_FALSE(holds_address("postmaster", "postmaster"));
}

TEST_CASE("no fold hides an address") {
    for (const std::string value :
         {"joe@\r\n x.example", "joe\r\n\t@x.example", "jo\r\n e@x.example", "for\r\n joe@x.example", "joe@x.exam\r\n ple",
          "joe \r\n @ \r\n x.example", "b+joe=\r\n x.example@y", "joe(a comment)@x.example", "joe@x. example",
          "joe (a (nested) \\) one) @ (x)x (y) . example", "joe@x(\"quote)\r\n .example"}) {
        CAPTURE(value);
        bool held = false;
        for (const auto& text : readings(value)) held = held || holds_address(text, "joe@x.example");
        CHECK(held);
    }
}

TEST_CASE("a set finds any of its addresses, and no other") {
    AddressSet set;
    CHECK(set.empty());
    CHECK_FALSE(set.held_by("a@x"));
    set.add("postmaster");
    CHECK(set.empty());
    for (const std::string address : {"a@x.example", "bb@x.example", "c@y.example", "D d@y.example", "\"E e\"@y.example"}) {
        set.add(address);
    }
    CHECK(set.held_by("to: <BB@X.Example>"));
    CHECK(set.held_by("c@y.example"));
    CHECK(set.held_by("\"e E\"@y.example"));
    CHECK_FALSE(set.held_by("c@x.example bbb@x.example a@y.example"));
    CHECK(set.has_local_part("BB"));
    CHECK(set.has_local_part("\"bb\""));
    CHECK_FALSE(set.has_local_part("b"));
    CHECK_FALSE(set.has_local_part(""));
}

TEST_CASE("a tag is no address, and an encoded one is") {
    AddressSet set;
    set.add("a@x.example");
    CHECK_FALSE(set.held_by("bounce+a=x.example@y"));
    CHECK(set.held_or_tagged_by("bounce+a=x.example@y"));
    CHECK(set.held_by("a=40x.example"));
}

TEST_CASE("quotes hide no parenthesis, and a comment that does not end is text") {
    CHECK(addresses_shown_in("\"a(b\"@x") == std::vector<std::string>{"\"a(b\"@x"});
    CHECK(addresses_shown_in("a(b@x") == std::vector<std::string>{"b@x"});
    CHECK(addresses_shown_in("a(\\)b@x") == std::vector<std::string>{"b@x"});
}

TEST_CASE("many addresses of many lengths are searched for in no more time than one") {
    AddressSet set;
    std::string name;
    for (int i = 0; i < 900; ++i) set.add((name += i % 2 == 0 ? '-' : 'a') + "@x.example");
    std::string text;
    while (text.size() < 1'000'000) text.append("_-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a@x.example.org ");
    const auto start = std::chrono::steady_clock::now();
    CHECK_FALSE(set.held_by(text));
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
}

TEST_SUITE_END();
