#include "ledger/schema.h"

#include <iterator>
#include <string>

#include "ledger/spool_error.h"

namespace onecopy::ledger {
namespace {

constexpr std::int64_t application_id = 0x316f6370;  // "1ocp"

/// README.md in this folder explains each column.
constexpr const char* tables = R"(
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
    idle INTEGER,
    ret INTEGER NOT NULL DEFAULT 0,
    envid BLOB NOT NULL DEFAULT x'',
    kind INTEGER NOT NULL DEFAULT 0,
    about INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    subject BLOB NOT NULL DEFAULT x'');
CREATE INDEX groups_by_id ON groups(id_key, content_key) WHERE id_key IS NOT NULL;
CREATE INDEX groups_by_content ON groups(content_key);
CREATE INDEX groups_by_due ON groups(due) WHERE due IS NOT NULL;
CREATE INDEX groups_by_idle ON groups(idle) WHERE idle IS NOT NULL;
CREATE INDEX groups_kept ON groups(idle) WHERE idle IS NOT NULL AND flags & 32;
CREATE INDEX groups_of_delay ON groups(id) WHERE due IS NOT NULL AND kind = 3;
CREATE INDEX groups_crashed ON groups(id) WHERE crashes > 0;
CREATE TABLE members(
    group_id INTEGER NOT NULL, n INTEGER NOT NULL,
    address BLOB NOT NULL, state INTEGER NOT NULL, copy INTEGER NOT NULL, recovered INTEGER NOT NULL,
    since INTEGER NOT NULL, due INTEGER NOT NULL, attempts INTEGER NOT NULL, ended INTEGER NOT NULL, reply BLOB NOT NULL,
    notify INTEGER NOT NULL DEFAULT 0, orcpt BLOB NOT NULL DEFAULT x'',
    apart INTEGER NOT NULL DEFAULT 0, owed INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY(group_id, n)) WITHOUT ROWID;
CREATE INDEX members_failed ON members(group_id) WHERE state = 2;
CREATE INDEX members_owed ON members(group_id) WHERE owed != 0;
CREATE TABLE apart(address BLOB PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
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
    failed INTEGER NOT NULL, possible_duplicates INTEGER NOT NULL,
    smtputf8 INTEGER NOT NULL DEFAULT 0,
    paused INTEGER,
    notices INTEGER NOT NULL DEFAULT 0);
INSERT INTO ledger VALUES(1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, NULL, 0);
)";

/// What makes a spool of version `from` one of the next. Columns come last and have the defaults that stand above, so that
/// it is the same whether it was made or has grown.
struct Migration {
    std::int64_t from;
    const char* sql;
};
constexpr Migration migrations[] = {
    {1, R"(
ALTER TABLE groups ADD COLUMN ret INTEGER NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN envid BLOB NOT NULL DEFAULT x'';
ALTER TABLE members ADD COLUMN notify INTEGER NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN orcpt BLOB NOT NULL DEFAULT x'';
ALTER TABLE ledger ADD COLUMN smtputf8 INTEGER NOT NULL DEFAULT 0;
DROP INDEX groups_by_id;
CREATE INDEX groups_by_id ON groups(id_key, content_key) WHERE id_key IS NOT NULL;
)"},
    {2, R"(
ALTER TABLE groups ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN about INTEGER NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN apart INTEGER NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN owed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN paused INTEGER;
ALTER TABLE ledger ADD COLUMN notices INTEGER NOT NULL DEFAULT 0;
CREATE TABLE apart(address BLOB PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX groups_kept ON groups(idle) WHERE idle IS NOT NULL AND flags & 32;
CREATE INDEX groups_of_delay ON groups(id) WHERE due IS NOT NULL AND kind = 3;
CREATE INDEX groups_crashed ON groups(id) WHERE crashes > 0;
CREATE INDEX members_owed ON members(group_id) WHERE owed != 0;
)"},
    {3, R"(
ALTER TABLE groups ADD COLUMN subject BLOB NOT NULL DEFAULT x'';
)"},
};
static_assert(std::size(migrations) == spool_version - 1);

void set_version(Database& database) {
    database.exec(("PRAGMA user_version=" + std::to_string(spool_version)).c_str());
}

void create(Database& database) {
    database.exec("BEGIN IMMEDIATE");
    database.exec(tables);
    database.exec(("PRAGMA application_id=" + std::to_string(application_id)).c_str());
    set_version(database);
    database.exec("COMMIT");
}

/// One transaction: a start that dies in it, or finds no room, has changed nothing.
void migrate(Database& database) {
    std::int64_t version = database.integer("PRAGMA user_version");
    if (version == spool_version) return;
    database.exec("BEGIN IMMEDIATE");
    for (const Migration& step : migrations) {
        if (step.from >= version) database.exec(step.sql);
    }
    set_version(database);
    database.exec("COMMIT");
}

void check_version(Database& database, std::int64_t oldest) {
    if (database.integer("PRAGMA application_id") != application_id) {
        throw SpoolError("ledger.db is not a spool of onecopy's; move it away, or set spool.directory to another place");
    }
    std::int64_t version = database.integer("PRAGMA user_version");
    if (version >= oldest && version <= spool_version) return;
    throw SpoolError("the spool is of version " + std::to_string(version) + ", this onecopyd knows version " +
                     std::to_string(spool_version) + "; install the onecopyd that wrote it, or a newer one");
}

}  // namespace

void open_spool(Database& database) {
    bool fresh = database.integer("SELECT count(*) FROM sqlite_master") == 0 && database.integer("PRAGMA user_version") == 0;
    if (!fresh) check_version(database, migrations[0].from);
    if (fresh) database.exec("PRAGMA auto_vacuum=INCREMENTAL");  // later it would only be written
    std::string mode = database.text("PRAGMA journal_mode=WAL");
    database.exec("PRAGMA synchronous=FULL");
    if (mode != "wal" || database.integer("PRAGMA synchronous") != 2) {
        throw SpoolError("SQLite can't keep a write-ahead log in the spool's directory (journal mode " + mode + ")");
    }
    database.exec(
        "PRAGMA secure_delete=FAST; PRAGMA mmap_size=0; PRAGMA cache_size=-32768; PRAGMA temp_store=MEMORY;"
        "PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=67108864");
    if (fresh) {
        create(database);
    } else {
        migrate(database);
    }
}

void open_spool_for_reading(Database& database) {
    check_version(database, spool_version);
    database.exec("PRAGMA query_only=1; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY");
}

}  // namespace onecopy::ledger
