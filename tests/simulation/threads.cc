#include "threads.h"

#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

namespace simulation {
namespace {

constexpr std::size_t stack_size = 512 << 10;

struct Fiber {
    std::uint64_t number = 0;
    ucontext_t context{};
    void* stack = nullptr;
    void* (*start)(void*) = nullptr;
    void* argument = nullptr;
    const void* condition = nullptr;  // that it waits for
    bool signalled = false;
    bool done = false;
    std::uint64_t waits = 0;  // counts them, so that a wake-up that comes too late is known
};

ucontext_t outside;
Fiber* current = nullptr;
std::vector<Fiber*> fibers;
std::vector<void*> stacks;  // free ones

void* take_stack() {
    if (!stacks.empty()) {
        void* stack = stacks.back();
        stacks.pop_back();
        return stack;
    }
    void* stack = ::mmap(nullptr, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) std::abort();
    return stack;
}

void run_current() {
    Fiber* fiber = current;
    fiber->start(fiber->argument);
    fiber->done = true;
    ::swapcontext(&fiber->context, &outside);
}

void resume(Fiber* fiber) {
    if (current) std::abort();  // a fiber never waits for another
    current = fiber;
    ::swapcontext(&outside, &fiber->context);
    current = nullptr;
}

std::uint64_t made = 0;

Fiber* find(std::uint64_t number) {
    for (Fiber* one : fibers) {
        if (one->number == number) return one;
    }
    return nullptr;
}

void hand_over() {
    Fiber* self = current;
    ::swapcontext(&self->context, &outside);
}

void wake_after(Microseconds delay, Fiber* fiber) {
    world->after(delay, [number = fiber->number, waits = fiber->waits] {
        Fiber* one = find(number);
        if (one && !one->done && one->waits == waits && !world->dead()) resume(one);
    });
}

int wait_for(pthread_cond_t* condition, pthread_mutex_t* mutex, Microseconds delay) {
    if (!current) std::abort();  // the loop never waits
    Fiber* self = current;
    self->condition = condition;
    self->signalled = false;
    ++self->waits;
    wake_after(delay, self);
    ::pthread_mutex_unlock(mutex);
    hand_over();
    ::pthread_mutex_lock(mutex);
    self->condition = nullptr;
    ++self->waits;
    return self->signalled ? 0 : ETIMEDOUT;
}

void signal(const void* condition) {
    for (Fiber* fiber : fibers) {
        if (fiber->condition != condition || fiber->signalled) continue;
        fiber->signalled = true;
        wake_after(world->between(0, 400), fiber);
    }
}

Microseconds microseconds(const timespec& time) {
    return static_cast<Microseconds>(time.tv_sec) * second + time.tv_nsec / 1000 + 1;
}

}  // namespace

void sleep_on_fiber(Microseconds time) {
    if (!current || world->dead()) return;
    ++current->waits;
    wake_after(time, current);
    hand_over();
    ++current->waits;
}

}  // namespace simulation

using namespace simulation;

extern "C" {

int pthread_create(pthread_t* thread, const pthread_attr_t*, void* (*start)(void*), void* argument) noexcept {
    Fiber* fiber = new Fiber;
    fiber->number = ++made;
    fiber->start = start;
    fiber->argument = argument;
    fiber->stack = take_stack();
    ::getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = stack_size;
    ::makecontext(&fiber->context, run_current, 0);
    fibers.push_back(fiber);
    *thread = reinterpret_cast<pthread_t>(fiber);
    wake_after(world->between(0, 400), fiber);
    return 0;
}

/// Whoever joins waits for nothing else.
int pthread_join(pthread_t thread, void**) {
    Fiber* fiber = reinterpret_cast<Fiber*>(thread);
    for (int i = 0; !fiber->done; ++i) {
        if (i > 100'000) {
            std::fprintf(stderr, "a thread does not end\n");
            std::abort();
        }
        resume(fiber);
    }
    std::erase(fibers, fiber);
    stacks.push_back(fiber->stack);
    delete fiber;
    return 0;
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock, const timespec* until) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return wait_for(condition, mutex, std::max<Microseconds>(0, microseconds(*until) - microseconds(now)));
}

int pthread_cond_signal(pthread_cond_t* condition) noexcept {
    simulation::signal(condition);
    return 0;
}

int pthread_cond_broadcast(pthread_cond_t* condition) noexcept {
    simulation::signal(condition);
    return 0;
}

}  // extern "C"
