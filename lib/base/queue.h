#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include "base/time.h"

namespace onecopy::base {

/// The one place where threads meet: many may push, one takes all that has gathered. The only lock of the tree.
template <typename Item>
class Queue {
public:
    /// True where the queue was empty before, i.e. where a reader that sleeps elsewhere must be woken.
    bool push(Item item) {
        bool was_empty;
        {
            std::lock_guard lock(mutex_);
            was_empty = items_.empty();
            items_.push_back(std::move(item));
        }
        if (was_empty) filled_.notify_one();
        return was_empty;
    }

    /// Everything that has gathered, in order; empty where there is nothing yet.
    std::vector<Item> take() {
        std::lock_guard lock(mutex_);
        return std::exchange(items_, {});
    }

    /// As take(), but waits until something is there or `most` has passed.
    std::vector<Item> wait(Duration most) {
        std::unique_lock lock(mutex_);
        filled_.wait_for(lock, most, [this] { return !items_.empty(); });
        return std::exchange(items_, {});
    }

    std::size_t size() const {
        std::lock_guard lock(mutex_);
        return items_.size();
    }

private:
    mutable std::mutex mutex_;
    std::condition_variable filled_;
    std::vector<Item> items_;
};

}  // namespace onecopy::base
