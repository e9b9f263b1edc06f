#include "net/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <vector>

namespace onecopy::net {
namespace {

constexpr std::size_t most_line = 107;
constexpr std::string_view signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t fixed_part = 16;  // of version 2: signature, version and command, family, length

enum : unsigned char { local = 0x20, proxied = 0x21 };                                      // version 2, and the command
enum : unsigned char { unspecified = 0x00, tcp4 = 0x11, tcp6 = 0x21, unix_stream = 0x31 };  // family and protocol

unsigned char byte_at(std::string_view text, std::size_t at) {
    return static_cast<unsigned char>(text[at]);
}

std::size_t number_at(std::string_view text, std::size_t at) {
    return std::size_t{byte_at(text, at)} << 8 | byte_at(text, at + 1);
}

SocketAddress address_of(int family, const void* bytes, std::size_t size) {
    SocketAddress address;
    address.storage.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET) {
        std::memcpy(&reinterpret_cast<sockaddr_in*>(&address.storage)->sin_addr, bytes, size);
        address.length = sizeof(sockaddr_in);
    } else if (family == AF_INET6) {
        std::memcpy(&reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_addr, bytes, size);
        address.length = sizeof(sockaddr_in6);
    } else {
        address.length = sizeof(sockaddr_un);
    }
    return address;
}

std::optional<SocketAddress> parse_address(int family, std::string_view text) {
    unsigned char bytes[sizeof(in6_addr)];
    if (::inet_pton(family, std::string(text).c_str(), bytes) != 1) return std::nullopt;
    return address_of(family, bytes, family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr));
}

bool is_port(std::string_view text) {
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, port);
    const bool leading_zero = text.size() > 1 && text.front() == '0';
    return error == std::errc() && stop == end && !leading_zero;
}

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    for (std::size_t space = 0; space != line.npos; line.remove_prefix(space + 1)) {
        space = line.find(' ');
        words.push_back(line.substr(0, space));
        if (space == line.npos) break;
    }
    return words;
}

/// CRC-32C (RFC 3720 B.4), of bytes that are few and rare.
std::uint32_t crc32c(std::string_view bytes) {
    std::uint32_t crc = ~std::uint32_t{0};
    for (char c : bytes) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
    }
    return ~crc;
}

/// The fields behind the addresses: well-formed, and with the right checksum where there is one.
bool fields_are_sound(const std::string& header, std::size_t from) {
    constexpr unsigned char checksum = 0x03;
    while (from < header.size()) {
        if (header.size() - from < 3) return false;
        const std::size_t length = number_at(header, from + 1);
        const std::size_t value = from + 3;
        if (length > header.size() - value) return false;
        if (byte_at(header, from) == checksum) {
            if (length != 4) return false;
            std::string without = header;
            std::fill_n(without.begin() + static_cast<std::ptrdiff_t>(value), 4, '\0');
            const std::size_t told = number_at(header, value) << 16 | number_at(header, value + 2);
            if (crc32c(without) != told) return false;
        }
        from = value + length;
    }
    return true;
}

struct Family {
    unsigned char code;
    int family;
    std::size_t size;            // of the addresses and ports
    std::size_t source_address;  // of the first
};
constexpr Family families[] = {{unspecified, AF_UNSPEC, 0, 0},
                               {tcp4, AF_INET, 12, sizeof(in_addr)},
                               {tcp6, AF_INET6, 36, sizeof(in6_addr)},
                               {unix_stream, AF_UNIX, 216, 108}};

}  // namespace

ProxyHeader::Result ProxyHeader::feed(std::string_view& bytes) {
    if (bytes.empty()) return Result::more;
    const char first = header_.empty() ? bytes.front() : header_.front();
    if (first == signature.front()) return feed_binary(bytes);
    return first == 'P' ? feed_line(bytes) : Result::malformed;
}

ProxyHeader::Result ProxyHeader::feed_line(std::string_view& bytes) {
    const auto line_feed = bytes.find('\n');
    const auto piece = bytes.substr(0, line_feed == bytes.npos ? line_feed : line_feed + 1);
    if (header_.size() + piece.size() > most_line) return Result::malformed;
    header_ += piece;
    bytes.remove_prefix(piece.size());
    if (!header_.ends_with('\n')) return header_.size() == most_line ? Result::malformed : Result::more;
    return read_line() ? Result::complete : Result::malformed;
}

bool ProxyHeader::read_line() {
    if (!header_.ends_with("\r\n")) return false;
    const std::string_view line = std::string_view(header_).substr(0, header_.size() - 2);
    if (line.find('\0') != line.npos) return false;
    if (line == "PROXY UNKNOWN" || line.starts_with("PROXY UNKNOWN ")) return line.find('\r') == line.npos;
    const auto words = words_of(line);
    if (words.size() != 6 || words[0] != "PROXY") return false;
    const int family = words[1] == "TCP4" ? AF_INET : words[1] == "TCP6" ? AF_INET6 : AF_UNSPEC;
    if (family == AF_UNSPEC || !is_port(words[4]) || !is_port(words[5])) return false;
    source_ = parse_address(family, words[2]);
    return source_ && parse_address(family, words[3]);
}

ProxyHeader::Result ProxyHeader::feed_binary(std::string_view& bytes) {
    while (!bytes.empty()) {
        const std::size_t whole = header_.size() < fixed_part ? fixed_part : fixed_part + number_at(header_, 14);
        const auto piece = bytes.substr(0, whole - header_.size());
        header_ += piece;
        bytes.remove_prefix(piece.size());
        const std::size_t known = std::min(header_.size(), signature.size());
        if (std::string_view(header_).substr(0, known) != signature.substr(0, known)) return Result::malformed;
        if (header_.size() < fixed_part) return Result::more;
        const std::size_t size = fixed_part + number_at(header_, 14);
        if (size > most_bytes) return Result::malformed;
        if (header_.size() == size) return read_binary() ? Result::complete : Result::malformed;
    }
    return Result::more;
}

bool ProxyHeader::read_binary() {
    const unsigned char command = byte_at(header_, 12);
    if (command == local) return true;
    const auto family = std::ranges::find(families, byte_at(header_, 13), &Family::code);
    if (command != proxied || family == std::end(families)) return false;
    if (header_.size() < fixed_part + family->size) return false;
    if (family->family != AF_UNSPEC) {
        source_ = address_of(family->family, header_.data() + fixed_part, family->source_address);
    }
    return family->family == AF_UNSPEC || fields_are_sound(header_, fixed_part + family->size);
}

}  // namespace onecopy::net
