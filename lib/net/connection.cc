#include "net/connection.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <stdexcept>

namespace onecopy::net {
namespace {

constexpr base::Duration longest_farewell{5000};
constexpr std::size_t read_at_once = 64 << 10;
constexpr std::size_t most_offered = 1 << 20;

}  // namespace

/// Outlives its Connection until the end of the turn, since callbacks of it may be on the stack.
struct Connection::State : std::enable_shared_from_this<State> {
    State(Loop& event_loop, int descriptor, Handler& owner)
        : loop(event_loop), handler(&owner), deadline(event_loop, [this] { deadline_passed(); }) {
        event = bufferevent_socket_new(loop.native(), descriptor, BEV_OPT_CLOSE_ON_FREE);
        if (!event) {
            if (descriptor >= 0) ::close(descriptor);
            throw std::runtime_error("libevent: no bufferevent");
        }
        bufferevent_setcb(event, on_read, on_written, on_event, this);
        bufferevent_set_max_single_read(event, read_at_once);
    }

    ~State() { bufferevent_free(event); }

    void no_delay() {
        int on = 1;
        ::setsockopt(bufferevent_getfd(event), IPPROTO_TCP, TCP_NODELAY, &on,
                     sizeof on);  // fails on Unix sockets, which have no delay
    }

    static void on_read(bufferevent*, void* self) { static_cast<State*>(self)->shared_from_this()->offer(); }

    static void on_written(bufferevent*, void* self) { static_cast<State*>(self)->shared_from_this()->written(); }

    static void on_event(bufferevent*, short what, void* self) {
        static_cast<State*>(self)->shared_from_this()->happened(what);
    }

    evbuffer* input() { return bufferevent_get_input(event); }
    evbuffer* output() { return bufferevent_get_output(event); }

    /// What lies in the first chunk costs nothing to show; only where the owner needs more at once is it made contiguous.
    void offer() {
        if (farewell) {
            evbuffer_drain(input(), evbuffer_get_length(input()));
            return;
        }
        if (paused && !unread) {
            unread = true;
            bufferevent_disable(event, EV_READ);
        }
        std::size_t wanted = 0;
        while (handler && !paused && !ending && !farewell) {
            std::size_t length = evbuffer_get_length(input());
            if (length == 0) break;
            std::size_t shown = std::min({length, most_offered, std::max(wanted, evbuffer_get_contiguous_space(input()))});
            auto* data = reinterpret_cast<const char*>(evbuffer_pullup(input(), static_cast<ev_ssize_t>(shown)));
            std::string_view bytes(data, shown);
            handler->received(bytes);
            std::size_t taken = shown - bytes.size();
            evbuffer_drain(input(), taken);
            wanted = taken > 0 ? 0 : shown * 2;
            if (taken == 0 && shown == std::min(length, most_offered)) break;
        }
        if (peer_ended && handler && !paused && !ending) end_after_writing(Reason::peer_closed);
    }

    void written() {
        if (farewell) {
            say_farewell();
        } else if (above && handler && unwritten() < low_output) {
            above = false;
            handler->writable();
        }
    }

    void happened(short what) {
        if (what & BEV_EVENT_CONNECTED) {
            no_delay();
            bufferevent_enable(event, EV_READ);
            connecting = false;
            if (handler) handler->connected();
        } else if (what & BEV_EVENT_EOF) {
            peer_ended = true;
            if (farewell) {
                end(farewell_reason);
            } else {
                offer();
            }
        } else if (what & BEV_EVENT_ERROR) {
            int code = EVUTIL_SOCKET_ERROR();
            error = evutil_socket_error_to_string(code);
            end(farewell ? farewell_reason : connecting ? Reason::refused : Reason::reset);
        }
    }

    void write(std::string_view bytes) {
        if (ending || farewell || bytes.empty()) return;
        if (!connecting && unwritten() == 0) {
            ssize_t sent = ::send(bufferevent_getfd(event), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        if (bytes.empty()) return;
        bufferevent_write(event, bytes.data(), bytes.size());  // an error of the socket comes up here again
        if (unwritten() >= low_output) above = true;
    }

    std::size_t unwritten() { return evbuffer_get_length(output()); }

    /// Our last words must arrive: a close with unread input would reset the connection and take them along. So: our side
    /// ends, and what still comes is thrown away, for a while.
    void end_after_writing(Reason reason) {
        if (ending || farewell) return;
        farewell = true;
        farewell_reason = reason;
        deadline.set(longest_farewell);
        if (unwritten() == 0) say_farewell();
    }

    void say_farewell() {
        if (peer_ended) return end(farewell_reason);
        ::shutdown(bufferevent_getfd(event), SHUT_WR);
        evbuffer_drain(input(), evbuffer_get_length(input()));
        bufferevent_enable(event, EV_READ);
    }

    void end(Reason reason) {
        if (ending) return;
        ending = true;
        bufferevent_disable(event, EV_READ | EV_WRITE);
        deadline.clear();
        loop.defer([self = shared_from_this(), reason] {
            if (Handler* owner = std::exchange(self->handler, nullptr)) owner->closed(reason, self->error);
        });
    }

    void deadline_passed() {
        auto self = shared_from_this();
        if (farewell) return end(farewell_reason);
        if (ending) return;
        if (!when_late) {
            error = "timed out";
            return end(Reason::timeout);
        }
        auto callback = when_late;
        callback();
    }

    Loop& loop;
    Handler* handler;
    bufferevent* event = nullptr;
    Timer deadline;
    std::function<void()> when_late;
    std::string error;
    Reason farewell_reason = Reason::done;
    bool connecting = false;
    bool paused = false;
    bool unread = false;  // reading was stopped, since something came while paused
    bool peer_ended = false;
    bool farewell = false;  // we end as soon as the output is written
    bool ending = false;    // closed() is on its way
    bool above = false;     // the output has passed low_output
};

Connection::Connection(std::shared_ptr<State> state) : state_(std::move(state)) {}

Connection::~Connection() {
    state_->handler = nullptr;
    state_->ending = true;
    state_->deadline.clear();
    bufferevent_disable(state_->event, EV_READ | EV_WRITE);
    state_->loop.defer([state = state_] {});
}

std::unique_ptr<Connection> Connection::accepted(Loop& loop, int descriptor, Handler& handler) {
    auto state = std::make_shared<State>(loop, descriptor, handler);
    state->no_delay();
    bufferevent_enable(state->event, EV_READ);
    return std::unique_ptr<Connection>(new Connection(std::move(state)));
}

std::unique_ptr<Connection> Connection::connect(Loop& loop, const SocketAddress& address, Handler& handler) {
    auto state = std::make_shared<State>(loop, -1, handler);
    state->connecting = true;
    std::unique_ptr<Connection> connection(new Connection(state));
    if (bufferevent_socket_connect(state->event, address.get(), static_cast<int>(address.length)) != 0) {
        state->error = std::strerror(errno);
        state->end(Reason::refused);
    }
    return connection;
}

void Connection::write(std::string_view bytes) {
    state_->write(bytes);
}

std::size_t Connection::unwritten() const {
    return state_->unwritten();
}

void Connection::pause() {
    state_->paused = true;  // libevent is told when something comes: mostly nothing does, and two calls are spared
}

void Connection::resume() {
    if (!state_->paused) return;
    state_->paused = false;
    if (state_->ending || state_->farewell) return;
    if (std::exchange(state_->unread, false) && !state_->peer_ended) bufferevent_enable(state_->event, EV_READ);
    bool waiting = state_->peer_ended || evbuffer_get_length(state_->input()) > 0;
    if (waiting) state_->loop.defer([state = state_] { state->offer(); });
}

bool Connection::paused() const {
    return state_->paused;
}

void Connection::close_after_writing(Reason reason) {
    state_->end_after_writing(reason);
}

void Connection::close(Reason reason) {
    state_->end(reason);
}

void Connection::set_deadline(base::Duration from_now) {
    if (state_->farewell || state_->ending) return;
    if (from_now.count() == 0) return state_->deadline.clear();
    state_->deadline.set(from_now);
}

void Connection::on_deadline(std::function<void()> callback) {
    state_->when_late = std::move(callback);
}

}  // namespace onecopy::net
