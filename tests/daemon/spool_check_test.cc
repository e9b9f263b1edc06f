#include "spool_check.h"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <string_view>

#include "../relay/fixture.h"
#include "ledger/spool_error.h"
#include "ledger/sqlite.h"

using namespace onecopy;

TEST_SUITE_BEGIN("spool check");

namespace {

/// A spool that nobody holds any more.
struct Stand : relay::testing::House {
    Stand() {
        offer(ledger::testing::make_copy({"a@x"}));
        ledger.reset();
    }
    void look(SpoolCheck::Room room = [] { return 1; }) {
        check.emplace(loop, directory.path(), std::move(room), [this](const SpoolCheck::Outcome& found) {
            outcome = found;
            check.reset();
        });
    }
    /// Of that many bytes, which take no room.
    void make_log(std::uint64_t length) const {
        const std::string log = directory.path() + "/ledger.db-wal";
        std::ofstream(log, std::ios::app).close();
        std::filesystem::resize_file(log, length);
    }

    std::optional<SpoolCheck> check;
    std::optional<SpoolCheck::Outcome> outcome;
};

/// Its table of groups has no end for who looks there for a recipient's.
struct EndlessStand : Stand {
    EndlessStand() {
        ledger::Database(directory.path() + "/ledger.db", ledger::Database::Mode::read_write, "")
            .exec(
                "UPDATE groups SET due = NULL; ALTER TABLE groups RENAME TO ended; CREATE VIEW groups AS WITH RECURSIVE "
                "endless(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM endless) SELECT ended.* FROM endless CROSS JOIN ended");
    }
};

/// Sees the connections that are made while it lives.
class Watch {
public:
    Watch() {
        begun = {};
        sqlite3_auto_extension(reinterpret_cast<void (*)()>(connected));
    }
    ~Watch() { sqlite3_reset_auto_extension(); }
    /// Waits until a statement that looks for a recipient's group runs; the connection that runs it.
    sqlite3* looking() { return begun.get_future().get(); }

private:
    static int connected(sqlite3* connection, char**, const sqlite3_api_routines*) {
        return sqlite3_trace_v2(connection, SQLITE_TRACE_STMT, runs, connection);
    }
    static int runs(unsigned, void* connection, void*, void* sql) {
        const std::string_view words = static_cast<const char*>(sql);
        if (words.find("NOT EXISTS (SELECT 1 FROM groups") == words.npos) return 0;
        begun.set_value(static_cast<sqlite3*>(connection));
        return 0;
    }

    inline static std::promise<sqlite3*> begun;
};

}  // namespace

TEST_CASE("a sound spool is looked through, without a word") {
    Stand stand;
    stand.look();
    REQUIRE(stand.until([&] { return stand.outcome.has_value(); }));
    CHECK(stand.outcome->damage == "");
    CHECK(stand.outcome->trouble == "");
}

TEST_CASE("damage is told") {
    Stand stand;
    const std::string file = stand.directory.path() + "/ledger.db";
    {
        std::fstream pages(file, std::ios::in | std::ios::out | std::ios::binary);
        for (std::uintmax_t at = 2 * 4096; at < std::filesystem::file_size(file); at += 4096) {
            pages.seekp(static_cast<std::streamoff>(at));
            pages << std::string(64, '\xff');
        }
    }
    stand.look();
    REQUIRE(stand.until([&] { return stand.outcome.has_value(); }));
    CHECK(stand.outcome->damage != "");
}

TEST_CASE("one that would not end by itself ends when it is destroyed") {
    EndlessStand stand;
    Watch watch;
    stand.look();
    sqlite3* const looking = watch.looking();
    auto ended = std::async(std::launch::async, [&stand] { stand.check.reset(); });
    const bool by_itself = ended.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
    if (!by_itself) sqlite3_interrupt(looking);
    CHECK(by_itself);
}

TEST_CASE("one gives up as long as it keeps the log from being written over, and says so, and nothing of damage") {
    EndlessStand stand;
    Watch watch;
    stand.look();
    watch.looking();
    stand.make_log(SpoolCheck::most_log + 1);
    REQUIRE(stand.until([&] { return stand.outcome.has_value(); }));
    CHECK(stand.outcome->damage == "");
    CHECK(stand.outcome->trouble == "so much mail came meanwhile that the ledger's log became too long");
}

TEST_CASE("one gives up earlier where there is no room, and not before") {
    EndlessStand stand;
    Watch watch;
    unsigned looks = 0;
    stand.look([&looks] { return ++looks < 2 ? 1 : 0; });
    watch.looking();
    stand.make_log(SpoolCheck::most_log_without_room + 1);
    REQUIRE(stand.until([&] { return stand.outcome.has_value(); }));
    CHECK(looks == 2);
    CHECK(stand.outcome->trouble == "so much mail came meanwhile that the ledger's log became too long");
}

TEST_CASE("one that is destroyed while it looks says nothing of the spool") {
    EndlessStand stand;
    Watch watch;
    stand.look();
    watch.looking();
    stand.check.reset();
    REQUIRE(stand.until([&] { return stand.outcome.has_value(); }));
    CHECK(stand.outcome->damage == "");
    CHECK(stand.outcome->trouble == "");
}

TEST_CASE("where there is no spool it can't look") {
    net::testing::Bench bench;
    CHECK_THROWS_AS(SpoolCheck(bench.loop, "/nowhere", {}, {}), ledger::SpoolError);
}

TEST_SUITE_END();
