#pragma once

#include <vector>

#include "ledger/records.h"
#include "relay/job.h"

namespace onecopy::relay {

/// What a report means for those who were tried in it.
struct Verdicts {
    std::vector<coalesce::Outcome> outcomes;    // to be settled
    std::vector<ledger::Due::Recipient> again;  // not tried for a limit of the backend's: in the next transaction, at once
    std::vector<ledger::Due::Recipient> alone;  // refused together with others (Outcome::What::apart): each alone, once
    bool possible_duplicate = false;            // the answer to the data was lost
};

/// The server as a whole has no room, no time or is closing (RFC 3463 3.4): it rests, and no mail pays for it.
bool is_about_server(const smtp::Reply& reply);

Verdicts judge(const std::vector<ledger::Due::Recipient>& tried, const Report& report);

}  // namespace onecopy::relay
