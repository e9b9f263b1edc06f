#include "spool_versions.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <vector>

#include "ledger/schema.h"
#include "ledger/sqlite.h"
#include "world.h"

namespace simulation {
namespace {

using onecopy::ledger::Database;
using onecopy::ledger::SqliteError;

/// What version `to` + 1 brought, and how it goes again.
struct Step {
    std::int64_t to;
    std::vector<const char*> unknown;  // what version `to` could not have left: a count each
    std::vector<const char*> lost;     // columns that may go with what stands in them, as far as a run is concerned
    const char* undo;
};

/// The latest first; each leaves the tables and indexes as that version made them. Of version 1 there were two: in a later
/// one groups_by_id has both keys.
const std::vector<Step>& steps() {
    static const std::vector<Step> all = {
        {3, {}, {"groups.subject"}, "ALTER TABLE groups DROP COLUMN subject;"},
        {2,
         {"groups WHERE kind != 0 OR about != 0 OR crashes != 0",
          "members WHERE apart != 0 OR owed != 0 OR told != 0 OR state IN (3, 5)",  // dropped, forgotten
          "ledger WHERE paused IS NOT NULL OR notices != 0", "apart", "attempts WHERE what = 4"},
         {},
         "DROP INDEX members_owed; DROP INDEX groups_crashed; DROP INDEX groups_of_delay; DROP INDEX groups_kept;"
         "DROP TABLE apart;"
         "ALTER TABLE ledger DROP COLUMN notices; ALTER TABLE ledger DROP COLUMN paused;"
         "ALTER TABLE members DROP COLUMN told; ALTER TABLE members DROP COLUMN owed;"
         "ALTER TABLE members DROP COLUMN apart;"
         "ALTER TABLE groups DROP COLUMN crashes; ALTER TABLE groups DROP COLUMN about;"
         "ALTER TABLE groups DROP COLUMN kind;"},
        {1,
         {"groups WHERE ret != 0 OR envid != x'' OR flags & 128", "members WHERE notify != 0 OR orcpt != x''"},
         {"ledger.smtputf8"},
         "DROP INDEX groups_by_id;"
         "ALTER TABLE ledger DROP COLUMN smtputf8;"
         "ALTER TABLE members DROP COLUMN orcpt; ALTER TABLE members DROP COLUMN notify;"
         "ALTER TABLE groups DROP COLUMN envid; ALTER TABLE groups DROP COLUMN ret;"},
    };
    return all;
}

constexpr std::int64_t newest = onecopy::ledger::spool_version;
static_assert(newest == 4, "steps() must know how a spool of this version becomes one of the version before");

std::string index_of_version_1() {
    const char* keys = world->chance(50) ? "id_key" : "id_key, content_key";
    return "CREATE INDEX groups_by_id ON groups(" + std::string(keys) + ") WHERE id_key IS NOT NULL;";
}

/// What each start writes: it stays as it is where that is refused.
const std::vector<std::string>& written_at_start() {
    static const std::vector<std::string> columns = {"groups.flags", "ledger.time",       "ledger.left_out",
                                                     "ledger.wall",  "ledger.next_group", "ledger.clean"};
    return columns;
}

std::uint64_t sum_of(const std::string& text, std::uint64_t sum = 14695981039346656037u) {
    for (unsigned char c : text) sum = (sum ^ c) * 1099511628211u;
    return sum;
}

std::vector<std::string> texts(Database& database, const std::string& sql) {
    onecopy::ledger::Statement statement(database, sql.c_str());
    std::vector<std::string> found;
    for (onecopy::ledger::Rows row = statement.query(); row.next();) found.push_back(row.text(0));
    return found;
}

std::uint64_t sum_of(Database& database, const std::string& sql) {
    std::uint64_t sum = sum_of("");
    for (const std::string& row : texts(database, sql)) sum = sum_of(row + "\n", sum);
    return sum;
}

std::set<std::string> schema_of(Database& database) {
    const std::vector<std::string> all =
        texts(database,
              "SELECT m.name || '.' || c.cid || ' ' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || "
              "ifnull(c.dflt_value, '') || ' ' || c.pk FROM sqlite_master m, pragma_table_info(m.name) c "
              "WHERE m.type = 'table' UNION ALL SELECT sql FROM sqlite_master WHERE type = 'index' AND sql NOT NULL");
    return {all.begin(), all.end()};
}

std::string in_words(const std::string& column) {
    return "quote(" + column + ")";
}

/// In `lost` there is nothing to be compared; what a start writes stands apart, but for the flags of which it writes one.
std::map<std::string, std::uint64_t> content_of(Database& database, const std::vector<const char*>& lost) {
    std::map<std::string, std::uint64_t> content;
    std::string passing;
    for (const std::string& table : texts(database, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")) {
        std::string kept = "''", written = "''";
        for (const std::string& column : texts(database, "SELECT name FROM pragma_table_info('" + table + "')")) {
            const std::string name = table + "." + column;
            if (std::ranges::count(lost, name) > 0) continue;
            const bool at_start = std::ranges::count(written_at_start(), name) > 0;
            (at_start ? written : kept) += " || ',' || " + in_words(column);
            if (column == "flags") kept += " || ',' || " + in_words("flags & ~16");
        }
        content["table " + table] = sum_of(database, "SELECT " + kept + " AS line FROM " + table + " ORDER BY line");
        content["start " + table] = sum_of(database, "SELECT " + written + " AS line FROM " + table + " ORDER BY line");
    }
    return content;
}

/// Names and sizes of those in which something is kept, beside the database.
std::uint64_t files_beside(const std::string& spool) {
    std::set<std::string> all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(spool)) {
        const std::string name = entry.path().filename().string();
        if (!entry.is_regular_file() || name.starts_with("ledger.db") || name == "lock" || name == "reserve") continue;
        all.insert(name + " " + std::to_string(entry.file_size()) + "\n");
    }
    std::uint64_t sum = sum_of("");
    for (const std::string& one : all) sum = sum_of(one, sum);
    return sum;
}

/// For itself alone: without an index of the log that others would find.
Database open_alone(const std::string& path) {
    Database database(path, Database::Mode::read_write, "");
    database.checkpoint_at_close(false);
    database.exec("PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=OFF");
    return database;
}

bool could_have_left(Database& database, const Step& step) {
    return std::ranges::all_of(step.unknown, [&](const char* rows) {
        return database.integer(("SELECT count(*) FROM " + std::string(rows)).c_str()) == 0;
    });
}

/// The oldest version that could have left what stands there.
std::int64_t oldest(Database& database, bool smtputf8_matters) {
    std::int64_t version = newest;
    for (const Step& step : steps()) {
        const bool known = step.to == 1 && smtputf8_matters && database.integer("SELECT smtputf8 FROM ledger") != 0;
        if (known || !could_have_left(database, step)) break;
        version = step.to;
    }
    return version;
}

std::string pragma(std::int64_t version) {
    return "PRAGMA user_version=" + std::to_string(version) + ";";
}

/// Its log is left behind, or copied back and gone.
void end(Database& database) {
    if (world->chance(50)) database.checkpoint_at_close(true);
}

}  // namespace

SpoolVersions::Had SpoolVersions::before_start(bool may_change) {
    const Disk::Outside outside(disk_);
    if (!std::filesystem::exists(path())) return Had::nobody;
    if (had_ != Had::nobody) look_at_last_start();
    if (had_ == Had::nobody && may_change) change();
    if (had_ == Had::nobody) return had_;
    record_.meetings.emplace_back().met = met_;
    if (had_ == Had::older) record_.meetings.back().grown = grown_;
    return had_;
}

void SpoolVersions::opened() {
    if (had_ == Had::nobody) return;
    const Disk::Outside outside(disk_);
    record_.meetings.back().opened = true;
    look(true);
    had_ = Had::nobody;
}

bool SpoolVersions::refused(const std::string& words) {
    if (had_ == Had::nobody) return false;
    record_.meetings.back().words = words;
    return had_ == Had::newer;
}

SpoolImage SpoolVersions::image(bool in_use) const {
    Database database = in_use ? Database(path(), Database::Mode::read_only, "") : open_alone(path());
    SpoolImage image;
    image.version = database.integer("PRAGMA user_version");
    image.schema = schema_of(database);
    image.content = content_of(database, lost_);
    image.content["files"] = files_beside(disk_.spool());
    return image;
}

void SpoolVersions::look(bool in_use) {
    Meeting& meeting = record_.meetings.back();
    try {
        meeting.found = image(in_use);
    } catch (const SqliteError& error) {
        meeting.unreadable = error.what();
    }
}

void SpoolVersions::look_at_last_start() {
    look(false);
    const std::optional<SpoolImage>& found = record_.meetings.back().found;
    if (had_ == Had::newer && found) set_version(newest);
    if (had_ == Had::newer || !found || found->version == newest) had_ = Had::nobody;
}

/// What the process could not read is not for another version either.
void SpoolVersions::change() try {
    lost_.clear();
    std::int64_t first = 0;
    {
        Database database = open_alone(path());
        if (database.integer("PRAGMA user_version") != newest) return;  // not made yet
        first = oldest(database, record_.international);
    }
    if (world->chance(25)) {
        set_version(newest + 1);
        had_ = Had::newer;
    } else {
        const auto choice = static_cast<std::uint64_t>(newest - first);
        become_older(world->chance(60) ? first : first + static_cast<std::int64_t>(world->below(choice)));
        had_ = Had::older;
    }
    met_ = image(false);
    world->trace("the spool is of version " + std::to_string(met_.version));
} catch (const SqliteError& error) {
    world->trace(std::string("no other version has the spool: ") + error.what());
}

void SpoolVersions::become_older(std::int64_t version) {
    for (const Step& step : steps()) {
        if (step.to >= version) lost_.insert(lost_.end(), step.lost.begin(), step.lost.end());
    }
    grown_ = image(false);
    Database database = open_alone(path());
    database.exec("BEGIN IMMEDIATE");
    for (const Step& step : steps()) {
        if (step.to >= version) database.exec(step.undo);
    }
    if (version == 1) database.exec(index_of_version_1().c_str());
    database.exec((pragma(version) + "COMMIT").c_str());
    end(database);
    disk_.is_safe(path());
    disk_.is_safe(path() + "-wal");
}

void SpoolVersions::set_version(std::int64_t version) {
    Database database = open_alone(path());
    database.exec(pragma(version).c_str());
    end(database);
    disk_.is_safe(path());
    disk_.is_safe(path() + "-wal");
}

}  // namespace simulation
