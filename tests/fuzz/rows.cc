// A spool some of whose cells hold what the bytes say: whoever reads it neither crashes nor hangs, other mail goes on, and
// of the groups that are whole nothing is lost.

#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../ledger/damage.h"
#include "base/escape.h"
#include "input.h"

using namespace onecopy;
using fuzz::Input;
using ledger::testing::Cell;
using ledger::testing::Damage;
using ledger::testing::Harm;

namespace {

constexpr std::size_t most_harms = 6;

std::int64_t integer(Input& input) {
    std::uint64_t number = 0;
    for (unsigned i = 0; i < sizeof number; ++i) number = number << 8 | input.byte();
    return static_cast<std::int64_t>(number);
}

std::string blob(Input& input) {
    std::string bytes;
    for (unsigned left = input.byte() % 64; left > 0; --left) bytes += static_cast<char>(input.byte());
    return "x'" + base::hex(bytes) + "'";
}

/// As SQL.
std::string value(Input& input, const Cell& cell) {
    constexpr const char* ends[] = {"0x7fffffffffffffff", "0x8000000000000000", "1e999", "half"};
    switch (input.byte() % 10) {
        case 0:
            return "NULL";
        case 1:  // a number of ours
            return std::to_string(input.byte() % 16);
        case 2:
            return std::to_string(static_cast<signed char>(input.byte()));
        case 3:
            return "CAST(" + std::to_string(integer(input)) + " AS INTEGER)";
        case 4:  // beside a power of two
            return "(1 << " + std::to_string(input.byte() % 64) + ") + " + std::to_string(input.byte() % 4) + " - 2";
        case 5:
            return ends[input.byte() % std::size(ends)];
        case 6:
            return blob(input);
        case 7:
            return "CAST(" + blob(input) + " AS TEXT)";
        case 8:
            return "zeroblob(" + std::to_string(input.byte() * 257) + ")";
        default:  // of another row
            return "(SELECT " + cell.column + " FROM " + cell.table + " LIMIT 1 OFFSET " + std::to_string(input.byte() % 8) +
                   ")";
    }
}

using Columns = std::vector<std::vector<Cell>>;

Columns columns_of(Damage& damage) {
    std::map<std::string, std::vector<Cell>> named;
    for (const Cell& cell : damage.cells()) named[cell.table + "." + cell.column].push_back(cell);
    Columns all;
    for (auto& [name, cells] : named) all.push_back(std::move(cells));
    return all;
}

std::vector<Harm> harms(Input& input, const Columns& columns) {
    std::vector<Harm> all;
    while (!input.rest().empty() && all.size() < most_harms) {
        const std::vector<Cell>& column = columns[input.byte() % columns.size()];
        const Cell& cell = column[input.byte() % column.size()];
        all.push_back({cell, value(input, cell)});
    }
    return all;
}

/// Empty: all is well.
std::string wrong_with(const std::vector<Harm>& all, Damage& damage) try {
    damage.make(all);
    return damage.live();
} catch (const std::exception& error) {
    return std::string("ends with ") + error.what();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static auto damage = std::make_unique<Damage>();
    static const Columns columns = columns_of(*damage);
    Input input(bytes, size);
    const std::vector<Harm> all = harms(input, columns);
    const std::string wrong = wrong_with(all, *damage);
    if (wrong.empty()) return 0;
    damage.reset();  // with its directories: a finding leaves nothing behind
    for (const Harm& harm : all) std::fprintf(stderr, "%s = %s\n", harm.cell.text().c_str(), harm.value.c_str());
    fuzz::must(false, wrong.c_str());
    return 0;
}
