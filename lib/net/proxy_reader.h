#pragma once

#include <functional>
#include <optional>
#include <string>

#include "net/loop.h"
#include "net/proxy_header.h"
#include "net/socket.h"

namespace onecopy::net {

/// Waits for the PROXY header at the front of an accepted socket and takes it off, to the byte: what stands behind it, a TLS
/// handshake maybe, is left in the socket.
class ProxyReader {
public:
    /// Called once, unless this is destroyed before; it may be destroyed from within.
    struct Handler {
        /// The descriptor is the callee's now. `source`: none where the socket's own peer counts.
        std::function<void(int descriptor, const std::optional<SocketAddress>& source)> complete;
        /// Too late, malformed, or gone; the descriptor is closed. `why` is empty where nothing at all had come: such is
        /// how a load balancer looks whether anybody is at home.
        std::function<void(const std::string& why)> failed;
    };

    ProxyReader(Loop& loop, int descriptor, base::Duration most, Handler handler);
    ~ProxyReader();
    ProxyReader(const ProxyReader&) = delete;

private:
    void read();
    void stop();
    void fail(const std::string& why);

    Descriptor descriptor_;
    Handler handler_;
    ProxyHeader header_;
    Timer late_;
    event* readable_;
};

}  // namespace onecopy::net
