#include "control.h"

#include <unistd.h>

#include <charconv>

#include "base/log.h"

namespace onecopy {
namespace {

constexpr std::size_t most_listed = 1000;

net::HttpServer::Response failure(int status, const std::string& what) {
    return {status, "application/json", view::error(what)};
}

net::HttpServer::Response document(std::string body) {
    return {200, "application/json", std::move(body)};
}

}  // namespace

struct Control::Route {
    const char* method;
    const char* path;
    bool changes;
    void (Control::*run)(const Request&, Respond);
};

const Control::Route Control::routes[] = {
    {"GET", "/status", false, &Control::status},
    {"GET", "/list", false, &Control::list},
    {"GET", "/why", false, &Control::why},
    {"POST", "/release", true, &Control::release},
};

Control::Control(const std::string& socket, Doors doors)
    : doors_(std::move(doors)), server_(doors_.loop, "unix:" + socket, [this](const Request& request, Respond respond) {
          handle(request, std::move(respond));
      }) {}

void Control::handle(const Request& request, Respond respond) {
    for (const Route& route : routes) {
        if (request.path != route.path || request.method != route.method) continue;
        bool may_change = request.peer_uid == 0 || request.peer_uid == ::geteuid();
        if (route.changes && !may_change) return respond(failure(403, "this is for root and the service's own user"));
        return (this->*route.run)(request, std::move(respond));
    }
    respond(failure(404, "no such thing: " + request.method + " " + request.path));
}

/// Opens a reader of its own for each question: a connection left open would keep the write-ahead log from being cut.
void Control::read(Respond respond, std::function<Response(ledger::Reader&)> question) {
    doors_.worker.run([directory = doors_.spool, post = doors_.loop.poster(), respond = std::move(respond),
                       question = std::move(question)] {
        auto answer = std::make_shared<Response>();
        try {
            ledger::Reader reader(directory);
            *answer = question(reader);
        } catch (const std::exception& error) {
            *answer = failure(500, error.what());
        }
        post([respond, answer] { respond(*answer); });
    });
}

void Control::status(const Request&, Respond respond) {
    read(std::move(respond),
         [running = doors_.running()](ledger::Reader& reader) { return document(view::status(running, reader.counts())); });
}

void Control::list(const Request& request, Respond respond) {
    using Which = ledger::Reader::Which;
    static const std::map<std::string, std::vector<Which>> names = {{"", {Which::held, Which::queued, Which::failed}},
                                                                    {"held", {Which::held}},
                                                                    {"queued", {Which::queued}},
                                                                    {"failed", {Which::failed}},
                                                                    {"all", {Which::all}}};
    auto which = request.query.find("which");
    auto wanted = names.find(which == request.query.end() ? "" : which->second);
    if (wanted == names.end()) return respond(failure(400, "list knows held, queued, failed and all"));
    read(std::move(respond), [wanted = wanted->second, now = doors_.ledger.now()](ledger::Reader& reader) {
        std::map<std::int64_t, ledger::GroupRecord> found;  // a group may be queued and failed at once
        for (Which one : wanted) {
            for (ledger::GroupRecord& group : reader.list(one, most_listed)) found.emplace(group.id, std::move(group));
        }
        std::vector<ledger::GroupRecord> groups;
        for (auto& [id, group] : found) groups.push_back(std::move(group));
        return document(view::groups(groups, now));
    });
}

void Control::why(const Request& request, Respond respond) {
    auto message_id = request.query.find("message_id");
    if (message_id == request.query.end()) return respond(failure(400, "why needs a Message-ID"));
    read(std::move(respond), [id = message_id->second, now = doors_.ledger.now()](ledger::Reader& reader) {
        std::vector<ledger::GroupRecord> groups = reader.why(id);
        return groups.empty() ? failure(404, "no message with that Message-ID is known")
                              : document(view::groups(groups, now));
    });
}

void Control::release(const Request& request, Respond respond) {
    std::int64_t group = 0;
    auto id = request.query.find("group");
    bool all = request.query.contains("all");
    if (!all && id != request.query.end()) {
        const std::string& text = id->second;
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), group);
        if (error != std::errc() || end != text.data() + text.size()) group = 0;
    }
    if (!all && group <= 0) return respond(failure(400, "release needs the number of a group, or all"));
    base::log::info("release", {{"group", all ? std::string("all") : std::to_string(group)}, {"uid", request.peer_uid}});
    doors_.ledger.release(group, [all, respond = std::move(respond)](unsigned released) {
        bool found = all || released > 0;
        respond(found ? document(view::released(released)) : failure(404, "no such group waits"));
    });
}

}  // namespace onecopy
