#include "net/proxy_header.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace onecopy::net;
using namespace std::string_literals;

namespace {

using Result = ProxyHeader::Result;

const std::string signature("\r\n\r\n\0\r\nQUIT\n", 12);

/// What comes of a header with something behind it: the source's address, `own` for none, `malformed` or `more`.
std::string read(const std::string& header, std::size_t piece, const std::string& behind = "EHLO x\r\n") {
    ProxyHeader reader;
    const std::string all = header + behind;
    for (std::size_t at = 0; at < all.size(); at += piece) {
        std::string_view bytes = std::string_view(all).substr(at, piece);
        const std::size_t offered = bytes.size();
        const Result result = reader.feed(bytes);
        if (result == Result::malformed) return "malformed";
        if (result == Result::more) {
            CHECK(bytes.empty());
            continue;
        }
        CHECK_MESSAGE(at + offered - bytes.size() == header.size(), "what stands behind the header is left");
        return reader.source() ? address_text(reader.source()->get()) : "own";
    }
    return "more";
}

void check(const std::string& header, const std::string& expected) {
    CAPTURE(header);
    for (std::size_t piece : {std::size_t{5000}, std::size_t{1}, std::size_t{7}}) CHECK(read(header, piece) == expected);
}

std::string binary(unsigned char command, unsigned char family, const std::string& rest) {
    return signature + static_cast<char>(command) + static_cast<char>(family) + static_cast<char>(rest.size() >> 8) +
           static_cast<char>(rest.size() & 0xff) + rest;
}

const std::string from_v4 = "\xc0\x00\x02\x01\xc6\x33\x64\x01\x30\x39\x00\x19"s;
const std::string from_v6 =
    "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01" + std::string(16, '\0') + "\x30\x39\x00\x19"s;

std::string field(unsigned char type, const std::string& value) {
    return std::string(1, static_cast<char>(type)) + static_cast<char>(value.size() >> 8) +
           static_cast<char>(value.size() & 0xff) + value;
}

}  // namespace

TEST_SUITE_BEGIN("proxy_header");

TEST_CASE("P190: version 1") {
    check("PROXY TCP4 192.0.2.1 198.51.100.1 12345 25\r\n", "192.0.2.1");
    check("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255");
    check("PROXY TCP6 2001:db8::1 ::1 12345 25\r\n", "2001:db8::1");
    check("PROXY UNKNOWN\r\n", "own");
    check("PROXY UNKNOWN ffff::1 junk 7\r\n", "own");
    check("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n", "own");
}

TEST_CASE("P191: what does not match exactly is no version 1") {
    for (const std::string& header : {
             "PROXY TCP4 192.0.2.1 198.51.100.1 12345 25\n"s,
             "proxy TCP4 192.0.2.1 198.51.100.1 12345 25\r\n"s,
             "PROXY tcp4 192.0.2.1 198.51.100.1 12345 25\r\n"s,
             "PROXY TCP4 192.0.2.01 198.51.100.1 12345 25\r\n"s,
             "PROXY TCP4 256.1.1.1 198.51.100.1 12345 25\r\n"s,
             "PROXY TCP4 192.0.2.1 198.51.100.1 65536 25\r\n"s,
             "PROXY TCP4 192.0.2.1 198.51.100.1 12345 025\r\n"s,
             "PROXY TCP4 192.0.2.1 198.51.100.1 +1 25\r\n"s,
             "PROXY TCP4 192.0.2.1 198.51.100.1 12345\r\n"s,
             "PROXY TCP4 192.0.2.1 198.51.100.1 12345 25 \r\n"s,
             "PROXY TCP4  192.0.2.1 198.51.100.1 12345 25\r\n"s,
             "PROXY TCP4 ::1 ::1 12345 25\r\n"s,
             "PROXY TCP6 192.0.2.1 198.51.100.1 12345 25\r\n"s,
             "PROXY TCP6 fe80::1%lo ::1 1 2\r\n"s,
             "PROXY UDP4 192.0.2.1 198.51.100.1 12345 25\r\n"s,
             "PROXY TCP4 192.0.2.1\0 198.51.100.1 12345 25\r\n"s,
             "PROXY UNKNOWNX\r\n"s,
             "PROXY UNKNOWN\rx\r\n"s,
             "PROXY UNKNOWN " + std::string(92, 'x') + "\r\n",
             "PROXY " + std::string(200, 'x'),
             "PROXY\r\n"s,
             "EHLO x\r\n"s,
             "\x16\x03\x01"s,
             " PROXY UNKNOWN\r\n"s,
         }) {
        check(header, "malformed");
    }
}

TEST_CASE("P192: version 2") {
    check(binary(0x21, 0x11, from_v4), "192.0.2.1");
    check(binary(0x21, 0x21, from_v6), "2001:db8::1");
    check(binary(0x21, 0x31, std::string(216, 'u')), "unix");
    check(binary(0x21, 0x00, ""), "own");
    check(binary(0x21, 0x00, "whatever"), "own");
    check(binary(0x20, 0x11, from_v4), "own");
    check(binary(0x20, 0x00, ""), "own");
    check(binary(0x20, 0xff, "x"), "own");
    check(binary(0x21, 0x11, from_v4 + field(0x04, "") + field(0xe0, std::string(300, 't'))), "192.0.2.1");
    check(binary(0x21, 0x11, from_v4 + std::string(4, '\0').replace(1, 2, "\0\1"s)), "192.0.2.1");
    check(binary(0x21, 0x11, from_v4 + field(0x04, std::string(4096 - 16 - 12 - 3, '\0'))), "192.0.2.1");
}

TEST_CASE("P192: a checksum is checked") {
    // CRC-32C of the whole header with four NULs in its place, by another implementation.
    check(binary(0x21, 0x11, from_v4 + field(0x03, "12345")), "malformed");
    const std::string right = binary(0x21, 0x11,
                                     from_v4 + field(0x03,
                                                     "\xc4"
                                                     "\x19"
                                                     "\x77"
                                                     "\x1c"s));
    check(right, "192.0.2.1");
    for (std::size_t at = 16; at < right.size(); ++at) {
        if (at >= 29 && at < 31) continue;  // the field's own length
        std::string wrong = right;
        wrong[at] = static_cast<char>(wrong[at] ^ 1);
        if (at == 28) continue;  // another type of field is none to check
        check(wrong, "malformed");
    }
}

TEST_CASE("P192: what is reserved, too short or too long is malformed") {
    for (const std::string& header : {
             binary(0x11, 0x11, from_v4),
             binary(0x31, 0x11, from_v4),
             binary(0x22, 0x11, from_v4),
             binary(0x21, 0x12, from_v4),
             binary(0x21, 0x10, from_v4),
             binary(0x21, 0x41, from_v4),
             binary(0x21, 0x11, from_v4.substr(1)),
             binary(0x21, 0x21, from_v4),
             binary(0x21, 0x31, std::string(215, 'u')),
             binary(0x21, 0x11, from_v4 + "\x04\x00"s),
             binary(0x21, 0x11, from_v4 + "\x04\x00\x02x"s),
             binary(0x21, 0x11, from_v4 + field(0x04, std::string(4096 - 16 - 12 - 2, '\0'))),
             binary(0x20, 0x11, std::string(65535, 'x')),
             "\r\n\r\n\0\r\nQUIX\n"s + std::string(16, '\0'),
             "\r\nEHLO x\r\n"s,
         }) {
        check(header, "malformed");
    }
}

TEST_CASE("a header that has not ended is waited for") {
    for (const std::string& header : {"P"s, "PROXY TCP4 192.0.2.1"s, signature, binary(0x21, 0x11, from_v4).substr(0, 27)}) {
        CHECK(read(header, 1, "") == "more");
        CHECK(read(header, 100, "") == "more");
    }
    CHECK_FALSE(ProxyHeader().begun());
}

TEST_SUITE_END();
