// A row that does not hold what it should, whatever damaged it: no column of any row ends the process, keeps other mail from
// being taken and forwarded, or is waited for without end.

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <iterator>

#include "faulty_disk.h"
#include "fixture.h"
#include "ledger/reader.h"
#include "ledger/sqlite.h"

using namespace onecopy;
using namespace onecopy::ledger;
using namespace onecopy::ledger::testing;
using std::chrono::minutes;
using std::chrono::seconds;
using What = coalesce::Outcome::What;
namespace fs = std::filesystem;

namespace {

/// What a cell is damaged to, as SQL; `half` of what it held is the last of them.
constexpr const char* values[] = {"NULL",       "0",    "-1",  "77",  "4611686018427387904",       "-4611686018427387904",
                                  "4294967296", "1e15", "'x'", "x''", "x'000d0a2e0d0aff3e3c2220'", "half"};

/// Each cell gets every fifth of them, beginning with another one from cell to cell, so that in few rows a column has had
/// all; with ONECOPY_EVERY_DAMAGE set each cell gets all of them.
constexpr std::size_t values_each = 5;
static_assert(std::size(values) % values_each != 0);

struct Cell {
    std::string table, column, key;  // key: an SQL expression that is true for its row alone
    std::string text() const { return table + "." + column + " where " + key; }
};

/// A spool with a message in each of its states: held, put off with a large body, delivered, failed and told of.
void fill(Bench& bench) {
    bench.settings.policy.telling = {coalesce::Notified::sender, "postmaster@x.example"};
    bench.die();
    bench.open();
    bench.offer(make_copy({"a@x.example", "b@x.example"}, "<delivered@x>", 1));
    bench.offer(make_copy({"c@x.example", "d@x.example"}, "<failed@x>", 2));
    Copy large = make_copy({"e@x.example"}, "<late@x>", 3, "");
    large.upload = 1;
    for (int i = 0; i < 2; ++i) bench.spool().append(1, std::string(20000, 'x'));
    bench.offer(large);
    bench.pass(minutes(1));
    const What outcomes[] = {What::delivered, What::refused, What::deferred};
    std::vector<Due> due = bench.take_due();
    for (std::size_t i = 0; i < due.size(); ++i) bench.settle_all(due[i], outcomes[i], "550 5.1.1 said so");
    bench.spool().tell(due[1].group, bench.moment);
    bench.offer(make_copy({"f@x.example"}, "<held@x>", 4));
}

class Damage {
public:
    Damage() {
        fill(bench_);
        bench_.die();
        fs::copy(bench_.path(), whole_.path(), fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    }

    std::vector<Cell> cells() {
        Database database(whole_.path() + "/ledger.db", Database::Mode::read_write, "");
        std::vector<Cell> found;
        for (const char* table : Reader::tables()) {
            std::vector<std::string> columns, keys;
            Statement list(database, "SELECT name, pk FROM pragma_table_info(CAST(? AS TEXT))");
            for (Rows row = list.query(std::string_view(table)); row.next();) {
                columns.push_back(row.text(0));
                if (row.integer(1) > 0) keys.push_back(row.text(0));
            }
            std::string key = "''";
            for (const std::string& one : keys) key += "||' AND " + one + "='||quote(" + one + ")";
            Statement rows(database, ("SELECT substr(" + key + ", 6) FROM " + table).c_str());
            for (Rows row = rows.query(); row.next();) {
                for (const std::string& column : columns) found.push_back({table, column, row.text(0)});
            }
        }
        return found;
    }

    /// False: such a value can't stand there.
    bool make(const Cell& cell, const std::string& value) {
        bench_.die();
        fs::remove_all(bench_.path());
        fs::copy(whole_.path(), bench_.path(), fs::copy_options::recursive);
        std::string becomes = value == "half" ? "substr(" + cell.column + ", 1, length(" + cell.column + ") / 2)" : value;
        try {
            Database database(bench_.path() + "/ledger.db", Database::Mode::read_write, "");
            database.exec("PRAGMA ignore_check_constraints=1; PRAGMA synchronous=OFF");
            if (value == "NULL") loosen(database, cell);
            database.exec(("UPDATE " + cell.table + " SET " + cell.column + " = " + becomes + " WHERE " + cell.key).c_str());
            return sqlite3_changes(database.native()) == 1;
        } catch (const SqliteError&) {
            return false;
        }
    }

    Bench& bench() { return bench_; }

private:
    /// A column that may not be NULL may be that now; for this connection alone.
    static void loosen(Database& database, const Cell& cell) {
        database.exec("PRAGMA writable_schema=1");
        database.exec(
            ("UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE name = '" + cell.table + "'").c_str());
        database.exec("PRAGMA writable_schema=RESET");
    }

    TemporaryDirectory whole_{in_memory};
    FaultyFiles files_;  // without a fault, and with a small reserve
    Bench bench_{fs::path(in_memory), files_};
};

/// What people ask for.
void read_all(const std::string& directory) try {
    Reader reader(directory);
    reader.counts();
    using Which = Reader::Which;
    for (Which which : {Which::held, Which::queued, Which::failed, Which::all}) {
        for (const GroupRecord& one : reader.list(which, 100)) reader.show(one.id);
    }
    for (const char* id : {"<delivered@x>", "<failed@x>", "<late@x>", "<held@x>"}) reader.why(id);
    reader.why_address("c@x.example", 10);
    reader.why_subject("hello", 10);
    for (const char* table : Reader::tables()) reader.check(table);
} catch (const SpoolError&) {
    // said clearly
}

/// As the ledger's thread and a delivery go about it; what it can't read it says, and goes on.
void forward_all(Bench& bench) try {
    SegmentReader segments(bench.path());
    for (const Due& due : bench.take_due()) {
        if (due.content) {
            for (const Extent& extent : due.content->extents) try {
                    segments.read(extent);
                } catch (const SegmentReader::Damaged&) {
                } catch (const FileError&) {
                }
        }
        bench.settle_all(due, due.content ? What::delivered : What::refused);
    }
    for (std::int64_t group : bench.spool().ledger().owing()) bench.spool().tell(group, bench.moment);
} catch (const SqliteError&) {
    // told as ledger_unreadable, and tried again
}

bool takes_and_forwards(Bench& bench, const char* id, std::uint8_t content) {
    if (bench.offer(make_copy({"new@x.example"}, id, content)).status != Acceptance::Status::accepted) return false;
    bench.pass(minutes(2));
    for (int turns = 0; turns < 9; ++turns) {  // who seems to have crashed us goes before, alone
        for (const Due& due : bench.take_due()) {
            const bool ours = due.message_id == id;
            const Settled settled = bench.settle_all(due, ours ? What::delivered : What::deferred);
            if (ours) return settled.ended.size() == 1;
        }
    }
    return false;
}

/// Empty: as it should be.
std::string live_with(Damage& damage, const Cell& cell) {
    Bench& bench = damage.bench();
    read_all(bench.path());
    try {
        bench.open();
    } catch (const SpoolError&) {
        return cell.table == "ledger" ? "" : "it does not start";
    }
    const bool well = takes_and_forwards(bench, "<fresh@x>", 9);
    for (int i = 0; i < 3; ++i) {
        bench.offer(make_copy({"a@x.example", "c@x.example", "z@x.example"}, "<delivered@x>", 1));
        bench.offer(make_copy({"c@x.example", "d@x.example"}, "<failed@x>", 2));
        bench.change(i == 0 ? Change::release : Change::retry);
        forward_all(bench);
        bench.pass(minutes(20));
    }
    for (std::int64_t group = 1; group < 9; ++group) {
        bench.change(Change::drop, {group});
        bench.change(Change::forget, {group});
    }
    for (int i = 0; i < 3; ++i) {
        bench.spool().keep_house(true, bench.moment);
        bench.pass(std::chrono::hours(24 * 4));
    }
    read_all(bench.path());
    bench.close();
    return well ? "" : "other mail is not taken and forwarded";
}

}  // namespace

TEST_SUITE_BEGIN("damaged rows");

TEST_CASE("whatever stands in a cell, the ledger goes on") {
    Damage damage;
    const bool every = std::getenv("ONECOPY_EVERY_DAMAGE") != nullptr;
    std::size_t made = 0, turn = 0;
    for (const Cell& cell : damage.cells()) {
        for (const char* value : values) {
            if (!every && turn++ % values_each != 0) continue;
            if (!damage.make(cell, value)) continue;
            ++made;
            std::string wrong;
            try {
                wrong = live_with(damage, cell);
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
    REQUIRE(damage.make({"extents", "length", "n = 0"}, "9223372036854775807"));
    CHECK(live_with(damage, {"extents", "length", "n = 0"}).empty());
}

TEST_CASE("a body of which a piece is not found is missing, not shorter") {
    Damage damage;
    REQUIRE(damage.make({"extents", "group_id", "n = 1"}, "77"));
    damage.bench().open();
    damage.bench().pass(minutes(2));
    unsigned late = 0;
    for (const Due& due : damage.bench().take_due()) {
        if (due.message_id != "<late@x>") continue;
        ++late;
        CHECK_FALSE(due.content);
    }
    CHECK(late == 1);
}

TEST_SUITE_END();
