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
    void why(const Request& request, Respond respond);
    void release(const Request& request, Respond respond);
    void read(Respond respond, std::function<Response(ledger::Reader&)> question);

    static const Route routes[];
    Doors doors_;
    net::HttpServer server_;
};

}  // namespace onecopy
