#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace onecopy::net {

/// A network `10.0.0.0/8`, `::1`, `fd00::/8`. An IPv4 peer on an IPv6 socket (::ffff:a.b.c.d) counts as IPv4.
class Network {
public:
    static std::optional<Network> parse(std::string_view text);
    bool contains(const sockaddr* address) const;

private:
    int family_ = 0;
    unsigned bits_ = 0;
    std::array<std::uint8_t, 16> bytes_{};
};

/// The peer's address as text, without port; `unix` for a local socket.
std::string address_text(const sockaddr* address);

/// This host speaks to itself: 127.0.0.0/8 (mapped into IPv6 too), ::1, a local socket.
bool is_loopback(const sockaddr* address);

/// A socket address with its length.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

/// `host:port`, `[v6]:port` split; nothing where it is neither.
struct HostPort {
    std::string host;
    std::uint16_t port = 0;
};
std::optional<HostPort> parse_host_port(std::string_view text);

/// getaddrinfo: takes long, belongs on the helper thread. Addresses in the order of preference; empty with `error` set.
struct LookUp {
    std::vector<SocketAddress> addresses;
    std::string error;
};
LookUp look_up(const std::string& host, std::uint16_t port);

}  // namespace onecopy::net
