#include "relay/addresses.h"

#include <algorithm>
#include <cstring>

namespace onecopy::relay {
namespace {

/// Long enough that hardly a connection waits in vain, short enough that the address which is wanted first is soon used
/// again.
constexpr base::Duration shunned_for = std::chrono::minutes(10);

bool same(const net::SocketAddress& one, const net::SocketAddress& other) {
    return one.length == other.length && std::memcmp(&one.storage, &other.storage, one.length) == 0;
}

}  // namespace

Addresses::Known* Addresses::find(const net::SocketAddress& address) {
    auto found = std::ranges::find_if(known_, [&](const Known& known) { return same(known.address, address); });
    return found == known_.end() ? nullptr : &*found;
}

void Addresses::found(const std::vector<net::SocketAddress>& addresses) {
    std::vector<Known> now;
    for (const net::SocketAddress& address : addresses) {
        const Known* before = find(address);
        now.push_back({address, before ? before->failed : base::Duration()});
    }
    known_ = std::move(now);
}

std::vector<net::SocketAddress> Addresses::in_turn(base::Duration now) {
    std::vector<Known> order = known_;
    for (Known& known : order) {
        if (known.failed.count() == 0 || now - known.failed < shunned_for) continue;
        known.failed = {};
        failed(known.address, now);  // for all other connections, until this one knows better
    }
    std::ranges::stable_sort(order, {}, &Known::failed);
    std::vector<net::SocketAddress> addresses;
    for (const Known& known : order) addresses.push_back(known.address);
    return addresses;
}

void Addresses::answered(const net::SocketAddress& address) {
    if (Known* known = find(address)) known->failed = {};
}

void Addresses::failed(const net::SocketAddress& address, base::Duration now) {
    if (Known* known = find(address)) known->failed = now;
}

}  // namespace onecopy::relay
