// A row that does not hold what it should, whatever damaged it: no column of any row ends the process, keeps other mail from
// being taken and forwarded, or is waited for without end.

#include <doctest/doctest.h>

#include <cstdlib>
#include <iostream>
#include <iterator>

#include "damage.h"

using namespace onecopy;
using namespace onecopy::ledger;
using namespace onecopy::ledger::testing;

namespace {

/// What a cell is damaged to, as SQL; `half` is half of what it held.
constexpr const char* values[] = {"NULL",
                                  "0",
                                  "-1",
                                  "77",
                                  "4611686018427387904",
                                  "-4611686018427387904",
                                  "4294967296",
                                  "1e15",
                                  "'x'",
                                  "x''",
                                  "x'000d0a2e0d0aff3e3c2220'",
                                  "half",
                                  "0x7fffffffffffffff",
                                  "0x8000000000000000"};

/// Each cell gets every fifth of them, beginning with another one from cell to cell, so that in few rows a column has had
/// all; with ONECOPY_EVERY_DAMAGE set each cell gets all of them.
constexpr std::size_t values_each = 5;
static_assert(std::size(values) % values_each != 0);

}  // namespace

TEST_SUITE_BEGIN("damaged rows");

TEST_CASE("whatever stands in a cell, the ledger goes on") {
    Damage damage;
    const bool every = std::getenv("ONECOPY_EVERY_DAMAGE") != nullptr;
    std::size_t made = 0, turn = 0;
    for (const Cell& cell : damage.cells()) {
        for (const char* value : values) {
            if (!every && turn++ % values_each != 0) continue;
            if (damage.make({{cell, value}}) != 1) continue;
            ++made;
            std::string wrong;
            try {
                wrong = damage.live();
            } catch (const std::exception& error) {
                wrong = std::string("ends with ") + error.what();
            }
            if (!wrong.empty()) std::cerr << cell.text() << " = " << value << ": " << wrong << "\n";
            CHECK(wrong.empty());
        }
    }
    CHECK(made > 700);
}

TEST_CASE("lengths that add up beyond what a number holds keep no spool from being opened and swept") {
    Damage damage;
    REQUIRE(damage.make({{{"extents", "length", "n = 0"}, "9223372036854775807"}}) == 1);
    CHECK(damage.live().empty());
}

TEST_CASE("a number that is taken is given to no new group") {
    Damage damage;
    const Harm harms[] = {{{"ledger", "next_group", "one = 1"}, "3"},
                          {{"groups", "id", "id = 2"}, "6"},
                          {{"members", "group_id", "group_id = 2 AND n = 1"}, "6"},
                          {{"content", "group_id", "group_id = 3"}, "6"},
                          {{"extents", "group_id", "n = 1"}, "6"},
                          {{"copies", "group_id", "group_id = 1"}, "6"},
                          {{"attempts", "group_id", "group_id = 3"}, "6"}};
    for (const Harm& harm : harms) {
        CAPTURE(harm.cell.text());
        REQUIRE(damage.make({harm}) == 1);
        CHECK(damage.live().empty());
    }
}

TEST_CASE("a body of which a piece is not found is missing, not shorter") {
    Damage damage;
    REQUIRE(damage.make({{{"extents", "group_id", "n = 1"}, "77"}}) == 1);
    damage.bench().open();
    damage.bench().pass(std::chrono::minutes(2));
    unsigned late = 0;
    for (const Due& due : damage.bench().take_due()) {
        if (due.message_id != "<late@x>") continue;
        ++late;
        CHECK_FALSE(due.content);
    }
    CHECK(late == 1);
}

TEST_SUITE_END();
