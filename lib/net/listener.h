#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/address.h"
#include "net/loop.h"

namespace onecopy::net {

/// Listens on `host:port` (a literal address or a name), `[v6]:port`, `unix:/path` (a stale socket file is replaced, one
/// that is alive is an error) or `systemd:NAME` (LISTEN_FDNAMES). Several descriptors may come of one name. Throws
/// std::runtime_error with words for people. On EMFILE, ENFILE, ENOBUFS and ENOMEM it rests for a second.
class Listener {
public:
    /// The descriptor is non-blocking and belongs to the callee.
    using Accepted = std::function<void(int descriptor, const sockaddr* peer)>;

    /// `mode`: of a Unix socket's file; who may connect to it may use it.
    Listener(Loop& loop, const std::string& address, Accepted accepted, unsigned mode = 0666);
    ~Listener();

    /// Where it listens now, with the port that was given for port 0.
    std::string address() const;
    bool resting() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace onecopy::net
