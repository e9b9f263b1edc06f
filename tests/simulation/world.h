#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <random>
#include <string>
#include <vector>

namespace simulation {

using Microseconds = std::int64_t;
constexpr Microseconds millisecond = 1000, second = 1000 * millisecond, minute = 60 * second, hour = 60 * minute;

/// Time, chance and what happens when: all that a run depends on. Everything that happens is a task in its queue, so one
/// seed gives one run. The clocks of the process are its clocks (clock.cc).
class World {
public:
    explicit World(std::uint64_t seed, bool tracing);
    ~World();
    World(const World&) = delete;

    Microseconds now() const { return now_; }
    Microseconds wall() const { return now_ + wall_offset_; }
    void move_wall(Microseconds by) { wall_offset_ += by; }
    /// What CLOCK_BOOTTIME says; now() is CLOCK_MONOTONIC, by which everybody waits.
    Microseconds boot() const { return now_ + slept_; }
    /// The host sleeps, and all that the process knows of it is told by its clocks.
    void sleep(Microseconds time) {
        slept_ += time;
        wall_offset_ += time;
    }

    void after(Microseconds delay, std::function<void()> task);
    /// Everything that is to happen up to then.
    void run_until(Microseconds end);
    /// Does the next thing; false: nothing is left before `end`.
    bool step(Microseconds end);

    std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : random_() % bound; }
    Microseconds between(Microseconds least, Microseconds most) {
        return least + static_cast<Microseconds>(below(static_cast<std::uint64_t>(most - least + 1)));
    }
    bool chance(unsigned percent) { return below(100) < percent; }

    /// One step by which the process leaves a trace outside of itself. After the one that crash_after() chose it is dead:
    /// what it still does has no effect. False: it has none.
    bool effect();
    void crash_after(std::uint64_t effects) { effects_left_ = effects; }
    bool crashing() const { return effects_left_ > 0; }
    void kill() { dead_ = true; }
    void revive() {
        dead_ = false;
        effects_left_ = 0;
    }
    bool dead() const { return dead_; }

    bool tracing() const { return tracing_; }
    void trace(const std::string& what);
    std::uint64_t fingerprint() const { return fingerprint_; }

private:
    struct Task {
        Microseconds at;
        std::uint64_t order;
        std::function<void()> run;
        bool operator<(const Task& other) const { return std::pair(other.at, other.order) < std::pair(at, order); }
    };

    std::mt19937_64 random_;
    bool tracing_;
    Microseconds now_ = hour;
    Microseconds slept_ = 0;
    Microseconds wall_offset_ = 1'800'000'000 * second;
    std::priority_queue<Task> tasks_;
    std::uint64_t order_ = 0;
    std::uint64_t effects_left_ = 0;  // 0: no crash is planned
    std::uint64_t fingerprint_ = 14695981039346656037u;
    bool dead_ = false;
};

/// The one that runs; null: the process is as any other.
extern World* world;

}  // namespace simulation
