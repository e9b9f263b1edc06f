#include "smtp/content.h"

#include <doctest/doctest.h>

#include <random>

TEST_SUITE_BEGIN("content");

namespace onecopy::smtp {

namespace {

using namespace std::string_literals;

struct Decoded {
    bool ended = false;
    bool bare = false;
    std::string text;
    std::size_t left = 0;  // behind the end

    bool operator==(const Decoded&) const = default;
};

/// Decodes with the input cut at the given places.
Decoded decode(std::string_view bytes, std::initializer_list<std::size_t> cuts = {}) {
    DataDecoder decoder;
    Decoded decoded;
    std::size_t at = 0;
    const auto feed = [&](std::size_t until) {
        auto piece = bytes.substr(at, until - at);
        if (!decoded.ended) decoded.ended = decoder.feed(piece, decoded.text);
        decoded.left += piece.size();
        at = until;
    };
    for (const auto cut : cuts) feed(cut);
    feed(bytes.size());
    decoded.bare = decoder.saw_bare();
    return decoded;
}

Decoded decode_bytewise(std::string_view bytes) {
    DataDecoder decoder;
    Decoded decoded;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        auto piece = bytes.substr(i, 1);
        if (!decoded.ended) decoded.ended = decoder.feed(piece, decoded.text);
        decoded.left += piece.size();
    }
    decoded.bare = decoder.saw_bare();
    return decoded;
}

std::string encode(std::string_view text, std::size_t step) {
    DataEncoder encoder;
    std::string out;
    for (; !text.empty(); text.remove_prefix(std::min(step, text.size()))) encoder.feed(text.substr(0, step), out);
    encoder.finish(out);
    return out;
}

/// The same by the letter of the rules, slowly: cut at the end, unstuff each line, then mend bare CR and LF.
Decoded decode_slowly(std::string_view bytes) {
    const std::string framed = "\r\n" + std::string(bytes);
    const auto end = framed.find("\r\n.\r\n");
    Decoded decoded;
    decoded.ended = end != framed.npos;
    if (!decoded.ended) return decoded;
    decoded.left = framed.size() - end - 5;
    std::string lines = framed.substr(2, end);
    for (std::size_t at = 0; at < lines.size(); at = lines.find("\r\n", at) + 2) {
        if (lines[at] == '.') lines.erase(at, 1);
    }
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const bool line_end = lines.compare(i, 2, "\r\n") == 0;
        const bool bare = !line_end && (lines[i] == '\r' || lines[i] == '\n');
        const bool in_header = ("\r\n" + decoded.text).find("\r\n\r\n") == std::string::npos;
        if (bare && lines[i] == '\r' && in_header) {
            decoded.text += ' ';
        } else {
            decoded.text += bare || line_end ? "\r\n" : std::string(1, lines[i]);
        }
        decoded.bare |= bare;
        i += line_end;
    }
    return decoded;
}

bool is_canonical(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) return false;
        if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) return false;
    }
    return true;
}

/// What goes out for accepted text: canonical, one end at its very end, the same text when it is read again.
void check_round_trip(const std::string& text) {
    for (const std::size_t step : {std::size_t(1), std::size_t(2), std::size_t(3), text.size() + 1}) {
        const auto out = encode(text, step);
        CHECK(is_canonical(out));
        const auto framed = "\r\n" + out;
        CHECK(framed.find("\r\n.\r\n") == framed.size() - 5);
        const auto again = decode(out);
        CHECK(again == Decoded{true, false, text, 0});
    }
}

/// Every text of up to `most` symbols.
template <typename Check>
void for_each_text(const std::vector<std::string>& symbols, std::size_t most, Check check) {
    std::vector<std::size_t> digits;
    while (digits.size() <= most) {
        std::string text;
        for (const auto digit : digits) text += symbols[digit];
        check(text);
        std::size_t i = 0;
        while (i < digits.size() && ++digits[i] == symbols.size()) digits[i++] = 0;
        if (i == digits.size()) digits.push_back(0);
    }
}

}  // namespace

TEST_CASE("only CRLF.CRLF ends the data, and a dot is taken off behind CRLF alone") {
    struct Row {
        std::string name, bytes, text;
    };
    const Row rows[] = {
        {"S01", "a\r\n.\r\n", "a\r\n"},
        {"S02", "a\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
        {"S03", "a\n.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
        {"S04", "a\r\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n"},
        {"S05", "a\r.\rb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
        {"S06", "a\r.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
        {"S07", "a\n.\rb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
        {"S08", "a\r.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
        {"S09", "a\r\n.\rb\r\n.\r\n", "a\r\n\r\nb\r\n"},
        {"S10 a", "a\r\n.\r\r\nb\r\n.\r\n", "a\r\n\r\n\r\nb\r\n"},
        {"S10 b", "a\r\r\n.\r\r\nb\r\n.\r\n", "a\r\n\r\n\r\n\r\nb\r\n"},
        {"S10 c", "a\r\n\r.\r\nb\r\n.\r\n", "a\r\n\r\n.\r\nb\r\n"},
        {"S11 a", "a\r\n\0.\r\nb\r\n.\r\n"s, "a\r\n\0.\r\nb\r\n"s},
        {"S11 b", "a\r\n.\0\r\nb\r\n.\r\n"s, "a\r\n\0\r\nb\r\n"s},
        {"S12 a", "a\r\n. \r\nb\r\n.\r\n", "a\r\n \r\nb\r\n"},
        {"S12 b", "a\r\n.\t\r\nb\r\n.\r\n", "a\r\n\t\r\nb\r\n"},
        {"S12 c", "a\r\n .\r\nb\r\n.\r\n", "a\r\n .\r\nb\r\n"},
        {"S13 a",
         "a\x0b.\x0b"
         "b\r\n.\r\n",
         "a\x0b.\x0b"
         "b\r\n"},
        {"S13 b",
         "a\x0c.\x0c"
         "b\r\n.\r\n",
         "a\x0c.\x0c"
         "b\r\n"},
        {"S13 c",
         "a\x85.\x85"
         "b\r\n.\r\n",
         "a\x85.\x85"
         "b\r\n"},
        {"S13 d", "a\u2028.\u2028b\r\n.\r\n", "a\u2028.\u2028b\r\n"},
        {"S13 e",
         "a\x0a\x0d.\x0a\x0d"
         "b\r\n.\r\n",
         "a\r\n\r\n.\r\n\r\nb\r\n"},
        {"S15", "a\r\n..\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
        {"S16", ".\r\n", ""},
        {"S17 in the body", "Subject: a\rMessage-ID: <i@x>\r\n.\r\n", "Subject: a\r\nMessage-ID: <i@x>\r\n"},
        {"P050 three dots", "...\r\n.\r\n", "..\r\n"},
        {"P050 dot in a line", "a.b\r\n.c\r\n.\r\n", "a.b\r\nc\r\n"},
        {"P056", "a\0b\r\n.\r\n"s, "a\0b\r\n"s},
        {"a CR at the end of a line", "a\r\r\n.\r\n", "a\r\n\r\n"},
    };
    for (auto row : rows) {
        CAPTURE(row.name);
        row.bytes.insert(0, "\r\n");  // an empty header: what follows is body
        row.text.insert(0, "\r\n");
        const auto whole = decode(row.bytes + "NOOP\r\n");
        CHECK(whole.ended);
        CHECK(whole.text == row.text);
        CHECK(whole.left == 6);
        CHECK(decode_bytewise(row.bytes + "NOOP\r\n") == whole);
        for (std::size_t at = 0; at <= row.bytes.size(); ++at) CHECK(decode(row.bytes + "NOOP\r\n", {at}) == whole);
        check_round_trip(row.text);
    }
}

TEST_CASE("S16: data that is nothing but its end is an empty message") {
    CHECK(decode(".\r\n") == Decoded{true, false, "", 0});
}

TEST_CASE("S17: a bare CR in the header begins no field, a bare LF does") {
    const std::string bytes = "Subject: a\rMessage-ID: <i@x>\r\r\nTo: b\n\nbody\rbody\r\n.\r\n";
    const Decoded expected{true, true, "Subject: a Message-ID: <i@x> \r\nTo: b\r\n\r\nbody\r\nbody\r\n", 0};
    CHECK(decode(bytes) == expected);
    CHECK(decode_bytewise(bytes) == expected);
    for (std::size_t at = 0; at <= bytes.size(); ++at) CHECK(decode(bytes, {at}) == expected);
}

TEST_CASE("S21: a dot behind a line end that we made is content, and is stuffed when it goes out") {
    const auto decoded = decode("a\n.\nb\r\n.\r\n");
    CHECK(decoded.bare);
    CHECK(encode(decoded.text, 3) == "a\r\n..\r\nb\r\n.\r\n");
}

TEST_CASE("S20: a dot at the start of a piece is stuffed where a line starts there") {
    DataEncoder encoder;
    std::string out;
    encoder.feed("Received: by us\r\n", out);
    encoder.feed("", out);
    encoder.feed(".first\r\n", out);
    encoder.feed("mid", out);
    encoder.feed(".dle\r\n", out);
    encoder.finish(out);
    CHECK(out == "Received: by us\r\n..first\r\nmid.dle\r\n.\r\n");
}

TEST_CASE("P054: no line end is added to text that ends with one, nor to none") {
    CHECK(encode("a\r\n", 9) == "a\r\n.\r\n");
    CHECK(encode("", 9) == ".\r\n");
    CHECK(encode("a", 9) == "a\r\n.\r\n");
}

TEST_CASE("S18: a dot far into a long line is content wherever buffers end") {
    for (const std::size_t length : {998, 2048, 4096, 65536, 65537}) {
        const auto line = std::string(length, 'x');
        const auto bytes = line + ".\r\n" + line + "\r\n.\r\n";
        const Decoded expected{true, false, line + ".\r\n" + line + "\r\n", 0};
        CHECK(decode(bytes) == expected);
        for (std::size_t at = length - 1; at < length + 4; ++at) CHECK(decode(bytes, {at}) == expected);
        CHECK(encode(expected.text, length) == bytes);
    }
}

TEST_CASE("every short text decodes by the letter of the rules, cut anywhere, and survives the way out") {
    for_each_text({"\r", "\n", ".", "a"}, 7, [](const std::string& text) {
        const auto bytes = text + "\r\n.\r\n";
        const auto expected = decode_slowly(bytes);
        REQUIRE(decode_bytewise(bytes) == expected);
        for (std::size_t at = 0; at <= bytes.size(); ++at) REQUIRE(decode(bytes, {at}) == expected);
        REQUIRE(is_canonical(expected.text));
        REQUIRE(decode(encode(expected.text, 2)) == Decoded{true, false, expected.text, 0});
    });
}

TEST_CASE("random bytes survive the way in and out") {
    std::mt19937 random(1);
    const std::string symbols[] = {"\r\n", "\r\n.", "\r", "\n", ".", "word", "\0"s, "\xff", "\r\n..", std::string(100, 'y')};
    for (int round = 0; round < 2000; ++round) {
        std::string bytes;
        for (auto count = random() % 40; count > 0; --count) bytes += symbols[random() % std::size(symbols)];
        bytes += "\r\n.\r\nrest";
        const auto whole = decode(bytes);
        REQUIRE(whole == decode_slowly(bytes));
        const auto at = random() % bytes.size();
        REQUIRE(decode(bytes, {at, at + random() % (bytes.size() - at)}) == whole);
        check_round_trip(whole.text);
    }
}

TEST_CASE("a megabyte of bare CRs, LFs or dots takes linear time") {
    for (const std::string unit : {"\r", "\n", ".", "\r\r\n", "\r\n.", "x\r", "\n."}) {
        std::string bytes;
        while (bytes.size() < (1 << 20)) bytes += unit;
        const auto decoded = decode(bytes + "x\r\n.\r\n");
        CHECK(decoded.ended);
        CHECK(is_canonical(decoded.text));
    }
}

}  // namespace onecopy::smtp

TEST_SUITE_END();
