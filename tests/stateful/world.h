#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "../ledger/fixture.h"
#include "checker.h"
#include "disk.h"
#include "ledger/spool.h"

namespace onecopy::stateful {

/// One life of a spool, with fetchers before it and a mail server behind it, all decided by chance alone: mail that splits,
/// interleaves and repeats, Message-IDs that are used again, verdicts of every kind, answers that are lost, a disk that is
/// full or fails, crashes at any call, clocks that jump, commands of an admin. What the world outside saw goes to the
/// checker.
class World {
public:
    World(Chance chance, bool traced);
    ~World();

    /// What is wrong in the end; empty: nothing.
    std::vector<std::string> live();
    const std::vector<std::string>& trace() const { return trace_; }
    unsigned crashes() const { return crashes_; }

private:
    struct Flight {
        ledger::Due due;
        int message = -1;  // -1: a notice
        std::vector<ledger::Due::Recipient> left;
    };

    void open();
    void step();
    void offer();
    void fetch_due(std::size_t most);
    void answer(bool kindly);
    void admin();
    void restart(bool orderly);
    void crash_if_dead();
    void weather();
    void tell(std::int64_t group);
    void wind_up();
    void look_at(const ledger::Due& due, Flight& flight);
    std::string body_of(const ledger::Content& content);
    ledger::Copy make_copy(int message, const std::vector<int>& users, const std::string& sender, bool uploads);
    void note(const std::string& line);
    template <typename Work>
    bool transact(Work work);

    Chance chance_;
    bool traced_;
    std::vector<std::string> trace_;
    ledger::testing::TemporaryDirectory directory_{ledger::testing::in_memory};
    DiskFiles files_;
    ledger::Spool::Settings settings_;
    ledger::Spool::Moment moment_{};
    std::unique_ptr<ledger::Spool> spool_;
    std::vector<Flight> flights_;
    std::map<std::int64_t, int> group_message_;
    Checker checker_;
    ledger::UploadId last_upload_ = 0;
    unsigned crashes_ = 0;
};

}  // namespace onecopy::stateful
