#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "chance.h"
#include "ledger/files.h"

namespace onecopy::stateful {

/// A disk that keeps what was synced, and of the rest what chance leaves. SQLite's files live in memory (a VFS of the name
/// below), segments in a real directory, but for what was not synced.
class Disk {
public:
    static constexpr const char* vfs = "simulated";
    /// The one that the VFS writes to.
    static Disk& the();

    void begin(Chance& chance);
    /// From so many calls on nothing reaches the disk, and every call fails: the moment of the crash.
    void die_after(std::uint64_t calls);
    /// Calls that write fail with ENOSPC, until it is empty again.
    void set_full(bool full) { full_ = full; }
    /// One call among so many fails with EIO; 0: none.
    void set_unreliable(std::uint64_t one_in);
    bool dead() const { return dead_; }
    std::uint64_t calls() const { return calls_; }

    /// The process is gone. `power`: what was not synced may be lost, or torn in sectors. All is well afterwards.
    void crash(bool power);

    enum class Answer { ok, full, error };
    Answer call();

    struct Store {
        struct Write {
            std::uint64_t at = 0;
            std::string bytes;
            bool cut = false;  // to `at`
        };
        std::string durable, current;
        std::vector<Write> unsynced;

        void write(std::uint64_t at, std::string_view bytes);
        void cut(std::uint64_t at);
        void sync();
        void crash(bool power, Chance& chance);
    };
    std::map<std::string, std::shared_ptr<Store>> stores;
    std::map<std::string, std::string> unsynced_segments;  // path: bytes that were appended and not synced
    std::map<std::string, bool> named;                     // path: its directory was synced since it was made

private:
    Chance* chance_ = nullptr;
    Chance luck_{0};  // of single calls
    std::uint64_t calls_ = 0;
    std::uint64_t dies_at_ = 0;
    std::uint64_t unreliable_ = 0;
    bool dead_ = false;
    bool full_ = false;
};

/// The spool's other files on that disk.
class DiskFiles : public ledger::Files {
public:
    std::unique_ptr<ledger::File> create(const std::string& path) override;
    void sync_directory(const std::string& path) override;
    void unlink(const std::string& path) override;
    void make_directory(const std::string& path) override { ledger::posix_files().make_directory(path); }
    std::vector<std::string> list(const std::string& directory) override { return ledger::posix_files().list(directory); }
    std::uint64_t size(const std::string& path) override;
    std::uint64_t free_bytes(const std::string&) override { return std::uint64_t{1} << 40; }
    void reserve(const std::string& path, std::uint64_t) override { ledger::posix_files().reserve(path, 4096); }
};

}  // namespace onecopy::stateful
