#include "ledger/clock.h"

#include <algorithm>

namespace onecopy::ledger {

constexpr base::Duration longest_stop = std::chrono::hours(24 * 7);

Clock::Clock(const Stored& stored, base::Duration boot, base::WallTime wall)
    : ledger_(stored.ledger), left_out_(stored.left_out), boot_(boot) {
    base::Duration stop = std::clamp(wall - stored.wall, base::Duration(0), longest_stop);
    ledger_ += stop;
    if (stop == longest_stop) left_out_ += stop;
}

coalesce::Now Clock::now(base::Duration boot) const {
    base::Time ledger = ledger_ + (boot - boot_);
    return {ledger, ledger - left_out_};
}

Clock::Stored Clock::stored(base::Duration boot, base::WallTime wall) const {
    return {now(boot).ledger, left_out_, wall};
}

}  // namespace onecopy::ledger
