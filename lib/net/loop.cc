#include "net/loop.h"

#include <event2/event.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>
#include <vector>

#include "base/queue.h"

namespace onecopy::net {
namespace {

using Task = std::function<void()>;

[[noreturn]] void fail(const char* what) {
    throw std::runtime_error(std::string("libevent: ") + what);
}

timeval to_timeval(base::Duration delay) {
    delay = std::max(delay, base::Duration(0));
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(delay);
    auto rest = std::chrono::duration_cast<std::chrono::microseconds>(delay - seconds);
    return {static_cast<time_t>(seconds.count()), static_cast<suseconds_t>(rest.count())};
}

void run_task(evutil_socket_t, short, void* task) {
    (*static_cast<Task*>(task))();
}

}  // namespace

std::string libevent_version() {
    return event_get_version();
}

/// Without EVENT_BASE_FLAG_PRECISE_TIMER, which costs a timerfd_settime a turn: no timer here is under 5 ms.
struct Loop::State {
    State() : base(event_base_new()), wake_descriptor(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
        if (!base || wake_descriptor < 0) fail("no event base");
        wake = event_new(
            base, wake_descriptor, EV_READ | EV_PERSIST,
            [](evutil_socket_t, short, void* self) { static_cast<State*>(self)->run_posted(); }, this);
        if (!wake || event_add(wake, nullptr) != 0) fail("no wake-up event");
    }

    ~State() {
        if (wake) event_free(wake);
        run_deferred();  // what waits to be destroyed needs the base
        deferred.clear();
        event_base_free(base);
        ::close(wake_descriptor);
    }

    void run_posted() {
        std::uint64_t count;
        (void)!::read(wake_descriptor, &count, sizeof count);
        for (Task& task : posted.take()) task();
    }

    /// Tasks that defer others are followed by these in the same turn, up to a bound that no honest turn meets.
    void run_deferred() {
        for (int round = 0; round < 100 && !deferred.empty(); ++round) {
            for (Task& task : std::exchange(deferred, {})) task();
        }
    }

    event_base* base;
    int wake_descriptor;
    event* wake = nullptr;
    base::Queue<Task> posted;
    std::vector<Task> deferred;
    std::vector<Task> each_turn;
    bool stopping = false;
};

Loop::Loop() : state_(std::make_unique<State>()) {
    ::signal(SIGPIPE, SIG_IGN);
}

Loop::~Loop() = default;

event_base* Loop::native() const {
    return state_->base;
}

void Loop::run() {
    state_->stopping = false;
    while (!state_->stopping) {
        state_->run_deferred();
        for (const Task& task : state_->each_turn) task();
        if (state_->stopping) break;
        event_base_loop(state_->base, state_->deferred.empty() ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
    }
    state_->run_deferred();
    for (const Task& task : state_->each_turn) task();
}

void Loop::stop() {
    state_->stopping = true;
    event_base_loopbreak(state_->base);
}

void Loop::post(Task task) {
    if (!state_->posted.push(std::move(task))) return;
    const std::uint64_t one = 1;
    (void)!::write(state_->wake_descriptor, &one, sizeof one);
}

base::Post Loop::poster() {
    return [this](Task task) { post(std::move(task)); };
}

void Loop::defer(Task task) {
    state_->deferred.push_back(std::move(task));
}

void Loop::each_turn(Task task) {
    state_->each_turn.push_back(std::move(task));
}

Timer::Timer(Loop& loop, Task task) : task_(std::move(task)), event_(evtimer_new(loop.native(), run_task, &task_)) {
    if (!event_) fail("no timer");
}

Timer::~Timer() {
    event_free(event_);
}

void Timer::set(base::Duration delay) {
    timeval time = to_timeval(delay);
    if (evtimer_add(event_, &time) != 0) fail("no timer");
}

void Timer::clear() {
    evtimer_del(event_);
}

bool Timer::pending() const {
    return evtimer_pending(event_, nullptr) != 0;
}

Signal::Signal(Loop& loop, int number, Task task)
    : task_(std::move(task)), event_(evsignal_new(loop.native(), number, run_task, &task_)) {
    if (!event_ || evsignal_add(event_, nullptr) != 0) fail("no signal event");
}

Signal::~Signal() {
    event_free(event_);
}

}  // namespace onecopy::net
