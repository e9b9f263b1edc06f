#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <string>

#include "ledger/reader.h"
#include "net/loop.h"

namespace onecopy {

/// Looks through the whole spool once, table by table, on a thread of its own: with years of history that takes a minute,
/// and the helper thread has others to serve. As long as it reads a table the ledger's log can't be written over, and grows;
/// where that gets too long it gives up.
class SpoolCheck {
public:
    struct Outcome {
        std::string damage;   // what is wrong with the spool; empty: nothing
        std::string trouble;  // why it could not be looked at to the end, which says nothing of the spool
    };
    using Ended = std::function<void(const Outcome&)>;

    /// The length of the log, in bytes, at which it gives up.
    using MostLog = std::function<std::uint64_t()>;

    /// Begins. Throws ledger::SpoolError where it can't look. `ended` is posted, and may destroy this.
    SpoolCheck(net::Loop& loop, const std::string& directory, MostLog most_log, Ended ended);
    /// Ends it, wherever it is.
    ~SpoolCheck();

private:
    Outcome look();
    Outcome look_through();
    void interrupt();
    void watch_log(const std::string& directory, const MostLog& most_log);

    ledger::Reader reader_, second_;
    net::Timer watch_;
    std::atomic<bool> ending_ = false;
    std::atomic<bool> gave_up_ = false;
    std::future<void> done_;  // last: its task uses all the others
};

}  // namespace onecopy
