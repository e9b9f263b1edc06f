#include "base/base64.h"

#include <doctest/doctest.h>

#include <random>
#include <utility>

TEST_SUITE_BEGIN("base64");

namespace onecopy::base {

using namespace std::string_literals;

TEST_CASE("the examples of RFC 4648 10, there and back") {
    const std::pair<std::string, std::string> rows[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/"},
        {"\0user\0secret"s, "AHVzZXIAc2VjcmV0"},
    };
    for (const auto& [bytes, text] : rows) {
        CAPTURE(text);
        CHECK(base64(bytes) == text);
        CHECK(decode_base64(text) == bytes);
    }
}

TEST_CASE("any bytes survive the way there and back") {
    std::mt19937 random(7);
    for (std::size_t length = 0; length < 300; ++length) {
        std::string bytes(length, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        CHECK(decode_base64(base64(bytes)) == bytes);
    }
}

TEST_CASE("every other text is refused") {
    const std::string rows[] = {
        "=",         "==",
        "===",       "====",
        "A",         "AA",
        "AAA",       "AAAAA",
        "AA=",       "A===",
        "=AAA",      "A=AA",
        "AA=A",      "AAA=AAAA",
        "AA==AAAA",  "AAAA====",
        "Zm9v\r\n",  "Zm9v ",
        "Zm 9v",     "Zm9v\nZg==",
        "Zm9v\0Zg"s, "Zm9-",
        "Zm9_",      "Zh==",
        "Zm9=",      "\xff\xff\xff\xff",
        "AAA=BBB",
    };
    for (const auto& text : rows) {
        CAPTURE(text);
        CHECK(!decode_base64(text));
    }
}

TEST_CASE("of all texts of four characters only one means the same bytes") {
    for (int last = 0; last < 256; ++last) {
        const auto text = std::string("AA") + static_cast<char>(last) + '=';
        const auto bytes = decode_base64(text);
        if (bytes) CHECK(base64(*bytes) == text);
    }
}

}  // namespace onecopy::base

TEST_SUITE_END();
