#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "ledger/reader.h"
#include "view.h"

/// The status page: one snapshot as HTML, with nothing to be loaded and no script.
namespace onecopy::page {

constexpr std::size_t most_listed = 50;

/// Running sums at the end of a minute.
struct Minute {
    std::uint64_t copies = 0;
    std::uint64_t messages = 0;
};

struct Snapshot {
    view::Running running;
    base::Time now{};  // ledger time
    std::deque<Minute> hour;
    std::optional<ledger::Counts> counts;  // none: the spool can't be read
    std::string unreadable;                // why
    std::vector<ledger::GroupRecord> held, queued;
};

std::string status(const Snapshot& snapshot);
/// For text and for values between double quotes.
std::string escaped(std::string_view text);

}  // namespace onecopy::page
