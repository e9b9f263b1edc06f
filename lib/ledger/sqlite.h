#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace onecopy::ledger {

/// `3.40.1`.
std::string sqlite_version();

/// SQLite said no; code() is its extended result code.
class SqliteError : public std::runtime_error {
public:
    SqliteError(const std::string& what, int code) : std::runtime_error(what), code_(code) {}
    int code() const { return code_; }
    bool disk_full() const;
    bool damaged() const;  // the file does not hold what it should

private:
    int code_;
};

/// A connection to one database file; one thread. Values are always bound, never pasted into SQL.
class Database {
public:
    enum class Mode { read_write, read_only };

    Database(const std::string& path, Mode mode, const std::string& vfs);

    void exec(const char* sql);
    std::int64_t integer(const char* sql);
    std::string text(const char* sql);
    /// No transaction is open: SQLite may have rolled back by itself.
    bool in_autocommit() const;
    /// Whether SQLite copies what is left of the log to the database, and removes the log, when the last connection ends.
    void checkpoint_at_close(bool wanted);
    /// As long as it lives: what another connection keeps from being done is not waited for.
    class Impatience {
    public:
        explicit Impatience(Database& database);
        ~Impatience();
        Impatience(const Impatience&) = delete;

    private:
        Database& database_;
    };
    /// From any thread: the statements that run now end with an error.
    void interrupt();
    sqlite3* native() const { return handle_.get(); }

private:
    struct Close {
        void operator()(sqlite3* handle) const;
    };
    std::unique_ptr<sqlite3, Close> handle_;
};

/// The rows of one run of a statement; resets it at the end.
class Rows {
public:
    Rows(Database& database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
    ~Rows();
    Rows(const Rows&) = delete;

    bool next();
    std::int64_t integer(int column) const;
    /// For what is reckoned with, times and counts: so far from the ends of the type, whatever stands there, that the sum of
    /// some is another.
    std::int64_t amount(int column) const;
    bool is_null(int column) const;
    /// Valid until next().
    std::string_view bytes(int column) const;
    std::string text(int column) const { return std::string(bytes(column)); }

private:
    Database& database_;
    sqlite3_stmt* statement_;
};

/// A prepared statement, kept for as long as the database is open.
class Statement {
public:
    Statement(Database& database, const char* sql);

    /// Binds the parameters in order; strings as blobs (mail is not always UTF-8).
    template <typename... Values>
    Rows query(const Values&... values) {
        int position = 0;
        (bind(++position, values), ...);
        return Rows(database_, statement_.get());
    }
    template <typename... Values>
    void run(const Values&... values) {
        Rows rows = query(values...);
        while (rows.next()) {
        }
    }

private:
    void bind(int position, std::int64_t value);
    void bind(int position, std::string_view bytes);
    void bind(int position, std::optional<std::int64_t> value);  // none: NULL

    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    Database& database_;
    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

}  // namespace onecopy::ledger
