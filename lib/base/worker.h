#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "base/queue.h"

namespace onecopy::base {

/// Hands a task to the loop's thread; may be called from any thread. What it captures lives until it has run.
using Post = std::function<void(std::function<void()>)>;

/// The helper thread: runs what may take long and changes nothing (look-ups, crypt, reading bodies), one task after
/// the other. The answer travels back by a Post that the task captured. The destructor waits for the task under way
/// and drops those behind it.
class Worker {
public:
    Worker();
    ~Worker();

    void run(std::function<void()> task);

private:
    Queue<std::optional<std::function<void()>>> tasks_;  // none: end
    std::atomic<bool> ending_ = false;
    std::thread thread_;
};

}  // namespace onecopy::base
