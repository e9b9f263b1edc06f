#include "ledger/sqlite.h"

#include <sqlite3.h>

#include <algorithm>

namespace onecopy::ledger {
namespace {

constexpr int patience = 5000;  // milliseconds, for what another connection keeps from being done

[[noreturn]] void fail(sqlite3* handle) {
    int code = sqlite3_extended_errcode(handle);
    throw SqliteError(std::string(sqlite3_errmsg(handle)) + " (SQLite " + std::to_string(code) + ")", code);
}

/// SQLite counts its memory under a lock, at each allocation and each release; nobody asks for these numbers. Without effect
/// where it runs already.
void count_no_memory() {
    [[maybe_unused]] static const int once = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

}  // namespace

std::string sqlite_version() {
    return sqlite3_libversion();
}

bool SqliteError::disk_full() const {
    return (code_ & 0xff) == SQLITE_FULL;
}

bool SqliteError::damaged() const {
    return (code_ & 0xff) == SQLITE_CORRUPT || (code_ & 0xff) == SQLITE_NOTADB;
}

void Database::Close::operator()(sqlite3* handle) const {
    sqlite3_close_v2(handle);
}

Database::Database(const std::string& path, Mode mode, const std::string& vfs) {
    count_no_memory();
    sqlite3* handle = nullptr;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                (mode == Mode::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    int code = sqlite3_open_v2(path.c_str(), &handle, flags, vfs.empty() ? nullptr : vfs.c_str());
    handle_.reset(handle);
    if (code != SQLITE_OK) throw SqliteError(path + ": " + sqlite3_errstr(code), code);
    sqlite3_busy_timeout(handle, patience);
}

void Database::exec(const char* sql) {
    if (sqlite3_exec(native(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(native());
}

std::int64_t Database::integer(const char* sql) {
    Statement statement(*this, sql);
    Rows rows = statement.query();
    return rows.next() ? rows.integer(0) : 0;
}

std::string Database::text(const char* sql) {
    Statement statement(*this, sql);
    Rows rows = statement.query();
    return rows.next() ? rows.text(0) : std::string();
}

bool Database::in_autocommit() const {
    return sqlite3_get_autocommit(native()) != 0;
}

Database::Impatience::Impatience(Database& database) : database_(database) {
    sqlite3_busy_timeout(database_.native(), 0);
}

Database::Impatience::~Impatience() {
    sqlite3_busy_timeout(database_.native(), patience);
}

void Database::interrupt() {
    sqlite3_interrupt(native());
}

void Database::checkpoint_at_close(bool wanted) {
    sqlite3_db_config(native(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, wanted ? 0 : 1, nullptr);
}

Rows::~Rows() {
    sqlite3_reset(statement_);
}

bool Rows::next() {
    switch (sqlite3_step(statement_)) {
        case SQLITE_ROW:
            return true;
        case SQLITE_DONE:
            return false;
        default:
            fail(database_.native());
    }
}

std::int64_t Rows::integer(int column) const {
    return sqlite3_column_int64(statement_, column);
}

std::int64_t Rows::amount(int column) const {
    constexpr std::int64_t most = std::int64_t{1} << 60;  // milliseconds: thirty million years
    return std::clamp(integer(column), -most, most);
}

bool Rows::is_null(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::string_view Rows::bytes(int column) const {
    auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    return {data ? data : "", static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

Statement::Statement(Database& database, const char* sql) : database_(database) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(database.native(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
        fail(database.native());
    }
    statement_.reset(statement);
}

void Statement::bind(int position, std::int64_t value) {
    if (sqlite3_bind_int64(statement_.get(), position, value) != SQLITE_OK) fail(database_.native());
}

/// The bytes stay with the caller until the run is over: no copy.
void Statement::bind(int position, std::string_view bytes) {
    const char* data = bytes.data() ? bytes.data() : "";
    if (sqlite3_bind_blob64(statement_.get(), position, data, bytes.size(), SQLITE_STATIC) != SQLITE_OK)
        fail(database_.native());
}

void Statement::bind(int position, std::optional<std::int64_t> value) {
    if (value) return bind(position, *value);
    if (sqlite3_bind_null(statement_.get(), position) != SQLITE_OK) fail(database_.native());
}

}  // namespace onecopy::ledger
