#include "relay/policy.h"

#include <algorithm>

#include "message/mailbox.h"

namespace onecopy::relay {

coalesce::Policy rules_of(const config::Config& config) {
    auto matches = [&](config::Part part) { return std::ranges::count(config.grouping.match, part) > 0; };
    coalesce::Policy policy;
    policy.window = config.grouping.observe ? base::Duration(0) : config.grouping.window;
    policy.quiet = config.grouping.observe ? base::Duration(0) : config.grouping.quiet;
    policy.match_id = matches(config::Part::message_id);
    policy.match_sender = matches(config::Part::sender);
    policy.match_content = matches(config::Part::content);
    policy.fold_case = config.recipients.fold_case;
    policy.history = config.grouping.history;
    policy.keep_failed = config.delivery.keep_failed;
    policy.retry = config.delivery.retry;
    policy.expire = config.delivery.expire;
    policy.warn_after = config.delivery.warn_after;
    policy.telling = {static_cast<coalesce::Notified>(config.delivery.notify), config.delivery.postmaster};
    policy.spellings = spellings_of(config);
    return policy;
}

coalesce::AddressPolicy addresses_of(const config::Config& config) {
    const config::Recipients& recipients = config.recipients;
    coalesce::AddressPolicy policy;
    for (const std::string& domain : recipients.local_domains)
        policy.local_domains.push_back(message::normal_domain(domain));
    if (!config.grouping.observe) policy.foreign = static_cast<coalesce::Foreign>(recipients.foreign);
    for (const config::RecoverFrom& source : recipients.recover_from)
        policy.recover_from.push_back({source.field, source.strip});
    policy.fallback = recipients.fallback;
    policy.fold_case = recipients.fold_case;
    policy.rewrite_domains = spellings_of(config).rewrite_domains;
    policy.postmaster = config.delivery.postmaster;
    policy.observe = config.grouping.observe;
    return policy;
}

message::KnownSpellings spellings_of(const config::Config& config) {
    message::KnownSpellings known;
    for (const auto& [from, to] : config.recipients.rewrite_domains)
        known.rewrite_domains[message::normal_domain(from)] = to;
    for (const config::RecoverFrom& source : config.recipients.recover_from)
        if (!source.strip.empty()) known.prefixes.push_back(source.strip);
    return known;
}

}  // namespace onecopy::relay
