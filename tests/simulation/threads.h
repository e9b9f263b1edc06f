#pragma once

#include "world.h"

namespace simulation {

/// The threads of the process are fibers of the world: one runs at a time, and hands over only where it waits. So
/// pthread_create(), pthread_join() and condition variables are those of threads.cc in this program.

/// On a fiber: others go on meanwhile. Elsewhere it returns at once.
void sleep_on_fiber(Microseconds time);

}  // namespace simulation
