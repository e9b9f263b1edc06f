#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "faulty_disk.h"
#include "fixture.h"
#include "ledger/reader.h"

using namespace onecopy;
using namespace onecopy::ledger;
using namespace onecopy::ledger::testing;
using coalesce::Verdict;
using std::chrono::seconds;
using Fault = FaultyDisk::Fault;
using What = coalesce::Outcome::What;

namespace {

struct FaultyBench : FaultyFiles, Bench {
    FaultyBench() : Bench((FaultyDisk::install(), static_cast<Files&>(*this)), FaultyDisk::vfs) {}
    ~FaultyBench() { FaultyDisk::heal(); }

    std::string file(const std::string& name) const {
        std::ifstream in(path() + "/" + name, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    /// Without the zeros that it has grown by.
    std::string written_log() const {
        const std::string log = file("ledger.db-wal");
        return log.substr(0, log.find_last_not_of('\0') + 1);
    }
    std::uintmax_t log_size() const { return std::filesystem::file_size(path() + "/ledger.db-wal"); }
    Acceptance offer_number(int number) { return offer(make_copy({"a@x"}, "<" + std::to_string(number) + "@x>")); }
    /// With as many as a fresh log takes before it grows; the next one makes it grow.
    int fill_log() {
        const int commits = commits_that_fit();
        for (int i = 0; i < commits; ++i) offer_number(i);
        return commits;
    }
    static int commits_that_fit() {
        FaultyBench bench;
        const std::uintmax_t size = bench.log_size();
        int commits = 0;
        for (; bench.log_size() == size; ++commits) bench.offer_number(commits);
        return commits - 1;
    }
};

/// Notes what a loss of power would bring back.
struct NotedFiles : FaultyFiles {
    bool crash_is_on_disk = false;
    void sync_directory(const std::string& path) override {
        FaultyFiles::sync_directory(path);
        crash_is_on_disk = std::filesystem::exists(path + "/crashed");
    }
};

std::size_t stored(FaultyBench& bench) {
    return Reader(bench.path()).list(Reader::Which::all, 100).size();
}

/// A spool whose last commit was never answered, since its sync failed: the system shows more of the log than is on the
/// disk.
struct Unsure : FaultyBench {
    Unsure() {
        FaultyDisk::sqlite_syncs = Fault::io;
        CHECK_THROWS_AS(offer(make_copy({"a@x"})), SqliteLedger::CommitUnknown);
        die();
        FaultyDisk::heal();
    }
};

}  // namespace

TEST_SUITE_BEGIN("faults");

TEST_CASE("a full disk undoes a copy cleanly at whichever write it strikes, and later it is taken") {
    int refused = 0;
    for (int calls = 0; calls < 40; ++calls) {
        FaultyBench bench;
        bench.offer(make_copy({"a@x"}, "<before@x>"));
        FaultyDisk::calls_until = calls;
        FaultyDisk::sqlite_writes = Fault::full;
        Acceptance acceptance = bench.offer(make_copy({"a@x"}, "<full@x>", 1, std::string(16000, 'b')));
        FaultyDisk::heal();
        if (acceptance.status == Acceptance::Status::no_room) {
            ++refused;
            bench.die();
            bench.open();
            CHECK(stored(bench) == 1);
            CHECK(bench.offer(make_copy({"a@x"}, "<full@x>")).verdicts == std::vector{Verdict::added});
        } else {
            CHECK(acceptance.status == Acceptance::Status::accepted);
        }
        CHECK(stored(bench) == 2);
    }
    CHECK(refused > 0);
    CHECK(refused < 40);
}

TEST_CASE("a commit whose sync fails has no known outcome, and says so") {
    FaultyBench bench;
    FaultyDisk::sqlite_syncs = Fault::io;
    CHECK_THROWS_AS(bench.offer(make_copy({"a@x"})), SqliteLedger::CommitUnknown);
}

TEST_CASE("whatever is on the disk after an unknown commit counts: lost or there, but whole") {
    for (int calls = 0; calls < 30; ++calls) {
        FaultyBench bench;
        FaultyDisk::calls_until = calls;
        FaultyDisk::sqlite_writes = Fault::io;
        bool answered = false;
        try {
            answered = bench.offer(make_copy({"a@x", "b@x"}, "<1@x>", 1, std::string(16000, 'b'))).status ==
                       Acceptance::Status::accepted;
        } catch (const SqliteLedger::CommitUnknown&) {
        }
        bench.die();
        FaultyDisk::heal();
        bench.open();
        bench.pass(seconds(30));
        std::vector<Due> due = bench.take_due();
        if (answered) REQUIRE(due.size() == 1);
        for (const Due& one : due) {
            CHECK(one.recipients.size() == 2);
            CHECK(one.content->body.size() == 16000);
        }
    }
}

TEST_CASE("after an unclean end the log is written anew, since a sync that failed may have left it in memory alone") {
    Unsure bench;
    const std::string log = bench.written_log();
    REQUIRE(log.size() > 4096);
    FaultyDisk::bytes_written = 0;
    bench.open();
    CHECK(stored(bench) == 1);
    CHECK(FaultyDisk::bytes_written > bench.file("ledger.db-wal").size());
    CHECK(bench.file("ledger.db-wal").starts_with(log));
    bench.close();
    CHECK_FALSE(std::filesystem::exists(bench.path() + "/ledger.db-wal"));
}

TEST_CASE("an orderly end whose commit could not be synced leaves a log that is written anew as well") {
    FaultyBench bench;
    bench.offer(make_copy({"a@x"}));
    FaultyDisk::sqlite_syncs = Fault::io;
    CHECK_THROWS_AS(bench.close(), SqliteLedger::CommitUnknown);
    bench.die();
    FaultyDisk::heal();
    const std::string log = bench.written_log();
    FaultyDisk::bytes_written = 0;
    bench.open();
    CHECK(stored(bench) == 1);
    CHECK(FaultyDisk::bytes_written > bench.log_size());
    CHECK(bench.file("ledger.db-wal").starts_with(log));
}

TEST_CASE(
    "the log grows by more than a commit needs, and is written over from its beginning when all of it was written back") {
    FaultyBench bench;
    const std::uintmax_t size = bench.log_size();
    CHECK(size > (256 << 10));
    const int commits = bench.fill_log();
    CHECK(commits > 2);
    CHECK(bench.log_size() == size);
    bench.offer_number(commits);
    CHECK(bench.log_size() > size + (256 << 10));

    const std::uintmax_t grown = bench.log_size();
    bench.spool().keep_house(true, bench.moment);
    CHECK(bench.log_size() == grown);
    FaultyDisk::bytes_written = 0;
    bench.offer_number(commits + 1);
    CHECK(bench.log_size() == grown);
    CHECK(FaultyDisk::bytes_written < (128 << 10));
}

TEST_CASE("a log that can't be written back is told, and is written back later") {
    FaultyBench bench;
    bench.offer(make_copy({"a@x"}));
    FaultyDisk::sqlite_writes = Fault::io;
    CHECK(bench.spool().keep_house(true, bench.moment).trouble.find("can't be written back") != std::string::npos);
    FaultyDisk::heal();
    CHECK(bench.spool().ledger().log_bytes() == 0);
    FaultyDisk::bytes_written = 0;
    CHECK(bench.spool().keep_house(true, bench.moment).trouble == "");
    CHECK(FaultyDisk::bytes_written > 0);
    FaultyDisk::bytes_written = 0;
    bench.spool().keep_house(true, bench.moment);
    CHECK_MESSAGE(FaultyDisk::bytes_written == 0, "all of it was");
}

TEST_CASE("a long log that can't be written back is told where there is no time for anything else, too") {
    FaultyBench bench;
    const std::string body(8 << 20, 'b');
    for (int i = 0; !bench.spool().log_is_long(); ++i)
        bench.offer(make_copy({"a@x"}, "<" + std::to_string(i) + "@x>", 1, body));
    const bool idle = false;
    FaultyDisk::sqlite_writes = Fault::io;
    CHECK(bench.spool().keep_house(idle, bench.moment).trouble.find("can't be written back") != std::string::npos);
    FaultyDisk::heal();
    CHECK(bench.spool().keep_house(idle, bench.moment).trouble == "");
}

TEST_CASE("an upload that found no room is known as such") {
    FaultyBench bench;
    Copy copy = make_copy({"a@x"});
    copy.upload = 7;
    bench.append_fails = true;
    CHECK_FALSE(bench.spool().append(copy.upload, "piece"));
    CHECK_FALSE(bench.spool().is_whole(copy));
    CHECK(bench.spool().lacks_room(copy));
}

TEST_CASE("for a commit that is long itself the log grows by no more than that") {
    FaultyBench bench;
    bench.fill_log();
    bench.offer(make_copy({"a@x"}, "<long@x>", 1, std::string(400'000, 'b')));
    CHECK(bench.log_size() - bench.written_log().size() < 4096);
}

TEST_CASE("who reads keeps nobody waiting: where room is low the log is cut when he has ended") {
    FaultyBench bench;
    bench.settings.min_free = 1 << 20;
    bench.spool().configure(bench.settings);
    const int commits = bench.fill_log();
    {
        Database reading(bench.path() + "/ledger.db", Database::Mode::read_only, "");
        reading.exec("BEGIN; SELECT count(*) FROM groups");
        bench.offer_number(commits);
        bench.free = 1000;
        bench.spool().look_for_room();
        FaultyDisk::waits = 0;
        bench.spool().keep_house(true, bench.moment);
        CHECK(FaultyDisk::waits == 0);
        CHECK(bench.log_size() > 0);
    }
    bench.spool().keep_house(true, bench.moment);
    CHECK(bench.log_size() == 0);
}

TEST_CASE("an orderly end waits for who reads just then, and leaves no log") {
    FaultyBench bench;
    bench.offer(make_copy({"a@x"}));
    std::optional<Database> reading;
    reading.emplace(bench.path() + "/ledger.db", Database::Mode::read_only, "");
    reading->exec("BEGIN; SELECT count(*) FROM groups");
    FaultyDisk::on_wait = [&reading] { reading.reset(); };
    bench.close();
    CHECK_MESSAGE(!reading, "it was waited for");
    CHECK_FALSE(std::filesystem::exists(bench.path() + "/ledger.db-wal"));
}

TEST_CASE("a disk that has room for a commit, and none for what the log would grow by, takes it") {
    for (const bool room : {false, true}) {
        FaultyBench bench;
        const int commits = bench.fill_log();
        FaultyDisk::calls_until = room ? 1 : 0;
        FaultyDisk::sqlite_writes = Fault::full;
        const Acceptance acceptance = bench.offer_number(commits);
        FaultyDisk::heal();
        CHECK(acceptance.status == (room ? Acceptance::Status::accepted : Acceptance::Status::no_room));
        bench.die();
        bench.open();
        CHECK(stored(bench) == static_cast<std::size_t>(commits + room));
    }
}

TEST_CASE("a log of many pieces is the same after each unclean end") {
    FaultyBench bench;
    const std::string body(200000, 'b');
    for (int i = 0; i < 12; ++i) bench.offer(make_copy({"a@x"}, "<" + std::to_string(i) + "@x>", 1, body));
    REQUIRE(std::filesystem::file_size(bench.path() + "/ledger.db-wal") > (2 << 20));
    for (int ends = 0; ends < 3; ++ends) {
        bench.die();
        bench.open();
        REQUIRE(stored(bench) == 12);
        bench.offer(make_copy({"a@x"}, "<0@x>", 1, body));
    }
    bench.pass(seconds(30));
    for (const Due& due : bench.take_due()) CHECK(due.content->body == body);
}

TEST_CASE("nothing of a log that is not safe comes to the database, which would be torn") {
    Unsure bench;
    const std::string database = bench.file("ledger.db");
    for (int syncs = 0; syncs < 2; ++syncs) {
        FaultyDisk::calls_until = syncs;
        FaultyDisk::sqlite_syncs = Fault::io;
        CHECK_THROWS_AS(bench.open(), SpoolError);
        CHECK(bench.file("ledger.db") == database);
    }
    FaultyDisk::heal();
    bench.open();
    CHECK(stored(bench) == 1);
}

TEST_CASE("a disk that is full at the start is told as such, and nothing is lost by it") {
    Unsure bench;
    FaultyDisk::sqlite_writes = Fault::full;
    CHECK_THROWS_WITH_AS(bench.open(), doctest::Contains("full"), SpoolError);
    FaultyDisk::heal();
    bench.open();
    CHECK(stored(bench) == 1);
}

TEST_CASE("what was kept in reserve is there for the start") {
    FaultyBench bench;
    bench.close();
    std::ofstream(bench.path() + "/reserve") << "room";
    FaultyDisk::sqlite_syncs = Fault::io;
    CHECK_THROWS_AS(bench.open(), SpoolError);
    CHECK_FALSE(std::filesystem::exists(bench.path() + "/reserve"));
}

TEST_CASE("who reads the database while the log is written anew keeps nobody from starting") {
    FaultyBench bench;
    bench.offer(make_copy({"a@x"}));
    FaultyDisk::sqlite_writes = Fault::io;
    bench.die();
    FaultyDisk::heal();
    Database reading(bench.path() + "/ledger.db", Database::Mode::read_only, "");
    reading.exec("BEGIN");
    CHECK(reading.integer("SELECT count(*) FROM groups") == 1);
    bench.open();
    CHECK(stored(bench) == 1);
}

TEST_CASE("a log that can't be written anew at the start is no spool to work with") {
    FaultyBench bench;
    bench.offer(make_copy({"a@x"}));
    FaultyDisk::sqlite_writes = Fault::io;
    bench.die();
    FaultyDisk::heal();
    FaultyDisk::sqlite_syncs = Fault::io;
    CHECK_THROWS_AS(bench.open(), SpoolError);
    FaultyDisk::heal();
    bench.open();
    CHECK(stored(bench) == 1);
}

TEST_CASE("a log that found no room to be written anew is none to write behind, even where there is room for that") {
    Unsure bench;
    FaultyDisk::sqlite_writes = Fault::full;
    FaultyDisk::calls_failing = 1;
    CHECK_THROWS_WITH_AS(bench.open(), doctest::Contains("full"), SpoolError);
    FaultyDisk::heal();
    bench.open();
    CHECK(stored(bench) == 1);
}

TEST_CASE("of a batch on a full disk, what still fits is stored and the rest is refused") {
    FaultyBench bench;
    std::vector<Acceptance> acceptances(4);
    std::vector<Spool::Operation> operations;
    for (std::size_t i = 0; i < acceptances.size(); ++i) {
        operations.push_back({[&, i](const Context& context) {
            acceptances[i] = bench.spool().offer(make_copy({"a@x"}, "<" + std::to_string(i) + "@x>"), context);
        }});
    }
    FaultyDisk::sqlite_writes = Fault::full;
    bench.spool().transact(operations, bench.moment);
    FaultyDisk::heal();
    for (const Spool::Operation& operation : operations) {
        CHECK_FALSE(operation.done);
        CHECK(operation.no_room);
    }
    CHECK(stored(bench) == 0);
    CHECK_MESSAGE(Reader(bench.path()).counts().totals.copies == 0, "totals are undone too");
    CHECK(bench.offer(make_copy({"a@x"}, "<0@x>")).group == 1);
}

TEST_CASE("a piece that can't be written loses its upload alone") {
    FaultyBench bench;
    CHECK(bench.spool().append(1, "one"));
    bench.append_fails = true;
    CHECK_FALSE(bench.spool().append(2, "two"));
    bench.append_fails = false;
    CHECK_MESSAGE(!bench.spool().append(2, "two"), "half of it is somewhere: it stays lost");
    CHECK(bench.spool().append(1, "more"));
    Copy lost = make_copy({"a@x"}), whole = make_copy({"a@x"}, "<2@x>");
    lost.upload = 2;
    whole.upload = 1;
    whole.body.clear();
    CHECK_FALSE(bench.spool().is_whole(lost));
    CHECK(bench.spool().is_whole(whole));
    bench.offer(whole);
    bench.pass(seconds(30));
    std::string body;
    SegmentReader reader(bench.path());
    Due due = bench.take_due().at(0);
    for (const Extent& extent : due.content->extents) body += reader.read(extent);
    CHECK(body == "onemore");
}

TEST_CASE("segments that can't be synced lose every upload that was not synced, and nothing that was") {
    FaultyBench bench;
    auto upload = [&](UploadId id, const std::string& message_id) {
        bench.spool().append(id, "body");
        Copy copy = make_copy({"a@x"}, message_id);
        copy.upload = id;
        copy.body.clear();
        return copy;
    };
    CHECK(bench.offer(upload(1, "<1@x>")).status == Acceptance::Status::accepted);
    Copy second = upload(2, "<2@x>"), third = upload(3, "<3@x>");
    bench.sync_fails = true;
    bench.offer(make_copy({"a@x"}, "<4@x>"));
    CHECK_FALSE(bench.spool().is_whole(second));
    CHECK_FALSE(bench.spool().is_whole(third));
    bench.sync_fails = false;
    CHECK(bench.offer(upload(5, "<5@x>")).status == Acceptance::Status::accepted);
    bench.pass(seconds(30));
    for (const Due& due : bench.take_due()) {
        for (const Extent& extent : due.content->extents) CHECK(SegmentReader(bench.path()).read(extent) == "body");
    }
}

TEST_CASE("an upload that can't be synced with its own batch is refused, whoever else is in it") {
    FaultyBench bench;
    bench.spool().append(1, "body");
    Copy large = make_copy({"a@x"}, "<large@x>"), small = make_copy({"a@x"}, "<small@x>");
    large.upload = 1;
    large.body.clear();
    CHECK(bench.spool().is_whole(large));
    std::vector<Acceptance> acceptances(2);
    std::vector<Spool::Operation> operations;
    operations.push_back({[&](const Context& context) { acceptances[0] = bench.spool().offer(large, context); }});
    operations.push_back({[&](const Context& context) { acceptances[1] = bench.spool().offer(small, context); }});
    bench.sync_fails = true;
    bench.spool().transact(operations, bench.moment);
    CHECK(acceptances[0].status == Acceptance::Status::failed);
    CHECK(acceptances[1].status == Acceptance::Status::accepted);
    CHECK(stored(bench) == 1);
}

TEST_CASE("when the survivors of a segment can't be synced nothing moves, and uploads under way are lost with them") {
    FaultyBench bench;
    auto upload = [&](UploadId id, const std::string& message_id, int pieces) {
        for (int i = 0; i < pieces; ++i) bench.spool().append(id, std::string(most_extent_bytes, 'b'));
        Copy copy = make_copy({"a@x"}, message_id);
        copy.upload = id;
        copy.body.clear();
        return copy;
    };
    std::int64_t dead = bench.offer(upload(1, "<dead@x>", 20)).group;
    bench.pass(seconds(30));
    Due due = bench.take_due().at(0);
    REQUIRE(due.group == dead);
    bench.offer(upload(2, "<survivor@x>", 1));
    bench.settle_all(due, What::delivered);
    bench.die();
    bench.open();
    Copy under_way = upload(3, "<under-way@x>", 1);
    bench.sync_fails = true;
    bench.spool().keep_house(true, bench.moment);
    bench.sync_fails = false;
    CHECK_FALSE(bench.spool().is_whole(under_way));
    CHECK(bench.offer(under_way).status == Acceptance::Status::failed);
    CHECK(std::filesystem::exists(bench.path() + "/segments/1"));
    auto survivor = [&] {
        bench.pass(seconds(30));
        Extent extent = bench.take_due().at(0).content->extents.at(0);
        CHECK(SegmentReader(bench.path()).read(extent) == std::string(most_extent_bytes, 'b'));
        bench.spool().in_flight().clear();
        return extent.segment;
    };
    CHECK(survivor() == 1);
    bench.spool().keep_house(true, bench.moment);
    CHECK_FALSE(std::filesystem::exists(bench.path() + "/segments/1"));
    CHECK(survivor() > 1);
}

TEST_CASE("below min_free nothing is taken, and the reserve is there for what must be written") {
    FaultyBench bench;
    bench.settings.min_free = 1 << 20;
    bench.die();
    bench.open();
    CHECK(bench.spool().has_room_for(make_copy({"a@x"})));
    bench.free = (1 << 20) + 10;
    bench.spool().look_for_room();
    CHECK_FALSE(bench.spool().low_on_space());
    CHECK_MESSAGE(!bench.spool().has_room_for(make_copy({"a@x"})), "it would eat into what is kept free");
    bench.free = 1000;
    bench.spool().look_for_room();
    CHECK(bench.spool().low_on_space());
    CHECK_FALSE(bench.spool().append(1, "piece"));
    CHECK(std::filesystem::exists(bench.path() + "/reserve"));
    CHECK(bench.spool().free_reserve());
    CHECK_FALSE(std::filesystem::exists(bench.path() + "/reserve"));
    CHECK_FALSE(bench.spool().free_reserve());
}

TEST_CASE("a crash that a start has seen is not seen again by the next one, even if the power went in between") {
    NotedFiles files;
    Bench bench(files);
    std::ofstream(bench.path() + "/crashed") << "x";
    bench.die();
    bench.open();
    CHECK(bench.spool().crashed());
    CHECK_FALSE(files.crash_is_on_disk);
    bench.die();
    bench.open();
    CHECK_FALSE(bench.spool().crashed());
}

TEST_SUITE_END();
