#include "tell.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/escape.h"

namespace onecopy::tell {
namespace {

using nlohmann::json;

std::string safe(const json& document, const char* key) {
    return base::printable(document.value(key, std::string()));
}

std::string number(const json& document, const char* key) {
    return std::to_string(document.value(key, std::int64_t{0}));
}

std::string row(const std::string& name, const std::string& value) {
    return padded(name, 14) + value + "\n";
}

std::string address(const std::string& text) {
    return text.empty() ? "<>" : text;
}

std::string server(const json& one, Ink ink) {
    const bool rests = one.value("state", "") == "resting";
    const auto connections = one.value("connections", std::int64_t{0}),
               connecting = one.value("connecting", std::int64_t{0});
    std::string text = safe(one, "server") + "  ";
    if (rests) {
        text += ink.bad("resting, next try in " + rough(one.value("rests_for_seconds", 0.0)));
    } else {
        text += connecting > 0 && connecting == connections ? "connecting" : ink.good("ok");
    }
    text += "  connections " + std::to_string(connections - connecting);
    if (connecting > 0) text += ", connecting " + std::to_string(connecting);
    text += ", transactions " + number(one, "transactions");
    if (rests) text += "\n" + padded("", 14) + safe(one, "last_words");
    return text;
}

/// Of the group itself nothing is known but its number.
bool unreadable(const json& group) {
    return group.value("state", "") == "unreadable";
}

std::string damage(const json& group, Ink ink) {
    return "  " + ink.bad("not all of it can be read") + ": " + safe(group, "damage");
}

/// When the group is tried next, in words.
std::string when(const json& group) {
    const json due = group.value("due_in_seconds", json());
    if (!due.is_number()) return "-";
    return due.get<double>() <= 0 ? "now" : "in " + rough(due.get<double>());
}

std::string recipient(const json& one, Ink ink) {
    std::string text = "  " + padded(ink.state(safe(one, "state")), 10) + address(safe(one, "address"));
    if (one.value("recovered", false)) text += " (read from the header)";
    std::string reply = safe(one, "reply");
    return text + (reply.empty() ? "" : "  " + reply);
}

std::string verdict(const std::string& name) {
    static const std::map<std::string, std::string> words = {
        {"added", "added"},
        {"merged", "waits already"},
        {"suppressed", "has it already: skipped"},
        {"again", "tried again"},
        {"ignored", "foreign: ignored"},
        {"dropped", "was given up by hand: skipped"},
        {"repeated", "named twice"},
        {"elsewhere", "has it, or gets it, under another sender: skipped"},
    };
    auto known = words.find(name);
    return known == words.end() ? name : known->second;
}

std::string copy(const json& one) {
    std::string text = safe(one, "time") + "  copy " + number(one, "number") + " from " + address(safe(one, "sender")) +
                       " by " + safe(one, "client") + " (" + safe(one, "helo") + ", " + safe(one, "protocol") + ")\n";
    for (const json& recipient : one.value("recipients", json::array())) {
        text += "    " + safe(recipient, "address") + ": " + verdict(safe(recipient, "verdict")) + "\n";
    }
    return text;
}

std::string attempt(const json& one, Ink ink) {
    return safe(one, "time") + "  " + padded(ink.state(safe(one, "outcome")), 10) + safe(one, "recipient") + " at " +
           safe(one, "server") + ": " + safe(one, "reply") + "\n";
}

/// What a group is, in a line or two.
std::string heading(const json& group, Ink ink) {
    if (unreadable(group)) return ink.strong("group " + number(group, "id")) + "  " + ink.state("unreadable") + "\n";
    std::string text = ink.strong("group " + number(group, "id")) + "  " + ink.state(safe(group, "state")) + "  " +
                       rough(group.value("age_seconds", 0.0)) + " old  next try " + when(group) + "  from " +
                       address(safe(group, "sender")) + "  " + safe(group, "message_id");
    if (group.contains("notice_about")) text += "  notice about group " + number(group, "notice_about");
    const std::string subject = safe(group, "subject");
    return text + "\n" + (subject.empty() ? "" : "  subject   " + subject + "\n");
}

/// The same as a row of a table.
std::vector<std::string> cells(const json& group, Ink ink) {
    const std::string id = ink.strong(number(group, "id"));
    if (unreadable(group)) return {id, ink.state("unreadable"), "-", "-", "-", "-", "-"};
    const bool notice = group.contains("notice_about");
    return {id,
            ink.state(safe(group, "state")),
            rough(group.value("age_seconds", 0.0)),
            when(group),
            address(safe(group, "sender")),
            safe(group, "message_id"),
            notice ? "notice about group " + number(group, "notice_about") : safe(group, "subject")};
}

/// The header as it is kept, each line made safe for a terminal.
std::string header_lines(const std::string& header) {
    std::string text;
    for (std::size_t at = 0; at < header.size();) {
        const std::size_t end = std::min(header.find("\r\n", at), header.size());
        std::string line = header.substr(at, end - at);
        std::ranges::replace(line, '\t', ' ');
        text += "    " + base::printable(line, 1000) + "\n";
        at = end + 2;
    }
    return text;
}

std::string figures(const json& counts) {
    return row("held", number(counts, "held") + " messages wait for further copies") +
           row("queued", number(counts, "queued") + " messages wait for the backend") +
           row("failed", number(counts, "failed") + " messages with a recipient who was refused") +
           row("delivered", number(counts, "delivered") + " recipients, of " + number(counts, "messages") + " messages in " +
                                number(counts, "copies") + " copies") +
           row("suppressed", number(counts, "suppressed") + " recipients who had it already");
}

}  // namespace

std::string rough(double seconds) {
    struct Unit {
        double size;
        const char* name;
    };
    static constexpr Unit units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}};
    for (const Unit& unit : units) {
        if (seconds >= 2 * unit.size) return std::to_string(std::llround(seconds / unit.size)) + unit.name;
    }
    return std::to_string(std::llround(std::ceil(seconds))) + "s";
}

std::string status(const json& document, Ink ink) {
    const json counts = document.value("counts", json::object());
    const json spool = document.value("spool", json::object());
    std::string text = row("onecopyd", safe(document, "version") + ", up " + rough(document.value("uptime_seconds", 0.0)));
    text += document.contains("unreadable") ? row("", ink.bad("the figures can't be read: ") + safe(document, "unreadable"))
                                            : figures(counts);
    if (counts.value("untold", 0) > 0)
        text += row(
            "", ink.bad(number(counts, "untold") + " failed recipients of whom nobody was told") + " (delivery.postmaster)");
    if (document.value("paused", false)) text += row(ink.bad("PAUSED"), "nothing is forwarded until: onecopyctl resume");
    if (counts.value("possible_duplicates", 0) > 0) text += row("perhaps twice", number(counts, "possible_duplicates"));
    std::string name = "backend";
    for (const json& one : document.value("backend", json::array())) text += row(std::exchange(name, ""), server(one, ink));
    bool low = spool.value("low_on_space", false);
    bool damaged = spool.contains("damage") && spool["damage"].is_string();
    text += row("spool", safe(spool, "directory") + (low ? ink.bad("  TOO FULL: new mail is answered 452") : ""));
    if (damaged) text += row("", ink.bad("DAMAGED: new mail is answered 452: ") + safe(spool, "damage"));
    return text;
}

std::string list(const json& document, Ink ink) {
    Table table;
    if (!document.empty()) {
        std::vector<std::string> titles = {"ID", "STATE", "AGE", "NEXT TRY", "FROM", "MESSAGE-ID", "SUBJECT"};
        for (std::string& title : titles) title = ink.soft(title);
        table.add(std::move(titles));
    }
    for (const json& group : document) {
        table.add(cells(group, ink));
        if (group.contains("damage")) table.note(damage(group, ink));
        for (const json& one : group.value("recipients", json::array())) table.note(recipient(one, ink));
    }
    return table.text();
}

std::string why(const json& document, Ink ink) {
    std::string text;
    for (const json& group : document) {
        text += heading(group, ink);
        if (group.contains("damage")) text += damage(group, ink) + "\n";
        for (const json& one : group.value("recipients", json::array())) text += recipient(one, ink) + "\n";
        for (const json& one : group.value("copies", json::array())) text += copy(one);
        for (const json& one : group.value("attempts", json::array())) text += attempt(one, ink);
    }
    return text;
}

std::string show(const json& document, Ink ink) {
    std::string text = why(document, ink);
    for (const json& group : document) {
        const std::string header = group.value("header", std::string());
        if (header.empty() && group.contains("damage")) continue;  // nobody knows
        text += header.empty() ? "the message itself is not kept any more\n" : header_lines(header);
    }
    return text;
}

std::string changed(const json& document, Ink) {
    std::string text;
    for (const auto& [what, count] : document.items()) {
        if (count.is_number()) text += std::to_string(count.get<std::int64_t>()) + " " + what + "\n";
    }
    return text.empty() ? "done\n" : text;
}

}  // namespace onecopy::tell
