#pragma once

#include "base/time.h"
#include "coalesce/rules.h"

namespace onecopy::ledger {

/// Ledger time from its stored form: runs with the boot clock; at a start it moves on by what the wall clock says has
/// passed, clamped to 0..7 days. Where that had to be cut at 7 days the wall clock is taken to be wrong, and history time
/// leaves the jump out: for a clock that was set to another year nobody gets old mail twice, and no queued mail expires.
class Clock {
public:
    struct Stored {
        base::Time ledger{};
        base::Duration left_out{};  // ledger time minus history time
        base::WallTime wall{};
    };

    Clock(const Stored& stored, base::Duration boot, base::WallTime wall);
    /// A spool that is new.
    explicit Clock(base::Duration boot) : boot_(boot) {}

    coalesce::Now now(base::Duration boot) const;
    Stored stored(base::Duration boot, base::WallTime wall) const;

private:
    base::Time ledger_{};
    base::Duration left_out_{};
    base::Duration boot_;
};

}  // namespace onecopy::ledger
