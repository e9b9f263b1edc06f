#include "smtp/line_reader.h"

#include <doctest/doctest.h>

#include <vector>

TEST_SUITE_BEGIN("line_reader");

namespace onecopy::smtp {

namespace {

std::string told(const LineReader& reader, LineReader::Result result) {
    switch (result) {
        case LineReader::Result::line:
            return "<" + std::string(reader.line()) + ">";
        case LineReader::Result::bare:
            return "bare";
        case LineReader::Result::too_long:
            return "long";
        case LineReader::Result::more:
            return "";
    }
    return "";
}

std::string read(std::string_view bytes, std::size_t first, std::size_t step) {
    LineReader reader;
    std::string seen;
    while (!bytes.empty()) {
        auto piece = bytes.substr(0, first);
        bytes.remove_prefix(piece.size());
        first = step;
        while (!piece.empty()) {
            const auto result = reader.feed(piece);
            seen += told(reader, result);
        }
    }
    return seen;
}

}  // namespace

TEST_CASE("lines end at CRLF alone") {
    struct Row {
        std::string bytes, seen;
    };
    const Row rows[] = {
        {"NOOP\r\n", "<NOOP>"},
        {"\r\n", "<>"},
        {"a\r\nb\r\n", "<a><b>"},
        {"a", ""},
        {"a\r", ""},
        {"a\nb\r\nc\r\n", "bare<c>"},
        {"a\n\r\nc\r\n", "bare<c>"},
        {"\na\r\nc\r\n", "bare<c>"},
        {"a\rb\r\nc\r\n", "bare<c>"},
        {"a\r\r\nc\r\n", "bare<c>"},
        {"\r\r\nc\r\n", "bare<c>"},
        {"a\rb\nc\r\nd\r\n", "bare<d>"},
        {"a\rb\r\r\nd\r\n", "bare<d>"},
        {"a\nDATA\nb", "bare"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.bytes);
        CHECK(read(row.bytes, 1, 1) == row.seen);
        for (std::size_t first = 1; first <= row.bytes.size(); ++first) CHECK(read(row.bytes, first, 99) == row.seen);
    }
}

TEST_CASE("a long line is reported once and dropped up to its CRLF") {
    const auto most = LineReader::most_line - 2;
    const auto fits = std::string(most, 'x');
    const std::pair<std::string, std::string> rows[] = {
        {fits + "\r\nb\r\n", "<" + fits + "><b>"}, {fits + "x\r\nb\r\n", "long<b>"},
        {fits + "xx\r\nb\r\n", "long<b>"},         {std::string(1 << 20, 'x') + "\r\nb\r\n", "long<b>"},
        {fits + "x\ry\nz\r\nb\r\n", "long<b>"},    {"a\nb" + fits + fits + "\r\nb\r\n", "bare<b>"},
        {fits + "xxxx\n\r\r\nb\r\n", "long<b>"},   {fits + "\rxx\nb\r\nc\r\n", "bare<c>"},
    };
    for (const auto& [bytes, seen] : rows) {
        CAPTURE(bytes.size());
        CHECK(read(bytes, 1, 1) == seen);
        CHECK(read(bytes, bytes.size(), 1) == seen);
        for (std::size_t first = most - 4; first < most + 8; ++first) CHECK(read(bytes, first, 1 << 20) == seen);
    }
}

}  // namespace onecopy::smtp

TEST_SUITE_END();
