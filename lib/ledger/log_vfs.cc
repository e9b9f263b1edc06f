#include "ledger/log_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>

namespace onecopy::ledger {
namespace {

constexpr std::size_t most_gathered = (std::size_t{128} << 10) - 1;  // more at a time SQLite's own VFS cuts off
constexpr std::array<char, (std::size_t{64} << 10)> zeros{};
constexpr unsigned zeros_at_once = 4;
constexpr std::size_t most_that_grows = std::size_t{128} << 10;

/// A log as SQLite sees it; behind it in memory lies the one of the VFS below.
struct Log {
    sqlite3_file base;
    std::string gathered;  // not written yet
    sqlite3_int64 begin;   // where that belongs, or what is written next is expected
    sqlite3_int64 size;    // of the file
    std::size_t unsynced;  // bytes written since the last sync
    bool longer;           // by them

    sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
    sqlite3_int64 end() const { return begin + static_cast<sqlite3_int64>(gathered.size()); }

    int write_out() {
        if (gathered.empty()) return SQLITE_OK;
        const int code = below()->pMethods->xWrite(below(), gathered.data(), static_cast<int>(gathered.size()), begin);
        unsynced += gathered.size();
        begin = end();
        gathered.clear();
        if (code == SQLITE_OK && begin > size) {
            size = begin;
            longer = true;
        }
        return code;
    }

    int sync(int flags) {
        if (const int code = write_out()) return code;
        if (longer && unsynced <= most_that_grows) grow();
        longer = false;
        unsynced = 0;
        return below()->pMethods->xSync(below(), flags);
    }

    /// Behind all that was ever written: the last write of a commit may be of a frame in its midst.
    void grow() {
        for (unsigned i = 0; i < zeros_at_once; ++i) {
            if (below()->pMethods->xWrite(below(), zeros.data(), int{zeros.size()}, size) != SQLITE_OK) return;
            size += sqlite3_int64{zeros.size()};
        }
    }
};

Log& log_of(sqlite3_file* file) {
    return *reinterpret_cast<Log*>(file);
}

int close(sqlite3_file* file) {
    Log& log = log_of(file);
    const int code = log.below()->pMethods->xClose(log.below());  // what no sync asked for belongs to no commit
    std::destroy_at(&log);
    return code;
}

int write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at) {
    Log& log = log_of(file);
    const std::string_view piece(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
    if (at != log.end() || log.gathered.size() + piece.size() > most_gathered) {
        if (const int code = log.write_out()) return code;
    }
    if (log.gathered.empty()) log.begin = at;
    log.gathered.append(piece);
    return SQLITE_OK;
}

int sync(sqlite3_file* file, int flags) {
    return log_of(file).sync(flags);
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
    Log& log = log_of(file);
    if (const int code = log.write_out()) return code;
    log.size = std::min(log.size, size);
    return log.below()->pMethods->xTruncate(log.below(), size);
}

/// Everything else sees the file as it would be without us.
template <auto Method, typename... Arguments>
int forward(sqlite3_file* file, Arguments... arguments) {
    Log& log = log_of(file);
    if (const int code = log.write_out()) return code;
    return (log.below()->pMethods->*Method)(log.below(), arguments...);
}

template <auto Method>
int ask(sqlite3_file* file) {
    return (log_of(file).below()->pMethods->*Method)(log_of(file).below());
}

/// A log is never locked, mapped or shared: version 1 of the methods is all of them.
const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = close,
    .xRead = forward<&sqlite3_io_methods::xRead, void*, int, sqlite3_int64>,
    .xWrite = write,
    .xTruncate = truncate,
    .xSync = sync,
    .xFileSize = forward<&sqlite3_io_methods::xFileSize, sqlite3_int64*>,
    .xLock = forward<&sqlite3_io_methods::xLock, int>,
    .xUnlock = forward<&sqlite3_io_methods::xUnlock, int>,
    .xCheckReservedLock = forward<&sqlite3_io_methods::xCheckReservedLock, int*>,
    .xFileControl = forward<&sqlite3_io_methods::xFileControl, int, void*>,
    .xSectorSize = ask<&sqlite3_io_methods::xSectorSize>,
    .xDeviceCharacteristics = ask<&sqlite3_io_methods::xDeviceCharacteristics>,
    .xShmMap = nullptr,
    .xShmLock = nullptr,
    .xShmBarrier = nullptr,
    .xShmUnmap = nullptr,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

struct Vfs {
    sqlite3_vfs vfs;
    std::string name;
};

sqlite3_vfs* below(sqlite3_vfs* vfs) {
    return static_cast<sqlite3_vfs*>(vfs->pAppData);
}

int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    if ((flags & SQLITE_OPEN_WAL) == 0) return below(vfs)->xOpen(below(vfs), name, file, flags, out_flags);
    file->pMethods = nullptr;
    Log& log = *new (file) Log{};
    const int code = below(vfs)->xOpen(below(vfs), name, log.below(), flags, out_flags);
    if (code != SQLITE_OK) {
        std::destroy_at(&log);
        return code;
    }
    log.base.pMethods = &methods;  // SQLite closes what has methods, whatever is returned
    return log.below()->pMethods->xFileSize(log.below(), &log.size);
}

}  // namespace

std::string log_vfs(const std::string& below) {
    static std::mutex mutex;
    static std::map<std::string, Vfs> registered;
    const std::lock_guard lock(mutex);
    auto [place, fresh] = registered.try_emplace(below);
    Vfs& ours = place->second;
    if (fresh) {
        sqlite3_vfs* const real = sqlite3_vfs_find(below.empty() ? nullptr : below.c_str());
        ours.name = "log " + below;
        ours.vfs = *real;
        ours.vfs.zName = ours.name.c_str();
        ours.vfs.pAppData = real;
        ours.vfs.szOsFile += static_cast<int>(sizeof(Log));
        ours.vfs.xOpen = open;
        sqlite3_vfs_register(&ours.vfs, 0);
    }
    return ours.name;
}

}  // namespace onecopy::ledger
