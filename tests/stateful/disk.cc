#include "disk.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

namespace onecopy::stateful {
namespace {

constexpr std::uint64_t sector = 512;

struct OpenFile {
    sqlite3_file base;
    Disk::Store* store;
    std::shared_ptr<Disk::Store>* holder;
    std::vector<std::string>* shared;  // regions of the index of the write-ahead log; lost with the process
};

OpenFile& of(sqlite3_file* file) {
    return *reinterpret_cast<OpenFile*>(file);
}

int code(int io_error) {
    switch (Disk::the().call()) {
        case Disk::Answer::ok:
            return SQLITE_OK;
        case Disk::Answer::full:
            return SQLITE_FULL;
        case Disk::Answer::error:
            return io_error;
    }
    return io_error;
}

int x_close(sqlite3_file* file) {
    delete of(file).holder;
    delete of(file).shared;
    of(file).base.pMethods = nullptr;
    return SQLITE_OK;
}

int x_read(sqlite3_file* file, void* bytes, int size, sqlite3_int64 at) {
    const std::string& all = of(file).store->current;
    const auto from = static_cast<std::size_t>(at), wanted = static_cast<std::size_t>(size);
    const std::size_t have = from < all.size() ? std::min(wanted, all.size() - from) : 0;
    if (have > 0) std::memcpy(bytes, all.data() + from, have);
    std::memset(static_cast<char*>(bytes) + have, 0, wanted - have);
    return have == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int x_write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at) {
    if (int failed = code(SQLITE_IOERR_WRITE)) return failed;
    of(file).store->write(static_cast<std::uint64_t>(at), {static_cast<const char*>(bytes), static_cast<std::size_t>(size)});
    return SQLITE_OK;
}

int x_truncate(sqlite3_file* file, sqlite3_int64 at) {
    if (int failed = code(SQLITE_IOERR_TRUNCATE)) return failed;
    of(file).store->cut(static_cast<std::uint64_t>(at));
    return SQLITE_OK;
}

int x_sync(sqlite3_file* file, int) {
    if (int failed = code(SQLITE_IOERR_FSYNC)) return failed;
    of(file).store->sync();
    return SQLITE_OK;
}

int x_size(sqlite3_file* file, sqlite3_int64* size) {
    *size = static_cast<sqlite3_int64>(of(file).store->current.size());
    return SQLITE_OK;
}

int x_lock(sqlite3_file*, int) {
    return SQLITE_OK;
}

int x_reserved(sqlite3_file*, int* held) {
    *held = 0;
    return SQLITE_OK;
}

int x_control(sqlite3_file*, int, void*) {
    return SQLITE_NOTFOUND;
}

int x_sector(sqlite3_file*) {
    return sector;
}

int x_characteristics(sqlite3_file*) {
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

int x_map(sqlite3_file* file, int region, int size, int extend, void volatile** at) {
    std::vector<std::string>& shared = *of(file).shared;
    const auto number = static_cast<std::size_t>(region);
    *at = nullptr;
    if (number >= shared.size() && extend == 0) return SQLITE_OK;
    while (shared.size() <= number) shared.emplace_back(static_cast<std::size_t>(size), '\0');
    *at = shared[number].data();
    return SQLITE_OK;
}

int x_map_lock(sqlite3_file*, int, int, int) {
    return SQLITE_OK;
}

void x_barrier(sqlite3_file*) {}

int x_unmap(sqlite3_file* file, int remove) {
    if (remove != 0) of(file).shared->clear();
    return SQLITE_OK;
}

const sqlite3_io_methods methods = {
    2,        x_close,           x_read, x_write,    x_truncate, x_sync,  x_size,  x_lock, x_lock, x_reserved, x_control,
    x_sector, x_characteristics, x_map,  x_map_lock, x_barrier,  x_unmap, nullptr, nullptr};

int v_open(sqlite3_vfs*, const char* name, sqlite3_file* file, int, int* flags) {
    Disk& disk = Disk::the();
    auto* opened = reinterpret_cast<OpenFile*>(file);
    opened->base.pMethods = nullptr;
    std::shared_ptr<Disk::Store> store = std::make_shared<Disk::Store>();
    if (name) {
        std::shared_ptr<Disk::Store>& kept = disk.stores[name];
        if (!kept) kept = store;
        store = kept;
    }
    // A vector of strings would move small ones; regions are large, and stay where they are.
    opened->holder = new std::shared_ptr<Disk::Store>(store);
    opened->shared = new std::vector<std::string>();
    opened->shared->reserve(1024);
    opened->store = store.get();
    opened->base.pMethods = &methods;
    if (flags) *flags = SQLITE_OPEN_READWRITE;
    return SQLITE_OK;
}

int v_delete(sqlite3_vfs*, const char* name, int) {
    if (int failed = code(SQLITE_IOERR_DELETE)) return failed;
    Disk::the().stores.erase(name);
    return SQLITE_OK;
}

int v_access(sqlite3_vfs*, const char* name, int, int* there) {
    const auto found = Disk::the().stores.find(name);
    *there = found != Disk::the().stores.end() && !found->second->current.empty();
    return SQLITE_OK;
}

int v_path(sqlite3_vfs*, const char* name, int size, char* out) {
    std::snprintf(out, static_cast<std::size_t>(size), "%s", name);
    return SQLITE_OK;
}

int v_random(sqlite3_vfs*, int size, char* out) {
    std::memset(out, 0, static_cast<std::size_t>(size));
    return size;
}

int v_sleep(sqlite3_vfs*, int microseconds) {
    return microseconds;
}

int v_time(sqlite3_vfs*, sqlite3_int64* now) {
    *now = 0;
    return SQLITE_OK;
}

int v_error(sqlite3_vfs*, int, char*) {
    return 0;
}

void install() {
    static sqlite3_vfs simulated{};
    if (simulated.zName) return;
    simulated.iVersion = 2;
    simulated.szOsFile = static_cast<int>(sizeof(OpenFile));
    simulated.mxPathname = 512;
    simulated.zName = Disk::vfs;
    simulated.xOpen = v_open;
    simulated.xDelete = v_delete;
    simulated.xAccess = v_access;
    simulated.xFullPathname = v_path;
    simulated.xRandomness = v_random;
    simulated.xSleep = v_sleep;
    simulated.xCurrentTimeInt64 = v_time;
    simulated.xGetLastError = v_error;
    sqlite3_vfs_register(&simulated, 0);
}

void append_to(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::app | std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void require(const char* what) {
    switch (Disk::the().call()) {
        case Disk::Answer::ok:
            return;
        case Disk::Answer::full:
            throw ledger::FileError(what, ENOSPC);
        case Disk::Answer::error:
            throw ledger::FileError(what, EIO);
    }
}

class SegmentFile : public ledger::File {
public:
    explicit SegmentFile(std::string path) : path_(std::move(path)) {}
    void append(std::string_view bytes) override {
        require("append");
        Disk::the().unsynced_segments[path_] += bytes;
    }
    void sync() override {
        require("sync");
        append_to(path_, std::exchange(Disk::the().unsynced_segments[path_], {}));
    }

private:
    std::string path_;
};

}  // namespace

Disk& Disk::the() {
    static Disk disk;
    return disk;
}

void Disk::begin(Chance& chance) {
    *this = Disk();
    chance_ = &chance;
    sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, 1, nullptr);  // the first VFS is asked for chance, not this one
    install();
}

void Disk::die_after(std::uint64_t calls) {
    dies_at_ = calls_ + calls + 1;
}

void Disk::set_unreliable(std::uint64_t one_in) {
    unreliable_ = one_in;
    if (one_in != 0) luck_ = chance_->fork();
}

Disk::Answer Disk::call() {
    ++calls_;
    if (dies_at_ != 0 && calls_ >= dies_at_) dead_ = true;
    if (dead_) return Answer::error;
    if (full_) return Answer::full;
    return unreliable_ != 0 && luck_.one_in(unreliable_) ? Answer::error : Answer::ok;
}

void Disk::crash(bool power) {
    Chance chance = chance_->fork();
    for (auto& [path, store] : stores) store->crash(power, chance);
    for (auto& [path, bytes] : unsynced_segments) {
        append_to(path, std::string_view(bytes).substr(0, power ? chance.below(bytes.size() + 1) : bytes.size()));
    }
    for (auto& [path, kept] : named) {
        if (power && !kept && chance.one_in(2)) ledger::posix_files().unlink(path);
    }
    unsynced_segments.clear();
    named.clear();
    dies_at_ = 0;
    dead_ = full_ = false;
    unreliable_ = 0;
}

void Disk::Store::write(std::uint64_t at, std::string_view bytes) {
    unsynced.push_back({at, std::string(bytes), false});
    if (current.size() < at + bytes.size()) current.resize(at + bytes.size(), '\0');
    current.replace(at, bytes.size(), bytes);
}

void Disk::Store::cut(std::uint64_t at) {
    unsynced.push_back({at, {}, true});
    current.resize(at, '\0');
}

void Disk::Store::sync() {
    for (const Write& write : unsynced) {
        if (write.cut) {
            durable.resize(write.at, '\0');
            continue;
        }
        if (durable.size() < write.at + write.bytes.size()) durable.resize(write.at + write.bytes.size(), '\0');
        durable.replace(write.at, write.bytes.size(), write.bytes);
    }
    unsynced.clear();
}

/// Sectors reach the disk in any order, each whole or not at all.
void Disk::Store::crash(bool power, Chance& chance) {
    if (!power) {
        sync();
    } else {
        const std::uint64_t lost = chance.below(4);  // of four
        std::vector<Write> left;
        for (const Write& write : std::exchange(unsynced, {})) {
            if (write.cut) {
                if (chance.below(4) >= lost) left.push_back(write);
                continue;
            }
            for (std::uint64_t at = 0; at < write.bytes.size();) {
                const std::uint64_t end =
                    std::min<std::uint64_t>(write.bytes.size(), (write.at + at) / sector * sector + sector - write.at);
                if (chance.below(4) >= lost) left.push_back({write.at + at, write.bytes.substr(at, end - at), false});
                at = end;
            }
        }
        unsynced = std::move(left);
        sync();
    }
    current = durable;
}

std::unique_ptr<ledger::File> DiskFiles::create(const std::string& path) {
    require("create");
    append_to(path, {});
    Disk::the().named[path] = false;
    Disk::the().unsynced_segments[path];
    return std::make_unique<SegmentFile>(path);
}

void DiskFiles::sync_directory(const std::string& path) {
    require("sync_directory");
    for (auto& [name, kept] : Disk::the().named) kept = kept || name.starts_with(path + "/");
}

void DiskFiles::unlink(const std::string& path) {
    require("unlink");
    ledger::posix_files().unlink(path);
}

std::uint64_t DiskFiles::size(const std::string& path) {
    const auto store = Disk::the().stores.find(path);
    return store == Disk::the().stores.end() ? ledger::posix_files().size(path) : store->second->current.size();
}

}  // namespace onecopy::stateful
