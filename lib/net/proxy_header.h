#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "net/address.h"

namespace onecopy::net {

/// Reads the header of the PROXY protocol, version 1 or 2 (haproxy.org, proxy-protocol.txt), from bytes cut anywhere.
/// Strict, as it asks for: what does not match exactly is malformed.
class ProxyHeader {
public:
    /// Address and all fields of version 2 together. Version 1 ends within 107.
    static constexpr std::size_t most_bytes = 4096;

    enum class Result { more, complete, malformed };
    /// Takes off the front of `bytes` what belongs to the header, and not one byte more.
    Result feed(std::string_view& bytes);

    /// After `complete`: who is at the other end; none where the sender speaks for itself (LOCAL), or does not know
    /// (UNKNOWN): the socket's own peer counts then.
    const std::optional<SocketAddress>& source() const { return source_; }
    bool begun() const { return !header_.empty(); }

private:
    std::string header_;
    std::optional<SocketAddress> source_;

    Result feed_line(std::string_view& bytes);
    Result feed_binary(std::string_view& bytes);
    bool read_line();
    bool read_binary();
};

}  // namespace onecopy::net
