#pragma once

#include "ledger/sqlite.h"

namespace onecopy::ledger {

/// The version of the spool that this program writes (SQLite's user_version).
constexpr int spool_version = 4;

/// Sets the connection up for writing (WAL, one fdatasync a commit), makes the tables of a new spool, and brings an older
/// one to this version, wholly or not at all. Refuses a newer version's or another program's file. Throws SpoolError,
/// SqliteError.
void open_spool(Database& database);

/// For a connection that only reads, beside one that writes: the spool must be of this version.
void open_spool_for_reading(Database& database);

}  // namespace onecopy::ledger
