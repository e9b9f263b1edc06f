#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

/// The world's time for whoever asks in this program, by whatever library.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
    using namespace simulation;
    if (!world) return static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
    const bool wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    const Microseconds now = wall ? world->wall() : clock == CLOCK_BOOTTIME ? world->boot() : world->now();
    time->tv_sec = now / second;
    time->tv_nsec = now % second * 1000;
    return 0;
}
