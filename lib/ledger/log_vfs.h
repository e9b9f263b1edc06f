#pragma once

#include <string>

namespace onecopy::ledger {

/// The name of a VFS of SQLite's over `below` (empty: SQLite's own), which it registers the first time. It differs in how
/// the write-ahead log is written:
///
/// What is appended to it reaches the system when the log is synced, as one write for up to 128 KiB, where SQLite writes
/// each page and the 24 bytes before it apart. With synchronous=FULL every commit ends with a sync, before other connections
/// are told of it; an error of the write is then the sync's, and the commit's, with the same code.
///
/// Where a commit of up to 128 KiB makes the file grow it grows by 256 KiB more, of zeros, so that most such commits write
/// over what is there: a sync then need not wait for the journal of the file system, which takes as long as the bytes. Zeros
/// are no frame of a log; a disk that has no room for them has it for the commit itself, or not.
std::string log_vfs(const std::string& below);

}  // namespace onecopy::ledger
