#include "message/header.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace onecopy::message;

namespace {

std::string joined(const Header& header) {
    std::string all;
    for (const auto& field : header.fields()) all += field.raw;
    return all;
}

}  // namespace

TEST_SUITE_BEGIN("header");

TEST_CASE("a block is cut into fields, and every byte is in one of them") {
    const std::string block =
        "From MAILER-DAEMON Mon Jan  1 00:00:00 2024\r\n"
        "Subject: one\r\n two\r\n"
        "Message-ID \t: <a@b>\r\n"
        "Empty:\r\n"
        "no field at all\r\n and its continuation: x\r\n"
        ": no name\r\n"
        "K\xc3\xa9y: 8-bit name\r\n"
        "X:y:z";
    const Header header(block);
    CHECK(joined(header) == block);
    REQUIRE(header.fields().size() == 8);
    const std::vector<std::pair<std::string, std::string>> expected{
        {"", ""},     {"Subject", " one\r\n two"}, {"Message-ID", " <a@b>"}, {"Empty", ""}, {"", ""}, {"", ""}, {"", ""},
        {"X", "y:z"},
    };
    for (std::size_t at = 0; at < expected.size(); ++at) {
        CAPTURE(at);
        CHECK(header.fields()[at].name == expected[at].first);
        CHECK(header.fields()[at].value == expected[at].second);
    }
}

TEST_CASE("a block without fields is no trouble") {
    CHECK(Header("").fields().empty());
    for (const std::string block : {"\r\n", " x", "\r\n\r\n", ":", "\r", "\n", " \r\n\t\r\n"}) {
        CAPTURE(block);
        const Header header(block);
        CHECK(joined(header) == block);
        for (const auto& field : header.fields()) CHECK(field.name.empty());
    }
}

TEST_CASE("a bare CR or LF is no line end: it makes no field") {
    const Header header("Subject: a\rMessage-ID: <inj@x>\nBcc: b@x\r\nTo: c@x\r\n");
    CHECK(header.fields().size() == 2);
    CHECK(header.find("Message-ID") == nullptr);
    CHECK(header.find("Bcc") == nullptr);
    CHECK(header.count("To") == 1);
}

TEST_CASE("fields are found by name in any case, the topmost first") {
    const Header header("A: 1\r\nb: 2\r\na: 3\r\n");
    CHECK(header.count("a") == 2);
    REQUIRE(header.find("a"));
    CHECK(header.find("a")->value == " 1");
    CHECK(header.find("c") == nullptr);
    CHECK(header.count("") == 0);
}

TEST_CASE("unfolding leaves single spaces, and none at the ends") {
    const std::vector<std::pair<std::string, std::string>> rows{
        {"", ""},
        {"  \t", ""},
        {" a", "a"},
        {" a \t b ", "a b"},
        {" a\r\n\tb", "a b"},
        {"\r\n a\r\n \r\n b\r\n ", "a b"},
        {"a\rb\nc", "a\rb\nc"},
        {"a\r", "a\r"},
    };
    for (const auto& [value, expected] : rows) {
        CAPTURE(value);
        CHECK(unfold(value) == expected);
    }
}

TEST_CASE("the limits count bytes and fields") {
    std::string fields;
    for (int i = 0; i < 10'000; ++i) fields += "A:b\r\n";
    CHECK(within_limits(fields));
    CHECK_FALSE(within_limits(fields + "A:b\r\n"));
    CHECK(within_limits(std::string(1 << 20, 'x')));
    CHECK_FALSE(within_limits(std::string((1 << 20) + 1, 'x')));
}

TEST_SUITE_END();
