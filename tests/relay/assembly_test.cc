#include "relay/assembly.h"

#include <doctest/doctest.h>

#include "ledger/records.h"
#include "message/header.h"

using namespace onecopy;
using namespace onecopy::relay;

namespace {

const std::string header = "Received: by a\r\nFrom: a@x\r\nMessage-ID: <1@x>\r\nDate: Tue, 24 Nov 2026 15:04:05 +0000\r\n";

struct Whole {
    std::string header, body;
    std::string message_id;
    message::Digest content{};
    bool has_date = false, eight_bit = false, untouched = false;
    std::size_t hops = 0;
    std::uint64_t size = 0;

    bool operator==(const Whole&) const = default;
};

Whole whole(Assembly& assembly) {
    assembly.finish();
    const message::Identity identity = assembly.identity();
    Whole result{"",
                 "",
                 identity.message_id,
                 identity.content,
                 identity.has_date,
                 assembly.eight_bit(),
                 assembly.untouched(),
                 assembly.hops(),
                 assembly.size()};
    result.header = assembly.take_header();
    result.body = assembly.take_body();
    return result;
}

Whole assemble(std::string_view message) {
    Assembly assembly;
    assembly.add(message);
    return whole(assembly);
}

std::string field_of(std::size_t bytes) {
    return "X-Long: " + std::string(bytes - 10, 'a') + "\r\n";
}

}  // namespace

TEST_SUITE_BEGIN("assembly");

TEST_CASE("header and body are told apart at the first blank line, which is the body's") {
    struct Row {
        const char *message, *header, *body;
    };
    const Row table[] = {
        {"A: b\r\n\r\nhello\r\n", "A: b\r\n", "\r\nhello\r\n"},
        {"A: b\r\n\r\n\r\nC: d\r\n\r\nx\r\n", "A: b\r\n", "\r\n\r\nC: d\r\n\r\nx\r\n"},
        {"\r\nhello\r\n", "", "\r\nhello\r\n"},
        {"A: b\r\n", "A: b\r\n", ""},
        {"A: b\r\n\r\n", "A: b\r\n", "\r\n"},
        {"", "", ""},
        {"\r\n", "", "\r\n"},
    };
    for (const Row& row : table) {
        CAPTURE(row.message);
        Whole result = assemble(row.message);
        CHECK(result.header == row.header);
        CHECK(result.body == row.body);
        CHECK_FALSE(result.untouched);
        CHECK(result.size == std::string_view(row.message).size());
    }
}

TEST_CASE("any split gives the same") {
    const std::string message = header + "\r\nh\xc3\xa4llo\r\n\r\nworld\r\n\r\n";
    const Whole expected = assemble(message);
    CHECK(expected.message_id == "<1@x>");
    CHECK(expected.has_date);
    CHECK(expected.eight_bit);
    CHECK(expected.hops == 1);
    for (std::size_t first = 0; first <= message.size(); ++first) {
        for (std::size_t second = first; second <= message.size(); second += 7) {
            Assembly assembly;
            assembly.add(std::string_view(message).substr(0, first));
            assembly.add(std::string_view(message).substr(first, second - first));
            assembly.add(std::string_view(message).substr(second));
            CHECK(whole(assembly) == expected);
        }
    }
    Assembly by_bytes;
    for (char byte : message) by_bytes.add({&byte, 1});
    CHECK(whole(by_bytes) == expected);
}

TEST_CASE("the blank line is no part of what identifies the content") {
    CHECK(assemble(header + "\r\n\r\nx\r\n").content != assemble(header + "\r\nx\r\n").content);
    CHECK(assemble(header).content == assemble(header + "\r\n").content);
    CHECK(assemble(header).content == assemble(header + "\r\n\r\n\r\n").content);
}

TEST_CASE("a high bit is found wherever it stands") {
    const std::string plain = header + "\r\n0123456789abcdef\r\n";
    CHECK_FALSE(assemble(plain).eight_bit);
    for (std::size_t i = 0; i < plain.size(); ++i) {
        std::string message = plain;
        message[i] = static_cast<char>(message[i] | 0x80);
        CHECK(assemble(message).eight_bit);
    }
}

TEST_CASE("a body is large beyond what stands in a row, and is given away piece by piece") {
    Assembly assembly;
    assembly.add(header);
    assembly.add("\r\n" + std::string(ledger::most_inline_body - 2, 'a'));
    CHECK_FALSE(assembly.large());
    assembly.add("b");
    CHECK(assembly.large());
    CHECK(assembly.take_piece(ledger::most_extent_bytes).empty());
    const std::string rest(2 * ledger::most_extent_bytes, 'c');
    assembly.add(rest);
    const std::string expected = "\r\n" + std::string(ledger::most_inline_body - 2, 'a') + "b" + rest;
    std::string taken;
    for (std::string piece; !(piece = assembly.take_piece(ledger::most_extent_bytes)).empty();) {
        CHECK(piece.size() == ledger::most_extent_bytes);
        taken += piece;
    }
    CHECK(taken.size() == 2 * ledger::most_extent_bytes);
    assembly.add("tail\r\n");
    assembly.finish();
    CHECK(taken + assembly.take_body() == expected + "tail\r\n");
    CHECK(assembly.take_piece(1).empty());
    CHECK(assembly.take_header() == header);
    CHECK(assembly.identity().content == assemble(header + expected + "tail\r\n").content);
}

TEST_CASE("a header at the limit is compared, one beyond it goes with the body, as it came") {
    const std::string full = field_of(message::most_header_bytes);
    Whole at_limit = assemble(full + "\r\nx\r\n");
    CHECK_FALSE(at_limit.untouched);
    CHECK(at_limit.header == full);

    for (bool blank_line : {true, false}) {
        CAPTURE(blank_line);
        const std::string larger = header + field_of(message::most_header_bytes) + (blank_line ? "\r\nx\r\n" : "");
        Assembly assembly;
        for (std::size_t at = 0; at < larger.size(); at += 50'000) assembly.add(std::string_view(larger).substr(at, 50'000));
        CHECK(assembly.large());
        Whole result = whole(assembly);
        CHECK(result.untouched);
        CHECK(result.header.empty());
        CHECK(result.body == larger);
        CHECK(result.message_id == "<1@x>");
        CHECK(result.hops == 1);
    }
}

TEST_CASE("too many fields go untouched too") {
    std::string fields;
    for (std::size_t i = 0; i < message::most_header_fields; ++i) fields += "A: b\r\n";
    CHECK_FALSE(assemble(fields + "\r\nx\r\n").untouched);
    Whole more = assemble(fields + "A: b\r\n\r\nx\r\n");
    CHECK(more.untouched);
    CHECK(more.body == fields + "A: b\r\n\r\nx\r\n");
}

TEST_SUITE_END();
