#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace onecopy::base {

using Duration = std::chrono::milliseconds;

/// The clock of every duration that onecopy keeps: it starts with the spool, advances by CLOCK_BOOTTIME, is stored
/// with each commit and so runs on across restarts. It says nothing about the time of day; see WallTime for that.
/// Deliberately without now(): time is an argument, only the top of a loop reads a clock.
struct LedgerClock {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<LedgerClock>;
    static constexpr bool is_steady = true;
};

/// A point of ledger time.
using Time = LedgerClock::time_point;

/// Milliseconds since 1970 by the machine's clock; only for Received, Date, logs and what onecopyctl shows.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;

constexpr Time never = Time::max();

constexpr std::int64_t to_integer(Time time) {
    return time.time_since_epoch().count();
}
constexpr std::int64_t to_integer(WallTime time) {
    return time.time_since_epoch().count();
}
constexpr Time time_of(std::int64_t milliseconds) {
    return Time(Duration(milliseconds));
}
constexpr WallTime wall_time_of(std::int64_t milliseconds) {
    return WallTime(Duration(milliseconds));
}

/// CLOCK_BOOTTIME: advances while the machine sleeps, never jumps.
Duration boot_clock();
WallTime wall_clock();

/// `2026-11-24T15:04:05Z`.
std::string iso_text(WallTime time);

}  // namespace onecopy::base
