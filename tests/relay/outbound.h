#pragma once

#include <algorithm>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "fixture.h"
#include "relay/delivery.h"
#include "sink.h"

namespace onecopy::relay::testing {

/// What goes out: a ledger, a delivery that takes from it, and servers of the test's own.
struct Outbound : House {
    explicit Outbound(std::size_t servers = 1) {
        for (std::size_t i = 0; i < servers; ++i) config.backend.servers.push_back(sinks.emplace_back(loop).address());
        config.hostname = "proxy.example";
        config.spool.directory = directory.path();
        config.backend.connections = 2;
        when_due = [this](std::vector<ledger::Due> groups) { delivery->due(std::move(groups)); };
        when_settled = [this](const ledger::Settled& one) {
            settled.push_back(one);
            delivery->settled(one);
        };
        when_told = [this](const ledger::Told& one) {
            told.push_back(one);
            delivery->told(one);
        };
    }
    ~Outbound() { delivery.reset(); }
    void start() { delivery.emplace(loop, worker, *ledger, config, credentials); }
    Sink& sink(std::size_t number = 0) { return *std::next(sinks.begin(), static_cast<std::ptrdiff_t>(number)); }

    /// The addresses of a message that ended so, in order.
    std::vector<std::string> ended(coalesce::State state) const {
        std::vector<std::string> addresses;
        for (const ledger::Settled& one : settled) {
            for (const auto& member : one.ended) {
                if (member.state == state) addresses.push_back(member.address);
            }
        }
        std::ranges::sort(addresses);
        return addresses;
    }
    std::vector<std::string> delivered() const { return ended(coalesce::State::delivered); }
    std::vector<std::string> failed() const { return ended(coalesce::State::failed); }
    bool until_delivered(std::size_t count) {
        return until([&] { return delivered().size() >= count; });
    }
    /// Nothing is in flight: every group that was handed out has been settled.
    bool until_quiet() {
        bool quiet = until([&] { return delivery->counters().in_flight == 0; });
        settle_down();
        return quiet;
    }
    void reload() { delivery->configure(config, credentials); }

    std::vector<ledger::Told> told;
    config::Config config;
    Credentials credentials;
    std::list<Sink> sinks;
    base::Worker worker;
    std::optional<Delivery> delivery;
};

/// Answers to some commands, by their beginning: `RCPT TO:<b@x>` or `DATA`.
inline Sink::Script answers(std::vector<std::pair<std::string, std::string>> table) {
    return [table = std::move(table)](Sink::Session&, const std::string& command) -> std::optional<std::string> {
        for (const auto& [beginning, answer] : table) {
            if (command.starts_with(beginning)) return answer;
        }
        return std::nullopt;
    };
}

}  // namespace onecopy::relay::testing
