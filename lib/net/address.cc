#include "net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>
#include <memory>

namespace onecopy::net {
namespace {

/// Family and bytes of an address; an IPv4 address that is mapped into IPv6 counts as IPv4.
struct Raw {
    int family = 0;
    std::array<std::uint8_t, 16> bytes{};
};

Raw raw_of(const sockaddr* address) {
    Raw raw;
    if (address->sa_family == AF_INET) {
        raw.family = AF_INET;
        std::memcpy(raw.bytes.data(), &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        const in6_addr& v6 = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6);
        raw.family = mapped ? AF_INET : AF_INET6;
        std::memcpy(raw.bytes.data(), v6.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
    }
    return raw;
}

template <typename Number>
std::optional<Number> number(std::string_view text, Number most) {
    Number value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value > most) return std::nullopt;
    return value;
}

}  // namespace

std::optional<Network> Network::parse(std::string_view text) {
    Network network;
    std::size_t slash = text.find('/');
    std::string host(text.substr(0, slash));
    network.family_ = host.find(':') == host.npos ? AF_INET : AF_INET6;
    if (::inet_pton(network.family_, host.c_str(), network.bytes_.data()) != 1) return std::nullopt;
    unsigned most = network.family_ == AF_INET ? 32 : 128;
    network.bits_ = most;
    if (slash == text.npos) return network;
    std::optional<unsigned> bits = number(text.substr(slash + 1), most);
    if (!bits) return std::nullopt;
    network.bits_ = *bits;
    return network;
}

bool Network::contains(const sockaddr* address) const {
    Raw raw = raw_of(address);
    if (raw.family != family_) return false;
    unsigned whole = bits_ / 8, rest = bits_ % 8;
    if (std::memcmp(raw.bytes.data(), bytes_.data(), whole) != 0) return false;
    if (rest == 0) return true;
    auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
    return (raw.bytes[whole] & mask) == (bytes_[whole] & mask);
}

std::string address_text(const sockaddr* address) {
    Raw raw = raw_of(address);
    char text[INET6_ADDRSTRLEN] = "";
    if (raw.family == 0 || !::inet_ntop(raw.family, raw.bytes.data(), text, sizeof text)) return "unix";
    return text;
}

bool is_loopback(const sockaddr* address) {
    const Raw raw = raw_of(address);
    if (raw.family == 0) return true;
    if (raw.family == AF_INET) return raw.bytes[0] == 127;
    return std::memcmp(raw.bytes.data(), &in6addr_loopback, sizeof in6addr_loopback) == 0;
}

std::optional<HostPort> parse_host_port(std::string_view text) {
    std::size_t colon = text.rfind(':');
    if (colon == text.npos) return std::nullopt;
    std::optional<std::uint16_t> port = number<std::uint16_t>(text.substr(colon + 1), 65535);
    std::string_view host = text.substr(0, colon);
    if (!port || host.empty()) return std::nullopt;
    if (host.front() == '[') {
        if (host.size() < 3 || host.back() != ']') return std::nullopt;
        return HostPort{std::string(host.substr(1, host.size() - 2)), *port};
    }
    if (host.find(':') != host.npos) return std::nullopt;
    return HostPort{std::string(host), *port};
}

LookUp look_up(const std::string& host, std::uint16_t port) {
    LookUp result;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* list = nullptr;
    int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
    if (code != 0) {
        result.error = code == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(code);
        return result;
    }
    std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(list, ::freeaddrinfo);
    for (const addrinfo* one = list; one; one = one->ai_next) {
        SocketAddress& address = result.addresses.emplace_back();
        std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
        address.length = one->ai_addrlen;
    }
    if (result.addresses.empty()) result.error = "no address";
    return result;
}

}  // namespace onecopy::net
