#pragma once

#include <vector>

#include "base/time.h"
#include "net/address.h"

namespace onecopy::relay {

/// The addresses of one server, and in which order a connection tries them: as they were looked up, those that failed within
/// the last ten minutes behind the others, the one that failed longest ago first. So not each connection waits anew for one
/// that does not answer. After that time a single connection finds out whether it answers again.
class Addresses {
public:
    /// As they were looked up; what is known of those that were there before is kept.
    void found(const std::vector<net::SocketAddress>& addresses);
    bool empty() const { return known_.empty(); }
    /// For one connection.
    std::vector<net::SocketAddress> in_turn(base::Duration now);
    void answered(const net::SocketAddress& address);
    void failed(const net::SocketAddress& address, base::Duration now);

private:
    struct Known {
        net::SocketAddress address;
        base::Duration failed{};  // zero: it did not
    };
    Known* find(const net::SocketAddress& address);

    std::vector<Known> known_;  // in the order of the look-up
};

}  // namespace onecopy::relay
