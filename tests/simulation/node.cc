#include "node.h"

#include <stdexcept>

#include "base/log.h"
#include "relay/policy.h"
#include "world.h"

namespace simulation {

using namespace onecopy;

namespace {

/// Nothing is wrong with those files.
relay::Credentials credentials_of(const config::Config& config) {
    relay::CredentialsReading reading = relay::read_credentials(config);
    if (!reading.problems.empty()) throw std::logic_error(reading.problems.front());
    return std::move(reading.credentials);
}

}  // namespace

Node::Node(const config::Config& config)
    : config_(config),
      ledger_(std::make_unique<ledger::LedgerThread>(
          ledger::LedgerThread::Options{config.spool.directory, config.hostname, config.spool.min_free,
                                        relay::rules_of(config), ""},
          loop_.poster(), handler())),
      inbound_(std::make_unique<relay::Inbound>(loop_, *ledger_)) {
    loop_.each_turn(base::log::flush);
    const relay::Credentials credentials = credentials_of(config_);
    delivery_ = std::make_unique<relay::Delivery>(loop_, worker_, *ledger_, config_, credentials);
    inbound_->configure(config_, credentials);
}

Node::~Node() {
    inbound_.reset();
    ledger_.reset();
}

ledger::LedgerThread::Handler Node::handler() {
    ledger::LedgerThread::Handler handler;
    handler.due = [this](std::vector<ledger::Due> groups) { delivery_->due(std::move(groups)); };
    handler.settled = [this](const ledger::Settled& settled) { delivery_->settled(settled); };
    handler.told = [this](const ledger::Told& told) { delivery_->told(told); };
    handler.broken = [](const std::string& why) {
        world->trace("broken: " + why);
        world->kill();
    };
    handler.damaged = [](const std::string& damage) { world->trace("damaged: " + damage); };
    handler.notice = [](base::Level, const std::string& event, const std::string& detail) {
        world->trace("notice " + event + " " + detail);
    };
    return handler;
}

void Node::configure(const config::Config& config) {
    config_ = config;
    const relay::Credentials credentials = credentials_of(config_);
    inbound_->configure(config_, credentials);
    ledger_->configure(relay::rules_of(config_), config_.spool.min_free, config_.hostname);
    delivery_->configure(config_, credentials);
}

void Node::stop(std::function<void()> done) {
    inbound_->stop([this, done = std::move(done)] { delivery_->stop(done); });
}

}  // namespace simulation
