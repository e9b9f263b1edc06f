#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/worker.h"
#include "ledger/ledger_thread.h"
#include "net/http.h"
#include "relay/delivery.h"
#include "relay/inbound.h"
#include "view.h"

namespace onecopy {

/// The control socket: answers onecopyctl with JSON. Reading is for all who may open the socket, changes are for root and
/// the service's own user. What has to be read from the spool is read by the helper thread.
class Control {
public:
    struct Doors {
        net::Loop& loop;
        base::Worker& worker;
        ledger::LedgerThread& ledger;
        std::string spool;
        std::function<view::Running()> running;  // what the process itself knows
        std::function<void()> wake_servers;      // those that rest are tried again
        std::function<std::string()> reload;     // what is wrong; empty: it is in force
    };

    Control(const std::string& socket, Doors doors);

private:
    using Request = net::HttpServer::Request;
    using Response = net::HttpServer::Response;
    using Respond = net::HttpServer::Respond;
    struct Route;

    void handle(const Request& request, Respond respond);
    void status(const Request& request, Respond respond);
    void list(const Request& request, Respond respond);
    void show(const Request& request, Respond respond);
    void why(const Request& request, Respond respond);
    void release(const Request& request, Respond respond) { change(ledger::Change::release, request, std::move(respond)); }
    void retry(const Request& request, Respond respond);
    void drop(const Request& request, Respond respond) { change(ledger::Change::drop, request, std::move(respond)); }
    void forget(const Request& request, Respond respond);
    void reload(const Request& request, Respond respond);
    void pause(const Request& request, Respond respond);
    void resume(const Request& request, Respond respond);
    void change(ledger::Change change, const Request& request, Respond respond);
    void change(ledger::Change change, std::vector<std::int64_t> groups, Respond respond);
    void read(Respond respond, std::function<Response(ledger::Reader&, base::Time now)> question);

    static const Route routes[];
    Doors doors_;
    net::HttpServer server_;
};

}  // namespace onecopy
