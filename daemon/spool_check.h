#pragma once

#include <atomic>
#include <cstdint>
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

    /// How many bytes mail may still take: where there are none it gives up earlier.
    using Room = std::function<std::uint64_t()>;

    /// The length of the log, in bytes, beyond which it gives up.
    static constexpr std::uint64_t most_log = std::uint64_t{1024} << 20;
    static constexpr std::uint64_t most_log_without_room = std::uint64_t{128} << 20;

    /// Begins. Throws ledger::SpoolError where it can't look. `ended` is posted, and may destroy this.
    SpoolCheck(net::Loop& loop, const std::string& directory, Room room, Ended ended);
    /// Ends it, wherever it is.
    ~SpoolCheck();

private:
    Outcome look();
    Outcome look_through();
    void interrupt();
    void watch_log(const std::string& directory, const Room& room);

    ledger::Reader reader_, second_;
    net::Timer watch_;
    std::atomic<bool> ending_ = false;
    std::atomic<bool> gave_up_ = false;
    std::future<void> done_;  // last: its task uses all the others
};

}  // namespace onecopy
