#include "relay/backend.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/log.h"
#include "relay/addresses.h"

namespace onecopy::relay {
namespace {

namespace log = base::log;
using std::chrono::seconds;

/// How long a server rests after each failure in a row; the last repeats.
constexpr std::array<base::Duration, 6> pauses = {seconds(1), seconds(2), seconds(5), seconds(10), seconds(30), seconds(60)};
/// How long a server that takes no more connections is asked for none.
constexpr base::Duration full_for = seconds(60);
constexpr base::Duration longest_idle = seconds(5);
constexpr base::Duration longest_verdict = seconds(90);
constexpr base::Duration looked_up_for = seconds(60);
constexpr base::Duration lacking_for = seconds(60);

smtp::ClientSession::Options session_options(const Backend::Settings& settings) {
    using Tls = smtp::ClientSession::Tls;
    const config::Backend& backend = settings.backend;
    smtp::ClientSession::Options options{.hostname = settings.hostname};
    options.lmtp = backend.protocol == config::Protocol::lmtp;
    if (backend.tls == config::BackendTls::opportunistic) options.tls = Tls::opportunistic;
    if (backend.tls == config::BackendTls::required || backend.tls == config::BackendTls::verify)
        options.tls = Tls::required;
    options.username = backend.username;
    options.password = settings.credentials.password;
    return options;
}

}  // namespace

struct Backend::Server {
    std::string name;
    net::HostPort where;
    Addresses addresses;
    base::Duration looked_up{};  // boot clock
    bool looking_up = false;
    base::Duration rests_until{};  // boot clock
    base::Duration full_until{};   // boot clock
    std::size_t failures = 0;      // in a row
    std::string words;
    std::uint64_t transactions = 0;
    bool proven = false;
    std::optional<bool> smtputf8;  // whether its last reply to EHLO had it; unset: it was not asked yet
    base::Duration was_ready{};    // when that was last true of a connection; boot clock

    /// What it lacked a while ago it may have now: it is asked again.
    bool may_take(const Job& job) const {
        if (smtputf8.value_or(true) || !message::needs_smtputf8(job.envelope)) return true;
        return base::boot_clock() - was_ready >= lacking_for;
    }
    bool rests() const { return base::boot_clock() < rests_until; }
    bool full() const { return base::boot_clock() < full_until; }
};

struct Backend::Open {
    std::shared_ptr<Server> server;
    std::unique_ptr<Outgoing> connection;
    base::Duration idle_since{};
    bool was_ready = false;
    bool outdated = false;  // of settings that are no longer in force
};

Backend::Backend(net::Loop& loop, base::Worker& worker, std::string spool, Settings settings, Owner owner)
    : loop_(loop),
      worker_(worker),
      spool_(std::move(spool)),
      owner_(std::move(owner)),
      rest_timer_(loop, [this] { rest_ended(); }),
      idle_timer_(loop, [this] { end_idle(); }),
      verdict_timer_(loop,
                     [this] {
                         for (const auto& open : open_) open->connection->cut();
                     }),
      self_(std::make_shared<Backend*>(this)) {
    configure(std::move(settings));
}

Backend::~Backend() {
    *self_ = nullptr;
}

/// Nobody rests under new settings, and no address is shunned: what ailed a server may be what they mend.
void Backend::configure(Settings settings) {
    std::vector<std::shared_ptr<Server>> servers;
    for (const std::string& name : settings.backend.servers) {
        auto known = std::ranges::find(servers_, name, [](const auto& server) { return server->name; });
        if (known != servers_.end()) {
            servers.push_back(*known);
            servers.back()->addresses = {};
            servers.back()->rests_until = {};
            servers.back()->full_until = {};
            servers.back()->failures = 0;
        } else if (std::optional<net::HostPort> where = net::parse_host_port(name)) {
            servers.push_back(std::make_shared<Server>());
            servers.back()->name = name;
            servers.back()->where = *where;
        }
    }
    servers_ = std::move(servers);
    settings_ = std::move(settings);
    for (const auto& open : open_) open->outdated = true;
    end_idle();
}

void Backend::wake() {
    for (const auto& server : servers_) {
        server->rests_until = {};
        server->failures = 0;
    }
    owner_.available();
}

void Backend::run(Job job) {
    jobs_.push_back(std::move(job));
    pump();
}

/// Jobs to idle connections, then new connections for the rest, as far as is allowed.
void Backend::pump() {
    if (stopping_) return;
    while (use_idle()) {
    }
    std::map<std::shared_ptr<Server>, std::size_t> wanted;
    for (const Job& job : jobs_) {
        std::shared_ptr<Server> server = best_for(job);
        if (!server) return refuse_all();
        open_for(server, ++wanted[server]);
    }
}

void Backend::open_for(const std::shared_ptr<Server>& server, std::size_t jobs) {
    if (server->full() && serves(*server)) return;
    while (jobs > opening(*server)) {
        if (open_.size() >= settings_.backend.connections) return make_room(*server);
        if (server->looking_up || (!server->proven && opening(*server) > 0)) return;
        look_up(server);
        if (server->looking_up) return;
    }
}

/// A connection that rests is ended where one to another server is needed: it ends by itself only after a while.
void Backend::make_room(const Server& server) {
    auto idle = std::ranges::find_if(
        open_, [&server](const auto& open) { return open->server.get() != &server && open->connection->idle(); });
    if (idle != open_.end()) (*idle)->connection->quit();
}

bool Backend::use_idle() {
    for (auto job = jobs_.begin(); job != jobs_.end(); ++job) {
        auto open = std::ranges::find_if(open_, [this, &job](const auto& one) {
            return one->connection->idle() && !one->server->rests() &&
                   (one->server->may_take(*job) || one->server == best_for(*job));
        });
        if (open == open_.end()) continue;
        Job next = std::move(*job);
        jobs_.erase(job);
        (*open)->connection->run(std::move(next));
        return true;
    }
    return false;
}

std::size_t Backend::opening(const Server& server) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        open_, [&server](const auto& open) { return open->server.get() == &server && !open->was_ready; }));
}

bool Backend::serves(const Server& server) const {
    return std::ranges::any_of(open_,
                               [&server](const auto& open) { return open->server.get() == &server && open->was_ready; });
}

/// The first that has what the job needs; where none has it, the first: there it hears what is missing.
std::shared_ptr<Backend::Server> Backend::best_for(const Job& job) const {
    auto found = std::ranges::find_if(servers_, [&job](const auto& one) { return !one->rests() && one->may_take(job); });
    return found == servers_.end() ? first_available() : *found;
}

std::shared_ptr<Backend::Server> Backend::first_available() const {
    auto found = std::ranges::find_if(servers_, [](const auto& server) { return !server->rests(); });
    return found == servers_.end() ? nullptr : *found;
}

bool Backend::all_rest() const {
    return !first_available();
}

bool Backend::proven() const {
    std::shared_ptr<Server> server = first_available();
    return server && server->proven;
}

/// Names are looked up by the helper thread and remembered for a minute.
void Backend::look_up(const std::shared_ptr<Server>& server) {
    base::Duration now = base::boot_clock();
    if (!server->addresses.empty() && now - server->looked_up < looked_up_for) return connect(server);
    server->looking_up = true;
    worker_.run([weak = self_, server, post = loop_.poster()] {
        auto found = std::make_shared<net::LookUp>(net::look_up(server->where.host, server->where.port));
        post([weak, server, found] {
            server->looking_up = false;
            if (!*weak) return;
            server->addresses.found(found->addresses);
            server->looked_up = base::boot_clock();
            if (server->addresses.empty())
                (*weak)->ill(*server, "can't look up " + server->where.host + ": " + found->error);
            (*weak)->pump();
        });
    });
}

void Backend::connect(const std::shared_ptr<Server>& server) {
    Open& open = *open_.emplace_back(std::make_unique<Open>());
    open.server = server;
    Outgoing::Owner owner;
    owner.ready = [this, &open] { became_ready(open); };
    owner.finished = [this, &open](Job job, const Report& report) { finished(open, std::move(job), report); };
    owner.unused = [this](Job job) { jobs_.push_front(std::move(job)); };
    owner.passed_over = [this, &open](const smtp::Reply& reply) { passed_over(open, reply); };
    owner.ill = [this, &open](const smtp::Reply& reply) { turned_away(open, reply); };
    owner.gone = [this, &open] { gone(open); };
    Outgoing::Doors doors{
        loop_, worker_, spool_, session_options(settings_), settings_.credentials.tls_client, server->where.host};
    open.connection = std::make_unique<Outgoing>(std::move(doors), server->name,
                                                 server->addresses.in_turn(base::boot_clock()), std::move(owner));
}

void Backend::became_ready(Open& open) {
    open.was_ready = true;
    open.idle_since = open.server->was_ready = base::boot_clock();
    open.server->addresses.answered(open.connection->address());
    open.server->smtputf8 = open.connection->extensions().smtputf8;
    owner_.told_smtputf8(std::ranges::any_of(servers_, [](const auto& server) { return server->smtputf8.value_or(false); }));
    if (stopping_ || worn_out(open)) return open.connection->quit();
    pump();
    if (open.connection->idle() && !idle_timer_.pending()) idle_timer_.set(longest_idle);
}

bool Backend::worn_out(const Open& open) const {
    const config::Backend& limits = settings_.backend;
    return open.outdated || open.connection->transactions() >= limits.messages_per_connection ||
           base::boot_clock() - open.connection->opened() >= limits.connection_lifetime;
}

void Backend::end_idle() {
    base::Duration now = base::boot_clock();
    bool idle_left = false;
    for (const auto& open : open_) {
        if (!open->connection->idle()) continue;
        if (open->outdated || now - open->idle_since >= longest_idle) {
            open->connection->quit();
        } else {
            idle_left = true;
        }
    }
    if (idle_left) idle_timer_.set(longest_idle);
}

void Backend::finished(Open& open, Job job, const Report& report) {
    if (report.fate == Report::Fate::answered) {
        ++open.server->transactions;
        if (!report.ill) well(*open.server);
    }
    job.done(report);
}

/// One address of several, for the next.
void Backend::passed_over(const Open& open, const smtp::Reply& reply) {
    const net::SocketAddress& address = open.connection->address();
    open.server->addresses.failed(address, base::boot_clock());
    log::info("address_failed",
              {{"server", open.server->name}, {"address", net::address_text(address.get())}, {"reply", reply.text()}});
}

/// A server that refuses one more connection while it serves others is full, not ill: those it has serve on.
void Backend::turned_away(const Open& open, const smtp::Reply& reply) {
    Server& server = *open.server;
    server.addresses.failed(open.connection->address(), base::boot_clock());
    if (reply.code != 421 || open.was_ready || !serves(server)) return ill(server, reply.text());
    server.full_until = base::boot_clock() + full_for;
    log::info("server_full", {{"server", server.name}, {"reply", reply.text()}, {"seconds", full_for.count() / 1000}});
}

void Backend::ill(Server& server, const std::string& words) {
    base::Duration pause = pauses[std::min(server.failures, pauses.size() - 1)];
    if (server.failures == 0) {
        log::warning("server_resting", {{"server", server.name}, {"reply", words}, {"seconds", pause.count() / 1000}});
    }
    if (!server.rests()) ++server.failures;
    server.words = words;
    server.proven = false;
    server.rests_until = base::boot_clock() + pause;
    set_rest_timer();
}

void Backend::well(Server& server) {
    if (server.failures > 0) log::info("server_well", {{"server", server.name}});
    server.failures = 0;
    server.proven = true;
}

void Backend::gone(Open& open) {
    auto place = std::ranges::find_if(open_, [&open](const auto& one) { return one.get() == &open; });
    open_.erase(place);
    if (stopping_) return finish_if_stopped();
    pump();
}

/// Nobody can be had: each job hears it, from the loop.
void Backend::refuse_all() {
    Report report;
    report.fate = Report::Fate::no_server;
    report.words = servers_.empty() ? "no servers" : servers_.front()->words;
    for (Job& job : std::exchange(jobs_, {})) {
        loop_.defer([done = std::move(job.done), report] { done(report); });
    }
}

void Backend::rest_ended() {
    set_rest_timer();
    if (!all_rest()) owner_.available();
}

/// One timer for all servers.
void Backend::set_rest_timer() {
    base::Duration now = base::boot_clock(), next{};
    for (const auto& server : servers_) {
        if (!server->rests()) continue;
        base::Duration left = server->rests_until - now;
        next = next.count() == 0 ? left : std::min(next, left);
    }
    if (next.count() > 0) rest_timer_.set(next);
}

void Backend::stop(std::function<void()> done) {
    stopping_ = true;
    stopped_ = std::move(done);
    jobs_.clear();
    for (const auto& open : open_) {
        if (!open->connection->awaiting_verdict()) open->connection->cut();
    }
    verdict_timer_.set(longest_verdict);
    finish_if_stopped();
}

void Backend::finish_if_stopped() {
    if (!open_.empty() || !stopped_) return;
    verdict_timer_.clear();
    loop_.defer(std::exchange(stopped_, nullptr));
}

std::vector<Backend::Health> Backend::health() const {
    std::vector<Health> all;
    for (const auto& server : servers_) {
        Health& health = all.emplace_back();
        health.server = server->name;
        if (server->rests()) health.rests_for = server->rests_until - base::boot_clock();
        health.words = server->words;
        health.connections = static_cast<std::size_t>(
            std::ranges::count_if(open_, [&server](const auto& open) { return open->server == server; }));
        health.connecting = opening(*server);
        health.transactions = server->transactions;
    }
    return all;
}

}  // namespace onecopy::relay
