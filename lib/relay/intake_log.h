#pragma once

#include <memory>
#include <string>

#include "coalesce/addressing.h"
#include "ledger/records.h"
#include "relay/observer.h"

namespace onecopy::relay {

struct IntakeSettings;

/// What the log tells of a copy once the ledger has answered; the copy itself has gone to the ledger.
struct CopySummary {
    coalesce::Arriving arriving;
    std::string client, helo;
    std::uint64_t size = 0;
};
CopySummary summarize(const ledger::Copy& copy);

void log_copy(const CopySummary& copy, const ledger::Acceptance& acceptance);
void log_resolved(const std::string& message_id, const std::string& client, const coalesce::Resolved& resolved);
/// `observe`: what would have been merged.
void log_would_merge(const CopySummary& copy, const ledger::Acceptance& acceptance, Observer& observer,
                     const IntakeSettings& settings);

}  // namespace onecopy::relay
