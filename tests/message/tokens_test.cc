#include "message/tokens.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "message/header.h"

using namespace onecopy::message;

TEST_SUITE_BEGIN("tokens");

TEST_CASE("mimetic reads names and values as our scanner does") {
    const std::vector<std::string> blocks{
        "A: b\r\n",
        "A:\r\n",
        "A: \t \r\n",
        "A:\r\n b\r\n",
        "A:\r\n \r\n b\r\nC: d\r\n",
        "A: b  \r\n\t c\r\n \r\n",
        "A : b\r\nB\t:c:d\r\n",
        "no field\r\nA: b\r\n",
        "From x\r\nA: b\r\n: c\r\nD: e\r\n",
        "\xff: x\r\nA: \xff\xfe\r\n",
        "A: b\x01\x0b\x0c\x7f\r\n",
        "A: b",
        "A: (\"\r\n <b\r\nContent-Type: multipart/mixed; boundary=\"A: b\"\r\nE: f\r\n",
        "A~!@#: b\r\nA: -- \r\nB: --x\r\n",
    };
    for (const auto& block : blocks) {
        CAPTURE(block);
        const Header header(block);
        const auto reading = read_by_mimetic(header.fields());
        REQUIRE(reading.values.size() == reading.fields.size());
        for (std::size_t at = 0; at < reading.fields.size(); ++at) {
            CHECK(reading.values[at] == join_folds(header.fields()[reading.fields[at]].value));
        }
    }
}

TEST_CASE("whatever the bytes, a value is what our scanner says") {
    const std::string alphabet = std::string("ab:: \t\r\n\r\n\r\n \"(<>)\\-", 20) + '\0' + "\xc3\xa9\x80";
    std::uint32_t state = 12345;
    const auto next = [&] { return (state = state * 1664525 + 1013904223) >> 8; };
    std::size_t read = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string block;
        for (auto length = next() % 60; length > 0; --length) {
            const auto pick = next() % (alphabet.size() + 6);
            if (pick >= alphabet.size()) {
                block += pick % 2 ? "\r\nAb: " : "\r\n ";
            } else {
                block += alphabet[pick];
            }
        }
        CAPTURE(block);
        const Header header(block);
        const auto reading = read_by_mimetic(header.fields());
        REQUIRE(reading.values.size() == reading.fields.size());
        read += reading.values.size();
        const auto values = field_values(header.fields());
        for (std::size_t at = 0; at < values.size(); ++at) REQUIRE(values[at] == join_folds(header.fields()[at].value));
    }
    CHECK(read > 10'000);
}

TEST_CASE("what mimetic would take for something else is not given to it") {
    const std::string block = "A: x\rB: y\r\nC: x\nD: y\r\nE: x\r\n" + std::string("F: a\0b\r\n", 8) + "G: h\r\n";
    const Header header(block);
    const auto reading = read_by_mimetic(header.fields());
    CHECK(reading.fields == std::vector<std::size_t>{2, 4});
    CHECK(field_values(header.fields()) == std::vector<std::string>{"x\rB: y", "x\nD: y", "x", std::string("a\0b", 3), "h"});
}

TEST_CASE("beyond its bounds mimetic is given nothing, and values are the same") {
    std::string block;
    for (int i = 0; i < 1200; ++i) block += "A: " + std::to_string(i) + "\r\n b\r\n";
    block += "B: " + std::string(40'000, 'x') + "\r\n c\r\n";
    const Header header(block);
    CHECK(read_by_mimetic(header.fields()).fields.size() == 1000);
    const auto values = field_values(header.fields());
    CHECK(values[999] == "999 b");
    CHECK(values[1100] == "1100 b");
    CHECK(values[1200] == std::string(40'000, 'x') + " c");
}

TEST_SUITE_END();
