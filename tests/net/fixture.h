#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/connection.h"
#include "net/loop.h"
#include "net/socket.h"

namespace onecopy::net::testing {

/// A loop that a test turns until something holds.
class Bench {
public:
    Bench() {
        loop.each_turn([this] {
            if (condition_ && condition_()) loop.stop();
        });
    }
    /// False: it did not come to hold within a time that only a broken program needs.
    bool until(std::function<bool()> condition) {
        condition_ = std::move(condition);
        patience_.set(std::chrono::seconds(20));
        loop.run();
        patience_.clear();
        return std::exchange(condition_, nullptr)();
    }
    /// Everything that was ready has been handled.
    void turn() {
        bool turned = false;
        loop.post([this, &turned] { loop.post([&turned] { turned = true; }); });
        until([&turned] { return turned; });
    }

    Loop loop;

private:
    std::function<bool()> condition_;
    Timer patience_{loop, [this] { loop.stop(); }};
};

/// A handler that takes everything and keeps record; a test changes what it does.
struct Peer : Connection::Handler {
    std::unique_ptr<Connection> connection;
    std::string bytes;
    bool is_connected = false;
    bool is_secured = false;
    int writables = 0;
    int ends = 0;
    std::optional<Connection::Reason> reason;
    std::string words;
    std::function<void()> when_connected = [] {};
    std::function<void()> when_secured = [] {};
    std::function<void(std::string_view&)> when_received = [this](std::string_view& offered) {
        bytes += std::exchange(offered, {});
    };
    std::function<void()> when_writable = [] {};
    std::function<void()> when_closed = [] {};

    void connected() override {
        is_connected = true;
        when_connected();
    }
    void secured() override {
        is_secured = true;
        when_secured();
    }
    void received(std::string_view& offered) override { when_received(offered); }
    void writable() override {
        ++writables;
        when_writable();
    }
    void closed(Connection::Reason why, const std::string& what) override {
        ++ends;
        reason = why;
        words = what;
        when_closed();
    }
};

/// Two ends of a TCP connection over loopback, both non-blocking.
struct TcpPair {
    TcpPair() {
        std::vector<Descriptor> listening = listening_sockets("127.0.0.1:0", 0);
        SocketAddress where = address_of(listening[0].get());
        Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (::connect(client.get(), where.get(), where.length) != 0) throw std::runtime_error("connect");
        near = ::accept4(listening[0].get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        while (near < 0) near = ::accept4(listening[0].get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        far = client.release();
        ::fcntl(far, F_SETFL, ::fcntl(far, F_GETFL) | O_NONBLOCK);
    }
    static SocketAddress address_of(int descriptor) {
        SocketAddress address;
        address.length = sizeof address.storage;
        ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address.storage), &address.length);
        return address;
    }

    int near = -1;
    int far = -1;
};

inline SocketAddress unix_socket(const std::string& path) {
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    std::memcpy(where.sun_path, path.data(), path.size());
    SocketAddress address;
    std::memcpy(&address.storage, &where, sizeof where);
    address.length = sizeof where;
    return address;
}

/// Of what a listener says of itself.
inline SocketAddress socket_address(const std::string& text) {
    if (text.starts_with("unix:")) return unix_socket(text.substr(5));
    std::optional<HostPort> where = parse_host_port(text);
    return look_up(where->host, where->port).addresses.at(0);
}

/// Reads from a descriptor of the test's own, without waiting: everything there is; true once its end has come.
inline bool drain(int descriptor, std::string& into) {
    char piece[64 << 10];
    while (true) {
        ssize_t got = ::recv(descriptor, piece, sizeof piece, MSG_DONTWAIT);
        if (got == 0) return true;
        if (got < 0) return false;
        into.append(piece, static_cast<std::size_t>(got));
    }
}

}  // namespace onecopy::net::testing
