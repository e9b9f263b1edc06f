#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/worker.h"
#include "config/config.h"
#include "relay/credentials.h"
#include "relay/outgoing.h"

namespace onecopy::relay {

/// The servers that mail goes to, and the connections to them. The first server in order that is not resting serves; mail
/// that needs SMTPUTF8 goes to the first that has it. One that is ill rests, with growing pauses, and blames no mail.
class Backend {
public:
    struct Settings {
        std::string hostname;
        config::Backend backend;
        Credentials credentials;
    };
    struct Health {
        std::string server;
        base::Duration rests_for{};  // zero: it does not
        std::string words;           // why it rested last
        std::size_t connections = 0;
        std::size_t connecting = 0;  // those of them that have no session yet
        std::uint64_t transactions = 0;
    };

    struct Owner {
        std::function<void()> available;                  // a server may be tried again after all had rested
        std::function<void(bool offered)> told_smtputf8;  // whether any server had it when last asked
    };
    Backend(net::Loop& loop, base::Worker& worker, std::string spool, Settings settings, Owner owner);
    ~Backend();

    /// Job::done is called once, later; never from within.
    void run(Job job);
    /// Connections that have other settings end when they are idle.
    void configure(Settings settings);
    /// Servers that rest are tried again at once.
    void wake();
    /// Nobody but a resting server is left.
    bool all_rest() const;
    /// Some server has served since it last rested, so that more than one attempt at a time is worth it.
    bool proven() const;

    /// No new transactions. One past its final dot is awaited; jobs before that are given up without a word. Then `done`.
    void stop(std::function<void()> done);

    std::vector<Health> health() const;

private:
    struct Server;
    struct Open;
    using Opened = std::list<std::unique_ptr<Open>>;

    void pump();
    bool use_idle();
    void open_for(const std::shared_ptr<Server>& server, std::size_t jobs);
    void make_room(const Server& server);
    void look_up(const std::shared_ptr<Server>& server);
    void connect(const std::shared_ptr<Server>& server);
    void became_ready(Open& open);
    void end_idle();
    bool worn_out(const Open& open) const;
    void finished(Open& open, Job job, const Report& report);
    void passed_over(const Open& open, const smtp::Reply& reply);
    void turned_away(const Open& open, const smtp::Reply& reply);
    void ill(Server& server, const std::string& words);
    void well(Server& server);
    void gone(Open& open);
    void refuse_all();
    void rest_ended();
    void set_rest_timer();
    std::size_t opening(const Server& server) const;
    bool serves(const Server& server) const;
    std::shared_ptr<Server> best_for(const Job& job) const;
    std::shared_ptr<Server> first_available() const;
    void finish_if_stopped();

    net::Loop& loop_;
    base::Worker& worker_;
    std::string spool_;
    Settings settings_;
    Owner owner_;
    std::vector<std::shared_ptr<Server>> servers_;
    Opened open_;
    std::deque<Job> jobs_;
    net::Timer rest_timer_;
    net::Timer idle_timer_;
    net::Timer verdict_timer_;
    std::function<void()> stopped_;
    bool stopping_ = false;
    std::shared_ptr<Backend*> self_;
};

}  // namespace onecopy::relay
