#include "run.h"

#include <unistd.h>

#include <algorithm>
#include <memory>

#include "backend.h"
#include "base/log.h"
#include "disk.h"
#include "fetcher.h"
#include "ledger/reader.h"
#include "node.h"
#include "record.h"
#include "world.h"

namespace simulation {
namespace {

using namespace onecopy;

constexpr Microseconds troubled_time = 15 * minute, quiet_time = 150 * minute;
constexpr unsigned most_noted_crashes = 2;  // a third one in a row sets mail aside

class Run {
public:
    Run(std::uint64_t seed, bool tracing)
        : world_(seed, tracing), disk_("/dev/shm/onecopy-simulation." + std::to_string(::getpid())), backend_(record_) {
        base::log::set_level(tracing ? base::Level::debug : base::Level::error);
        on_connect = [this](unsigned, const std::shared_ptr<Wire>& wire) { return backend_.connected(wire); };
        Fetcher::under_way = 0;
    }

    Result run() {
        record_.calm = world_.chance(15);
        choose_config();
        choose_backend();
        make_messages();
        send_messages();
        start();
        if (!record_.calm) plan_trouble();
        live_until(world_.now() + troubled_time);
        heal();
        live_until(world_.now() + quiet_time);
        end();
        Result result;
        result.problems = check(record_);
        result.fingerprint = world_.fingerprint();
        result.submissions = record_.submissions.size();
        result.taken = record_.taken.size();
        result.deaths = record_.deaths.size();
        result.disk_faults = disk_.faults_made();
        return result;
    }

private:
    void choose_config() {
        config_.hostname = "proxy.corp.example";
        config_.listen.emplace_back().address = "127.0.0.1:2525";
        config_.backend.servers = {"127.0.0.1:2501"};
        if (world_.chance(30)) config_.backend.servers.push_back("127.0.0.1:2502");
        config_.backend.tls = config::BackendTls::none;
        config_.backend.connections = static_cast<unsigned>(1 + world_.below(4));
        config_.backend.max_recipients = static_cast<unsigned>(world_.chance(50) ? 100 : 1 + world_.below(4));
        config_.grouping.window = std::chrono::seconds(world_.chance(20) ? 0 : world_.chance(50) ? 30 : 90);
        config_.delivery.retry = {std::chrono::seconds(1), std::chrono::seconds(5), std::chrono::seconds(30)};
        config_.delivery.warn_after = base::Duration(0);
        config_.delivery.notify = world_.chance(70) ? config::Notify::sender : config::Notify::postmaster;
        config_.delivery.postmaster = "postmaster@corp.example";
        config_.spool.directory = disk_.spool();
        config_.spool.min_free = 1 << 20;
        record_.window = std::chrono::microseconds(config_.grouping.window).count();
        record_.most_recipients = config_.backend.max_recipients;
        record_.notify = config_.delivery.notify == config::Notify::sender ? "sender" : "postmaster";
        record_.postmaster = config_.delivery.postmaster;
    }

    void choose_backend() {
        backend_.mood.dsn = record_.dsn = world_.chance(70);
        backend_.mood.pipelining = world_.chance(70);
        if (record_.calm) return;
        backend_.mood.slow = world_.chance(50);
        backend_.mood.trouble = world_.chance(40) ? 0 : world_.chance(50) ? 3 : 10;
        if (world_.chance(20)) backend_.mood.most_recipients = 1 + world_.below(3);
        if (world_.chance(30)) backend_.unknown.insert(person(world_.below(8)));
        if (world_.chance(20)) backend_.spoilers.insert(person(world_.below(8)));
        if (world_.chance(20)) backend_.greylisted[person(world_.below(8))] = static_cast<unsigned>(1 + world_.below(4));
        if (world_.chance(10)) {
            record_.put_off.insert(person(world_.below(8)));
            backend_.put_off = record_.put_off;
            config_.delivery.expire = std::chrono::hours(1);
        }
    }

    static std::string person(std::uint64_t number) { return "p" + std::to_string(number) + "q@corp.example"; }

    void make_messages() {
        const std::size_t count = 1 + world_.below(5);
        for (std::size_t i = 0; i < count; ++i) {
            Message message;
            message.token = "tok" + std::to_string(i) + "en";
            message.message_id = "<" + std::to_string(i) + "@outside.example>";
            message.sender = world_.chance(10) ? "" : "sender" + std::to_string(i) + "@outside.example";
            if (world_.chance(15)) message.mail_parameters = " RET=HDRS ENVID=e" + std::to_string(i);
            if (world_.chance(20)) message.notify = world_.chance(50) ? "NEVER" : "FAILURE";
            for (std::size_t n = 0; n < 8; ++n) {
                if (!world_.chance(50)) continue;
                message.recipients.push_back(person(n));
                if (world_.chance(60)) message.shown.push_back(person(n));
            }
            if (message.recipients.empty()) message.recipients.push_back(person(0));
            // Same Message-ID, other content.
            if (i > 0 && world_.chance(20)) message.message_id = record_.messages[i - 1].message_id;
            finish(message);
            record_.messages.push_back(message);
            if (record_.calm || !world_.chance(10) || message.sender.empty()) continue;
            message.sender = "other" + std::to_string(i) + "@outside.example";  // VERP: the same mail from elsewhere
            std::erase_if(message.recipients, [this](const std::string&) { return world_.chance(40); });
            if (message.recipients.empty()) message.recipients.push_back(person(0));
            record_.messages.push_back(message);
        }
    }

    void finish(Message& message) {
        std::string to = message.shown.empty() ? "undisclosed-recipients:;" : "";
        for (const std::string& one : message.shown) to += (to.empty() ? "<" : ",\r\n <") + one + ">";
        message.author_fields = "From: <author@outside.example>\r\nTo: " + to + "\r\nSubject: " + message.token +
                                "\r\nDate: Mon, 2 Nov 2026 10:00:00 +0100\r\nMessage-ID: " + message.message_id +
                                "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n";
        message.body = "This is " + message.token + ".\r\n..a dot\r\n";
        std::size_t lines = world_.chance(55) ? world_.below(20) : world_.chance(80) ? 400 + world_.below(600) : 5000;
        for (std::size_t i = 0; i < lines; ++i)
            message.body += "line " + std::to_string(i) + " of a text that is long enough\r\n";
        message.body += "end\r\n";
    }

    /// What the host of the mailbox writes on the copy for one recipient.
    std::string trace_for(const std::string& recipient, std::size_t copy) {
        std::string trace;
        if (world_.chance(50)) trace += "Return-Path: <bounce-" + std::to_string(copy) + "@outside.example>\r\n";
        if (world_.chance(60)) trace += "Delivered-To: " + recipient + "\r\n";
        if (world_.chance(30)) trace += "X-Envelope-To: <" + recipient + ">\r\n";
        trace += "Received: from mx.isp.example by pop.isp.example with ESMTP id q" + std::to_string(copy);
        if (world_.chance(60)) trace += "\r\n\tfor <" + recipient + ">";
        trace += "; Mon, 2 Nov 2026 10:00:01 +0100\r\n";
        if (world_.chance(30)) trace += "X-Pop-Account: " + recipient + "\r\n";
        return trace + "X-Filter-Score: " + std::to_string(copy) + "\r\n";
    }

    void send_messages() {
        const unsigned clumsy = record_.calm || world_.chance(30) ? 0 : world_.chance(50) ? 15 : 40;
        std::size_t copy = 0;
        for (std::size_t number = 0; number < record_.messages.size(); ++number) {
            const std::vector<std::string> everyone = record_.messages[number].recipients;
            const Microseconds begin = world_.between(0, 5 * minute);
            const unsigned along = world_.chance(30) ? 0 : 40;  // chance that a copy names one more
            for (const std::string& recipient : everyone) {
                std::vector<std::string> named = {recipient};
                for (const std::string& other : everyone) {
                    if (other != recipient && world_.chance(along)) named.push_back(other);
                }
                const Microseconds spread = world_.chance(80) ? 20 * second : 6 * minute;
                auto fetcher = std::make_shared<Fetcher>(record_, number, named, trace_for(recipient, ++copy), clumsy);
                fetcher->start(begin + world_.between(0, spread));
            }
        }
    }

    void plan_trouble() {
        auto some = [this](unsigned percent, auto&& what) {
            // Most of the mail comes in the first minutes.
            while (world_.chance(percent))
                world_.after(world_.between(0, world_.chance(70) ? 6 * minute : troubled_time - minute), what);
        };
        some(50, [this] {
            if (world_.crashing()) return;
            world_.crash_after(1 + world_.below(world_.chance(50) ? 12 : 100));
        });
        some(35, [this] { bad_disk(); });
        some(25, [this] { stop(); });
        some(20, [this] { backend_.mood.down = true; });
        some(30, [this] { backend_.mood.down = false; });
        some(20, [this] { jump(); });
        some(20, [this] { reload(); });
        some(10, [this] {
            if (node_ && !world_.dead() && !stopping_)
                node_->ledger().change(ledger::Change::release, {}, [](const auto&) {});
        });
    }

    void bad_disk() {
        Disk::Faults faults;
        const auto which = world_.below(4);
        const unsigned percent = static_cast<unsigned>(world_.chance(30)   ? 100
                                                       : world_.chance(50) ? 50
                                                                           : 2 + world_.below(20));
        if (which == 0 || which == 3) faults.write = percent;
        if (which == 1) faults.full = percent;
        if (which == 2 || which == 3) faults.sync = percent;
        world_.trace("the disk fails");
        disk_.set_faults(faults);
        record_.bad_disk.emplace_back(world_.now(), world_.now() + hour);
        world_.after(world_.between(0, 40 * second), [this] { mend_disk(); });
        if (!world_.chance(50)) return;  // what a failed sync leaves behind is seen after a crash alone
        world_.after(world_.between(0, 40 * second), [this] {
            if (!world_.crashing()) world_.crash_after(1 + world_.below(6));
        });
    }

    void mend_disk() {
        disk_.set_faults({});
        for (auto& [begin, end] : record_.bad_disk) end = std::min(end, world_.now());
    }

    /// Never so that the history may rightly end: what is beyond a week counts as a wrong clock. Nor that mail may expire
    /// before its time, where that is an hour.
    void jump() {
        const Microseconds day = 24 * hour;
        const Microseconds by[] = {-hour, -day, -3650 * day, 3650 * day, 9 * day, hour / 2};
        world_.move_wall(by[world_.below(record_.put_off.empty() ? 6 : 5)]);
        world_.trace("the wall clock jumps");
    }

    void reload() {
        if (!node_ || world_.dead() || stopping_) return;
        config_.backend.connections = static_cast<unsigned>(1 + world_.below(4));
        config_.grouping.window = std::chrono::seconds(world_.below(60));
        world_.trace("reload");
        node_->configure(config_);
    }

    void start() {
        if (node_) return;
        world_.trace("start");
        try {
            node_ = std::make_unique<Node>(config_);
        } catch (const ledger::SpoolError& error) {
            world_.trace(std::string("no start: ") + error.what());
            if (!world_.dead() && !disk_.faults().any()) record_.unusable.push_back(error.what());
            if (world_.dead()) return died();
            disk_.process_death();
            world_.after(5 * second, [this] { start(); });
        }
    }

    void died() {
        world_.trace("dead");
        record_.deaths.push_back(world_.now());
        node_.reset();
        cut_all_wires();
        if (world_.chance(50)) {
            disk_.power_loss();
        } else {
            disk_.process_death();
            if (noted_crashes_ < most_noted_crashes && world_.chance(20)) {
                ++noted_crashes_;
                disk_.note_crash();
            }
        }
        stopping_ = stopped_ = false;
        world_.revive();
        if (world_.chance(20)) jump();
        world_.after(world_.between(100 * millisecond, 20 * second), [this] { start(); });
    }

    void stop() {
        if (!node_ || world_.dead() || stopping_) return;
        world_.trace("stop");
        stopping_ = true;
        node_->stop([this] { stopped_ = true; });
    }

    /// As by systemd: it ends, and comes again.
    void finish_stop() {
        world_.trace("stopped");
        // What could not be stored until now is not known at the next start.
        if (disk_.faults().any()) record_.deaths.push_back(world_.now());
        node_.reset();
        if (world_.dead()) return died();
        cut_all_wires();
        disk_.process_death();
        stopping_ = stopped_ = false;
        world_.after(world_.between(100 * millisecond, 20 * second), [this] { start(); });
    }

    void live_until(Microseconds end) {
        while (world_.step(end)) {
            if (world_.dead()) died();
            if (stopped_) finish_stop();
        }
    }

    void heal() {
        world_.trace("all is well");
        mend_disk();
        world_.crash_after(0);
        backend_.mood.trouble = 0;
        backend_.mood.down = false;
        backend_.mood.slow = false;
    }

    void end() {
        if (!node_) record_.unusable.push_back("it does not run at the end");
        node_.reset();
        cut_all_wires();
        try {
            const ledger::Counts counts = ledger::Reader(disk_.spool()).counts();
            record_.left = counts.held + counts.queued;
            record_.counted_delivered = counts.totals.delivered;
        } catch (const ledger::SpoolError& error) {
            record_.unusable.push_back(error.what());
        }
        on_connect = nullptr;
    }

    World world_;
    Disk disk_;
    Record record_;
    Backend backend_;
    config::Config config_;
    std::unique_ptr<Node> node_;
    unsigned noted_crashes_ = 0;
    bool stopping_ = false, stopped_ = false;
};

}  // namespace

Result run(std::uint64_t seed, bool trace) {
    return Run(seed, trace).run();
}

}  // namespace simulation
