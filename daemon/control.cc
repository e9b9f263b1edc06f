#include "control.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/log.h"

namespace onecopy {
namespace {

constexpr std::size_t most_listed = 1000;
constexpr std::size_t most_explained = 20;

net::HttpServer::Response failure(int status, const std::string& what) {
    return {status, "application/json", view::error(what)};
}

net::HttpServer::Response document(std::string body) {
    return {200, "application/json", std::move(body)};
}

std::string text_of(const net::HttpServer::Request& request, const char* name) {
    auto found = request.query.find(name);
    return found == request.query.end() ? "" : found->second;
}

/// 0: it is no number of a group.
std::int64_t group_number(const std::string& text) {
    std::int64_t group = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), group);
    return error == std::errc() && end == text.data() + text.size() && group > 0 ? group : 0;
}

std::int64_t group_of(const net::HttpServer::Request& request) {
    return group_number(text_of(request, "group"));
}

/// What is meant by it, the surest first: a Message-ID, the number of a group, an address, words of a subject.
std::vector<ledger::GroupRecord> looked_for(ledger::Reader& reader, const std::string& about) {
    std::vector<ledger::GroupRecord> found = reader.why(about);
    if (about.starts_with('<')) return found;
    if (const std::int64_t group = group_number(about); found.empty() && group != 0) {
        if (std::optional<ledger::GroupRecord> one = reader.show(group)) found.push_back(std::move(*one));
    }
    if (!found.empty()) return found;
    if (about.find('@') != about.npos) found = reader.why_address(about, most_explained);
    if (std::ranges::any_of(found, &ledger::GroupRecord::readable)) return found;
    std::vector<ledger::GroupRecord> by_subject = reader.why_subject(about, most_explained);
    return by_subject.empty() ? found : by_subject;
}

const char* nothing_to_change(ledger::Change what) {
    static constexpr const char* words[] = {"no such group waits", "no such group waits or has failed with its content kept",
                                            "no such group waits or has failed",
                                            "no such group has recipients to be forgotten"};
    return words[static_cast<std::size_t>(what)];
}

void log_change(const net::HttpServer::Request& request) {
    std::string what;
    for (const auto& [name, value] : request.query) what += (what.empty() ? "" : " ") + name + "=" + value;
    base::log::info("control", {{"command", request.path.substr(1)}, {"on", what}, {"uid", request.peer_uid}});
}

}  // namespace

struct Control::Route {
    const char* method;
    const char* path;
    bool changes;
    void (Control::*run)(const Request&, Respond);
};

const Control::Route Control::routes[] = {
    {"GET", "/status", false, &Control::status},   {"GET", "/list", false, &Control::list},
    {"GET", "/show", false, &Control::show},       {"GET", "/why", false, &Control::why},
    {"POST", "/release", true, &Control::release}, {"POST", "/retry", true, &Control::retry},
    {"POST", "/drop", true, &Control::drop},       {"POST", "/forget", true, &Control::forget},
    {"POST", "/reload", true, &Control::reload},   {"POST", "/pause", true, &Control::pause},
    {"POST", "/resume", true, &Control::resume},
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
        if (route.changes) log_change(request);
        return (this->*route.run)(request, std::move(respond));
    }
    respond(failure(404, "no such thing: " + request.method + " " + request.path));
}

/// Opens a reader of its own for each question: a connection left open would keep the write-ahead log from being cut.
void Control::read(Respond respond, std::function<Response(ledger::Reader&, base::Time now)> question) {
    doors_.worker.run([directory = doors_.spool, now = doors_.ledger.now(), post = doors_.loop.poster(),
                       respond = std::move(respond), question = std::move(question)] {
        auto answer = std::make_shared<Response>();
        try {
            ledger::Reader reader(directory, now);
            *answer = question(reader, now);
        } catch (const std::exception& error) {
            *answer = failure(500, error.what());
        }
        post([respond, answer] { respond(*answer); });
    });
}

void Control::status(const Request&, Respond respond) {
    read(std::move(respond), [running = doors_.running()](ledger::Reader& reader, base::Time) {
        try {
            return document(view::status(running, reader.counts()));
        } catch (const ledger::SpoolError& error) {  // what stands in no spool is told all the same
            return document(view::status(running, std::nullopt, error.what()));
        }
    });
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
    read(std::move(respond), [wanted = wanted->second](ledger::Reader& reader, base::Time now) {
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
    const std::string about = text_of(request, "about");
    if (about.empty())
        return respond(failure(400, "why needs a Message-ID, an address, the number of a group or a subject"));
    read(std::move(respond), [about](ledger::Reader& reader, base::Time now) {
        const std::vector<ledger::GroupRecord> groups = looked_for(reader, about);
        return groups.empty() ? failure(404, "no message has that Message-ID, sender, recipient, number or subject")
                              : document(view::groups(groups, now));
    });
}

void Control::show(const Request& request, Respond respond) {
    const std::int64_t group = group_of(request);
    if (group == 0) return respond(failure(400, "show needs the number of a group"));
    read(std::move(respond), [group](ledger::Reader& reader, base::Time now) {
        std::optional<ledger::GroupRecord> found = reader.show(group);
        return found ? document(view::groups({std::move(*found)}, now)) : failure(404, "no such group");
    });
}

/// Servers that rest are tried as well: who asks for it knows that they are well again.
void Control::retry(const Request& request, Respond respond) {
    doors_.wake_servers();
    change(ledger::Change::retry, request, std::move(respond));
}

void Control::forget(const Request& request, Respond respond) {
    const std::string message_id = text_of(request, "message_id");
    if (message_id.empty()) return change(ledger::Change::forget, request, std::move(respond));
    doors_.worker.run(
        [this, message_id, directory = doors_.spool, post = doors_.loop.poster(), respond = std::move(respond)] {
            std::vector<std::int64_t> groups;
            std::string trouble;
            try {
                for (const ledger::GroupRecord& group : ledger::Reader(directory).why(message_id))
                    groups.push_back(group.id);
            } catch (const std::exception& error) {
                trouble = error.what();
            }
            post([this, groups, trouble, respond] {
                if (!trouble.empty()) return respond(failure(500, trouble));
                if (groups.empty()) return respond(failure(404, "no message with that Message-ID is known"));
                change(ledger::Change::forget, groups, respond);
            });
        });
}

void Control::change(ledger::Change what, const Request& request, Respond respond) {
    const bool all = request.query.contains("all") && (what == ledger::Change::release || what == ledger::Change::retry);
    const std::int64_t group = group_of(request);
    if (!all && group == 0) return respond(failure(400, "the number of a group is missing"));
    change(what, all ? std::vector<std::int64_t>{} : std::vector{group}, std::move(respond));
}

void Control::change(ledger::Change what, std::vector<std::int64_t> groups, Respond respond) {
    const bool all = groups.empty();
    doors_.ledger.change(what, std::move(groups), [what, all, respond = std::move(respond)](const ledger::Changed& changed) {
        if (!changed.trouble.empty()) return respond(failure(500, "nothing was changed: " + changed.trouble));
        if (changed.in_flight > 0)
            return respond(failure(409, "it is being sent just now; what becomes of it is known soon"));
        if (all || changed.groups > 0) return respond(document(view::changed(what, changed.groups, changed.unreadable)));
        if (changed.unreadable > 0) return respond(failure(500, "it can't be read: the spool is damaged there"));
        respond(failure(404, nothing_to_change(what)));
    });
}

void Control::reload(const Request&, Respond respond) {
    const std::string trouble = doors_.reload();
    respond(trouble.empty() ? document(view::done()) : failure(409, trouble));
}

void Control::pause(const Request&, Respond respond) {
    doors_.ledger.pause(true, [respond = std::move(respond)] { respond(document(view::done())); });
}

void Control::resume(const Request&, Respond respond) {
    doors_.ledger.pause(false, [respond = std::move(respond)] { respond(document(view::done())); });
}

}  // namespace onecopy
