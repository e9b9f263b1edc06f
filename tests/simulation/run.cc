#include "run.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <tuple>
#include <utility>

#include "admin.h"
#include "backend.h"
#include "base/log.h"
#include "disk.h"
#include "fetcher.h"
#include "ledger/reader.h"
#include "mail.h"
#include "node.h"
#include "record.h"
#include "spool_versions.h"
#include "world.h"

namespace simulation {
namespace {

using namespace onecopy;

constexpr Microseconds troubled_time = 15 * minute, quiet_time = 150 * minute;
constexpr Microseconds start_again = 5 * second;  // after one that was refused
constexpr unsigned most_noted_crashes = 2;        // a third one in a row sets mail aside
/// Of Fetcher::password; the cheapest that is taken.
constexpr const char* users_hash = "$y$j0.$F5Jx5fExrKuPp53xLKQ..1$O3pJpV4hI96tpSKZehAzS1ioBvYIa4/A8UVSQRa.bg8";

class Run {
public:
    Run(std::uint64_t seed, bool tracing)
        : world_(seed, tracing),
          disk_("/dev/shm/onecopy-simulation." + std::to_string(::getpid())),
          backend_(record_),
          mail_(record_),
          admin_(record_, mail_, disk_.spool()),
          versions_(record_, disk_) {
        base::log::set_level(tracing ? base::Level::debug : base::Level::error);
        on_connect = [this](unsigned port, const std::shared_ptr<Wire>& wire) { return backend_.connected(port, wire); };
        Fetcher::under_way = 0;
    }

    Result run() {
        record_.calm = world_.chance(15);
        choose_config();
        choose_client_security();
        choose_backend_security();
        choose_backend();
        choose_age();
        choose_limit();
        choose_versions();
        mail_.come_all();
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
        record_.lmtp = world_.chance(30);
        config_.listen[0].protocol = record_.lmtp ? config::Protocol::lmtp : config::Protocol::smtp;
        config_.backend.servers = {"127.0.0.1:2501"};
        if (world_.chance(30)) config_.backend.servers.push_back("127.0.0.1:2502");
        config_.backend.connections = static_cast<unsigned>(1 + world_.below(4));
        config_.backend.max_recipients = static_cast<unsigned>(world_.chance(50) ? 100 : 1 + world_.below(4));
        config_.grouping.window = std::chrono::seconds(world_.chance(20) ? 0 : world_.chance(50) ? 30 : 90);
        config_.delivery.retry = {std::chrono::seconds(1), std::chrono::seconds(5), std::chrono::seconds(30)};
        config_.delivery.warn_after = base::Duration(0);
        config_.delivery.notify = world_.chance(70) ? config::Notify::sender : config::Notify::postmaster;
        config_.delivery.postmaster = "postmaster@corp.example";
        config_.spool.directory = disk_.spool();
        config_.spool.min_free = 1 << 20;
        choose_match();
        choose_addressing();
        record_.window = std::chrono::microseconds(config_.grouping.window).count();
        record_.most_recipients = config_.backend.max_recipients;
        record_.notify = config_.delivery.notify == config::Notify::sender ? "sender" : "postmaster";
        record_.postmaster = config_.delivery.postmaster;
    }

    /// What makes copies of one message: the default, or any other choice that may be made.
    void choose_match() {
        using config::Part;
        const std::vector<std::pair<Part, std::string>> parts = {
            {Part::message_id, "message-id"}, {Part::content, "content"}, {Part::sender, "sender"}};
        const std::vector<std::size_t> choices[] = {{0, 1, 2}, {0}, {1}, {0, 1}, {0, 2}, {1, 2}};
        config_.grouping.match.clear();
        for (std::size_t i : choices[world_.chance(50) ? 0 : 1 + world_.below(5)]) {
            config_.grouping.match.push_back(parts[i].first);
            record_.match.insert(parts[i].second);
        }
    }

    /// Whose mail it is: everybody's, or that of one domain, where mail for others, and whom the host's field names, matter.
    void choose_addressing() {
        config_.grouping.observe = record_.observe = world_.chance(8);
        if (world_.chance(40)) record_.rewritten = {"localhost", "pop.example"};
        for (const std::string& domain : record_.rewritten) config_.recipients.rewrite_domains[domain] = "corp.example";
        if (record_.observe || world_.chance(50)) return;
        config_.recipients.local_domains = {"corp.example"};
        record_.has_strangers = true;
        const auto foreign = world_.below(3);
        config_.recipients.foreign = foreign == 0   ? config::Foreign::accept
                                     : foreign == 1 ? config::Foreign::ignore
                                                    : config::Foreign::reject;
        record_.foreign = foreign == 0 ? "accept" : foreign == 1 ? "ignore" : "reject";
        if (world_.chance(50)) return;
        record_.recovers = true;
        record_.fallback = "catchall@corp.example";
        config_.recipients.recover_from = {{"Delivered-To", ""}};
        config_.recipients.fallback = {record_.fallback};
    }

    template <typename Value, std::size_t count>
    const std::pair<Value, const char*>& one_of(const std::pair<Value, const char*> (&choices)[count]) {
        return choices[world_.below(count)];
    }

    /// TLS and AUTH of fetchers. Without TLS AUTH is for this host alone.
    void choose_client_security() {
        using enum config::ListenTls;
        config::Listen& listen = config_.listen[0];
        if (world_.chance(60))
            std::tie(listen.tls, record_.client_tls) =
                one_of({std::pair{none, "none"}, {starttls, "starttls"}, {required, "required"}, {implicit, "implicit"}});
        if (world_.chance(30))
            std::tie(listen.auth, record_.client_auth) =
                one_of({std::pair{config::Auth::optional, "optional"}, {config::Auth::required, "required"}});
        const bool may_be_afar = record_.client_auth != "required" || record_.client_tls != "none";
        record_.from_afar = may_be_afar && world_.chance(50);
        listen.allow.emplace_back("192.0.2.0/24");
        config_.tls = {"cert.pem", "key.pem", config::TlsVersion::v1_2};
        config_.users = disk_.root() + "/users";
        write_file(config_.users, std::string(Fetcher::user) + ":" + users_hash + "\n");
    }

    /// The same of the backend, where what is asked for can be had when all is well.
    void choose_backend_security() {
        using enum config::BackendTls;
        Backend::Mood& mood = backend_.mood;
        config_.backend.tls = none;
        if (world_.chance(60))
            std::tie(config_.backend.tls, record_.backend_tls) =
                one_of({std::pair{opportunistic, "opportunistic"}, {required, "required"}, {verify, "verify"}});
        record_.backend_log_in = world_.chance(50);
        record_.backend_afar = (config_.backend.tls != none || !record_.backend_log_in) && world_.chance(50);
        const bool needs_tls = config_.backend.tls == required || config_.backend.tls == verify ||
                               (record_.backend_log_in && record_.backend_afar);
        mood.tls = needs_tls || world_.chance(60);
        mood.name = record_.backend_afar ? "192.0.2.1" : "127.0.0.1";
        for (std::string& server : config_.backend.servers) server = mood.name + server.substr(server.find(':'));
        if (!record_.calm && config_.backend.tls == opportunistic && !needs_tls && world_.chance(30))
            lasting_fault_ = static_cast<Backend::Mood::TlsFault>(1 + world_.below(6));
        mend_servers();
        if (record_.backend_log_in) choose_log_in();
    }

    void choose_log_in() {
        const char* mechanisms[] = {"PLAIN", "LOGIN", "GSSAPI LOGIN PLAIN"};
        backend_.mood.mechanisms = mechanisms[world_.below(3)];
        backend_.mood.wants_log_in = world_.chance(60);
        backend_.mood.passwords = {"first one", "second one"};
        config_.backend.username = Backend::user;
        config_.backend.password_file = disk_.root() + "/password";
        choose_password();
    }

    void choose_password() const {
        if (record_.backend_log_in)
            write_file(config_.backend.password_file, world->chance(50) ? "first one\n" : "second one\n");
    }

    static void write_file(const std::string& path, const std::string& text) {
        std::ofstream(path, std::ios::trunc) << text;
    }

    void choose_backend() {
        backend_.mood.dsn = record_.dsn = world_.chance(70);
        backend_.mood.pipelining = world_.chance(70);
        backend_.mood.chunking = world_.chance(50);
        backend_.mood.lmtp = world_.chance(25);
        if (backend_.mood.lmtp) config_.backend.protocol = config::Protocol::lmtp;
        record_.international = world_.chance(50);
        smtputf8_ = {2501, 2502};
        if (!record_.calm && config_.backend.servers.size() > 1 && world_.chance(70))
            smtputf8_.erase(world_.chance(50) ? 2501 : 2502);
        backend_.mood.smtputf8 = smtputf8_;
        if (record_.calm) return;
        backend_.mood.slow = world_.chance(50);
        backend_.mood.trouble = world_.chance(40) ? 0 : world_.chance(50) ? 3 : 10;
        if (world_.chance(20)) backend_.mood.most_recipients = 1 + world_.below(3);
        if (world_.chance(30)) backend_.unknown.insert(somebody());
        if (world_.chance(20)) backend_.spoilers.insert(somebody());
        if (world_.chance(20))
            backend_.greylisted[Mail::person(world_.below(8))] = static_cast<unsigned>(1 + world_.below(4));
        if (world_.chance(10)) {
            record_.put_off.insert(Mail::person(world_.below(8)));
            backend_.put_off = record_.put_off;
            config_.delivery.expire = std::chrono::hours(1);
        }
    }

    /// A server from before EHLO (RFC 5321 3.2) offers nothing.
    void choose_age() {
        const config::Backend& backend = config_.backend;
        const bool may_be = !backend_.mood.lmtp && backend.tls == config::BackendTls::none && backend.username.empty();
        if (record_.calm || !may_be || !world_.chance(6)) return;
        backend_.mood.old = true;
        record_.dsn = record_.international = false;
        backend_.mood.smtputf8 = smtputf8_ = {};
    }

    /// In good weather whoever is one too many goes at once, and not when the retry comes.
    void choose_limit() {
        if (!record_.calm || world_.chance(50)) return;
        backend_.mood.most_recipients = 1 + world_.below(3);
        record_.most_recipients = std::min(record_.most_recipients, backend_.mood.most_recipients);
        config_.delivery.retry = {std::chrono::minutes(10)};
    }

    /// What version 1 did not know must not be lost with it.
    void choose_versions() {
        versions_change_ = !record_.calm && world_.chance(18);
        record_.plain = versions_change_ && world_.chance(50);
    }

    std::string somebody() { return Mail::person(world_.below(record_.international ? 10 : 8)); }

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
        some(10, [this] { failing_segments(); });
        some(6, [this] { unsure_commit(); });
        some(6, [this] { full_disk(); });
        if (world_.chance(4)) world_.after(world_.between(0, 6 * minute), [this] { poison(); });
        if (world_.chance(10)) world_.after(world_.between(0, 6 * minute), [this] { mail_.unwelcome_comes(); });
        some(versions_change_ ? 60 : 25, [this] { stop(); });
        backend_.on_taken = [this] {
            if (!healed_ && world_.chance(2)) world_.after(0, [this] { stop(); });
        };
        some(20, [this] { world_.chance(50) ? backend_.die() : void(backend_.mood.down = true); });
        some(30, [this] { backend_.mood.down = false; });
        some(20, [this] { lose_smtputf8(); });
        if (record_.international && smtputf8_ == std::set{2502u})
            world_.after(troubled_time - world_.between(5 * minute, 8 * minute), [this] { gain_smtputf8_late(); });
        some(20, [this] { fall_ill(); });
        if (record_.backend_tls != "none") some(55, [this] { lose_tls(); });
        if (record_.backend_log_in) some(50, [this] { lose_log_in(); });
        some(20, [this] { jump(); });
        some(10, [this] { sleep(); });
        some(20, [this] { reload(); });
        some(10, [this] { release(); });
        some(30, [this] { drop(); });
        some(25, [this] { forget(); });
        some(15, [this] { pause(); });
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
        fail_disk(faults, world_.between(0, 40 * second));
        if (!world_.chance(50)) return;  // what a failed sync leaves behind is seen after a crash alone
        world_.after(world_.between(0, 40 * second), [this] {
            if (!world_.crashing()) world_.crash_after(1 + world_.below(6));
        });
    }

    /// Large bodies can't be synced though the log can, and later the power fails before they are forwarded: whoever
    /// believed that they are safe has lost them.
    void failing_segments() {
        fail_disk({.sync_of_segments = world_.chance(50) ? 100u : 50u}, world_.between(5 * second, 30 * second));
        stop_backend(90 * second);
        mail_.large_one_comes();
        world_.after(world_.between(5 * second, 60 * second), [this] { die(Death::power); });
    }

    /// A commit can't be synced, but what it wrote is there when the process has ended without the machine: who was refused
    /// for it must not get it.
    void unsure_commit() {
        stop_backend(30 * second);
        mail_.one_comes_once();  // or the log would be empty, and its header's sync fail before anything else was written
        world_.after(world_.between(200 * millisecond, second), [this] {
            fail_disk({.sync = 100}, world_.between(second, 20 * second));
            mail_.one_comes_once();
            world_.after(world_.between(50 * millisecond, 500 * millisecond), [this] { die(Death::process); });
        });
    }

    /// Mail comes that there is no room for, and whoever believed that it was taken does not bring it again.
    void full_disk() {
        fail_disk({.full = world_.chance(50) ? 100u : 30u}, world_.between(5 * second, 20 * second));
        for (Microseconds later : {second, 3 * second}) world_.after(later, [this] { mail_.one_comes_once(); });
    }

    bool runs() const { return node_ && !world_.dead() && !stopping_; }

    void release() {
        if (runs()) node_->ledger().change(ledger::Change::release, {}, [](const auto&) {});
    }

    /// Often of what begins to be sent just now.
    void drop() {
        Microseconds later = 0;
        if (world_.chance(30)) {
            release();
            later = world_.between(0, 20 * millisecond);
        }
        world_.after(later, [this] {
            if (runs()) admin_.drop(node_->ledger());
        });
    }

    /// As soon as somebody has something.
    void forget() {
        const bool done = runs() && admin_.forget(node_->ledger());
        if (!done && !healed_) world_.after(minute, [this] { forget(); });
    }

    void pause() {
        if (!runs()) return;
        admin_.pause(node_->ledger());
        world_.after(world_.between(10 * second, 6 * minute), [this] { resume(); });
    }

    void resume() {
        if (!admin_.paused()) return;
        if (runs()) admin_.resume(node_->ledger());
        world_.after(5 * second, [this] { resume(); });
    }

    /// A message that ends the process as by SIGSEGV, each time that it begins to be sent.
    void poison() {
        noted_crashes_ = most_noted_crashes;  // no others in this run: who was under way at three of them is set aside, too
        backend_.on_poison = [this] {
            if (healed_) ++record_.late_crashes;
            record_.last_crash = world_.now();
            die(Death::crash);
        };
        mail_.poison_comes();
    }

    void stop_backend(Microseconds time) {
        backend_.mood.down = true;
        world_.after(time, [this] { backend_.mood.down = false; });
    }

    /// What was taken before waits for a server that has it.
    void lose_smtputf8() {
        backend_.mood.smtputf8.clear();
        world_.after(world_.between(second, 5 * minute), [this] { backend_.mood.smtputf8 = smtputf8_; });
    }

    /// When all is well the second of two servers alone has it, but both said that they lack it when mail that needs it was
    /// to go: who never asks the second one again sends it to the first for ever.
    void gain_smtputf8_late() {
        backend_.mood.smtputf8 = {2501, 2502};
        mail_.one_comes_once();  // and fetchers know of it when that has gone
        world_.after(2 * minute, [this] {
            backend_.mood.smtputf8.clear();
            mail_.international_one_comes();
        });
    }

    /// No mail fails by that.
    void fall_ill() {
        backend_.mood.ill = true;
        backend_.mood.late = world_.chance(50);
        world_.after(world_.between(second, 3 * minute), [this] { backend_.mood.ill = false; });
    }

    /// Often by who only seems to be the server, where that is looked at.
    void lose_tls() {
        using enum Backend::Mood::TlsFault;
        const bool verified = config_.backend.tls == config::BackendTls::verify && world_.chance(50);
        backend_.mood.tls_fault = verified ? another_name : static_cast<Backend::Mood::TlsFault>(1 + world_.below(6));
        servers_fail();
    }

    void lose_log_in() {
        backend_.mood.log_in_fault = static_cast<Backend::Mood::LogInFault>(1 + world_.below(4));
        servers_fail();
    }

    /// One, or all of them.
    void servers_fail() {
        const auto which = config_.backend.servers.size() > 1 ? world_.below(3) : 2;
        if (which == 0) backend_.mood.faulty = {2501};
        if (which == 1) backend_.mood.faulty = {2502};
        if (which == 2) backend_.mood.faulty = {2501, 2502};
        world_.after(world_.between(second, 3 * minute), [this] { mend_servers(); });
    }

    void mend_servers() {
        backend_.mood.faulty = {2501, 2502};
        backend_.mood.tls_fault = lasting_fault_;
        backend_.mood.log_in_fault = Backend::Mood::LogInFault::none;
    }

    void fail_disk(Disk::Faults faults, Microseconds time) {
        world_.trace("the disk fails");
        disk_.set_faults(faults);
        record_.bad_disk.emplace_back(world_.now(), world_.now() + hour);
        world_.after(time, [this] { mend_disk(); });
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

    /// Not where an hour of it would let mail expire.
    void sleep() {
        if (!record_.put_off.empty()) return;
        const Microseconds times[] = {10 * second, 2 * minute, hour, 12 * hour};
        world_.sleep(times[world_.below(4)]);
        world_.trace("the host slept");
    }

    void reload() {
        if (!runs()) return;
        config_.backend.connections = static_cast<unsigned>(1 + world_.below(4));
        config_.grouping.window = std::chrono::seconds(world_.below(60));
        choose_password();
        world_.trace("reload");
        node_->configure(config_);
    }

    /// Another version had the spool until now; the start that brings it to this one is cut short, or finds a bad disk.
    void upgrade() {
        const auto had = versions_.before_start(versions_change_ && !healed_ && world_.chance(60));
        if (had != SpoolVersions::Had::older || healed_) return;
        if (orderly_ && world_.chance(30)) {
            unsure_upgrade();
        } else if (world_.chance(50)) {
            world_.crash_after(1 + world_.below(world_.chance(70) ? 8 : 30));
        } else if (world_.chance(30)) {
            bad_disk();
        }
    }

    /// Its commit can't be synced, and the next start finds it in the log.
    void unsure_upgrade() {
        fail_disk({.sync_of_commits = 100}, world_.between(0, 4 * second));
        build_on_it(start_again);
    }

    /// Mail is taken behind that as soon as there is a start: it would be gone with it when the power fails.
    void build_on_it(Microseconds start) {
        stop_backend(30 * second);
        world_.after(start, [this] { mail_.one_comes_once(); });
        world_.after(start + world_.between(100 * millisecond, second), [this] { die(Death::power); });
    }

    void start() {
        if (node_) return;
        upgrade();
        world_.trace("start");
        try {
            node_ = std::make_unique<Node>(config_);
            record_.starts.push_back(world_.now());
            versions_.opened();
        } catch (const ledger::SpoolError& error) {
            world_.trace(std::string("no start: ") + error.what());
            const bool well = !world_.dead() && !disk_.faults().any();
            const bool rightly = versions_.refused(well ? error.what() : "");
            if (well && !rightly) record_.unusable.push_back(error.what());
            if (world_.dead()) return died();
            disk_.process_death();
            world_.after(start_again, [this] { start(); });
        }
    }

    enum class Death { any, process, power, crash };

    void die(Death how) {
        if (!runs()) return;
        world_.trace("the end");
        death_ = how;
        world_.kill();
    }

    void died() {
        world_.trace("dead");
        const Death how = std::exchange(death_, Death::any);
        record_.deaths.push_back(world_.now());
        orderly_ = false;
        node_.reset();
        cut_all_wires();
        if (how == Death::power || (how == Death::any && world_.chance(50))) {
            disk_.power_loss();
        } else {
            disk_.process_death();
            const bool by_itself = how == Death::any && noted_crashes_ < most_noted_crashes && world_.chance(20);
            if (by_itself) ++noted_crashes_;
            if (by_itself || how == Death::crash) disk_.note_crash();
        }
        stopping_ = stopped_ = false;
        world_.revive();
        if (world_.chance(20)) jump();
        world_.after(world_.between(100 * millisecond, 20 * second), [this] { start(); });
    }

    void stop() {
        if (!runs()) return;
        world_.trace("stop");
        stopping_ = true;
        node_->stop([this] { stopped_ = true; });
    }

    /// As by systemd: it ends, and comes again. The last commit of some can't be synced.
    void finish_stop() {
        world_.trace("stopped");
        const bool unsure = !healed_ && world_.chance(20);
        if (unsure) fail_disk({.sync_of_commits = 100}, millisecond);
        // What could not be stored until now is not known at the next start.
        if (disk_.faults().any()) record_.deaths.push_back(world_.now());
        node_.reset();
        if (world_.dead()) return died();
        orderly_ = true;
        cut_all_wires();
        disk_.process_death();
        stopping_ = stopped_ = false;
        const Microseconds pause = world_.between(100 * millisecond, 20 * second);
        world_.after(pause, [this] { start(); });
        if (unsure) build_on_it(pause);
    }

    void live_until(Microseconds end) {
        while (world_.step(end)) {
            if (world_.dead()) died();
            if (stopped_) finish_stop();
        }
    }

    void heal() {
        world_.trace("all is well");
        healed_ = true;
        resume();
        mend_disk();
        world_.crash_after(0);
        backend_.mood.trouble = 0;
        backend_.mood.down = backend_.mood.ill = backend_.mood.slow = false;
        mend_servers();
        backend_.mood.smtputf8 = smtputf8_;
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
    Mail mail_;
    Admin admin_;
    SpoolVersions versions_;
    config::Config config_;
    std::unique_ptr<Node> node_;
    unsigned noted_crashes_ = 0;
    Backend::Mood::TlsFault lasting_fault_ = Backend::Mood::TlsFault::none;
    std::set<unsigned> smtputf8_;  // the backend's ports where it is offered
    Death death_ = Death::any;
    bool stopping_ = false, stopped_ = false, healed_ = false;
    bool versions_change_ = false;  // at some of the starts
    bool orderly_ = false;          // was the last end
};

}  // namespace

Result run(std::uint64_t seed, bool trace) {
    return Run(seed, trace).run();
}

}  // namespace simulation
