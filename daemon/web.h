#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/worker.h"
#include "net/http.h"
#include "net/loop.h"
#include "page.h"

namespace onecopy {

/// What the process did, minute by minute, for an hour; and how late its loop is.
class Hour {
public:
    explicit Hour(net::Loop& loop);
    const std::deque<page::Minute>& minutes() const { return minutes_; }

private:
    void tick();

    net::Timer timer_;
    base::Duration expected_{};
    base::Duration minute_ends_{};
    std::deque<page::Minute> minutes_;  // the last is under way
};

/// The read-only web side at http.address: status page, /metrics and /healthz, for whoever reaches the socket.
class Web {
public:
    struct Doors {
        net::Loop& loop;
        base::Worker& worker;
        std::string spool;
        std::function<page::Snapshot()> look;  // but for what is read from the spool
    };

    /// Throws std::runtime_error where it can't listen.
    Web(const std::string& address, Doors doors);

private:
    using Request = net::HttpServer::Request;
    using Response = net::HttpServer::Response;
    using Respond = net::HttpServer::Respond;
    struct Route;

    void handle(const Request& request, Respond respond);
    void status(Respond respond);
    void metrics(Respond respond);
    void health(Respond respond);
    void read(bool groups, Respond respond, Response (*answer)(const page::Snapshot&));

    static const Route routes[];
    bool any_name_;  // no browser gets to a Unix socket by a name
    Doors doors_;
    net::HttpServer server_;
};

}  // namespace onecopy
