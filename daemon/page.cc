#include "page.h"

#include <algorithm>
#include <cstdio>

#include "base/escape.h"

namespace onecopy::page {
namespace {

constexpr std::size_t most_recipients = 5;
constexpr std::size_t most_words = 300;
constexpr std::size_t minutes = 60;
constexpr double chart_height = 72;  // of 360 in width

constexpr const char* style = R"(
:root{color-scheme:light dark;--bg:#f6f7f5;--card:#fff;--ink:#22302c;--soft:#66736e;--line:#e2e7e3;--accent:#2c7a64;--bad:#a8432f;--badbg:#fbeeea}
@media(prefers-color-scheme:dark){:root{--bg:#131816;--card:#1b2220;--ink:#dde6e1;--soft:#92a19a;--line:#2a3431;--accent:#6cc3a6;--bad:#ef9a85;--badbg:#33201b}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:1.5rem 1rem 3rem;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.25rem 1rem;margin-bottom:1rem}
h1{font-size:1.35rem;margin:0;letter-spacing:-.01em}h2{font-size:.95rem;margin:0 0 .5rem}
.soft{color:var(--soft)}.ok{color:var(--accent)}.bad{color:var(--bad)}
.banner{background:var(--badbg);color:var(--bad);border-radius:.6rem;padding:.6rem 1rem;margin-bottom:1rem;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(2,1fr);gap:.75rem;margin-bottom:.75rem}
@media(min-width:36rem){.figures{grid-template-columns:repeat(4,1fr)}}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:.75rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.75rem 1rem;margin-bottom:.75rem;min-width:0}
.figures .card,.two .card{margin:0}.two{margin-bottom:.75rem}
.figures b{display:block;font-size:1.6rem;font-weight:600;line-height:1.2;font-variant-numeric:tabular-nums}
svg{display:block;width:100%;height:auto}rect{fill:var(--accent)}line{stroke:var(--line)}
ul{list-style:none;margin:0;padding:0}li{padding:.5rem 0;border-top:1px solid var(--line);overflow-wrap:anywhere}li:first-child{border-top:0}
.row{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1rem}li .row span:first-child{flex:1 1 14rem}.row span:last-child{white-space:nowrap;font-variant-numeric:tabular-nums}
.row span:first-child{min-width:0}.small{font-size:.85rem}
)";

std::string shown(std::string_view text) {
    return escaped(base::printable(text, most_words));
}

std::string tag(const char* name, const char* kind, const std::string& inner) {
    return std::string("<") + name + " class=\"" + kind + "\">" + inner + "</" + name + ">";
}

/// In the two largest units, as people say it.
std::string span_text(base::Duration duration) {
    const auto all = std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::seconds>(duration).count());
    const auto two = [](std::int64_t a, const char* unit, std::int64_t b, const char* small) {
        return std::to_string(a) + unit + (b > 0 ? " " + std::to_string(b) + small : "");
    };
    if (all < 60) return std::to_string(all) + " s";
    if (all < 3600) return two(all / 60, " min", all % 60, " s");
    if (all < 86400) return two(all / 3600, " h", all % 3600 / 60, " min");
    return two(all / 86400, " d", all % 86400 / 3600, " h");
}

std::string bytes_text(std::uint64_t bytes) {
    static constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < std::size(units); ++unit) value /= 1024;
    char text[32];
    std::snprintf(text, sizeof text, unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

std::string figure(const char* id, const std::string& value, const char* name) {
    return std::string("<div class=\"card\"><b id=\"") + id + "\">" + value + "</b><span class=\"soft\">" + name +
           "</span></div>";
}

std::string figures(const ledger::Counts& counts) {
    const ledger::Totals& totals = counts.totals;
    return tag("div", "figures",
               figure("held", std::to_string(counts.held), "held") +
                   figure("queued", std::to_string(counts.queued), "queued") +
                   figure("copies", std::to_string(totals.copies), "copies taken") +
                   figure("merged", std::to_string(view::merged(totals)), "merged") +
                   figure("delivered", std::to_string(totals.delivered), "delivered") +
                   figure("suppressed", std::to_string(totals.suppressed), "suppressed") +
                   figure("failed", std::to_string(totals.failed), "failed") +
                   figure("possible_duplicates", std::to_string(totals.possible_duplicates), "possible duplicates"));
}

/// A bar a minute, the newest at the right edge; the left is empty where the process is younger than an hour.
std::string chart(const std::vector<double>& values, const char* label) {
    double top = 1;
    for (double value : values) top = std::max(top, value);
    std::string bars;
    char bar[96];
    const std::size_t missing = minutes - std::min(minutes, values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double height = values[i] / top * chart_height;
        std::snprintf(bar, sizeof bar, "<rect x=\"%zu\" y=\"%.1f\" width=\"4\" height=\"%.1f\" rx=\"1\"/>",
                      (missing + i) * 6 + 1, chart_height - height, height);
        bars += bar;
    }
    return std::string("<svg viewBox=\"0 0 360 73\" role=\"img\" aria-label=\"") + label + "\">" + bars +
           "<line x1=\"0\" y1=\"72.5\" x2=\"360\" y2=\"72.5\"/></svg>";
}

std::string charts(const std::deque<Minute>& hour) {
    std::vector<double> copies, ratio;
    for (std::size_t i = 1; i < hour.size(); ++i) {
        const auto came = static_cast<double>(hour[i].copies - hour[i - 1].copies);
        const auto made = static_cast<double>(hour[i].messages - hour[i - 1].messages);
        copies.push_back(came);
        ratio.push_back(came > 0 ? std::max(0.0, 1 - made / came) : 0);
    }
    const std::uint64_t came = hour.empty() ? 0 : hour.back().copies - hour.front().copies;
    const std::uint64_t made = hour.empty() ? 0 : hour.back().messages - hour.front().messages;
    const std::uint64_t percent = came > made ? (came - made) * 100 / came : 0;
    const auto card = [](const char* title, const std::string& value, const std::string& drawing) {
        return tag("section", "card",
                   tag("div", "row", std::string("<h2>") + title + "</h2>" + tag("span", "soft", value)) + drawing);
    };
    return tag("div", "two",
               card("Copies a minute", std::to_string(came) + " in the last hour",
                    chart(copies, "copies a minute over the last hour")) +
                   card("Merged", std::to_string(percent) + " % in the last hour",
                        chart(ratio, "share of copies merged over the last hour")));
}

std::string server(const relay::Backend::Health& health) {
    const bool rests = health.rests_for.count() > 0;
    const bool connects = !rests && health.connecting > 0 && health.connecting == health.connections;
    const std::string state = rests ? "rests " + span_text(health.rests_for) : connects ? "connecting" : "ready";
    std::string text = tag("div", "row",
                           "<span>" + shown(health.server) + "</span>" +
                               tag("span",
                                   rests      ? "bad"
                                   : connects ? "soft"
                                              : "ok",
                                   state));
    text += tag("div", "soft small",
                std::to_string(health.connections - health.connecting) + " connections, " +
                    std::to_string(health.transactions) + " transactions");
    if (!health.words.empty()) text += tag("div", rests ? "bad small" : "soft small", shown(health.words));
    return "<li>" + text + "</li>";
}

std::string recipients(const ledger::GroupRecord& group) {
    std::string text;
    for (std::size_t i = 0; i < std::min(group.members.size(), most_recipients); ++i)
        text += (i == 0 ? "" : ", ") + shown(group.members[i].address);
    if (group.members.size() > most_recipients)
        text += " and " + std::to_string(group.members.size() - most_recipients) + " more";
    return text;
}

std::string last_words(const ledger::GroupRecord& group) {
    for (const coalesce::Member& member : group.members)
        if (member.state == coalesce::State::pending && !member.reply.empty())
            return tag("div", "soft small", shown(member.reply));
    return {};
}

std::string item(const ledger::GroupRecord& group, base::Time now) {
    if (!group.readable)
        return "<li>" + std::to_string(group.id) + " · " + tag("span", "bad", "can't be read: " + shown(group.damage)) +
               "</li>";
    const base::Duration left = group.due ? *group.due - now : base::Duration(0);
    const char* when = group.held ? "" : "next try in ";
    return "<li>" +
           tag("div", "row",
               "<span>" + (group.sender.empty() ? "&lt;&gt;" : shown(group.sender)) + " → " + recipients(group) +
                   "</span><span>" + (left.count() > 0 ? when + span_text(left) + (group.held ? " left" : "") : "now") +
                   "</span>") +
           tag("div", "soft small",
               std::to_string(group.id) + " · " + shown(group.message_id) + " · " + bytes_text(group.size)) +
           last_words(group) + "</li>";
}

/// Those that are due first stand first.
std::string list(const char* title, std::vector<ledger::GroupRecord> groups, std::uint64_t all, base::Time now) {
    std::ranges::sort(groups, {}, [](const ledger::GroupRecord& group) { return group.due.value_or(base::never); });
    std::string items;
    for (const ledger::GroupRecord& group : groups) items += item(group, now);
    if (groups.empty()) items = "<li class=\"soft\">nothing</li>";
    if (all > groups.size()) items += "<li class=\"soft\">and " + std::to_string(all - groups.size()) + " more</li>";
    return tag("section", "card", std::string("<h2>") + title + "</h2><ul>" + items + "</ul>");
}

std::string banner(const Snapshot& snapshot) {
    std::string lines;
    for (const std::string& one : view::wrong(snapshot.running)) lines += "<div>" + shown(one) + "</div>";
    if (!snapshot.unreadable.empty()) lines += "<div>the spool can't be read: " + shown(snapshot.unreadable) + "</div>";
    return lines.empty() ? "" : "<div class=\"banner\" role=\"alert\">" + lines + "</div>";
}

std::string head(const view::Running& running, bool well) {
    return std::string(
               "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"10\">"
               "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>onecopy</title><style>") +
           style + "</style></head><body><header><h1>onecopy</h1>" +
           tag("span", well ? "ok" : "bad", well ? "all is well" : "needs a look") +
           tag("span", "soft",
               "up " + span_text(running.uptime) + " · " + std::to_string(running.inbound.open) +
                   " connections · room for " + bytes_text(running.room)) +
           "</header>";
}

}  // namespace

std::string escaped(std::string_view text) {
    std::string safe;
    for (char c : text) {
        switch (c) {
            case '&':
                safe += "&amp;";
                break;
            case '<':
                safe += "&lt;";
                break;
            case '>':
                safe += "&gt;";
                break;
            case '"':
                safe += "&quot;";
                break;
            case '\'':
                safe += "&#39;";
                break;
            default:
                safe += c;
        }
    }
    return safe;
}

std::string status(const Snapshot& snapshot) {
    const std::string trouble = banner(snapshot);
    std::string html = head(snapshot.running, trouble.empty()) + trouble;
    if (snapshot.counts) html += figures(*snapshot.counts);
    html += charts(snapshot.hour);
    std::string servers;
    for (const relay::Backend::Health& health : snapshot.running.servers) servers += server(health);
    html += tag("section", "card", "<h2>Backend</h2><ul>" + servers + "</ul>");
    if (snapshot.counts) {
        html += list("Held", snapshot.held, snapshot.counts->held, snapshot.now);
        html += list("Queue", snapshot.queued, snapshot.counts->queued, snapshot.now);
    }
    return html + tag("footer", "soft small", shown(snapshot.running.version)) + "</body></html>\n";
}

}  // namespace onecopy::page
