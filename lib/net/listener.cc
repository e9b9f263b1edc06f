#include "net/listener.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "net/socket.h"

namespace onecopy::net {
namespace {

constexpr int most_accepted_a_turn = 64;
constexpr base::Duration rest{1000};

std::string name_of(int descriptor) {
    SocketAddress address;
    address.length = sizeof address.storage;
    ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address.storage), &address.length);
    const sockaddr* where = address.get();
    if (where->sa_family == AF_INET) {
        return address_text(where) + ":" + std::to_string(ntohs(reinterpret_cast<const sockaddr_in*>(where)->sin_port));
    }
    return "[" + address_text(where) + "]:" + std::to_string(ntohs(reinterpret_cast<const sockaddr_in6*>(where)->sin6_port));
}

}  // namespace

struct Listener::State {
    State(Loop& loop, std::string text, Accepted callback, unsigned mode)
        : address(std::move(text)),
          accepted(std::move(callback)),
          sockets(listening_sockets(address, mode)),
          wake(loop, [this] { listen(); }) {
        for (const Descriptor& socket : sockets) {
            events.push_back(event_new(
                loop.native(), socket.get(), EV_READ | EV_PERSIST,
                [](evutil_socket_t ready, short, void* self) { static_cast<State*>(self)->accept_some(ready); }, this));
        }
        listen();
    }

    ~State() {
        for (event* one : events) event_free(one);
        if (address.starts_with("unix:")) ::unlink(address.c_str() + 5);
    }

    void listen() {
        for (event* one : events) event_add(one, nullptr);
    }

    void accept_some(int socket) {
        for (int i = 0; i < most_accepted_a_turn; ++i) {
            SocketAddress peer;
            peer.length = sizeof peer.storage;
            int descriptor =
                ::accept4(socket, reinterpret_cast<sockaddr*>(&peer.storage), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (descriptor >= 0) {
                accepted(descriptor, peer.get());
            } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                return rest_a_while();
            } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
                return;
            }
        }
    }

    /// The queue stays full and readable: without a rest the loop would spin.
    void rest_a_while() {
        for (event* one : events) event_del(one);
        wake.set(rest);
    }

    std::string address;
    Accepted accepted;
    std::vector<Descriptor> sockets;
    std::vector<event*> events;
    Timer wake;
};

Listener::Listener(Loop& loop, const std::string& address, Accepted accepted, unsigned mode)
    : state_(std::make_unique<State>(loop, address, std::move(accepted), mode)) {}

Listener::~Listener() = default;

std::string Listener::address() const {
    return state_->address.starts_with("unix:") ? state_->address : name_of(state_->sockets.front().get());
}

bool Listener::resting() const {
    return state_->wake.pending();
}

}  // namespace onecopy::net
