#include "relay/inbound.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "relay/policy.h"

namespace onecopy::relay {
namespace {

namespace log = base::log;
namespace metrics = base::metrics;

/// A load balancer says at once whom it speaks for.
constexpr base::Duration most_before_header = std::chrono::seconds(10);

smtp::ServerSession::Tls tls_of(config::ListenTls tls) {
    using Tls = smtp::ServerSession::Tls;
    switch (tls) {
        case config::ListenTls::starttls:
            return Tls::offered;
        case config::ListenTls::required:
            return Tls::required;
        case config::ListenTls::none:
        case config::ListenTls::implicit:
            return Tls::none;
    }
    return Tls::none;
}

smtp::ServerSession::Auth auth_of(config::Auth auth) {
    using Auth = smtp::ServerSession::Auth;
    if (auth == config::Auth::none) return Auth::none;
    return auth == config::Auth::required ? Auth::required : Auth::optional;
}

std::shared_ptr<const IntakeSettings> settings_of(const config::Config& config, const config::Listen& listen,
                                                  const Credentials& credentials) {
    auto settings = std::make_shared<IntakeSettings>();
    settings->session.hostname = config.hostname;
    settings->session.message_size = config.limits.message_size;
    settings->session.recipients = config.limits.recipients;
    settings->session.errors = config.limits.errors;
    settings->session.refuse_bare = listen.line_endings == config::LineEndings::reject;
    settings->session.lmtp = listen.protocol == config::Protocol::lmtp;
    settings->session.tls = tls_of(listen.tls);
    settings->session.auth = auth_of(listen.auth);
    settings->implicit_tls = listen.tls == config::ListenTls::implicit;
    settings->tls = credentials.tls_server;
    settings->users = credentials.users;
    settings->addresses = addresses_of(config);
    settings->rules = rules_of(config);
    settings->observed_window = config.grouping.window;
    settings->hops = config.limits.hops;
    settings->timeout = config.limits.timeout;
    return settings;
}

std::vector<net::Network> networks_of(const config::Listen& listen) {
    std::vector<net::Network> networks;
    for (const std::string& text : listen.allow) {
        if (std::optional<net::Network> network = net::Network::parse(text)) networks.push_back(*network);
    }
    return networks;
}

}  // namespace

Inbound::Inbound(net::Loop& loop, ledger::LedgerThread& ledger)
    : loop_(loop), ledger_(ledger), authenticator_(loop.poster()) {}

Inbound::~Inbound() = default;

void Inbound::configure(const config::Config& config, const Credentials& credentials) {
    std::map<std::string, Door> doors;
    for (const config::Listen& listen : config.listen) {
        Door& door = doors[listen.address];
        door.allow = networks_of(listen);
        door.proxy_protocol = listen.proxy_protocol;
        door.settings = settings_of(config, listen, credentials);
        auto open = doors_.find(listen.address);
        if (open != doors_.end()) {
            door.listener = open->second.listener;
            continue;
        }
        door.listener = std::make_shared<net::Listener>(
            loop_, listen.address,
            [this, address = listen.address](int descriptor, const sockaddr* peer) { accept(address, descriptor, peer); });
    }
    doors_ = std::move(doors);
    limits_ = config.limits;
    hostname_ = config.hostname;
}

std::vector<std::string> Inbound::addresses() const {
    std::vector<std::string> addresses;
    for (const auto& [address, door] : doors_) addresses.push_back(door.listener->address());
    return addresses;
}

void Inbound::accept(const std::string& address, int descriptor, const sockaddr* peer) {
    auto found = doors_.find(address);
    if (found == doors_.end()) {  // a reload is closing it
        ::close(descriptor);
        return;
    }
    const Door& door = found->second;
    const Peer own{net::address_text(peer), net::is_loopback(peer)};
    const std::optional<Objection> why = objection(door, peer);
    if (door.proxy_protocol) {
        if (!why) return await_proxy_header(door.settings, descriptor, own);
        ::shutdown(descriptor, SHUT_RDWR);  // nothing is said before the header
    }
    if (why) return turn_away(door.settings, descriptor, own.address, *why);
    admit(door.settings, descriptor, own);
}

void Inbound::await_proxy_header(const Settings& settings, int descriptor, const Peer& proxy) {
    const auto place = before_header_.emplace(before_header_.end());
    net::ProxyReader::Handler handler;
    handler.complete = [this, settings, proxy, place](int ready, const std::optional<net::SocketAddress>& source) {
        before_header_.erase(place);
        admit(settings, ready, source ? Peer{net::address_text(source->get()), net::is_loopback(source->get())} : proxy);
    };
    handler.failed = [this, proxy, place](const std::string& why) {
        before_header_.erase(place);
        if (why.empty()) return;
        ++counters_.refused;
        metrics::refused_proxy_header.add();
        log::warning("connection_refused", {{"client", proxy.address}, {"reason", why}});
    };
    *place = std::make_unique<net::ProxyReader>(loop_, descriptor, most_before_header, std::move(handler));
}

void Inbound::admit(const Settings& settings, int descriptor, Peer peer) {
    const std::string client = peer.address;
    auto own = by_client_.find(client);
    if (own != by_client_.end() && own->second >= limits_.connections_per_client) {
        return turn_away(settings, descriptor, client,
                         {metrics::refused_client_limit, "too many connections from you (limits.connections_per_client)"});
    }
    ++by_client_[client];
    ++counters_.accepted;
    ++counters_.open;
    Open::iterator place = open_.emplace(open_.end());
    *place = std::make_unique<Intake>(IntakeDoors{loop_, ledger_, budget_, observer_, authenticator_}, descriptor,
                                      std::move(peer), settings, [this, place, client] { gone(place, client); });
}

/// Names the key to change; none: welcome.
std::optional<Inbound::Objection> Inbound::objection(const Door& door, const sockaddr* peer) const {
    bool local = peer->sa_family == AF_UNIX;
    auto allows = [peer](const net::Network& network) { return network.contains(peer); };
    if (!local && std::ranges::none_of(door.allow, allows))
        return Objection{metrics::refused_allow, "your address is not in listen.allow"};
    if (counters_.open + before_header_.size() >= limits_.connections)
        return Objection{metrics::refused_limit, "too many connections (limits.connections)"};
    return std::nullopt;
}

/// In words where the client can read them: it expects a handshake first where TLS is implicit.
void Inbound::turn_away(const Settings& settings, int descriptor, const std::string& client, const Objection& objection) {
    const auto& [count, why] = objection;
    ++counters_.refused;
    count.add();
    log::warning("connection_refused", {{"client", client}, {"reason", why}});
    std::string reply = smtp::Reply(421, "4.7.0", hostname_ + " " + why).wire();
    if (!settings->implicit_tls) (void)!::send(descriptor, reply.data(), reply.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::close(descriptor);
}

void Inbound::gone(Open::iterator place, const std::string& client) {
    auto own = by_client_.find(client);
    if (--own->second == 0) by_client_.erase(own);
    --counters_.open;
    open_.erase(place);
    finish_if_empty();
}

void Inbound::stop(std::function<void()> done) {
    done_ = std::move(done);
    doors_.clear();
    before_header_.clear();
    patience_ = std::make_unique<net::Timer>(loop_, [this] {
        for (const auto& intake : open_) intake->cut();
    });
    patience_->set(limits_.shutdown);
    for (const auto& intake : open_) intake->shut_down();
    finish_if_empty();
}

void Inbound::finish_if_empty() {
    if (!open_.empty() || !done_) return;
    loop_.defer([done = std::exchange(done_, nullptr)] { done(); });
}

}  // namespace onecopy::relay
