#pragma once
// What the load and the sink share: sockets that never block, watched by one thread. Small on purpose: the cores they use
// are those of the relay that is measured.

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace onecopy::bench {

inline int check(int result, const char* what) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), what);
    return result;
}

/// As Python's time.monotonic() has it.
inline double seconds_now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/// Whoever waits for a descriptor. He may destroy himself in ready(), but nobody else.
class Waiter {
public:
    virtual ~Waiter() = default;
    virtual void ready() = 0;
};

class Poll {
public:
    Poll() : descriptor_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}
    Poll(const Poll&) = delete;
    Poll& operator=(const Poll&) = delete;
    ~Poll() { ::close(descriptor_); }

    void add(int descriptor, Waiter& waiter) { control(EPOLL_CTL_ADD, descriptor, waiter, EPOLLIN); }
    void watch_writing(int descriptor, Waiter& waiter, bool writing) {
        control(EPOLL_CTL_MOD, descriptor, waiter, writing ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
    void turn() {
        std::array<epoll_event, 64> events;
        int count = ::epoll_wait(descriptor_, events.data(), static_cast<int>(events.size()), -1);
        if (count < 0 && errno == EINTR) return;
        check(count, "epoll_wait");
        for (int i = 0; i < count; ++i) static_cast<Waiter*>(events[static_cast<std::size_t>(i)].data.ptr)->ready();
    }

private:
    void control(int operation, int descriptor, Waiter& waiter, std::uint32_t what) {
        epoll_event event{};
        event.events = what;
        event.data.ptr = &waiter;
        check(::epoll_ctl(descriptor_, operation, descriptor, &event), "epoll_ctl");
    }
    int descriptor_;
};

/// A connection: what came stands in `input` until its owner takes it, what could not be written yet is kept.
class Stream {
public:
    Stream(Poll& poll, int descriptor, Waiter& owner) : poll_(poll), descriptor_(descriptor), owner_(owner) {
        int on = 1;
        check(::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
        poll_.add(descriptor, owner);
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() { ::close(descriptor_); }

    /// Writes what waits and reads what is there. False: the peer has ended.
    bool advance() {
        write({});
        std::array<char, 65536> bytes;
        ssize_t size = ::recv(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return true;
        if (size <= 0) return false;
        input.append(bytes.data(), static_cast<std::size_t>(size));
        return true;
    }

    void write(std::string_view bytes) {
        if (output_.empty()) bytes.remove_prefix(send(bytes));
        output_ += bytes;
        if (!output_.empty()) output_.erase(0, send(output_));
        if (watching_ == output_.empty()) poll_.watch_writing(descriptor_, owner_, watching_ = !watching_);
    }

    bool all_written() const { return output_.empty(); }
    std::string input;

private:
    std::size_t send(std::string_view bytes) {
        if (bytes.empty()) return 0;
        ssize_t size = ::send(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        return size < 0 ? 0 : static_cast<std::size_t>(size);  // an error shows itself to recv()
    }

    Poll& poll_;
    int descriptor_;
    Waiter& owner_;
    std::string output_;
    bool watching_ = false;
};

}  // namespace onecopy::bench
