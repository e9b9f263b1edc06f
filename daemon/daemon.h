#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/worker.h"
#include "config/config.h"
#include "control.h"
#include "ledger/ledger_thread.h"
#include "net/loop.h"
#include "relay/delivery.h"
#include "relay/inbound.h"
#include "spool_check.h"
#include "status_line.h"
#include "web.h"

namespace onecopy {

/// The running process: everything that lives as long as it, wired together. Throws ledger::SpoolError where the spool can't
/// be had, and std::runtime_error where a socket can't.
class Daemon {
public:
    Daemon(std::string config_file, config::Reading reading, const relay::Credentials& credentials);
    ~Daemon();

    /// Until SIGTERM or SIGINT, and everything owed has been said.
    void run();

private:
    ledger::LedgerThread::Options ledger_options() const;
    ledger::LedgerThread::Handler ledger_handler();
    view::Running running() const;
    Control::Doors control_doors();
    StatusLine::Doors status_doors();
    std::unique_ptr<Web> web_at(const std::string& address);
    void greet();
    /// What stood in the way; empty: the new configuration is in force.
    std::string reload();
    std::string apply(config::Config config);
    void say_what_stays(const config::Config& config);
    void stop();
    void feed_watchdog();
    void count_untold();
    void check_spool();
    void found_damaged(const std::string& damage);

    std::string config_file_;
    config::Config config_;
    std::vector<std::string> warnings_;
    base::Duration started_;
    net::Loop loop_;
    base::Worker worker_;
    std::unique_ptr<relay::Delivery> delivery_;  // after the ledger, which calls it
    std::unique_ptr<ledger::LedgerThread> ledger_;
    std::unique_ptr<relay::Inbound> inbound_;
    std::unique_ptr<Control> control_;
    Hour hour_;
    StatusLine status_line_;
    std::unique_ptr<Web> web_;  // none: http.address is empty
    net::Signal terminate_, interrupt_, hang_up_;
    net::Timer watchdog_;
    base::Duration watchdog_period_{};
    std::unique_ptr<SpoolCheck> spool_check_;  // while it looks
    std::string damage_;                       // of the spool
    bool stopping_ = false;
};

}  // namespace onecopy
