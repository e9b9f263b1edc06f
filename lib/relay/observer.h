#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "coalesce/rules.h"

namespace onecopy::relay {

/// `grouping.observe`: remembers what came lately, to say what would have been merged. Keeps nothing on disk, and not more
/// than some thousand messages.
class Observer {
public:
    /// The group of an earlier copy that this one would have joined, within `window`; none: it would have been the first.
    std::optional<std::int64_t> would_join(const coalesce::Arriving& copy, const coalesce::Policy& policy,
                                           base::Duration window, std::int64_t group, base::Time now);

private:
    std::map<std::string, std::int64_t> by_key_;
    std::deque<std::pair<std::string, base::Time>> order_;
};

}  // namespace onecopy::relay
