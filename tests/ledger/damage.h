#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "faulty_disk.h"
#include "fixture.h"
#include "ledger/sqlite.h"

namespace onecopy::ledger::testing {

struct Cell {
    std::string table, column, key;  // key: an SQL expression that is true for its row alone
    std::string text() const { return table + "." + column + " where " + key; }
};

/// One cell with another value, in SQL. `half`: of what it held.
struct Harm {
    Cell cell;
    std::string value;
};

/// A message in each of its states: held, put off with a large body, delivered, failed and told of.
void fill(Bench& bench);

/// A spool with a message in each of its states, as it was made, and a copy of it that can be damaged.
class Damage {
public:
    Damage();

    std::vector<Cell> cells();
    /// A new copy of the spool, with that in it. How many of them could be: not every value can stand everywhere.
    std::size_t make(const std::vector<Harm>& harms);
    /// Starts onecopy's part on it, lives with it for some days, looks at it, ends it. What is not as it should be; empty:
    /// nothing. Other mail goes on, and what waits in groups that are whole goes to whom it is for, as it came, once.
    std::string live();

    Bench& bench() { return bench_; }

private:
    using Forwarded = std::map<std::pair<std::string, std::string>, unsigned>;  // Message-ID, recipient: times

    bool put(Database& database, const Harm& harm);
    void forward_all(Forwarded& forwarded);
    std::string lost(const Forwarded& forwarded) const;

    TemporaryDirectory whole_{in_memory};
    FaultyFiles files_;  // without a fault, and with a small reserve
    Bench bench_{std::filesystem::path(in_memory), files_};
    std::set<std::int64_t> harmed_;  // groups
    bool head_harmed_ = false;       // what is of no group
};

}  // namespace onecopy::ledger::testing
