#pragma once

#include <functional>
#include <memory>

#include "base/worker.h"
#include "config/config.h"
#include "ledger/ledger_thread.h"
#include "net/loop.h"
#include "relay/credentials.h"
#include "relay/delivery.h"
#include "relay/inbound.h"

namespace simulation {

/// One life of the process: what daemon/daemon.cc wires, without sockets for people.
class Node {
public:
    /// Throws ledger::SpoolError.
    explicit Node(const onecopy::config::Config& config);
    ~Node();

    void configure(const onecopy::config::Config& config);
    void stop(std::function<void()> done);
    onecopy::ledger::LedgerThread& ledger() { return *ledger_; }

private:
    onecopy::ledger::LedgerThread::Handler handler();

    onecopy::config::Config config_;
    onecopy::net::Loop loop_;
    onecopy::base::Worker worker_;
    std::unique_ptr<onecopy::relay::Delivery> delivery_;
    std::unique_ptr<onecopy::ledger::LedgerThread> ledger_;
    std::unique_ptr<onecopy::relay::Inbound> inbound_;
};

}  // namespace simulation
