#pragma once

#include "ledger/sqlite.h"

namespace onecopy::ledger {

/// The version of the spool that this program writes (SQLite's user_version).
constexpr int spool_version = 1;

/// Sets the connection up for writing (WAL, one fdatasync a commit), makes the tables of a new spool, and refuses another
/// version's or another program's file. Throws SpoolError, SqliteError.
void open_spool(Database& database);

/// The same for a connection that only reads.
void open_spool_for_reading(Database& database);

}  // namespace onecopy::ledger
