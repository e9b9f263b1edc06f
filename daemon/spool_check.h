#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <string>

#include "base/worker.h"
#include "ledger/reader.h"

namespace onecopy {

/// Looks through the whole spool once, table by table, on a thread of its own: with years of history that takes a minute,
/// and the helper thread has others to serve. Mail comes first: it has the lowest priority.
class SpoolCheck {
public:
    struct Outcome {
        std::string damage;   // what is wrong with the spool; empty: nothing
        std::string trouble;  // why it could not be looked at to the end, which says nothing of the spool
    };
    using Ended = std::function<void(const Outcome&)>;

    /// Begins. Throws ledger::SpoolError where it can't look. `ended` is posted, and may destroy this.
    SpoolCheck(const std::string& directory, base::Post post, Ended ended);
    /// Ends it, wherever it is.
    ~SpoolCheck();

private:
    Outcome look();

    ledger::Reader reader_, second_;
    std::atomic<bool> ending_ = false;
    std::future<void> done_;  // last: its task uses all the others
};

}  // namespace onecopy
