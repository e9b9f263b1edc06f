#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "ledger/files.h"

namespace onecopy::ledger::testing {

/// A disk whose calls fail when a test says so: for SQLite a VFS of this name, for everything else a Files.
struct FaultyDisk {
    enum class Fault { none, full, io };
    static constexpr const char* vfs = "faulty";

    /// What writes and syncs of SQLite's files get from now on, after `calls_until` more of them.
    static std::atomic<Fault> sqlite_writes, sqlite_syncs;
    static std::atomic<int> calls_until;
    static std::atomic<int> calls_failing;  // so many, then they work again
    /// Pages that hold a long run of that character and nothing else can't be read; 0: all can be.
    static std::atomic<char> unreadable;
    static std::atomic<std::uint64_t> bytes_written;
    /// SQLite's, for what another connection keeps from being done: how many, and what happens in each. They take no time.
    static std::atomic<unsigned> waits;
    static std::function<void()> on_wait;
    static void heal();
    static void install();
};

/// The real file system, with appends, syncs and room as a test wants them.
class FaultyFiles : public Files {
public:
    bool append_fails = false, sync_fails = false;
    std::uint64_t free = std::uint64_t{1} << 40;

    std::unique_ptr<File> create(const std::string& path) override;
    void sync_directory(const std::string& path) override { posix_files().sync_directory(path); }
    void unlink(const std::string& path) override { posix_files().unlink(path); }
    void make_directory(const std::string& path) override { posix_files().make_directory(path); }
    std::vector<std::string> list(const std::string& directory) override { return posix_files().list(directory); }
    std::uint64_t size(const std::string& path) override { return posix_files().size(path); }
    std::uint64_t free_bytes(const std::string&) override { return free; }
    void reserve(const std::string& path, std::uint64_t) override { posix_files().reserve(path, 4096); }
};

}  // namespace onecopy::ledger::testing
