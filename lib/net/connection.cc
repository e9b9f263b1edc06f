#include "net/connection.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <stdexcept>

#include "net/tls_stream.h"

namespace onecopy::net {
namespace {

constexpr base::Duration longest_farewell{5000};
constexpr std::size_t read_at_once = 64 << 10;
constexpr std::size_t most_of_libevent = 4096;
constexpr std::size_t most_offered = 1 << 20;

/// What the bytes on the socket are. Only in `plain` and `secure` are there bytes for the owner, and of him.
enum class Layer { plain, starting, handshake, secure };

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
        listen_to_event();
    }

    ~State() {
        if (socket_free) event_free(socket_free);
        bufferevent_free(event);
    }

    void listen_to_event() {
        bufferevent_setcb(event, on_read, on_written, on_event, this);
        bufferevent_set_max_single_read(event, read_at_once);
    }

    void no_delay() {
        int on = 1;
        ::setsockopt(bufferevent_getfd(event), IPPROTO_TCP, TCP_NODELAY, &on,
                     sizeof on);  // fails on Unix sockets, which have no delay
    }

    static void on_read(bufferevent*, void* self) {
        auto state = static_cast<State*>(self)->shared_from_this();
        state->read_on();
        state->offer();
    }

    /// libevent reads 4 KiB at once, whatever it is told. Where that was full, what lies behind it is taken along: one call
    /// for it, not one turn for each of its pieces. An end or an error stays for libevent to find.
    void read_on() {
        const std::size_t length = evbuffer_get_length(input());
        if (layer != Layer::plain || paused || farewell || ending) return;
        if (length == 0 || length % most_of_libevent != 0 || length >= read_at_once) return;
        static std::array<char, read_at_once> bytes;  // of the one thread that has connections
        ssize_t size = ::recv(bufferevent_getfd(event), bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (size <= 0) return;
        evbuffer_unfreeze(input(), 0);
        const bool added = evbuffer_add(input(), bytes.data(), static_cast<std::size_t>(size)) == 0;
        evbuffer_freeze(input(), 0);
        if (!added) out_of_memory();
    }

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
        while (handler && !paused && !ending && !farewell && layer != Layer::starting) {
            std::size_t length = evbuffer_get_length(input());
            if (length == 0) break;
            std::size_t shown = std::min({length, most_offered, std::max(wanted, evbuffer_get_contiguous_space(input()))});
            auto* data = reinterpret_cast<const char*>(evbuffer_pullup(input(), static_cast<ev_ssize_t>(shown)));
            if (!data) return out_of_memory();
            std::string_view bytes(data, shown);
            handler->received(bytes);
            std::size_t taken = shown - bytes.size();
            evbuffer_drain(input(), taken);
            wanted = taken > 0 ? 0 : shown * 2;
            if (taken == 0 && shown == std::min(length, most_offered)) break;
        }
        if (peer_ended && handler && !paused && !ending)
            end_after_writing(truncated ? Reason::truncated : Reason::peer_closed);
    }

    void written() {
        if (farewell) {
            if (unwritten() == 0) say_farewell();
        } else if (layer == Layer::starting) {
            loop.defer([self = shared_from_this()] { self->begin_handshake(); });
        } else if (above && handler && unwritten() < low_output) {
            above = false;
            handler->writable();
        }
    }

    void happened(short what) {
        int code = EVUTIL_SOCKET_ERROR();
        if (ending) return;
        if (what & BEV_EVENT_CONNECTED) {
            layer == Layer::handshake ? handshake_done() : connect_done();
        } else if (layer == Layer::handshake) {
            handshake_failed(what, code);
        } else if (what & BEV_EVENT_EOF) {
            peer_has_ended();
        } else if (what & BEV_EVENT_ERROR) {
            failed(code);
        }
    }

    void connect_done() {
        no_delay();
        bufferevent_enable(event, EV_READ);
        connecting = false;
        if (handler) handler->connected();
    }

    /// libevent stops writing at the end of TLS; and what stands behind that on the wire is nobody's.
    void peer_has_ended() {
        peer_ended = true;
        bufferevent_disable(event, EV_READ);
        if (layer == Layer::secure) bufferevent_enable(event, EV_WRITE);
        if (!farewell) return offer();
        if (unwritten() == 0) end(farewell_reason);
    }

    void failed(int code) {
        error = evutil_socket_error_to_string(code);
        Reason reason = connecting ? Reason::refused : Reason::reset;
        if (layer == Layer::secure) reason = tls_failed(code);
        if (farewell) return end(farewell_reason);
        if (reason != Reason::truncated) return end(reason);
        truncated = true;
        evbuffer_drain(output(), unwritten());
        peer_has_ended();
    }

    Reason tls_failed(int code) {
        TlsFailure failure = tls_failure(event, code);
        error = failure.words;
        if (failure.kind == TlsFailure::Kind::ended) return Reason::truncated;
        return failure.kind == TlsFailure::Kind::reset ? Reason::reset : Reason::tls;
    }

    void start_tls(TlsSession made) {
        if (ending || farewell) return;
        layer = Layer::starting;
        session = std::move(made);
        unread = false;
        bufferevent_disable(event, EV_READ);
        if (unwritten() == 0) loop.defer([self = shared_from_this()] { self->begin_handshake(); });
    }

    /// Not before the owner has returned: until then nobody knows whether he leaves bytes.
    void begin_handshake() {
        if (ending || farewell || layer != Layer::starting) return;
        if (evbuffer_get_length(input()) > 0) return refuse_tls("plaintext behind the start of TLS");
        if (!session) return refuse_tls("no certificate can carry the server's name");
        bufferevent* stream = tls_stream(loop.native(), bufferevent_getfd(event), std::move(session));
        if (!stream) return refuse_tls("libevent: no bufferevent");
        bufferevent_setfd(event, -1);  // its new owner closes it
        bufferevent_free(event);
        event = stream;
        layer = Layer::handshake;
        listen_to_event();
        bufferevent_enable(event, EV_READ);
        std::string waiting = std::exchange(held, {});
        if (bufferevent_write(event, waiting.data(), waiting.size()) != 0) out_of_memory();
    }

    void refuse_tls(const char* why) {
        error = why;
        end(Reason::tls);
    }

    void handshake_done() {
        layer = Layer::secure;
        if (handler) handler->secured();
    }

    /// Whatever ended it: without a handshake there was no connection.
    void handshake_failed(short what, int code) {
        TlsFailure failure = tls_failure(event, code);
        bool closed = (what & BEV_EVENT_EOF) || failure.kind == TlsFailure::Kind::ended;
        error = closed ? "closed during the handshake" : failure.words;
        end(Reason::tls);
    }

    void write(std::string_view bytes) {
        if (ending || farewell || truncated || bytes.empty()) return;
        if (layer == Layer::starting) return void(held.append(bytes));
        if (layer == Layer::plain && !connecting && unwritten() == 0) {
            ssize_t sent = ::send(bufferevent_getfd(event), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        if (bytes.empty()) return;
        // An error of the socket comes up here again; it is memory alone that fails at once.
        if (bufferevent_write(event, bytes.data(), bytes.size()) != 0) return out_of_memory();
        if (unwritten() >= low_output) above = true;
    }

    /// What is lost of a stream must never look like its end, or like something shorter.
    void out_of_memory() {
        error = "out of memory";
        end(Reason::reset);
    }

    std::size_t unwritten() { return evbuffer_get_length(output()); }

    /// Our last words must arrive: a close with unread input would reset the connection and take them along. So: our side
    /// ends, and what still comes is thrown away, for a while.
    void end_after_writing(Reason reason) {
        if (ending || farewell) return;
        if (truncated || layer == Layer::starting || layer == Layer::handshake) return end(reason);
        farewell = true;
        farewell_reason = reason;
        deadline.set(longest_farewell);
        if (unwritten() == 0) say_farewell();
    }

    void say_farewell() {
        if (ending || !end_tls()) return;
        if (peer_ended) return end(farewell_reason);
        ::shutdown(bufferevent_getfd(event), SHUT_WR);
        evbuffer_drain(input(), evbuffer_get_length(input()));
        bufferevent_enable(event, EV_READ);
    }

    /// False: the socket is full; the farewell goes on when it is not.
    bool end_tls() {
        if (layer != Layer::secure || tls_ended) return true;
        tls_ended = send_close_notify(event);
        if (tls_ended) return true;
        if (!socket_free) socket_free = event_new(loop.native(), bufferevent_getfd(event), EV_WRITE, on_socket_free, this);
        event_add(socket_free, nullptr);
        return false;
    }

    static void on_socket_free(evutil_socket_t, short, void* self) {
        static_cast<State*>(self)->shared_from_this()->say_farewell();
    }

    /// A peer under TLS is told, where that takes no waiting.
    void end(Reason reason) {
        if (ending) return;
        if (layer == Layer::secure && !tls_ended && !truncated && unwritten() == 0) send_close_notify(event);
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
    Layer layer = Layer::plain;
    TlsSession session;              // until the handshake begins
    std::string held;                // written since start_tls(), until the handshake begins
    ::event* socket_free = nullptr;  // waits to say the end of TLS
    bool connecting = false;
    bool paused = false;
    bool unread = false;  // reading was stopped, since something came while paused
    bool peer_ended = false;
    bool truncated = false;  // by the peer's end, which was none of TLS
    bool tls_ended = false;  // by us
    bool farewell = false;   // we end as soon as the output is written
    bool ending = false;     // closed() is on its way
    bool above = false;      // the output has passed low_output
};

Connection::Connection(std::shared_ptr<State> state) : state_(std::move(state)) {}

Connection::~Connection() {
    state_->handler = nullptr;
    state_->ending = true;
    state_->deadline.clear();
    bufferevent_disable(state_->event, EV_READ | EV_WRITE);
    state_->loop.defer([state = state_] {});
}

std::unique_ptr<Connection> Connection::accepted(Loop& loop, int descriptor, Handler& handler,
                                                 const std::shared_ptr<const TlsServer>& tls) {
    auto state = std::make_shared<State>(loop, descriptor, handler);
    state->no_delay();
    if (tls) {
        state->start_tls(tls->session());
    } else {
        bufferevent_enable(state->event, EV_READ);
    }
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

void Connection::start_tls(const std::shared_ptr<const TlsServer>& tls) {
    state_->start_tls(tls->session());
}

void Connection::start_tls(const std::shared_ptr<const TlsClient>& tls, const std::string& server_name) {
    state_->start_tls(tls->session(server_name));
}

bool Connection::secure() const {
    return state_->layer == Layer::secure;
}

std::string Connection::tls_description() const {
    return secure() ? net::tls_description(state_->event) : std::string();
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
