#include "relay/inbound.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "relay/policy.h"

namespace onecopy::relay {
namespace {

namespace log = base::log;

std::shared_ptr<const IntakeSettings> settings_of(const config::Config& config, const config::Listen& listen) {
    auto settings = std::make_shared<IntakeSettings>();
    settings->session.hostname = config.hostname;
    settings->session.message_size = config.limits.message_size;
    settings->session.recipients = config.limits.recipients;
    settings->session.errors = config.limits.errors;
    settings->session.refuse_bare = listen.line_endings == config::LineEndings::reject;
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

Inbound::Inbound(net::Loop& loop, ledger::LedgerThread& ledger) : loop_(loop), ledger_(ledger) {}

Inbound::~Inbound() = default;

void Inbound::configure(const config::Config& config) {
    std::map<std::string, Door> doors;
    for (const config::Listen& listen : config.listen) {
        Door& door = doors[listen.address];
        door.allow = networks_of(listen);
        door.settings = settings_of(config, listen);
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
    auto door = doors_.find(address);
    if (door == doors_.end()) {  // a reload is closing it
        ::close(descriptor);
        return;
    }
    std::string client = net::address_text(peer);
    std::string why = objection(door->second, peer, client);
    if (!why.empty()) return turn_away(descriptor, client, why);
    ++by_client_[client];
    ++counters_.accepted;
    ++counters_.open;
    Open::iterator place = open_.emplace(open_.end());
    *place = std::make_unique<Intake>(IntakeDoors{loop_, ledger_, budget_, observer_}, descriptor, client,
                                      door->second.settings, [this, place, client] { gone(place, client); });
}

/// Names the key to change; empty: welcome.
std::string Inbound::objection(const Door& door, const sockaddr* peer, const std::string& client) const {
    bool local = peer->sa_family == AF_UNIX;
    auto allows = [peer](const net::Network& network) { return network.contains(peer); };
    if (!local && std::ranges::none_of(door.allow, allows)) return "your address is not in listen.allow";
    if (counters_.open >= limits_.connections) return "too many connections (limits.connections)";
    auto own = by_client_.find(client);
    if (own != by_client_.end() && own->second >= limits_.connections_per_client) {
        return "too many connections from you (limits.connections_per_client)";
    }
    return {};
}

void Inbound::turn_away(int descriptor, const std::string& client, const std::string& why) {
    ++counters_.refused;
    log::warning("connection_refused", {{"client", client}, {"reason", why}});
    std::string reply = smtp::Reply(421, "4.7.0", hostname_ + " " + why).wire();
    (void)!::send(descriptor, reply.data(), reply.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
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
