// A group of which SQLite can't read a row: whoever deals with many does so with the others, and it is named.

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "fixture.h"
#include "ledger/group_store.h"
#include "ledger/reader.h"

using namespace onecopy;
using namespace onecopy::ledger;
using namespace onecopy::ledger::testing;
using std::chrono::hours;
using std::chrono::seconds;
using What = coalesce::Outcome::What;
using Which = Reader::Which;

namespace {

using Numbers = std::vector<std::int64_t>;
using Set = std::set<std::int64_t>;

/// Some of it lies in pages of its own, which break_rows() finds by this.
constexpr char filler = 'v';
const std::string much(20'000, filler);

Copy with_long_id() {
    Copy copy = make_copy({"a@x.example"});
    copy.arriving.identity.message_id = "<" + much + "@x>";
    return copy;
}

/// The end of its row, which is read when the row is written.
Copy with_long_subject() {
    Copy copy = make_copy({"a@x.example"});
    copy.arriving.identity.subject = much;
    return copy;
}

Copy with_long_header() {
    Copy copy = make_copy({"a@x.example"});
    copy.header += "X-Long: " + much + "\r\n";
    return copy;
}

Copy with_long_helo() {
    Copy copy = make_copy({"a@x.example"});
    copy.arrival.helo = much;
    return copy;
}

/// As many as take several pages of each table. The first is group 1, with the number 0.
constexpr unsigned many = 180;

void forward_all(Bench& bench, What what) {
    bench.pass(seconds(30));
    for (const Due& due : bench.take_due(many)) bench.settle_all(due, what);
}

void break_and_open(Bench& bench) {
    bench.close();
    REQUIRE(break_rows(bench.path(), filler) > 0);
    bench.open();
}

void break_and_open(Bench& bench, const std::string& text) {
    bench.close();
    REQUIRE(break_pages(bench.path(), text) > 0);
    bench.open();
}

std::string address(unsigned number) {
    return std::string(100, 'n') + std::to_string(number) + "@x.example";
}

void offer_many(Bench& bench) {
    for (unsigned i = 0; i < many; ++i) {
        const std::string number = std::to_string(i);
        Copy copy = make_copy({address(i)}, "<" + number + "@x>", static_cast<std::uint8_t>(i));
        copy.arriving.identity.subject = "invoice " + number + ", please";
        bench.offer(copy);
    }
}

Set told(Bench& bench) {
    Set groups;
    for (const auto& one : bench.spool().ledger().take_passed_over()) groups.insert(one.group);
    return groups;
}

Set left_in(Bench& bench, const std::string& table, const std::string& column) {
    Database database(bench.path() + "/ledger.db", Database::Mode::read_only, "");
    Statement select(database, ("SELECT " + column + " FROM " + table).c_str());
    Set groups;
    for (std::int64_t id : integers(select.query())) groups.insert(id);
    return groups;
}

Numbers numbers(const std::vector<GroupRecord>& records) {
    Numbers numbers;
    for (const GroupRecord& one : records) numbers.push_back(one.id);
    return numbers;
}

Numbers unreadable(const std::vector<GroupRecord>& records) {
    Numbers numbers;
    for (const GroupRecord& one : records) {
        CHECK(one.readable == one.damage.empty());
        if (!one.readable) numbers.push_back(one.id);
    }
    return numbers;
}

}  // namespace

TEST_SUITE_BEGIN("unreadable");

TEST_CASE("what can't be read keeps no other from being forgotten") {
    Bench bench;
    offer_many(bench);
    forward_all(bench, What::delivered);
    std::string text = "invoice 30,";
    SUBCASE("a page of groups") {}
    SUBCASE("a page of recipients") {
        text = "30@x.example";
    }
    break_and_open(bench, text);
    bench.pass(hours(24 * 8));
    CHECK(bench.spool().keep_house(true, bench.moment).trouble.empty());
    const Set broken = told(bench);
    CHECK(broken.contains(31));
    CHECK_MESSAGE(broken.size() < many, "with some neighbours, whose pages SQLite would have to join with it");
    CHECK(left_in(bench, "groups INDEXED BY groups_by_content", "id") == broken);
    CHECK_MESSAGE(bench.spool().until_forgetting(bench.moment) == base::Duration::max(), "it is not tried again and again");
}

TEST_CASE("content that can't be read keeps no other from ending") {
    Bench bench;
    bench.settings.policy.keep_failed = hours(24);
    bench.die();
    bench.open();
    offer_many(bench);
    forward_all(bench, What::refused);
    std::string text = "Message-ID: <30@x>";
    SUBCASE("a page of content") {}
    SUBCASE("a page of groups") {
        text = "invoice 30,";
    }
    break_and_open(bench, text);
    bench.pass(hours(25));
    const Spool::Kept kept = bench.spool().keep_house(true, bench.moment);
    CHECK(kept.trouble.empty());
    const Set broken = told(bench);
    CHECK(broken.contains(31));
    CHECK(broken.size() < many / 2);
    CHECK(kept.untold.size() == many - broken.size());
    CHECK(left_in(bench, "groups INDEXED BY groups_kept WHERE idle IS NOT NULL AND flags & 32", "id") == broken);
}

TEST_CASE("more that can't be read than are forgotten at once keep nobody from being forgotten") {
    Bench bench;
    bench.settings.policy.keep_failed = hours(24);
    bench.die();
    bench.open();
    constexpr std::size_t broken = 250;
    Copy copy = with_long_id();
    for (std::size_t i = 0; i < broken; ++i) {
        copy.arriving.identity.message_id.back() = static_cast<char>(i);
        bench.offer(copy);
    }
    bench.pass(seconds(30));
    for (const Due& due : bench.take_due(broken)) bench.settle_all(due, What::refused);
    const std::int64_t sound = bench.offer(make_copy({"b@x.example"}, "<2@x>", 2)).group;
    forward_all(bench, What::refused);
    break_and_open(bench);
    bench.pass(hours(25));
    CHECK(bench.spool().keep_house(true, bench.moment).untold == Numbers{sound});
    CHECK(told(bench).size() == broken);
}

TEST_CASE("an index that leads to a group that is not there is told when that is to be forgotten, once") {
    Bench bench;
    bench.offer(make_copy({"a@x.example"}));
    forward_all(bench, What::delivered);
    bench.close();
    empty_all_but(bench.path(), "groups_by_idle");
    bench.open();
    bench.pass(hours(24 * 8));
    bench.spool().keep_house(true, bench.moment);
    CHECK(told(bench) == Set{1});
    CHECK(bench.spool().until_forgetting(bench.moment) == base::Duration::max());
}

TEST_CASE("release and retry of all change all that can be read, and count what can't") {
    Bench bench;
    Copy copy = with_long_id();
    SUBCASE("its row") {}
    SUBCASE("the end of its row") {
        copy = with_long_subject();
    }
    const std::int64_t broken = bench.offer(copy).group;
    const std::int64_t sound = bench.offer(make_copy({"b@x.example"}, "<2@x>", 2)).group;
    const std::int64_t failed = bench.offer(make_copy({"c@x.example"}, "<3@x>", 3)).group;
    bench.pass(seconds(30));
    for (const Due& due : bench.take_due(many)) bench.settle_all(due, due.group == failed ? What::refused : What::deferred);
    break_and_open(bench);
    Changed changed = bench.change(Change::release);
    CHECK(changed.groups == 1);
    CHECK(changed.unreadable == 1);
    CHECK(told(bench) == Set{broken});
    bench.spool().ledger().look_again({});
    changed = bench.change(Change::retry);
    CHECK(changed.groups == 1);
    CHECK(changed.unreadable == 1);
    CHECK(told(bench) == Set{broken});
    Numbers due;
    for (const Due& one : bench.take_due()) due.push_back(one.group);
    CHECK(due == Numbers{sound, failed});
    CHECK_MESSAGE(bench.change(Change::forget, {broken}).unreadable == 1, "nor does it say that there is no such group");
}

TEST_CASE("that an index can't be read is the fault of no group that is looked for by it") {
    Bench bench;
    const std::int64_t group = bench.offer(make_copy({"a@x.example", "b@x.example"})).group;
    bench.pass(seconds(30));
    const Due due = bench.take_due().at(0);
    Settlement settlement;
    settlement.group = group;
    settlement.outcomes = {{due.recipients[0].member, What::refused, "550 no"},
                           {due.recipients[1].member, What::deferred, "450"}};
    bench.settle(settlement);
    bench.close();
    {
        Database database(bench.path() + "/ledger.db", Database::Mode::read_only, "");
        const std::int64_t root = database.integer("SELECT rootpage FROM sqlite_master WHERE name = 'groups_by_id'");
        std::fstream file(bench.path() + "/ledger.db", std::ios::in | std::ios::out | std::ios::binary);
        file.seekp((root - 1) * 4096);
        file << std::string(4096, '\xff');
    }
    bench.open();
    CHECK(bench.change(Change::retry, {group}).groups == 0);
    CHECK(told(bench).empty());
    CHECK(bench.change(Change::release, {group}).groups == 1);
    CHECK(bench.take_due().size() == 1);
}

TEST_CASE("where a page of recipients can't be read the others' failed mail is tried again") {
    Bench bench;
    offer_many(bench);
    forward_all(bench, What::refused);
    break_and_open(bench, "30@x.example");
    const Changed changed = bench.change(Change::retry);
    const Set broken = told(bench);
    CHECK(broken.contains(31));
    CHECK(broken.size() < many / 2);
    CHECK(changed.unreadable == broken.size());
    CHECK(changed.groups == many - broken.size());
    CHECK(bench.take_due(many).size() == many - broken.size());
}

TEST_CASE("a list holds all that can be read, and names what can't wherever it may belong") {
    Bench bench;
    offer_many(bench);
    bench.pass(seconds(30));
    for (const Due& due : bench.take_due(many)) bench.settle_all(due, due.group % 2 == 0 ? What::refused : What::deferred);
    const std::int64_t held = bench.offer(make_copy({"d@x.example"}, "<held@x>")).group;
    Which which = Which::queued;
    std::string text = "invoice 30,";
    std::size_t all = many / 2;
    SUBCASE("a page of groups, queued") {}
    SUBCASE("a page of groups, held") {
        which = Which::held;
        all = 1;
    }
    SUBCASE("a page of groups, all") {
        which = Which::all;
        all = many + 1;
    }
    SUBCASE("a page of recipients, failed") {
        which = Which::failed;
        text = "31@x.example";
    }
    SUBCASE("a page of recipients, all") {
        which = Which::all;
        text = "31@x.example";
        all = many + 1;
    }
    break_and_open(bench, text);
    const std::vector<GroupRecord> list = Reader(bench.path()).list(which, many + 1);
    CHECK(std::ranges::is_sorted(numbers(list)));
    const Numbers broken = unreadable(list);
    CHECK(!broken.empty());
    CHECK(broken.size() < many / 2);
    const auto belongs = [&](std::int64_t id) {
        switch (which) {
            case Which::held:
                return id == held;
            case Which::queued:
                return id % 2 != 0 && id != held;
            case Which::failed:
                return id % 2 == 0;
            default:
                return true;
        }
    };
    for (std::int64_t id = 1; id <= held; ++id) {
        const bool named = std::ranges::count(numbers(list), id) == 1;
        CHECK(named == (belongs(id) || std::ranges::count(broken, id) == 1));
    }
    CHECK(static_cast<std::size_t>(std::ranges::count_if(numbers(list), belongs)) == all);
}

TEST_CASE("a list is no longer than it was asked for, and as much of what can't be read") {
    Bench bench;
    offer_many(bench);
    break_and_open(bench, "invoice 30,");
    const std::vector<GroupRecord> list = Reader(bench.path()).list(Which::held, 2);
    CHECK(numbers(list) == Numbers{many - 1, many});
    const std::vector<GroupRecord> most = Reader(bench.path()).list(Which::held, many);
    const std::size_t broken = unreadable(most).size();
    REQUIRE(broken > 2);
    CHECK(most.size() == many);
    const std::vector<GroupRecord> found = Reader(bench.path()).why_address("nobody@x.example", 2);
    CHECK(found.size() == 2);
    CHECK(unreadable(found).size() == 2);
}

TEST_CASE("why and show tell what can be read of a group, and of the others all") {
    Bench bench;
    const Copy copy = with_long_id();
    const std::int64_t broken = bench.offer(copy).group;
    const std::int64_t sound = bench.offer(make_copy({"b@x.example"}, "<2@x>", 2)).group;
    break_and_open(bench);
    Reader reader(bench.path());
    CHECK(numbers(reader.why("<2@x>")) == Numbers{sound});
    const std::vector<GroupRecord> itself = reader.why(copy.arriving.identity.message_id);
    REQUIRE(unreadable(itself) == Numbers{broken});
    CHECK_MESSAGE(itself[0].copies.at(0).recipients.at(0).address == "a@x.example", "that stands elsewhere");
    const std::optional<GroupRecord> shown = reader.show(broken);
    REQUIRE(shown);
    CHECK_FALSE(shown->readable);
    CHECK(shown->header.find("Message-ID") != std::string::npos);
    CHECK_FALSE(reader.show(99));
}

TEST_CASE("who looks for an address or a subject finds what can be read, and is told of what may be it too") {
    Bench bench;
    offer_many(bench);
    bool of_groups = false;
    SUBCASE("a page of groups") {
        of_groups = true;
    }
    SUBCASE("a page of recipients") {}
    break_and_open(bench, of_groups ? "invoice 30," : "30@x.example");
    Reader reader(bench.path());
    const Numbers broken = unreadable(reader.list(Which::all, many));
    REQUIRE(!broken.empty());
    Numbers all = broken;
    all.push_back(many);
    CHECK(numbers(reader.why_address(address(many - 1), many)) == all);
    const std::vector<GroupRecord> found = reader.why_subject("Invoice " + std::to_string(many - 1), many);
    CHECK(numbers(found) == (of_groups ? all : Numbers{many}));
    CHECK(found.back().copies.size() == 1);
}

TEST_CASE("of a group that can be read but for a part all the rest is told") {
    Bench bench;
    Copy copy = with_long_subject();
    bool header = true, copies = true;
    SUBCASE("the subject") {}
    SUBCASE("the header") {
        copy = with_long_header();
        header = false;
    }
    SUBCASE("a copy") {
        copy = with_long_helo();
        copies = false;
    }
    const std::int64_t broken = bench.offer(copy).group;
    break_and_open(bench);
    Reader reader(bench.path());
    const std::optional<GroupRecord> shown = reader.show(broken);
    REQUIRE(shown);
    CHECK(shown->readable);
    CHECK_FALSE(shown->damage.empty());
    CHECK(shown->message_id == "<1@x>");
    CHECK(shown->members.size() == 1);
    CHECK(shown->header.empty() != header);
    CHECK(shown->copies.empty() != copies);
    CHECK(numbers(reader.list(Which::held, 10)) == Numbers{broken});
    CHECK(reader.list(Which::queued, 10).empty());
    CHECK(numbers(reader.why("<1@x>")) == Numbers{broken});
}

TEST_SUITE_END();
