#include "base/time.h"

#include <ctime>

namespace onecopy::base {

Duration boot_clock() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::duration_cast<Duration>(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

WallTime wall_clock() {
    return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

std::string iso_text(WallTime time) {
    // Not by the system clock's own nanoseconds, which end in the year 2262.
    std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[32];
    std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text, length};
}

}  // namespace onecopy::base
