#include "config/values.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "config/report.h"

namespace onecopy::config::values {
namespace {

constexpr std::size_t most_domain = 255;  // RFC 5321 4.5.3.1.2
constexpr std::size_t most_label = 63;
constexpr std::size_t most_local_part = 64;  // RFC 5321 4.5.3.1.1
constexpr std::size_t most_address = 254;    // a path of 256 with its brackets, RFC 5321 4.5.3.1.3
constexpr std::size_t most_path = 4095;
constexpr std::size_t most_socket_path = 107;
constexpr std::size_t most_name = 255;
constexpr std::size_t most_field_name = 76;

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_eight_bit(char c) {
    return static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

using Bytes = std::array<std::uint8_t, 16>;

/// The family, 0 where it is no address.
int parse_ip(const std::string& text, Bytes& bytes) {
    if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return AF_INET;
    return inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1 ? AF_INET6 : 0;
}

bool is_ip(std::string_view text, int family) {
    Bytes bytes;
    return parse_ip(std::string(text), bytes) == family;
}

bool is_label(std::string_view label) {
    auto allowed = [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || is_eight_bit(c); };
    return !label.empty() && label.size() <= most_label && label.front() != '-' && label.back() != '-' &&
           std::ranges::all_of(label, allowed);
}

bool is_domain_name(std::string_view text) {
    if (text.empty() || text.size() > most_domain) return false;
    while (true) {
        std::size_t dot = text.find('.');
        if (!is_label(text.substr(0, dot))) return false;
        if (dot == text.npos) return true;
        text.remove_prefix(dot + 1);
    }
}

bool is_literal(std::string_view text) {
    if (text.size() < 3 || text.front() != '[' || text.back() != ']') return false;
    text = text.substr(1, text.size() - 2);
    return text.starts_with("IPv6:") ? is_ip(text.substr(5), AF_INET6) : is_ip(text, AF_INET);
}

bool is_local_part(std::string_view text) {
    if (text.empty() || text.size() > most_local_part) return false;
    if (text.front() == '"') {
        return text.size() > 2 && text.back() == '"' && text.substr(1, text.size() - 2).find_first_of("\"\\") == text.npos;
    }
    auto allowed = [](char c) {
        return is_alphanumeric(c) || is_eight_bit(c) ||
               std::string_view("!#$%&'*+-/=?^_`{|}~.").find(c) != std::string_view::npos;
    };
    return text.front() != '.' && text.back() != '.' && text.find("..") == text.npos && std::ranges::all_of(text, allowed);
}

/// Digits and dots alone are meant as an IPv4 address, whether they are one or not.
bool is_host(std::string_view text) {
    bool numeric = std::ranges::all_of(text, [](char c) { return is_digit(c) || c == '.'; });
    return numeric ? is_ip(text, AF_INET) : is_domain_name(text);
}

bool is_port(std::string_view text) {
    unsigned port = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc() && end == text.data() + text.size() && !text.starts_with('0') && port <= 65535;
}

std::string bad_port(std::string_view text) {
    return "has the port " + quote(text) + ", which is no number from 1 to 65535";
}

std::string bracketed(std::string_view text, std::string_view port) {
    std::size_t end = text.find(']');
    if (end == text.npos || !is_ip(text.substr(1, end - 1), AF_INET6)) {
        return "has no IPv6 address in its brackets: write it as [::1]:" + std::string(port);
    }
    std::string_view rest = text.substr(end + 1);
    if (rest.empty()) return "has no port: add :" + std::string(port);
    if (rest[0] != ':') return "is neither host:port nor [v6]:port";
    return is_port(rest.substr(1)) ? "" : bad_port(rest.substr(1));
}

/// The last group may be meant as the port.
std::string without_brackets(const std::string& text, std::string_view port) {
    std::size_t colon = text.rfind(':');
    std::string host = text.substr(0, colon);
    bool has_port = is_ip(host, AF_INET6) && is_port(text.substr(colon + 1));
    std::string other = has_port ? "[" + host + "]" + text.substr(colon) + " or " : "";
    return "is an IPv6 address without brackets: write " + other + "[" + text + "]:" + std::string(port);
}

/// What is proposed for a missing port, and where the host is missing.
struct Proposals {
    std::string_view port;
    std::string_view no_host;
};

/// `host:port`.
std::string host_and_port(std::string_view text, const Proposals& proposals) {
    std::string port(proposals.port);
    if (text.starts_with('[')) return bracketed(text, port);
    if (is_ip(text, AF_INET6)) return without_brackets(std::string(text), port);
    if (is_port(text)) return "is a port alone: a host belongs before it, as in 127.0.0.1:" + std::string(text);
    if (text.find("://") != text.npos) return "is a URL: write host:port alone";
    std::size_t colon = text.rfind(':');
    std::string_view host = text.substr(0, colon);
    if (host.empty() || host == "*") return "names no host: " + std::string(proposals.no_host);
    if (!is_host(host)) return "has the host " + quote(host) + ", which is no name, IPv4 address or [IPv6 address]";
    if (colon == text.npos) return "has no port: add :" + port;
    return is_port(text.substr(colon + 1)) ? "" : bad_port(text.substr(colon + 1));
}

unsigned bit_length(int family) {
    return family == AF_INET ? 32 : 128;
}

/// Clears what stands beyond the prefix; true where there was something.
bool clear_host_bits(Bytes& bytes, unsigned prefix) {
    bool any = false;
    for (unsigned bit = prefix; bit < bytes.size() * 8; ++bit) {
        auto mask = static_cast<std::uint8_t>(0x80 >> bit % 8);
        any = any || (bytes[bit / 8] & mask) != 0;
        bytes[bit / 8] &= static_cast<std::uint8_t>(~mask);
    }
    return any;
}

std::string ip_text(int family, const Bytes& bytes) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    return inet_ntop(family, bytes.data(), text.data(), text.size());
}

bool is_mapped(int family, const Bytes& bytes) {
    constexpr std::array<std::uint8_t, 12> prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return family == AF_INET6 && std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

}  // namespace

std::string domain(std::string_view text) {
    if (is_domain_name(text) || is_literal(text)) return {};
    if (text.empty()) return "is empty; a domain is asked for";
    if (text.find('*') != text.npos) return "has a wildcard, and there are none: name each domain";
    if (std::size_t at = text.rfind('@'); at != text.npos && is_domain_name(text.substr(at + 1))) {
        return "is no domain: write " + std::string(text.substr(at + 1));
    }
    if (text.ends_with('.') && is_domain_name(text.substr(0, text.size() - 1))) return "ends with a dot: write it without";
    return "is no domain such as corp.example";
}

std::string hostname(std::string_view text) {
    if (std::ranges::any_of(text, is_eight_bit)) return "must be ASCII: write the domain with its xn-- labels";
    return domain(text);
}

std::string address(std::string_view text) {
    std::size_t at = text.rfind('@');
    if (text.starts_with('<')) return "has angle brackets: write it without";
    if (at == text.npos) return "is no address: the domain is missing, as in postmaster@corp.example";
    bool good = is_local_part(text.substr(0, at)) && domain(text.substr(at + 1)).empty() && text.size() <= most_address;
    return good ? "" : "is no address such as postmaster@corp.example";
}

std::string server(std::string_view text) {
    if (text.starts_with("unix:")) return "is a socket: a backend is named as host:port";
    return host_and_port(text, {"25", "a backend is named as host:port"});
}

std::string listen_address(std::string_view text) {
    if (text.starts_with("unix:")) return socket_path(text.substr(5));
    if (!text.starts_with("systemd:")) {
        return host_and_port(text, {"2525", "for every address write 0.0.0.0 or [::] before the port"});
    }
    std::string_view name = text.substr(8);
    bool good = !name.empty() && name.size() <= most_name &&
                std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7f && c != ':'; });
    return good ? "" : "needs the FileDescriptorName of a socket unit after systemd:";
}

std::string web_address(std::string_view text) {
    if (text.starts_with("unix:")) return socket_path(text.substr(5));
    const std::string_view host = text.substr(0, text.rfind(':'));
    const bool loopback = host == "localhost" || host == "[::1]" || (host.starts_with("127.") && is_ip(host, AF_INET));
    const std::string wrong = host_and_port(text, {"9925", "it listens on loopback alone, as 127.0.0.1"});
    if (!wrong.empty() || loopback) return wrong;
    return "is not loopback: it has no password, so write 127.0.0.1 and let a web server stand before it";
}

std::string network(std::string_view text) {
    std::size_t slash = text.find('/');
    Bytes bytes{};
    int family = parse_ip(std::string(text.substr(0, slash)), bytes);
    if (family == 0) return "is no network such as 192.0.2.0/24, 127.0.0.1 or \"fd00::/8\"";
    if (is_mapped(family, bytes)) return "is IPv4 within IPv6: write the IPv4 network, such as 192.0.2.0/24";
    if (slash == text.npos) return {};
    std::string_view digits = text.substr(slash + 1);
    unsigned prefix = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
    bool number = error == std::errc() && end == digits.data() + digits.size() && (digits.size() == 1 || digits[0] != '0');
    if (!number || prefix > bit_length(family)) {
        return "needs a number of bits from 0 to " + std::to_string(bit_length(family)) + " after its /";
    }
    if (!clear_host_bits(bytes, prefix)) return {};
    return "has bits beyond the first " + std::string(digits) + ": write " + ip_text(family, bytes) + "/" +
           std::string(digits);
}

std::string path(std::string_view text) {
    if (!text.starts_with('/')) return "is no absolute path: it must begin with /";
    return text.size() <= most_path ? "" : "is longer than a path may be";
}

std::string file(std::string_view text) {
    if (!text.starts_with(credential_prefix)) return path(text);
    std::string_view name = text.substr(credential_prefix.size());
    bool good = !name.empty() && name.size() <= most_name && name != "." && name != ".." && name.find('/') == name.npos;
    return good ? "" : "needs the name of a LoadCredential= after credential:";
}

std::string socket_path(std::string_view text) {
    if (!text.starts_with('/') || text.ends_with('/'))
        return "is no absolute path of a socket such as /run/onecopy/smtp.sock";
    return text.size() <= most_socket_path ? "" : "is too long: the path of a socket has at most 107 bytes";
}

std::string field_name(std::string_view text) {
    if (text.ends_with(':')) return "has a colon: write the name of the field without it";
    bool good = !text.empty() && text.size() <= most_field_name &&
                std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f && c != ':'; });
    return good ? "" : "is no name of a header field such as Delivered-To";
}

std::string anything(std::string_view) {
    return {};
}

}  // namespace onecopy::config::values
