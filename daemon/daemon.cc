#include "daemon.h"

#include <signal.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "base/units.h"
#include "crash.h"
#include "relay/policy.h"
#include "version.h"

namespace onecopy {
namespace {

namespace log = base::log;

std::string joined(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) all += (all.empty() ? "" : ",") + text;
    return all;
}

/// Nobody is answered from here on: what is on the disk at the next start counts.
[[noreturn]] void end_at_once(const std::string& why) {
    log::error("broken", {{"reason", why}});
    log::flush();
    ::_exit(1);
}

void log_at(base::Level level, const std::string& event, const std::string& detail) {
    switch (level) {
        case base::Level::error:
            return log::error(event, {{"detail", detail}});
        case base::Level::warning:
            return log::warning(event, {{"detail", detail}});
        default:
            return log::info(event, {{"detail", detail}});
    }
}

}  // namespace

Daemon::Daemon(std::string config_file, config::Reading reading, const relay::Credentials& credentials)
    : config_file_(std::move(config_file)),
      config_(std::move(reading.config)),
      warnings_(std::move(reading.warnings)),
      started_(base::boot_clock()),
      ledger_(std::make_unique<ledger::LedgerThread>(ledger_options(), loop_.poster(), ledger_handler())),
      inbound_(std::make_unique<relay::Inbound>(loop_, *ledger_)),
      hour_(loop_),
      status_line_(status_doors()),
      terminate_(loop_, SIGTERM, [this] { stop(); }),
      interrupt_(loop_, SIGINT, [this] { stop(); }),
      hang_up_(loop_, SIGHUP, [this] { reload(); }),
      watchdog_(loop_, [this] { feed_watchdog(); }) {
    log::set_level(config_.log_level);
    loop_.each_turn(log::flush);
    loop_.each_turn([this] { status_line_.look(); });
    delivery_ = std::make_unique<relay::Delivery>(loop_, worker_, *ledger_, config_, credentials);
    control_ = std::make_unique<Control>(config_.control_socket, control_doors());
    web_ = web_at(config_.http_address);
    inbound_->configure(config_, credentials);
}

/// Who reads the spool ends first, since the ledger's thread puts its log away at its end; what that still posts finds
/// nobody.
Daemon::~Daemon() {
    spool_check_.reset();
    web_.reset();
    control_.reset();
    inbound_.reset();
    ledger_.reset();
}

ledger::LedgerThread::Options Daemon::ledger_options() const {
    return {config_.spool.directory, config_.hostname, config_.spool.min_free, relay::rules_of(config_), ""};
}

ledger::LedgerThread::Handler Daemon::ledger_handler() {
    ledger::LedgerThread::Handler handler;
    handler.due = [this](std::vector<ledger::Due> groups) { delivery_->due(std::move(groups)); };
    handler.settled = [this](const ledger::Settled& settled) { delivery_->settled(settled); };
    handler.told = [this](const ledger::Told& told) { delivery_->told(told); };
    handler.broken = end_at_once;
    handler.damaged = [this](const std::string& damage) { found_damaged(damage); };
    handler.notice = log_at;
    return handler;
}

view::Running Daemon::running() const {
    view::Running running;
    running.version = version();
    running.uptime = base::boot_clock() - started_;
    running.spool = config_.spool.directory;
    running.room = ledger_->room();
    running.ledger_busy = ledger_->busy_for();
    running.paused = ledger_->paused();
    running.damage = damage_;
    running.inbound = inbound_->counters();
    running.delivery = delivery_->counters();
    running.servers = delivery_->health();
    return running;
}

std::unique_ptr<Web> Daemon::web_at(const std::string& address) {
    if (address.empty()) return nullptr;
    auto look = [this] { return page::Snapshot{running(), ledger_->now(), hour_.minutes(), {}, {}, {}, {}}; };
    return std::make_unique<Web>(address, Web::Doors{loop_, worker_, config_.spool.directory, look});
}

Control::Doors Daemon::control_doors() {
    Control::Doors doors{loop_, worker_, *ledger_, config_.spool.directory, [this] { return running(); }, {}, {}};
    doors.wake_servers = [this] { delivery_->wake(); };
    doors.reload = [this] { return reload(); };
    return doors;
}

StatusLine::Doors Daemon::status_doors() {
    StatusLine::Doors doors{loop_, worker_, config_.spool.directory, {}, {}, {}};
    doors.now = [this] { return ledger_->now(); };
    doors.changes = [this] { return ledger_->changes(); };
    doors.present = [this] { return StatusLine::Present{inbound_->addresses(), ledger_->paused(), stopping_}; };
    return doors;
}

void Daemon::run() {
    note_crashes(config_.spool.directory + "/crashed");
    greet();
    count_untold();
    check_spool();
    loop_.run();
    log::info("stopped");
    log::flush();
}

void Daemon::greet() {
    for (const std::string& warning : warnings_) log::warning("config_warning", {{"detail", warning}});
    log::info("ready", {{"version", version()},
                        {"listen", joined(inbound_->addresses())},
                        {"backend", joined(config_.backend.servers)},
                        {"spool", config_.spool.directory},
                        {"window", base::to_text(config_.grouping.window)}});
    log::flush();
    ::sd_notify(0, "READY=1");
    status_line_.renew();
    std::uint64_t microseconds = 0;
    if (::sd_watchdog_enabled(0, &microseconds) <= 0) return;
    watchdog_period_ = base::Duration(microseconds / 2000);
    feed_watchdog();
}

/// Failures that nobody was told of, from before this start.
void Daemon::count_untold() {
    worker_.run([directory = config_.spool.directory, post = loop_.poster()] {
        try {
            const std::uint64_t untold = ledger::Reader(directory).counts().untold;
            if (untold > 0) post([untold] { log::warning("untold_failures", {{"recipients", untold}}); });
        } catch (const std::exception& error) {
            post([words = std::string(error.what())] { log::warning("spool_unchecked", {{"detail", words}}); });
        }
    });
}

/// Once.
void Daemon::check_spool() try {
    const auto room = [this] { return ledger_->room(); };
    spool_check_ =
        std::make_unique<SpoolCheck>(loop_, config_.spool.directory, room, [this](const SpoolCheck::Outcome& outcome) {
            if (!outcome.damage.empty()) found_damaged(outcome.damage);
            if (!outcome.trouble.empty()) log::warning("spool_unchecked", {{"detail", outcome.trouble}});
            spool_check_.reset();
        });
} catch (const std::exception& error) {  // no descriptors, no thread: that says nothing of the spool
    log::warning("spool_unchecked", {{"detail", std::string(error.what())}});
}

/// The check and the ledger's thread may both have found something; the log has all of it.
void Daemon::found_damaged(const std::string& damage) {
    constexpr std::size_t most_shown = 500;
    if (damage_.size() < most_shown) damage_ += (damage_.empty() ? "" : "; ") + damage;
    ledger_->mark_damaged();
    log::error("spool_damaged", {{"detail", damage}});
}

void Daemon::feed_watchdog() {
    ::sd_notify(0, "WATCHDOG=1");
    watchdog_.set(watchdog_period_);
}

std::string Daemon::reload() {
    if (stopping_) return "onecopyd is stopping";
    ::sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
                 static_cast<long long>(std::chrono::steady_clock::now().time_since_epoch() / std::chrono::microseconds(1)));
    config::Reading reading = config::read_file(config_file_);
    for (const config::Problem& problem : reading.problems) {
        log::error("config_error", {{"detail", config::message(config_file_, problem)}});
    }
    std::string trouble;
    if (reading.problems.empty()) {
        for (const std::string& warning : reading.warnings) log::warning("config_warning", {{"detail", warning}});
        trouble = apply(std::move(reading.config));
    } else {
        trouble = "the old configuration stays in force: " + config::message(config_file_, reading.problems.front());
    }
    if (!trouble.empty()) log::error("reload_refused", {{"detail", trouble}});
    ::sd_notify(0, "READY=1");
    status_line_.renew();
    return trouble;
}

/// Files and listeners first: they alone can fail, and then nothing has changed.
std::string Daemon::apply(config::Config config) {
    const relay::CredentialsReading reading = relay::read_credentials(config);
    for (const std::string& problem : reading.problems) log::error("config_error", {{"detail", problem}});
    if (!reading.problems.empty()) return "the old configuration stays in force: " + reading.problems.front();
    for (const std::string& warning : reading.warnings) log::warning("config_warning", {{"detail", warning}});
    say_what_stays(config);
    config.spool.directory = config_.spool.directory;
    config.control_socket = config_.control_socket;
    const bool moves = config.http_address != config_.http_address;
    std::unique_ptr<Web> web;
    try {
        if (moves) web = web_at(config.http_address);
        inbound_->configure(config, reading.credentials);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    ledger_->configure(relay::rules_of(config), config.spool.min_free, config.hostname);
    delivery_->configure(config, reading.credentials);
    if (moves) web_ = std::move(web);
    log::set_level(config.log_level);
    config_ = std::move(config);
    log::info("reloaded", {{"listen", joined(inbound_->addresses())}, {"backend", joined(config_.backend.servers)}});
    return {};
}

void Daemon::say_what_stays(const config::Config& config) {
    auto say = [](const char* key) { log::warning("reload_not_applied", {{"key", key}, {"detail", "needs a restart"}}); };
    if (config.spool.directory != config_.spool.directory) say("spool.directory");
    if (config.control_socket != config_.control_socket) say("control.socket");
}

/// First those who bring mail get their answers, then what is past its final dot is awaited; what is held stays on disk.
void Daemon::stop() {
    if (std::exchange(stopping_, true)) return loop_.stop();
    log::info("stopping");
    ::sd_notify(0, "STOPPING=1\nSTATUS=stopping; what is held stays in the spool");
    inbound_->stop([this] { delivery_->stop([this] { loop_.stop(); }); });
}

}  // namespace onecopy
