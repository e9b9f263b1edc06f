#pragma once

#include <string>

namespace onecopy::ledger {

/// The name of a VFS of SQLite's over `below` (empty: SQLite's own), which it registers the first time. It differs in one
/// thing: what is appended to the write-ahead log reaches the system when the log is synced, as one write for up to 128 KiB,
/// where SQLite writes each page and the 24 bytes before it apart. With synchronous=FULL every commit ends with a sync,
/// before other connections are told of it; an error of the write is then the sync's, and the commit's, with the same code.
std::string gathering_vfs(const std::string& below);

}  // namespace onecopy::ledger
