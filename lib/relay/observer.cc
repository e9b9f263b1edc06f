#include "relay/observer.h"

#include "message/mailbox.h"

namespace onecopy::relay {
namespace {

constexpr std::size_t most_seen = 10'000;

/// Equal where `match` would merge; none where the copy would go alone.
std::string key_of(const coalesce::Arriving& copy, const coalesce::Policy& policy) {
    const message::Identity& identity = copy.identity;
    if (identity.message_id.empty() && !policy.match_content) return {};
    std::string key;
    if (policy.match_id) key += identity.message_id + '\n';
    if (policy.match_sender) key += message::normal_form(copy.sender, false) + '\n';
    if (policy.match_content) key.append(reinterpret_cast<const char*>(identity.content.data()), identity.content.size());
    return key;
}

}  // namespace

std::optional<std::int64_t> Observer::would_join(const coalesce::Arriving& copy, const coalesce::Policy& policy,
                                                 base::Duration window, std::int64_t group, base::Time now) {
    while (!order_.empty() && (order_.size() > most_seen || order_.front().second + window < now)) {
        by_key_.erase(order_.front().first);
        order_.pop_front();
    }
    std::string key = key_of(copy, policy);
    if (key.empty()) return std::nullopt;
    auto [place, is_new] = by_key_.try_emplace(key, group);
    if (!is_new) return place->second;
    order_.emplace_back(std::move(key), now);
    return std::nullopt;
}

}  // namespace onecopy::relay
