// The floor lib/net in a world without sockets: the same headers, other sources. Loop, timers and connections as the real
// ones behave towards their owners (connection.h); TLS as tls_end.h has it.

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "net/connection.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/tls.h"
#include "tls_end.h"
#include "wire.h"

using simulation::TlsEnd;
using simulation::Wire;
using simulation::world;

/// What stands for a timer of libevent.
struct event {
    std::function<void()>* task = nullptr;
    std::shared_ptr<event*> self;  // null once it is gone
    std::uint64_t setting = 0;
    bool pending = false;
};

/// What stand for OpenSSL's.
struct ssl_ctx_st {
    std::string certificate;
    bool verifies = false;
};
struct ssl_st {
    TlsEnd end;
};

namespace onecopy::net {

using Task = std::function<void()>;

void TlsDeleter::operator()(ssl_st* session) const {
    delete session;
}
void TlsDeleter::operator()(ssl_ctx_st* context) const {
    delete context;
}

TlsServer::TlsServer(const Settings& settings)
    : context_(new ssl_ctx_st{settings.certificate, false}), expires_(base::wall_clock() + std::chrono::hours(24 * 365)) {}

TlsSession TlsServer::session() const {
    return TlsSession(new ssl_st{TlsEnd::server(context_->certificate)});
}

TlsClient::TlsClient(const Settings& settings) : context_(new ssl_ctx_st{"", settings.verify}) {}

TlsSession TlsClient::session(const std::string& server_name) const {
    return TlsSession(new ssl_st{TlsEnd::client(server_name, context_->verifies)});
}

namespace {

struct Turns {
    std::vector<Task> posted, deferred, each_turn;
    bool waking = false;
    std::shared_ptr<Turns*> self = std::make_shared<Turns*>(this);

    ~Turns() {
        run_deferred();
        *self = nullptr;
    }

    /// A process that has died does nothing more.
    void run_deferred() {
        if (world->dead()) return deferred.clear();
        while (!deferred.empty()) {
            for (Task& task : std::exchange(deferred, {})) task();
        }
    }
};

Turns* the_loop = nullptr;  // one process has one

/// One turn of the loop, if the process is alive.
void turn(const Task& task) {
    if (!the_loop || world->dead()) return;
    task();
    the_loop->run_deferred();
    for (const Task& each : the_loop->each_turn) each();
}

}  // namespace

struct Loop::State : Turns {};

std::string libevent_version() {
    return "none";
}

Loop::Loop() : state_(std::make_unique<State>()) {
    the_loop = state_.get();
}

Loop::~Loop() {
    state_->run_deferred();
    the_loop = nullptr;
}

void Loop::run() {}
void Loop::stop() {}

event_base* Loop::native() const {
    return nullptr;
}

void Loop::post(Task task) {
    state_->posted.push_back(std::move(task));
    if (std::exchange(state_->waking, true)) return;
    world->after(world->between(0, 300), [weak = state_->self] {
        if (!*weak) return;
        Turns& state = **weak;
        state.waking = false;
        turn([&state] {
            for (Task& one : std::exchange(state.posted, {})) one();
        });
    });
}

base::Post Loop::poster() {
    return [this](Task task) { post(std::move(task)); };
}

void Loop::defer(Task task) {
    state_->deferred.push_back(std::move(task));
}

void Loop::each_turn(Task task) {
    state_->each_turn.push_back(std::move(task));
}

Timer::Timer(Loop&, Task task) : task_(std::move(task)), event_(new event) {
    event_->task = &task_;
    event_->self = std::make_shared<event*>(event_);
}

Timer::~Timer() {
    *event_->self = nullptr;
    delete event_;
}

void Timer::set(base::Duration delay) {
    event_->pending = true;
    ++event_->setting;
    const auto micros = std::chrono::microseconds(std::max(delay, base::Duration(0))).count();
    world->after(micros, [weak = event_->self, setting = event_->setting] {
        if (!*weak || (*weak)->setting != setting || !(*weak)->pending) return;
        (*weak)->pending = false;
        turn([weak] {
            Task task = *(*weak)->task;
            task();
        });
    });
}

void Timer::clear() {
    event_->pending = false;
}

bool Timer::pending() const {
    return event_->pending;
}

namespace {

enum class Layer { plain, starting, handshake, secure };

}  // namespace

struct Connection::State : std::enable_shared_from_this<State> {
    State(Loop& event_loop, Handler& owner)
        : loop(event_loop), handler(&owner), deadline(event_loop, [this] { deadline_passed(); }) {}

    void attach(const std::shared_ptr<Wire>& to) {
        wire = to;
        std::weak_ptr<State> weak = weak_from_this();
        auto inside = [weak](auto&& what) {
            turn([&] {
                if (auto self = weak.lock()) what(*self);
            });
        };
        wire->inside.received = [inside](const std::string& bytes) { inside([&](State& self) { self.came(bytes); }); };
        wire->inside.closed = [inside] { inside([](State& self) { self.peer_closed(); }); };
        wire->inside.reset = [inside] {
            inside([](State& self) {
                self.error = "Connection reset by peer";
                self.end(self.shaking() ? Reason::tls : Reason::reset);
            });
        };
        wire->inside.drained = [inside](std::size_t bytes) { inside([bytes](State& self) { self.drained(bytes); }); };
    }

    bool shaking() const { return layer == Layer::starting || layer == Layer::handshake; }

    void came(const std::string& bytes) {
        if (farewell || ending) return;
        if (layer == Layer::starting) return void(unread += bytes);
        if (!tls) {
            input += bytes;
            return offer();
        }
        send(tls->end.feed(bytes, input));
        const TlsEnd::State state = tls->end.state();
        if (state == TlsEnd::State::broken) {
            error = tls->end.words();
            return end(Reason::tls);
        }
        if (layer == Layer::handshake && state == TlsEnd::State::secure) {
            layer = Layer::secure;
            send_held();
            handler->secured();
        }
        if (state == TlsEnd::State::ended) return peer_closed();
        if (layer == Layer::secure) offer();
    }

    void peer_closed() {
        if (ending || peer_ended) return;
        if (shaking()) return refuse_tls("closed during the handshake");
        peer_ended = true;
        truncated = layer == Layer::secure && tls->end.state() != TlsEnd::State::ended;
        if (farewell) return end(farewell_reason);
        offer();
    }

    void offer() {
        while (handler && !paused && !ending && !farewell && layer != Layer::starting && !input.empty()) {
            const std::string shown = input;
            std::string_view bytes = shown;
            handler->received(bytes);
            const std::size_t taken = shown.size() - bytes.size();
            input.erase(0, taken);
            if (taken == 0) break;
        }
        if (!peer_ended || !handler || paused || ending) return;
        truncated ? end(Reason::truncated) : end_after_writing(Reason::peer_closed);
    }

    /// Not before the owner has returned, and the output has left.
    void start_tls(TlsSession made) {
        if (ending || farewell) return;
        layer = Layer::starting;
        tls = std::move(made);
        if (unwritten == 0) loop.defer([self = shared_from_this()] { self->begin_handshake(); });
    }

    void begin_handshake() {
        if (ending || farewell || layer != Layer::starting) return;
        if (!input.empty()) return refuse_tls("plaintext behind the start of TLS");
        layer = Layer::handshake;
        send(tls->end.begin());
        const std::string first = std::exchange(unread, {});
        if (!first.empty()) came(first);
    }

    void refuse_tls(const char* why) {
        error = why;
        end(Reason::tls);
    }

    void drained(std::size_t bytes) {
        unwritten -= bytes;
        if (farewell) {
            if (unwritten == 0) end(farewell_reason);
        } else if (layer == Layer::starting) {
            if (unwritten == 0) loop.defer([self = shared_from_this()] { self->begin_handshake(); });
        } else if (above && handler && unwritten < low_output) {
            above = false;
            handler->writable();
        }
    }

    void write(std::string_view bytes) {
        if (ending || farewell || truncated || bytes.empty() || !wire) return;
        if (shaking()) return void(held += bytes);
        send(tls ? TlsEnd::sealed(std::string(bytes)) : std::string(bytes));
        if (unwritten >= low_output) above = true;
    }

    void send_held() {
        const std::string waiting = std::exchange(held, {});
        write(waiting);
    }

    void send(const std::string& bytes) {
        if (bytes.empty() || !world->effect()) return;
        unwritten += bytes.size();
        wire->written(bytes);
    }

    void end_after_writing(Reason reason) {
        if (ending || farewell) return;
        if (shaking()) return end(reason);
        farewell = true;
        farewell_reason = reason;
        deadline.set(base::Duration(5000));
        if (unwritten == 0) end(reason);
    }

    void end(Reason reason) {
        if (ending) return;
        if (layer == Layer::secure && !truncated && unwritten == 0) send(TlsEnd::close_notify());
        ending = true;
        deadline.clear();
        if (wire && !world->dead()) wire->left();
        loop.defer([self = shared_from_this(), reason] {
            if (Handler* owner = std::exchange(self->handler, nullptr)) owner->closed(reason, self->error);
        });
    }

    void deadline_passed() {
        auto self = shared_from_this();
        if (farewell) return end(farewell_reason);
        if (ending) return;
        if (!when_late) return end(Reason::timeout);
        auto callback = when_late;
        callback();
    }

    Loop& loop;
    Handler* handler;
    Timer deadline;
    std::shared_ptr<Wire> wire;
    std::function<void()> when_late;
    std::string input, error;
    Reason farewell_reason = Reason::done;
    Layer layer = Layer::plain;
    TlsSession tls;      // from start_tls() on
    std::string unread;  // came since then, until the handshake begins
    std::string held;    // written since then, until it is done
    std::size_t unwritten = 0;
    bool paused = false, peer_ended = false, truncated = false, farewell = false, ending = false, above = false;
};

Connection::Connection(std::shared_ptr<State> state) : state_(std::move(state)) {}

Connection::~Connection() {
    state_->handler = nullptr;
    state_->deadline.clear();
    if (!std::exchange(state_->ending, true) && state_->wire && !world->dead()) state_->wire->left();
    state_->loop.defer([state = state_] {});
}

namespace {

std::map<int, std::shared_ptr<Wire>> coming;  // accepted, by what stands for a descriptor
int next_descriptor = 1 << 20;
std::map<std::string, Listener::Accepted*> listening;

}  // namespace

std::unique_ptr<Connection> Connection::accepted(Loop& loop, int descriptor, Handler& handler,
                                                 const std::shared_ptr<const TlsServer>& tls) {
    auto state = std::make_shared<State>(loop, handler);
    state->attach(coming.at(descriptor));
    coming.erase(descriptor);
    if (tls) state->start_tls(tls->session());
    return std::unique_ptr<Connection>(new Connection(std::move(state)));
}

std::unique_ptr<Connection> Connection::connect(Loop& loop, const SocketAddress& address, Handler& handler) {
    auto state = std::make_shared<State>(loop, handler);
    std::unique_ptr<Connection> connection(new Connection(state));
    const unsigned port = ntohs(reinterpret_cast<const sockaddr_in*>(address.get())->sin_port);
    auto wire = std::make_shared<Wire>();
    std::weak_ptr<State> weak = state;
    world->after(world->between(50, 2000), [weak, wire, port] {
        turn([&] {
            auto self = weak.lock();
            if (!self || self->ending) return;
            self->attach(wire);
            simulation::remember(wire);
            if (simulation::on_connect && simulation::on_connect(port, wire)) return self->handler->connected();
            self->error = "Connection refused";
            self->end(Reason::refused);
        });
    });
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
    return secure() ? "TLSv1.3 SIMULATED" : "";
}
void Connection::write(std::string_view bytes) {
    state_->write(bytes);
}
std::size_t Connection::unwritten() const {
    return state_->unwritten;
}
void Connection::pause() {
    state_->paused = true;
}
void Connection::resume() {
    if (!std::exchange(state_->paused, false) || state_->ending || state_->farewell) return;
    if (state_->peer_ended || !state_->input.empty()) state_->loop.defer([state = state_] { state->offer(); });
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

struct Listener::State {
    std::string address;
    Accepted accepted;
};

Listener::Listener(Loop&, const std::string& address, Accepted accepted, unsigned)
    : state_(std::make_unique<State>(State{address, std::move(accepted)})) {
    listening[address] = &state_->accepted;
}

Listener::~Listener() {
    listening.erase(state_->address);
}

std::string Listener::address() const {
    return state_->address;
}
bool Listener::resting() const {
    return false;
}

}  // namespace onecopy::net

namespace simulation {

using namespace onecopy::net;

std::function<bool(unsigned, const std::shared_ptr<Wire>&)> on_connect;

namespace {

std::map<std::uint64_t, std::weak_ptr<Wire>> wires;  // of this life of the process
std::uint64_t made = 0;

}  // namespace

void remember(const std::shared_ptr<Wire>& wire) {
    wires[made++] = wire;
}

Microseconds Wire::arrival(Microseconds& last) {
    last = std::max(last, world->now() + world->between(20, world->chance(5) ? 50 * millisecond : 900));
    return last - world->now();
}

void Wire::send(std::string bytes, std::function<void()> arrived) {
    while (open_ && !bytes.empty()) {
        std::size_t size = bytes.size();
        if (world->chance(30)) size = 1 + world->below(std::min<std::size_t>(size, 3000));
        const bool last = size == bytes.size();
        world->after(arrival(last_in_), [self = shared_from_this(), piece = bytes.substr(0, size), last, arrived] {
            if (!self->open_ || world->dead() || !self->inside.received) return;
            self->inside.received(piece);
            if (last && arrived && self->open_) arrived();
        });
        bytes.erase(0, size);
    }
}

void Wire::close() {
    world->after(arrival(last_in_), [self = shared_from_this()] {
        if (!std::exchange(self->open_, false)) return;
        if (self->inside.closed) self->inside.closed();
    });
}

void Wire::reset() {
    if (!std::exchange(open_, false)) return;
    world->after(world->between(20, 2000), [self = shared_from_this()] {
        if (self->inside.reset) self->inside.reset();
    });
}

void reset_all(const std::vector<std::weak_ptr<Wire>>& wires) {
    world->after(20, [wires] {
        for (const std::weak_ptr<Wire>& one : wires) {
            const std::shared_ptr<Wire> wire = one.lock();
            if (wire && std::exchange(wire->open_, false) && wire->inside.reset) wire->inside.reset();
        }
    });
}

void Wire::written(std::string bytes) {
    world->after(arrival(last_out_), [self = shared_from_this(), bytes = std::move(bytes)] {
        if (self->inside.drained) self->inside.drained(bytes.size());
        if (self->open_ && self->handler.received) self->handler.received(bytes);
    });
}

void Wire::left() {
    world->after(arrival(last_out_), [self = shared_from_this()] {
        if (!std::exchange(self->open_, false)) return;
        if (self->handler.ended) self->handler.ended();
    });
}

std::shared_ptr<Wire> dial(const std::string& address, bool from_afar) {
    auto found = listening.find(address);
    if (found == listening.end() || world->dead()) return nullptr;
    auto wire = std::make_shared<Wire>();
    wires[made++] = wire;
    const int descriptor = next_descriptor++;
    coming[descriptor] = wire;
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_addr.s_addr = from_afar ? htonl(0xc0000207) : htonl(INADDR_LOOPBACK);  // 192.0.2.7
    turn([&] { (*found->second)(descriptor, reinterpret_cast<const sockaddr*>(&peer)); });
    return wire;
}

/// The kernel still sends what it was given.
void cut_all_wires() {
    coming.clear();
    for (const auto& [number, weak] : std::exchange(wires, {})) {
        auto wire = weak.lock();
        if (!wire) continue;
        wire->inside = {};
        wire->left();
    }
}

}  // namespace simulation
