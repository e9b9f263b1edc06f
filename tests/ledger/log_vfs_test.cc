#include "ledger/log_vfs.h"

#include <doctest/doctest.h>

#include "fixture.h"
#include "ledger/sqlite.h"

using namespace onecopy::ledger;
using onecopy::ledger::testing::TemporaryDirectory;

TEST_SUITE_BEGIN("log vfs");

/// SQLite then writes their frames before the commit, some of them again in their places, and the headers of all behind that
/// once more: the last of these is the last write, and the page behind it is not written again.
TEST_CASE("a commit whose pages did not all fit in the cache is whole, also where the log grows by it") {
    TemporaryDirectory directory;
    const std::string path = directory.path() + "/a.db";
    Database writing(path, Database::Mode::read_write, log_vfs(""));
    writing.exec(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=4;"
        "CREATE TABLE t(id INTEGER PRIMARY KEY, bytes BLOB);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) INSERT INTO t SELECT i, x'' FROM n");
    for (int commits = 0; commits < 30; ++commits) {
        writing.exec(
            "BEGIN; UPDATE t SET bytes = randomblob(3000); UPDATE t SET bytes = randomblob(3000) WHERE id IN (1, 10, 20); "
            "COMMIT");
        Database reading(path, Database::Mode::read_only, "");
        REQUIRE(reading.text("PRAGMA integrity_check") == "ok");
        REQUIRE(reading.integer("SELECT sum(length(bytes)) FROM t") == 60000);
    }
}

TEST_SUITE_END();
