#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/time.h"
#include "base/worker.h"

struct event_base;
struct event;

namespace onecopy::net {

/// `2.1.12-stable`.
std::string libevent_version();

/// The event loop; one thread runs it and owns everything that it calls. post() alone may be used from other threads.
class Loop {
public:
    Loop();
    ~Loop();
    Loop(const Loop&) = delete;

    void run();  // until stop()
    void stop();
    /// Thread-safe: runs the task in the loop's thread, in order of posting; one wake-up for all that gathers.
    void post(std::function<void()> task);
    base::Post poster();
    /// Runs at the end of this turn, after the callbacks under way have returned: where things are destroyed, and where one
    /// is called who must not be called from within.
    void defer(std::function<void()> task);
    /// Called at the end of each turn (the log's flush).
    void each_turn(std::function<void()> task);
    event_base* native() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Fires once after a delay; set() again replaces it. Destroying it forgets the task.
class Timer {
public:
    Timer(Loop& loop, std::function<void()> task);
    ~Timer();
    Timer(const Timer&) = delete;

    void set(base::Duration delay);
    void clear();
    bool pending() const;

private:
    std::function<void()> task_;
    event* event_;
};

/// Calls back on a POSIX signal, in the loop.
class Signal {
public:
    Signal(Loop& loop, int number, std::function<void()> task);
    ~Signal();
    Signal(const Signal&) = delete;

private:
    std::function<void()> task_;
    event* event_;
};

}  // namespace onecopy::net
