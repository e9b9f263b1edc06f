#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "config/config.h"
#include "net/listener.h"
#include "net/proxy_reader.h"
#include "relay/credentials.h"
#include "relay/intake.h"

namespace onecopy::relay {

/// All that comes in: listeners, who may connect and how many, and the connections themselves.
class Inbound {
public:
    struct Counters {
        std::uint64_t open = 0;
        std::uint64_t accepted = 0;
        std::uint64_t refused = 0;
    };

    Inbound(net::Loop& loop, ledger::LedgerThread& ledger);
    ~Inbound();

    /// Listens as the configuration says; what listens already goes on. Throws std::runtime_error where that can't be done;
    /// then everything is as before. Connections that are open keep their settings, and their certificate.
    void configure(const config::Config& config, const Credentials& credentials);
    /// No new connections; `done` is called when the last one has had its answer, or after limits.shutdown.
    void stop(std::function<void()> done);

    const Counters& counters() const { return counters_; }
    /// Where it listens, with the ports that were given for port 0.
    std::vector<std::string> addresses() const;

private:
    /// A place to listen on, and who may come.
    struct Door {
        std::vector<net::Network> allow;
        bool proxy_protocol = false;
        std::shared_ptr<const IntakeSettings> settings;
        std::shared_ptr<net::Listener> listener;
    };
    using Settings = std::shared_ptr<const IntakeSettings>;
    using Open = std::list<std::unique_ptr<Intake>>;

    void accept(const std::string& address, int descriptor, const sockaddr* peer);
    void await_proxy_header(const Settings& settings, int descriptor, const Peer& proxy);
    void admit(const Settings& settings, int descriptor, Peer peer);
    /// Why somebody is turned away: in words, and where that is counted.
    struct Objection {
        base::metrics::Counter& count;
        const char* why;
    };
    std::optional<Objection> objection(const Door& door, const sockaddr* peer) const;
    void turn_away(const Settings& settings, int descriptor, const std::string& client, const Objection& objection);
    void gone(Open::iterator place, const std::string& client);
    void finish_if_empty();

    net::Loop& loop_;
    ledger::LedgerThread& ledger_;
    Budget budget_;
    Observer observer_;
    config::Limits limits_;
    std::string hostname_;
    std::map<std::string, Door> doors_;  // by address as configured
    Authenticator authenticator_;
    std::list<std::unique_ptr<net::ProxyReader>> before_header_;
    Open open_;
    std::map<std::string, unsigned> by_client_;
    Counters counters_;
    std::function<void()> done_;
    std::unique_ptr<net::Timer> patience_;
};

}  // namespace onecopy::relay
