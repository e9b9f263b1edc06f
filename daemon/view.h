#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ledger/reader.h"
#include "relay/delivery.h"
#include "relay/inbound.h"

/// What onecopyctl is told: the spool's records as JSON documents.
namespace onecopy::view {

/// What stands in no spool.
struct Running {
    std::string version;
    base::Duration uptime{};
    std::string spool;
    std::uint64_t room = 0;  // bytes that mail may still take
    base::Duration ledger_busy{};
    bool paused = false;
    std::string damage;  // what is wrong with the spool; empty: nothing that is known
    relay::Inbound::Counters inbound;
    relay::Delivery::Counters delivery;
    std::vector<relay::Backend::Health> servers;
};

/// What keeps mail from coming in or going out, a line each; /healthz says the same.
std::vector<std::string> wrong(const Running& running);
/// Copies that joined a group that was there.
std::uint64_t merged(const ledger::Totals& totals);
/// No counts: they can't be read, and `unreadable` says why.
std::string status(const Running& running, const std::optional<ledger::Counts>& counts, const std::string& unreadable = {});
/// `now`: ledger time.
std::string groups(const std::vector<ledger::GroupRecord>& groups, base::Time now);
std::string changed(ledger::Change change, unsigned groups, unsigned unreadable = 0);  // {"released": 3}
std::string done();
std::string error(const std::string& what);

}  // namespace onecopy::view
