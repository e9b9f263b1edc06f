#include "message/mailbox.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace onecopy::message;

TEST_SUITE_BEGIN("mailbox");

TEST_CASE("what stands between the brackets is read as it came") {
    struct Row {
        std::string text, local_part, domain;
    };
    const std::vector<Row> rows{
        {"a@b", "a", "b"},
        {"User.Name+tag@Corp.Example", "User.Name+tag", "Corp.Example"},
        {"a..b@docomo.example", "a..b", "docomo.example"},
        {".a.@x.example", ".a.", "x.example"},
        {"\"a b\"@d", "\"a b\"", "d"},
        {"\"a\\\"b\"@d", "\"a\\\"b\"", "d"},
        {"\"a@b\"@d", "\"a@b\"", "d"},
        {"\"a>b\"@d", "\"a>b\"", "d"},
        {"\"\"@d", "\"\"", "d"},
        {"u@[192.0.2.1]", "u", "[192.0.2.1]"},
        {"u@[IPv6:2001:db8::1]", "u", "[IPv6:2001:db8::1]"},
        {"u@x.example.", "u", "x.example."},
        {"u@my_host.example", "u", "my_host.example"},
        {"@r1,@r2.example:u@d", "u", "d"},
        {"@r:\"a b\"@d", "\"a b\"", "d"},
        {"ju\xc3\xa9@caf\xc3\xa9.example", "ju\xc3\xa9", "caf\xc3\xa9.example"},
        {"!#$%&'*+-/=?^_`{|}~@d", "!#$%&'*+-/=?^_`{|}~", "d"},
        {std::string(64, 'a') + "@d", std::string(64, 'a'), "d"},
        {std::string(300, 'a') + "@d", std::string(300, 'a'), "d"},
        {"u@" + std::string(255, 'a'), "u", std::string(255, 'a')},
        {"postmaster", "postmaster", ""},
        {"PostMaster", "PostMaster", ""},
    };
    for (const auto& row : rows) {
        CAPTURE(row.text);
        const auto mailbox = parse_mailbox(row.text);
        REQUIRE(mailbox);
        CHECK(mailbox->local_part == row.local_part);
        CHECK(mailbox->domain == row.domain);
        CHECK((row.text.starts_with('@') || mailbox->text() == row.text));
    }
}

TEST_CASE("what is no mailbox is refused") {
    const std::vector<std::string> rows{
        "",
        "user",
        "\"postmaster\"",
        "@",
        "@d",
        "u@",
        "u@@d",
        "a@b@c",
        " a@b",
        "a@b ",
        "a b@c",
        "a@b c",
        "<a@b>",
        "a@b>",
        "(x)a@b",
        "a@.b",
        "a@b..c",
        "a@.",
        "a@[",
        "a@[]",
        "a@[1.2.3.4",
        "a@[1 2]",
        "a@b,c",
        "a:b@c",
        "\"a@b",
        "\"a\"b@c",
        "\"a\\\"@b",
        "@r",
        "@r:",
        "@r,u@d",
        "@r,:u@d",
        "@r:@s:u@d",
        "@:u@d",
        "a\r@b",
        "a\n@b",
        "\"\r\n\"@d",
        "a@b\r\nDATA",
        std::string("a\0b@c", 5),
        std::string("a@b\0", 4),
        "\"a\tb\"@c",
        "a\x7f@b",
        "a\x80@b",
        "a\xc0\xaf@b",
        "a\xed\xa0\x80@b",
        "a\xf5\x80\x80\x80@b",
        "a\xe2\x82@b",
        "a\xc2\x85@b",
        "a\xe2\x80\xae@b",
        "a\xe2\x80\xa8@b",
        "a\xe2\x81\xa6@b",
        "u@" + std::string(256, 'a'),
        std::string(1001, 'a') + "@d",
    };
    for (const auto& row : rows) {
        CAPTURE(row);
        CHECK_FALSE(parse_mailbox(row));
    }
}

TEST_CASE("addresses that are one recipient have one normal form") {
    const std::vector<std::pair<std::string, std::string>> rows{
        {"u@X.Example", "u@x.example"},
        {"u@x.example.", "u@x.example"},
        {"\"u\"@x", "u@x"},
        {"\"\\u\"@x", "u@x"},
        {"\"a..b\"@x", "a..b@x"},
        {"\"a\\ b\"@x", "\"a b\"@x"},
        {"@r:u@x", "u@x"},
        {"u@B\xc3\xbc"
         "cher.example",
         "u@xn--bcher-kva.example"},
        {"u@B\xc3\x9c"
         "CHER.example",
         "u@xn--bcher-kva.example"},
        {"u@XN--bcher-kva.example", "u@xn--bcher-kva.example"},
        {"u@[IPV6:::1]", "u@[ipv6:::1]"},
        {"Postmaster", "postmaster"},
    };
    for (const auto& [address, expected] : rows) {
        CAPTURE(address);
        CHECK(normal_form(address, false) == expected);
        CHECK(normal_form(normal_form(address, true), true) == normal_form(address, true));
    }
}

TEST_CASE("a domain is the same in A-labels and in U-labels, however a client writes these") {
    const std::string local_parts[] = {"u", "jos\xc3\xa9", "\"a \xe6\x97\xa5\"", "\xe7\x94\xa8\xe6\x88\xb7"};
    struct Row {
        std::string written, a_label;
    };
    const std::vector<Row> rows{
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example"},
        {"B\xc3\x9c"
         "CHER.EXAMPLE.",
         "xn--bcher-kva.example"},
        {"bu\xcc\x88"
         "cher.example",
         "xn--bcher-kva.example"},  // u and a combining diaeresis
        {"b\xc3\xbc"
         "cher\xe3\x80\x82"
         "example",
         "xn--bcher-kva.example"},  // an ideographic full stop
        {"Xn--BCHER-KVA.example", "xn--bcher-kva.example"},
        {"xn--bcher-kva.b\xc3\xbc"
         "cher",
         "xn--bcher-kva.xn--bcher-kva"},
        {"stra\xc3\x9f"
         "e.example",
         "xn--strae-oqa.example"},  // IDNA 2008: not strasse
        {"\xe4\xbe\x8b\xe5\xad\x90.example", "xn--fsqu00a.example"},
    };
    for (const auto& row : rows) {
        for (const auto& local_part : local_parts) {
            CAPTURE(row.written);
            CHECK(normal_form(local_part + '@' + row.written, true) == local_part + '@' + row.a_label);
        }
    }
    CHECK(normal_form("u@strasse.example", true) != normal_form("u@stra\xc3\x9f"
                                                                "e.example",
                                                                true));
    CHECK(normal_form("jose\xcc\x81@x", true) != normal_form("jos\xc3\xa9@x", true));  // local-parts are bytes
}

TEST_CASE("a domain that IDNA makes nothing of is not taken for no domain") {
    for (const std::string domain : {"\xc2\xad", "\xe2\x80\x8b", "\xef\xb8\x8f", "\xc2\xad.\xc2\xad"}) {
        CAPTURE(domain);
        CHECK(normal_form("postmaster@" + domain, true) != "postmaster");
    }
}

TEST_CASE("case and tags of a local-part part recipients, unless case is folded") {
    CHECK(normal_form("User@x", false) != normal_form("user@x", false));
    CHECK(normal_form("User@x", true) == normal_form("user@x", true));
    CHECK(normal_form("\"A B\"@x", true) == normal_form("\"a b\"@x", true));
    CHECK(normal_form("u+tag@x", true) != normal_form("u@x", true));
    CHECK(normal_form("\xc3\x89@x", true) != normal_form("\xc3\xa9@x", true));  // ASCII alone
}

TEST_CASE("text that is no mailbox is its own normal form") {
    for (const std::string text : {"", "Who Ever", "A@@B", "a\nb@c"}) CHECK(normal_form(text, true) == text);
}

TEST_CASE("a name that IDNA refuses stays, lower-cased") {
    CHECK(normal_domain("A\xff.Example.") == "a\xff.example");
    CHECK(normal_domain("") == "");
    CHECK(normal_domain(".") == "");
    CHECK(normal_domain("XN--\x41.example") == "xn--a.example");
    const std::string with_nul("\xc3\xa9\0x", 4);
    CHECK(normal_domain(with_nul) == with_nul);
}

TEST_CASE("an A-label has a U-label") {
    CHECK(unicode_domain("xn--bcher-kva.Example") ==
          "b\xc3\xbc"
          "cher.example");
    CHECK(unicode_domain("xn--\xff") == "xn--\xff");
    CHECK(unicode_domain("plain.example") == "plain.example");
}

TEST_CASE("the domain stands behind the last @ that no quote holds") {
    const std::vector<std::pair<std::string, std::string>> rows{
        {"a@b", "b"},   {"\"a@b\"@c", "c"}, {"\"a\\\"@b\"@c", "c"}, {"postmaster", ""}, {"", ""},
        {"a@b@c", "c"}, {"a@", ""},         {"\"a@b", ""},
    };
    for (const auto& [address, domain] : rows) {
        CAPTURE(address);
        CHECK(domain_of(address) == domain);
    }
}

TEST_SUITE_END();
