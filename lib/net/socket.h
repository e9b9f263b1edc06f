#pragma once

#include <string>
#include <utility>
#include <vector>

namespace onecopy::net {

/// A descriptor that is closed unless it is released.
class Descriptor {
public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    ~Descriptor();
    int get() const { return number_; }
    int release() { return std::exchange(number_, -1); }

private:
    int number_;
};

/// Sockets that listen on `host:port`, `[v6]:port`, `unix:/path` or `systemd:NAME`; non-blocking. A stale socket file is
/// replaced, one that is alive is an error. `mode`: of the socket file. Throws std::runtime_error with words for people.
std::vector<Descriptor> listening_sockets(const std::string& address, unsigned mode);

}  // namespace onecopy::net
