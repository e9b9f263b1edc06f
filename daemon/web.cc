#include "web.h"

#include "base/metrics.h"
#include "exposition.h"
#include "ledger/reader.h"

namespace onecopy {
namespace {

constexpr base::Duration tick_every = std::chrono::seconds(1);
constexpr base::Duration minute = std::chrono::minutes(1);
constexpr std::size_t most_minutes = 60;
constexpr const char* html = "text/html; charset=utf-8";
constexpr const char* plain = "text/plain; charset=utf-8";
/// Nothing is loaded, run, framed or sent; the page's own style is all it has.
constexpr const char* policy =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

net::HttpServer::Response text(int status, std::string body) {
    return {status, plain, std::move(body)};
}

net::HttpServer::Response status_page(const page::Snapshot& snapshot) {
    return {200, html, page::status(snapshot), {{"Content-Security-Policy", policy}, {"Referrer-Policy", "no-referrer"}}};
}

net::HttpServer::Response exposition(const page::Snapshot& snapshot) {
    return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(snapshot)};
}

/// A page from elsewhere may make a browser here ask us under a name of its own that leads to 127.0.0.1 (DNS rebinding), and
/// then read the answer: only names that nobody else can have are answered.
bool is_ours(std::string_view host) {
    return host.empty() || host == "localhost" || host == "[::1]" || host == "::1" ||
           (host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos);
}

}  // namespace

Hour::Hour(net::Loop& loop) : timer_(loop, [this] { tick(); }), minutes_(2) {
    expected_ = base::boot_clock() + tick_every;
    minute_ends_ = base::boot_clock() + minute;
    timer_.set(tick_every);
}

void Hour::tick() {
    const base::Duration now = base::boot_clock();
    base::metrics::loop_lag.observe(std::max(now - expected_, base::Duration(0)));
    minutes_.back() = {base::metrics::copies.value(), base::metrics::messages.value()};
    for (; now >= minute_ends_; minute_ends_ += minute) minutes_.push_back(minutes_.back());
    while (minutes_.size() > most_minutes + 1) minutes_.pop_front();
    expected_ = now + tick_every;
    timer_.set(tick_every);
}

struct Web::Route {
    const char* path;
    void (Web::*run)(Respond);
};

const Web::Route Web::routes[] = {{"/", &Web::status}, {"/metrics", &Web::metrics}, {"/healthz", &Web::health}};

Web::Web(const std::string& address, Doors doors)
    : any_name_(address.starts_with("unix:")),
      doors_(std::move(doors)),
      server_(doors_.loop, address,
              [this](const Request& request, Respond respond) { handle(request, std::move(respond)); }) {}

void Web::handle(const Request& request, Respond respond) {
    if (!any_name_ && !is_ours(request.host))
        return respond(text(421, "not under this name: set the Host field to localhost\n"));
    for (const Route& route : routes) {
        if (request.path != route.path) continue;
        if (request.method != "GET") return respond({405, plain, "only GET\n", {{"Allow", "GET, HEAD"}}});
        return (this->*route.run)(std::move(respond));
    }
    respond(request.method == "GET" ? text(404, "not here: /, /metrics and /healthz are\n")
                                    : Response{405, plain, "only GET\n", {{"Allow", "GET, HEAD"}}});
}

void Web::status(Respond respond) {
    read(true, std::move(respond), status_page);
}

void Web::metrics(Respond respond) {
    read(false, std::move(respond), exposition);
}

/// Asks neither spool nor helper: they may be what is ill.
void Web::health(Respond respond) {
    std::string lines;
    for (const std::string& one : view::wrong(doors_.look().running)) lines += one + "\n";
    respond(lines.empty() ? text(200, "ok\n") : text(503, lines));
}

/// Whatever can be had is shown: a spool that can't be read is one of the things to be seen.
void Web::read(bool groups, Respond respond, Response (*answer)(const page::Snapshot&)) {
    doors_.worker.run([directory = doors_.spool, post = doors_.loop.poster(), respond = std::move(respond), groups, answer,
                       snapshot = doors_.look()]() mutable {
        try {
            ledger::Reader reader(directory, snapshot.now);
            snapshot.counts = reader.counts();
            if (groups) snapshot.held = reader.list(ledger::Reader::Which::held, page::most_listed);
            if (groups) snapshot.queued = reader.list(ledger::Reader::Which::queued, page::most_listed);
        } catch (const std::exception& error) {
            snapshot.unreadable = error.what();
        }
        auto made = std::make_shared<Response>(answer(snapshot));
        post([respond, made] { respond(*made); });
    });
}

}  // namespace onecopy
