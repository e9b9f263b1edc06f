#include "world.h"

#include <cstdio>
#include <utility>

namespace simulation {

World* world = nullptr;

World::World(std::uint64_t seed, bool tracing) : random_(seed), tracing_(tracing) {
    world = this;
}

World::~World() {
    world = nullptr;
}

void World::after(Microseconds delay, std::function<void()> task) {
    tasks_.push({now_ + std::max<Microseconds>(delay, 0), order_++, std::move(task)});
}

bool World::step(Microseconds end) {
    if (tasks_.empty() || tasks_.top().at > end) return false;
    Task task = tasks_.top();
    tasks_.pop();
    now_ = std::max(now_, task.at);
    task.run();
    return true;
}

void World::run_until(Microseconds end) {
    while (step(end)) {
    }
    now_ = std::max(now_, end);
}

bool World::effect() {
    if (dead_) return false;
    if (effects_left_ == 0 || --effects_left_ > 0) return true;
    trace("the process dies");
    dead_ = true;
    return true;
}

/// FNV-1a of all that was told: two runs of one seed are the same run.
void World::trace(const std::string& what) {
    for (unsigned char c : std::to_string(now_) + what) fingerprint_ = (fingerprint_ ^ c) * 1099511628211u;
    if (tracing_) std::printf("%14.6f %s\n", static_cast<double>(now_ - hour) / second, what.c_str());
}

}  // namespace simulation
