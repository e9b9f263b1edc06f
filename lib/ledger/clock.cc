#include "ledger/clock.h"

#include <algorithm>

namespace onecopy::ledger {

constexpr base::Duration longest_stop = std::chrono::hours(24 * 7);

Clock::Clock(const Stored& stored, base::Duration boot, base::WallTime wall)
    : ledger_(stored.ledger), left_out_(stored.left_out), paused_(stored.paused), boot_(boot) {
    base::Duration stop = std::clamp(wall - stored.wall, base::Duration(0), longest_stop);
    ledger_ += stop;
    if (stop == longest_stop && !paused_) left_out_ += stop;
}

coalesce::Now Clock::now(base::Duration boot) const {
    base::Time ledger = ledger_ + (boot - boot_);
    return {ledger, paused_.value_or(ledger) - left_out_};
}

void Clock::pause(base::Duration boot) {
    if (!paused_) paused_ = now(boot).ledger;
}

void Clock::resume(base::Duration boot) {
    if (!paused_) return;
    left_out_ += now(boot).ledger - *paused_;
    paused_.reset();
}

Clock::Stored Clock::stored(base::Duration boot, base::WallTime wall) const {
    return {now(boot).ledger, left_out_, wall, paused_};
}

}  // namespace onecopy::ledger
