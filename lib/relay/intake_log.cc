#include "relay/intake_log.h"

#include <algorithm>

#include "base/log.h"
#include "relay/intake.h"

namespace onecopy::relay {
namespace {

namespace log = base::log;
using coalesce::Verdict;

std::string joined(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) all += (all.empty() ? "" : ",") + text;
    return all;
}

std::string with_verdict(const CopySummary& copy, const ledger::Acceptance& acceptance,
                         std::initializer_list<Verdict> wanted) {
    std::vector<std::string> found;
    for (std::size_t i = 0; i < acceptance.verdicts.size(); ++i) {
        if (std::ranges::count(wanted, acceptance.verdicts[i])) found.push_back(copy.arriving.recipients[i].address);
    }
    return joined(found);
}

void log_merge(const CopySummary& copy, const ledger::Acceptance& acceptance) {
    const std::int64_t group = acceptance.group;
    const std::string& id = copy.arriving.identity.message_id;
    std::string suppressed = with_verdict(copy, acceptance, {Verdict::suppressed, Verdict::dropped});
    if (!suppressed.empty()) log::info("suppressed", {{"group", group}, {"message_id", id}, {"recipients", suppressed}});
    std::string elsewhere = with_verdict(copy, acceptance, {Verdict::elsewhere});
    if (!elsewhere.empty()) {
        log::info("elsewhere",
                  {{"group", group}, {"message_id", id}, {"recipients", elsewhere}, {"other", acceptance.elsewhere}});
    }
    if (acceptance.other_content != 0) {
        log::warning("same_id_different_content",
                     {{"group", group}, {"message_id", id}, {"other", acceptance.other_content}});
    }
    if (!acceptance.first_digest.empty()) {
        log::warning(
            "first_content_kept",
            {{"group", group}, {"message_id", id}, {"digest", acceptance.digest}, {"kept", acceptance.first_digest}});
    }
    if (acceptance.loop) log::warning("loop", {{"group", group}, {"message_id", id}, {"client", copy.client}});
}

const char* reason_of(ledger::Acceptance::Status status) {
    using Status = ledger::Acceptance::Status;
    return status == Status::no_room ? "no_room" : status == Status::comes_back ? "loop" : "failed";
}

}  // namespace

CopySummary summarize(const ledger::Copy& copy) {
    return {copy.arriving, copy.arrival.client, copy.arrival.helo, copy.size};
}

void log_copy(const CopySummary& copy, const ledger::Acceptance& acceptance) {
    using Status = ledger::Acceptance::Status;
    if (acceptance.status == Status::comes_back) {
        log::warning(
            "loop",
            {{"group", acceptance.group}, {"message_id", copy.arriving.identity.message_id}, {"client", copy.client}});
    }
    if (acceptance.status != Status::accepted) {
        log::warning("not_stored", {{"message_id", copy.arriving.identity.message_id},
                                    {"client", copy.client},
                                    {"sender", copy.arriving.sender},
                                    {"reason", reason_of(acceptance.status)}});
        return;
    }
    if (!log::enabled(base::Level::info)) return;
    std::string recipients;
    for (std::size_t i = 0; i < acceptance.verdicts.size(); ++i) {
        if (i > 0) recipients += ',';
        recipients.append(coalesce::to_text(acceptance.verdicts[i])).append(":").append(copy.arriving.recipients[i].address);
    }
    log::info("copy", {{"group", acceptance.group},
                       {"copy", acceptance.copy},
                       {"message_id", copy.arriving.identity.message_id},
                       {"client", copy.client},
                       {"helo", copy.helo},
                       {"sender", copy.arriving.sender},
                       {"size", copy.size},
                       {"recipients", recipients}});
    log_merge(copy, acceptance);
}

void log_resolved(const std::string& message_id, const std::string& client, const coalesce::Resolved& resolved) {
    if (!resolved.recovered.empty()) {
        log::info("recovered", {{"message_id", message_id}, {"client", client}, {"recipients", joined(resolved.recovered)}});
    }
    if (!resolved.left_out.empty()) {
        log::info("fallback_left_out",
                  {{"message_id", message_id}, {"client", client}, {"recipients", joined(resolved.left_out)}});
    }
    if (resolved.to_postmaster) log::info("to_postmaster", {{"message_id", message_id}, {"client", client}});
}

void log_would_merge(const CopySummary& copy, const ledger::Acceptance& acceptance, Observer& observer,
                     const IntakeSettings& settings) {
    if (acceptance.status != ledger::Acceptance::Status::accepted) return;
    std::optional<std::int64_t> earlier =
        observer.would_join(copy.arriving, settings.rules, settings.observed_window, acceptance.group, acceptance.now);
    if (!earlier) return;
    log::info("would_merge", {{"group", acceptance.group},
                              {"message_id", copy.arriving.identity.message_id},
                              {"with", *earlier},
                              {"client", copy.client}});
}

}  // namespace onecopy::relay
