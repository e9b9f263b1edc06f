#include "view.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/escape.h"

namespace onecopy::view {
namespace {

using nlohmann::json;

/// A ledger that takes longer for one batch has stalled.
constexpr base::Duration longest_batch = std::chrono::seconds(30);

constexpr std::array state_names = {"pending", "delivered", "failed", "dropped", "ignored", "forgotten"};

/// Mail is not always UTF-8; what is not is shown as U+FFFD.
std::string text(const json& document) {
    return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

double seconds(base::Duration duration) {
    return static_cast<double>(duration.count()) / 1000;
}

json server(const relay::Backend::Health& health) {
    return {{"server", health.server},
            {"state", health.rests_for.count() > 0 ? "resting" : "ok"},
            {"rests_for_seconds", seconds(health.rests_for)},
            {"last_words", health.words},
            {"connections", health.connections},
            {"connecting", health.connecting},
            {"transactions", health.transactions}};
}

std::string state_of(const ledger::GroupRecord& group) {
    if (group.due) return group.held ? "held" : "queued";
    if (!group.has_content) return "done";
    bool failed = std::ranges::count(group.members, coalesce::State::failed, &coalesce::Member::state) > 0;
    return failed ? "failed" : "done";
}

json told_words(unsigned told) {
    json words = json::array();
    if (told & coalesce::tell_failed) words.push_back("failed");
    if (told & coalesce::tell_delayed) words.push_back("delayed");
    if (told & coalesce::tell_relayed) words.push_back("relayed");
    return words;
}

json recipient(const coalesce::Member& member) {
    return {{"address", member.address},   {"state", state_names.at(static_cast<std::size_t>(member.state))},
            {"attempts", member.attempts}, {"recovered", member.recovered},
            {"apart", member.apart},       {"told", told_words(member.told)},
            {"reply", member.reply}};
}

json copy(const ledger::CopyRecord& record) {
    json recipients = json::array();
    for (const auto& one : record.recipients) recipients.push_back({{"address", one.address}, {"verdict", one.verdict}});
    return {{"number", record.number},     {"time", base::iso_text(record.arrived)},
            {"client", record.client},     {"helo", record.helo},
            {"protocol", record.protocol}, {"sender", record.sender},
            {"recipients", recipients}};
}

json attempt(const ledger::AttemptRecord& record) {
    return {{"time", base::iso_text(record.at)},
            {"server", record.server},
            {"recipient", record.address},
            {"outcome", record.what},
            {"reply", record.reply}};
}

/// What stands in the rows of the group itself.
json group_alone(const ledger::GroupRecord& record, base::Time now) {
    if (!record.readable) return {{"id", record.id}, {"state", "unreadable"}};
    json recipients = json::array();
    for (const auto& member : record.members) recipients.push_back(recipient(member));
    json document = {{"id", record.id},
                     {"message_id", record.message_id},
                     {"subject", record.subject},
                     {"sender", record.sender},
                     {"state", state_of(record)},
                     {"first", base::iso_text(record.first)},
                     {"age_seconds", seconds(base::wall_clock() - record.first)},
                     {"size", record.size},
                     {"content_sha256", record.digest},
                     {"recipients", recipients}};
    document["due_in_seconds"] = record.due ? json(seconds(*record.due - now)) : json();
    if (record.kind != coalesce::Kind::mail) document["notice_about"] = record.about;
    return document;
}

json group(const ledger::GroupRecord& record, base::Time now) {
    json document = group_alone(record, now);
    json copies = json::array(), attempts = json::array();
    for (const auto& one : record.copies) copies.push_back(copy(one));
    for (const auto& one : record.attempts) attempts.push_back(attempt(one));
    if (!record.damage.empty()) document["damage"] = record.damage;
    if (!copies.empty()) document["copies"] = copies;
    if (!attempts.empty() || !copies.empty()) document["attempts"] = attempts;
    if (!record.header.empty()) document["header"] = record.header;
    return document;
}

json figures(const ledger::Counts& counts, std::size_t in_flight) {
    return {{"held", counts.held},
            {"queued", counts.queued},
            {"failed", counts.failed},
            {"in_flight", in_flight},
            {"delivered", counts.totals.delivered},
            {"suppressed", counts.totals.suppressed},
            {"copies", counts.totals.copies},
            {"messages", counts.totals.messages},
            {"failed_recipients", counts.totals.failed},
            {"notices", counts.totals.notices},
            {"untold", counts.untold},
            {"possible_duplicates", counts.totals.possible_duplicates}};
}

}  // namespace

std::vector<std::string> wrong(const Running& running) {
    std::vector<std::string> lines;
    if (running.ledger_busy > longest_batch)
        lines.push_back("the ledger has been at one batch for " + std::to_string(running.ledger_busy.count() / 1000) + " s");
    if (running.room == 0) lines.push_back("the spool is full (spool.min_free): new mail is answered 452");
    if (!running.damage.empty()) lines.push_back("the spool is damaged: " + base::printable(running.damage));
    if (running.paused) lines.push_back("forwarding is paused (onecopyctl resume)");
    const auto rests = [](const relay::Backend::Health& health) { return health.rests_for.count() > 0; };
    if (!running.servers.empty() && std::ranges::all_of(running.servers, rests))
        lines.push_back("every server of the backend rests: " + base::printable(running.servers.front().words));
    return lines;
}

std::uint64_t merged(const ledger::Totals& totals) {
    return totals.copies - std::min(totals.copies, totals.messages);
}

std::string status(const Running& running, const std::optional<ledger::Counts>& counts, const std::string& unreadable) {
    json servers = json::array();
    for (const auto& health : running.servers) servers.push_back(server(health));
    json document = {
        {"version", running.version},
        {"uptime_seconds", seconds(running.uptime)},
        {"paused", running.paused},
        {"backend", servers},
        {"connections",
         {{"open", running.inbound.open}, {"accepted", running.inbound.accepted}, {"refused", running.inbound.refused}}},
        {"spool",
         {{"directory", running.spool},
          {"room_bytes", running.room},
          {"low_on_space", running.room == 0},
          {"damage", running.damage.empty() ? json() : json(running.damage)},
          {"ledger_busy_seconds", seconds(running.ledger_busy)}}}};
    if (counts) document["counts"] = figures(*counts, running.delivery.in_flight);
    if (!counts) document["unreadable"] = unreadable;
    return text(document);
}

std::string groups(const std::vector<ledger::GroupRecord>& groups, base::Time now) {
    json list = json::array();
    for (const auto& record : groups) list.push_back(group(record, now));
    return text(list);
}

std::string changed(ledger::Change change, unsigned groups, unsigned unreadable) {
    static constexpr std::array names = {"released", "retried", "dropped", "forgotten"};
    json document = {{names.at(static_cast<std::size_t>(change)), groups}};
    if (unreadable > 0) document["unreadable"] = unreadable;
    return text(document);
}

std::string done() {
    return text({{"done", true}});
}

std::string error(const std::string& what) {
    return text({{"error", what}});
}

}  // namespace onecopy::view
