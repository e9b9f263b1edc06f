#pragma once

#include <optional>

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
        std::optional<base::Time> paused{};  // since when (ledger time) history time stands still
    };

    Clock(const Stored& stored, base::Duration boot, base::WallTime wall);
    /// A spool that is new.
    explicit Clock(base::Duration boot) : boot_(boot) {}

    coalesce::Now now(base::Duration boot) const;
    Stored stored(base::Duration boot, base::WallTime wall) const;

    /// History time stands still while forwarding is paused: nobody's mail expires by it.
    void pause(base::Duration boot);
    void resume(base::Duration boot);
    bool paused() const { return paused_.has_value(); }

private:
    base::Time ledger_{};
    base::Duration left_out_{};
    std::optional<base::Time> paused_;
    base::Duration boot_;
};

}  // namespace onecopy::ledger
