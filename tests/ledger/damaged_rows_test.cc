// A row that does not hold what it should, whatever damaged it: no column of any row ends the process, keeps other mail from
// being taken and forwarded, or is waited for without end.

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>

#include "damage.h"
#include "ledger/reader.h"

using namespace onecopy;
using namespace onecopy::ledger;
using namespace onecopy::ledger::testing;
using std::chrono::minutes;
using std::chrono::seconds;
using What = coalesce::Outcome::What;

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

TEST_CASE("mail that would lie for ever without a word is found by the check, and named") {
    Damage damage;
    Cell cell{"groups", "due", "id = 5"};
    std::string value = "NULL";
    bool waits = true;
    SUBCASE("its group waits for nothing") {}
    SUBCASE("its group is not there") {
        cell.column = "id";
        value = "77";
        waits = false;
    }
    SUBCASE("its recipient stands in no state") {
        cell = {"members", "state", "group_id = 5"};
        value = "77";
        waits = false;
    }
    REQUIRE(Reader(damage.bench().path()).check("members").empty());
    REQUIRE(damage.make({{cell, value}}) == 1);
    Bench& bench = damage.bench();
    CHECK(Reader(bench.path()).check("members").find("group 5") != std::string::npos);
    bench.open();
    CHECK(bench.change(Change::retry, {5}).groups == (waits ? 1 : 0));
    CHECK(Reader(bench.path()).check("members").empty() == waits);
}

TEST_CASE("an index that leads to a group that is not there is told, and nobody is answered as if it were a new message") {
    Bench bench;
    bench.offer(make_copy({"a@x.example"}));
    bench.close();
    empty_all_but(bench.path(), "groups_by_id");
    bench.open();
    CHECK(bench.offer(make_copy({"b@x.example"})).status == Acceptance::Status::failed);
    const auto told = bench.spool().ledger().take_passed_over();
    REQUIRE(told.size() == 1);
    CHECK(told[0].group == 1);
    CHECK(bench.offer(make_copy({"b@x.example"}, "<2@x>", 2)).status == Acceptance::Status::accepted);
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

namespace {

Copy with_long_id(char filler, const std::string& recipient) {
    Copy copy = make_copy({recipient}, "<x>", static_cast<std::uint8_t>(filler));
    copy.arriving.identity.message_id = "<" + std::string(20'000, filler) + "@x>";
    return copy;
}

std::vector<std::int64_t> numbers_of(const std::vector<Due>& due) {
    std::vector<std::int64_t> numbers;
    for (const Due& one : due) {
        if (one.group != 0) numbers.push_back(one.group);
    }
    return numbers;
}

}  // namespace

TEST_CASE("by a group that can't be read somebody may have the message: retry leaves who failed, and tries who waits") {
    for (const bool damaged : {false, true}) {
        Bench bench;
        const std::int64_t group = bench.offer(make_copy({"a@x", "b@x"})).group;
        Copy verp = make_copy({"c@x"});
        verp.arriving.sender = std::string(20'000, 'v') + "@s.example";
        bench.offer(verp);
        bench.pass(seconds(30));
        std::vector<Due> due = bench.take_due();
        Settlement settlement{group, {}, "sink:25"};
        settlement.outcomes.push_back({1, What::refused, "550 5.1.1 nobody"});
        settlement.outcomes.push_back({2, What::deferred, "450 4.2.0 later"});
        bench.settle(settlement);
        bench.settle_all(due.at(1), What::delivered);
        bench.close();
        if (damaged) REQUIRE(break_rows(bench.path(), 'v') >= 1);
        bench.open();
        const Changed changed = bench.change(Change::retry, {group});
        CHECK(changed.groups == 1);
        CHECK(changed.unreadable == (damaged ? 1 : 0));
        CHECK(bench.take_due().at(0).recipients.size() == (damaged ? 1 : 2));
    }
}

TEST_CASE("what can't be read keeps no spool from being opened, marked after crashes, told of and forwarded") {
    Bench bench;
    bench.settings.policy.telling = {coalesce::Notified::sender, ""};
    bench.die();
    bench.open();
    const std::int64_t poison = bench.offer(with_long_id('v', "a@x.example")).group;
    const std::int64_t broken = bench.offer(with_long_id('w', "a@x.example")).group;
    const std::int64_t sound = bench.offer(make_copy({"b@x.example"}, "<2@x>", 2)).group;
    bench.offer(make_copy({"c@x.example"}, "<3@x>", 3));
    bench.pass(seconds(30));
    std::vector<Due> due = bench.take_due();
    REQUIRE(due.size() == 4);
    bench.settle_all(due[1], What::refused, "550 5.1.1 nobody");
    bench.settle_all(due[3], What::refused, "550 5.1.1 nobody");
    REQUIRE(bench.spool().ledger().owing().size() == 2);
    SUBCASE("never marked") {}
    SUBCASE("marked by two crashes") {
        for (int i = 0; i < 2; ++i) {
            std::ofstream(bench.path() + "/crashed") << "x";
            bench.die();
            bench.open();
            bench.spool().suspect({poison}, bench.moment);
        }
    }
    std::ofstream(bench.path() + "/crashed") << "x";
    bench.die();
    REQUIRE(break_rows(bench.path(), 'v') + break_rows(bench.path(), 'w') >= 2);
    bench.open();
    CHECK(bench.spool().ledger().set_aside().empty());
    CHECK(bench.spool().ledger().owing().size() == 2);
    for (std::int64_t group : bench.spool().ledger().owing()) CHECK(bench.spool().tell(group, bench.moment).done);
    due = bench.take_due();
    CHECK_MESSAGE(numbers_of(due).front() == sound, "and the notice");
    CHECK(due.size() >= 2);
    bench.spool().suspect({sound}, bench.moment);
    std::set<std::int64_t> passed_over;
    for (const auto& one : bench.spool().ledger().take_passed_over()) passed_over.insert(one.group);
    CHECK(passed_over == std::set<std::int64_t>{poison, broken});
    bench.die();
    Database database(bench.path() + "/ledger.db", Database::Mode::read_only, "");
    CHECK(database.integer(("SELECT crashes FROM groups WHERE id = " + std::to_string(sound)).c_str()) == 1);
    CHECK(database.integer(("SELECT flags & 16 FROM groups WHERE id = " + std::to_string(sound)).c_str()) == 16);
}

TEST_CASE("recipients of whom none can be read keep no spool from being opened and asked for what is due, or owed") {
    Bench bench;
    fill(bench);
    bench.pass(seconds(30));
    for (const Due& due : bench.take_due(1)) bench.settle_all(due, What::refused, "550 5.1.1 said so");
    REQUIRE(bench.spool().ledger().owing().size() == 1);
    bench.close();
    {
        std::int64_t page = 0;
        {
            Database database(bench.path() + "/ledger.db", Database::Mode::read_write, "");
            page = database.integer("SELECT rootpage FROM sqlite_master WHERE name = 'members'");
        }
        std::fstream file(bench.path() + "/ledger.db", std::ios::in | std::ios::out | std::ios::binary);
        file.seekp((page - 1) * 4096);
        file << std::string(4096, '\xff');
    }
    bench.open();
    CHECK(bench.spool().ledger().owing().empty());
    bench.pass(minutes(2));
    CHECK(numbers_of(bench.take_due()).empty());
    CHECK(bench.spool().next_due(bench.spool().now(bench.moment.boot)) == base::never);
    CHECK(bench.spool().ledger().take_passed_over().size() >= 2);
}

TEST_SUITE_END();
