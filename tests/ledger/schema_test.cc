#include "ledger/schema.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <set>

#include "faulty_disk.h"
#include "fixture.h"
#include "ledger/group_store.h"
#include "ledger/reader.h"
#include "ledger/spool_error.h"

using namespace onecopy;
using namespace onecopy::ledger;
using namespace onecopy::ledger::testing;
using coalesce::State;
using coalesce::Verdict;
using std::chrono::seconds;
using What = coalesce::Outcome::What;
namespace fs = std::filesystem;

namespace {

/// As version 1 made them.
constexpr const char* tables_of_version_1 = R"(
CREATE TABLE groups(
    id INTEGER PRIMARY KEY,
    id_key INTEGER,
    content_key INTEGER NOT NULL,
    message_id BLOB NOT NULL,
    content BLOB NOT NULL,
    sender BLOB NOT NULL,
    flags INTEGER NOT NULL,
    exposure INTEGER NOT NULL,
    size INTEGER NOT NULL,
    first INTEGER NOT NULL,
    copies INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    touched INTEGER NOT NULL,
    due INTEGER,
    idle INTEGER);
CREATE INDEX groups_by_id ON groups(id_key) WHERE id_key IS NOT NULL;
CREATE INDEX groups_by_content ON groups(content_key);
CREATE INDEX groups_by_due ON groups(due) WHERE due IS NOT NULL;
CREATE INDEX groups_by_idle ON groups(idle) WHERE idle IS NOT NULL;
CREATE TABLE members(
    group_id INTEGER NOT NULL, n INTEGER NOT NULL,
    address BLOB NOT NULL, state INTEGER NOT NULL, copy INTEGER NOT NULL, recovered INTEGER NOT NULL,
    since INTEGER NOT NULL, due INTEGER NOT NULL, attempts INTEGER NOT NULL, ended INTEGER NOT NULL, reply BLOB NOT NULL,
    PRIMARY KEY(group_id, n)) WITHOUT ROWID;
CREATE INDEX members_failed ON members(group_id) WHERE state = 2;
CREATE TABLE content(group_id INTEGER PRIMARY KEY, header BLOB NOT NULL, body BLOB NOT NULL, body_size INTEGER NOT NULL);
CREATE TABLE extents(
    group_id INTEGER NOT NULL, n INTEGER NOT NULL,
    segment INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY(group_id, n)) WITHOUT ROWID;
CREATE INDEX extents_by_segment ON extents(segment, length);
CREATE TABLE copies(
    group_id INTEGER NOT NULL, n INTEGER NOT NULL,
    arrived INTEGER NOT NULL, client BLOB NOT NULL, helo BLOB NOT NULL, protocol BLOB NOT NULL, sender BLOB NOT NULL,
    recipients BLOB NOT NULL,
    PRIMARY KEY(group_id, n)) WITHOUT ROWID;
CREATE TABLE attempts(
    group_id INTEGER NOT NULL, n INTEGER NOT NULL,
    at INTEGER NOT NULL, server BLOB NOT NULL, member INTEGER NOT NULL, what INTEGER NOT NULL, reply BLOB NOT NULL,
    PRIMARY KEY(group_id, n)) WITHOUT ROWID;
CREATE TABLE ledger(
    one INTEGER PRIMARY KEY CHECK(one = 1),
    time INTEGER NOT NULL, left_out INTEGER NOT NULL, wall INTEGER NOT NULL, next_group INTEGER NOT NULL,
    clean INTEGER NOT NULL,
    copies INTEGER NOT NULL, messages INTEGER NOT NULL, delivered INTEGER NOT NULL, suppressed INTEGER NOT NULL,
    failed INTEGER NOT NULL, possible_duplicates INTEGER NOT NULL);
INSERT INTO ledger VALUES(1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0);
)";

/// What two copies of <1@x> left behind: a@x has it, b@x waits for a further attempt; and one of <2@x>, which c@x refused.
void write_version_1(const std::string& path) {
    Database database(path, Database::Mode::read_write, "");
    database.exec("PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
    database.exec(tables_of_version_1);
    database.exec("PRAGMA application_id=829383536; PRAGMA user_version=1");
    Copy waiting = make_copy({}, "<1@x>", 1), refused = make_copy({}, "<2@x>", 2);
    Statement group(database, "INSERT INTO groups VALUES(?, ?, ?, ?, ?, ?, ?, 0, 64, 1800000000000, 2, 2, 1000, ?, ?)");
    auto put = [&](std::int64_t id, const Copy& copy, std::int64_t flags, std::optional<std::int64_t> due,
                   std::optional<std::int64_t> idle) {
        const message::Identity& identity = copy.arriving.identity;
        group.run(id, message_id_key(identity.message_id), digest_key(identity.content), identity.message_id,
                  bytes_of(identity.content), copy.arriving.sender, flags, due, idle);
    };
    put(1, waiting, 8 | 16 | 32 | 64, 60'000, std::nullopt);
    put(2, refused, 4 | 8 | 16 | 32 | 64, std::nullopt, 31'000);
    Statement content(database, "INSERT INTO content VALUES(?, ?, ?, ?)");
    for (std::int64_t id : {1, 2}) content.run(id, waiting.header, waiting.body, std::int64_t{9});
    database.exec(R"(
INSERT INTO members VALUES(1, 1, 'a@x', 1, 1, 0, 0, 30000, 0, 30100, '250 ok');
INSERT INTO members VALUES(1, 2, 'b@x', 0, 2, 0, 1000, 60000, 1, 0, '450 later');
INSERT INTO members VALUES(2, 1, 'c@x', 2, 1, 1, 1000, 31000, 0, 31000, '550 no');
INSERT INTO copies VALUES(1, 1, 1800000000000, '127.0.0.1', 'fetcher', 'ESMTP', 'sender@s.example', 'added a@x
');
INSERT INTO attempts VALUES(1, 1, 1800000030000, 'sink:25', 1, 0, '250 ok');
UPDATE ledger SET time = 40000, wall = 1800000000000, next_group = 3, copies = 3, messages = 2, delivered = 1, failed = 1;
)");
}

/// A spool that version 1 left, not opened yet.
struct OldBench : Bench {
    explicit OldBench(Files& files = posix_files(), std::string vfs = "") : Bench(files, std::move(vfs)) {
        close();
        for (const char* name : {"/ledger.db", "/ledger.db-wal", "/ledger.db-shm"}) fs::remove(path() + name);
        write_version_1(path() + "/ledger.db");
    }
    std::int64_t version() {
        return Database(path() + "/ledger.db", Database::Mode::read_only, "").integer("PRAGMA user_version");
    }
};

/// Every column of every table, in order, and every index.
std::vector<std::string> schema_of(const std::string& path) {
    Database database(path + "/ledger.db", Database::Mode::read_only, "");
    Statement columns(database,
                      "SELECT m.name || '.' || c.cid || ' ' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || "
                      "ifnull(c.dflt_value, '') || ' ' || c.pk FROM sqlite_master m, pragma_table_info(m.name) c "
                      "WHERE m.type = 'table' UNION ALL SELECT sql FROM sqlite_master WHERE type = 'index' AND sql NOT NULL "
                      "ORDER BY 1");
    std::vector<std::string> found;
    for (Rows row = columns.query(); row.next();) found.push_back(row.text(0));
    return found;
}

void check_all_is_there(Bench& bench) {
    CHECK(bench.offer(make_copy({"a@x"}, "<1@x>", 1)).verdicts == std::vector{Verdict::suppressed});
    bench.pass(seconds(60));
    Due due = bench.take_due().at(0);
    REQUIRE(due.group == 1);
    CHECK(due.options == message::MailOptions{});
    REQUIRE(due.recipients.size() == 1);
    CHECK(due.recipients[0].address == "b@x");
    CHECK(due.recipients[0].options == message::RecipientOptions{});
    CHECK(due.content->body == "\r\nhello\r\n");
    GroupRecord record = Reader(bench.path()).why("<1@x>").at(0);
    CHECK(record.members[1].reply == "450 later");
    CHECK(record.copies.at(0).helo == "fetcher");
    CHECK(record.attempts.at(0).reply == "250 ok");
    record = Reader(bench.path()).why("<2@x>").at(0);
    CHECK(record.members[0].state == State::failed);
    CHECK(record.members[0].recovered);
}

}  // namespace

TEST_SUITE_BEGIN("schema");

TEST_CASE("a spool of version 1 is brought to this version with all that is in it") {
    OldBench bench;
    bench.open();
    CHECK_FALSE(bench.spool().ledger().smtputf8());
    check_all_is_there(bench);
    CHECK(bench.offer(make_copy({"d@x"}, "<3@x>", 3)).group == 3);
    CHECK(Reader(bench.path()).counts().totals.copies == 5);
    bench.die();
    CHECK(bench.version() == spool_version);
    bench.open();
    CHECK(bench.take_due().size() == 1);
}

TEST_CASE("a spool that has grown has the tables of one that was made") {
    OldBench old;
    old.open();
    Bench made;
    CHECK(schema_of(old.path()) == schema_of(made.path()));
    CHECK(schema_of(made.path()).size() > 50);
}

TEST_CASE("a spool is brought to this version wholly or not at all, and the next start goes on") {
    FaultyDisk::install();
    for (auto fault : {FaultyDisk::Fault::full, FaultyDisk::Fault::io}) {
        int refused = 0;
        std::set<std::int64_t> versions;
        for (int calls = 0; calls < 30; ++calls) {
            OldBench bench(posix_files(), FaultyDisk::vfs);
            FaultyDisk::calls_until = calls;
            FaultyDisk::sqlite_writes = fault;
            try {
                bench.open();
            } catch (const SpoolError&) {
                ++refused;
            }
            bench.die();
            FaultyDisk::heal();
            versions.insert(bench.version());
            bench.open();
            check_all_is_there(bench);
            CHECK(bench.version() == spool_version);
        }
        CHECK(refused > 3);
        CHECK(refused < 30);
        CHECK(versions == std::set<std::int64_t>{1, spool_version});
    }
}

TEST_CASE("where that could not be synced, the next start writes it anew before anything is written behind it") {
    FaultyDisk::install();
    OldBench bench(posix_files(), FaultyDisk::vfs);
    FaultyDisk::calls_until = 1;  // that of the log's first bytes
    FaultyDisk::sqlite_syncs = FaultyDisk::Fault::io;
    CHECK_THROWS_AS(bench.open(), SpoolError);
    FaultyDisk::heal();
    CHECK(bench.version() == spool_version);
    FaultyDisk::bytes_written = 0;
    bench.open();
    CHECK(FaultyDisk::bytes_written > fs::file_size(bench.path() + "/ledger.db-wal"));
    check_all_is_there(bench);
}

TEST_CASE("a reader does not bring a spool to another version") {
    OldBench bench;
    CHECK_THROWS_WITH_AS(Reader(bench.path()), doctest::Contains("the spool is of version 1"), SpoolError);
    CHECK(bench.version() == 1);
}

TEST_SUITE_END();
