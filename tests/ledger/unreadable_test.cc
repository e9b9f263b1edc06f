// A group of which SQLite can't read a row: whoever deals with many does so with the others, and it is named.

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "fixture.h"
#include "ledger/group_store.h"

using namespace onecopy;
using namespace onecopy::ledger;
using namespace onecopy::ledger::testing;
using std::chrono::hours;
using std::chrono::seconds;
using What = coalesce::Outcome::What;

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
    const std::string file = bench.path() + "/ledger.db";
    Database(file, Database::Mode::read_write, "")
        .exec(
            "PRAGMA writable_schema=1; CREATE TABLE hidden AS SELECT * FROM sqlite_master WHERE name = 'groups_by_idle';"
            "DELETE FROM sqlite_master WHERE name = 'groups_by_idle'");
    Database(file, Database::Mode::read_write, "")
        .exec("DELETE FROM groups; PRAGMA writable_schema=1; INSERT INTO sqlite_master SELECT * FROM hidden");
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

TEST_SUITE_END();
