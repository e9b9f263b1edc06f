#include "exposition.h"

#include "base/metrics.h"

namespace onecopy {
namespace {

using base::metrics::label;
using base::metrics::Text;
using ledger::Counts;
using view::Running;

double seconds(base::Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

double number(std::uint64_t value) {
    return static_cast<double>(value);
}

template <typename Source>
struct Figure {
    const char* name;
    const char* type;
    const char* help;
    double (*value)(const Source&);
};

const Figure<Running> of_process[] = {
    {"onecopy_uptime_seconds", "gauge", "Time since the start.", [](const Running& r) { return seconds(r.uptime); }},
    {"onecopy_sessions_total", "counter", "Connections that were let in.",
     [](const Running& r) { return number(r.inbound.accepted); }},
    {"onecopy_sessions", "gauge", "Connections that are open.", [](const Running& r) { return number(r.inbound.open); }},
    {"onecopy_transactions_total", "counter", "Transactions with a backend.",
     [](const Running& r) { return number(r.delivery.transactions); }},
    {"onecopy_in_flight", "gauge", "Groups on their way to a backend.",
     [](const Running& r) { return number(r.delivery.in_flight); }},
    {"onecopy_paused", "gauge", "1 while forwarding is paused.", [](const Running& r) { return r.paused ? 1.0 : 0.0; }},
    {"onecopy_spool_damaged", "gauge", "1 where the spool was found damaged.",
     [](const Running& r) { return r.damage.empty() ? 0.0 : 1.0; }},
    {"onecopy_spool_room_bytes", "gauge", "What mail may still take before spool.min_free is reached.",
     [](const Running& r) { return number(r.room); }},
    {"onecopy_ledger_busy_seconds", "gauge", "How long the ledger has been at its present batch.",
     [](const Running& r) { return seconds(r.ledger_busy); }},
};

const Figure<Counts> of_spool[] = {
    {"onecopy_held", "gauge", "Groups in their window.", [](const Counts& c) { return number(c.held); }},
    {"onecopy_queued", "gauge", "Groups that are due, or tried again.", [](const Counts& c) { return number(c.queued); }},
    {"onecopy_failed", "gauge", "Groups with somebody who failed.", [](const Counts& c) { return number(c.failed); }},
    {"onecopy_untold", "gauge", "Recipients who failed, and nobody was told.",
     [](const Counts& c) { return number(c.untold); }},
    {"onecopy_copies_total", "counter", "Copies accepted.", [](const Counts& c) { return number(c.totals.copies); }},
    {"onecopy_messages_total", "counter", "Groups that the copies made.",
     [](const Counts& c) { return number(c.totals.messages); }},
    {"onecopy_copies_merged_total", "counter", "Copies that joined a group that was there.",
     [](const Counts& c) { return number(view::merged(c.totals)); }},
    {"onecopy_recipients_suppressed_total", "counter", "Recipients of copies who had, or were to get, the message already.",
     [](const Counts& c) { return number(c.totals.suppressed); }},
    {"onecopy_recipients_delivered_total", "counter", "Recipients who got their message.",
     [](const Counts& c) { return number(c.totals.delivered); }},
    {"onecopy_recipients_failed_total", "counter", "Recipients who failed for good.",
     [](const Counts& c) { return number(c.totals.failed); }},
    {"onecopy_notices_total", "counter", "Notices of failure and delay.",
     [](const Counts& c) { return number(c.totals.notices); }},
    {"onecopy_possible_duplicates_total", "counter", "Transactions whose last answer was lost.",
     [](const Counts& c) { return number(c.totals.possible_duplicates); }},
};

struct ServerFigure {
    const char* name;
    const char* type;
    const char* help;
    double (*value)(const relay::Backend::Health&);
};

const ServerFigure of_servers[] = {
    {"onecopy_backend_up", "gauge", "0 while the server rests.",
     [](const relay::Backend::Health& h) { return h.rests_for.count() > 0 ? 0.0 : 1.0; }},
    {"onecopy_backend_rest_seconds", "gauge", "How long the server still rests.",
     [](const relay::Backend::Health& h) { return seconds(h.rests_for); }},
    {"onecopy_backend_connections", "gauge", "Connections to the server.",
     [](const relay::Backend::Health& h) { return number(h.connections); }},
    {"onecopy_backend_transactions_total", "counter", "Transactions with the server.",
     [](const relay::Backend::Health& h) { return number(h.transactions); }},
};

template <typename Source, std::size_t size>
void write(Text& text, const Figure<Source> (&figures)[size], const Source& source) {
    for (const Figure<Source>& figure : figures) {
        text.family(figure.name, figure.type, figure.help);
        text.sample(figure.name, figure.value(source));
    }
}

}  // namespace

std::string metrics_text(const page::Snapshot& snapshot) {
    Text text;
    text.family("onecopy_build_info", "gauge", "1; the version is a label.");
    text.sample("onecopy_build_info", 1, label("version", snapshot.running.version));
    write(text, of_process, snapshot.running);
    text.family("onecopy_spool_readable", "gauge",
                "0 where the figures of the spool can't be read; they are left out then.");
    text.sample("onecopy_spool_readable", snapshot.counts ? 1 : 0);
    if (snapshot.counts) write(text, of_spool, *snapshot.counts);
    for (const ServerFigure& figure : of_servers) {
        text.family(figure.name, figure.type, figure.help);
        for (const relay::Backend::Health& health : snapshot.running.servers)
            text.sample(figure.name, figure.value(health), label("server", health.server));
    }
    base::metrics::write(text);
    return text.take();
}

}  // namespace onecopy
