#include "faulty_disk.h"

#include <sqlite3.h>

#include <cerrno>
#include <limits>
#include <new>
#include <string_view>

namespace onecopy::ledger::testing {
namespace {

struct Shim {
    sqlite3_file base;
    sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

sqlite3_file* real(sqlite3_file* file) {
    return reinterpret_cast<Shim*>(file)->real();
}

int fault(FaultyDisk::Fault fault, int io_error) {
    if (fault == FaultyDisk::Fault::none || FaultyDisk::calls_until-- > 0) return SQLITE_OK;
    if (FaultyDisk::calls_failing-- <= 0) return SQLITE_OK;
    return fault == FaultyDisk::Fault::full ? SQLITE_FULL : io_error;
}

int read(sqlite3_file* file, void* bytes, int size, sqlite3_int64 at) {
    const int code = real(file)->pMethods->xRead(real(file), bytes, size, at);
    const char filler = FaultyDisk::unreadable;
    if (code != SQLITE_OK || filler == '\0') return code;
    const std::string_view there(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
    constexpr std::size_t pointer = 4;  // to the next page of a chain
    const bool all = there.size() > pointer && there.find_first_not_of(filler, pointer) == there.npos;
    return all ? SQLITE_IOERR_READ : code;
}

int write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at) {
    if (int code = fault(FaultyDisk::sqlite_writes, SQLITE_IOERR_WRITE)) return code;
    FaultyDisk::bytes_written += static_cast<std::uint64_t>(size);
    return real(file)->pMethods->xWrite(real(file), bytes, size, at);
}

int sync(sqlite3_file* file, int flags) {
    if (int code = fault(FaultyDisk::sqlite_syncs, SQLITE_IOERR_FSYNC)) return code;
    return real(file)->pMethods->xSync(real(file), flags);
}

template <auto Method, typename... Arguments>
int forward(sqlite3_file* file, Arguments... arguments) {
    return (real(file)->pMethods->*Method)(real(file), arguments...);
}

void barrier(sqlite3_file* file) {
    real(file)->pMethods->xShmBarrier(real(file));
}

const sqlite3_io_methods methods = {
    3,
    forward<&sqlite3_io_methods::xClose>,
    read,
    write,
    forward<&sqlite3_io_methods::xTruncate, sqlite3_int64>,
    sync,
    forward<&sqlite3_io_methods::xFileSize, sqlite3_int64*>,
    forward<&sqlite3_io_methods::xLock, int>,
    forward<&sqlite3_io_methods::xUnlock, int>,
    forward<&sqlite3_io_methods::xCheckReservedLock, int*>,
    forward<&sqlite3_io_methods::xFileControl, int, void*>,
    forward<&sqlite3_io_methods::xSectorSize>,
    forward<&sqlite3_io_methods::xDeviceCharacteristics>,
    forward<&sqlite3_io_methods::xShmMap, int, int, int, void volatile**>,
    forward<&sqlite3_io_methods::xShmLock, int, int, int>,
    barrier,
    forward<&sqlite3_io_methods::xShmUnmap, int>,
    forward<&sqlite3_io_methods::xFetch, sqlite3_int64, int, void**>,
    forward<&sqlite3_io_methods::xUnfetch, sqlite3_int64, void*>,
};

sqlite3_vfs* real_vfs = nullptr;

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    auto* shim = reinterpret_cast<Shim*>(file);
    shim->base.pMethods = nullptr;
    int code = real_vfs->xOpen(real_vfs, name, shim->real(), flags, out_flags);
    if (shim->real()->pMethods) shim->base.pMethods = &methods;
    return code;
}

int wait(sqlite3_vfs*, int microseconds) {
    ++FaultyDisk::waits;
    if (FaultyDisk::on_wait) FaultyDisk::on_wait();
    return microseconds;
}

class FaultyFile : public File {
public:
    FaultyFile(std::unique_ptr<File> real, const FaultyFiles& files) : real_(std::move(real)), files_(files) {}
    void append(std::string_view bytes) override {
        if (files_.append_fails) {
            real_->append(bytes.substr(0, bytes.size() / 2));
            throw FileError("append", ENOSPC);
        }
        real_->append(bytes);
    }
    void sync() override {
        if (files_.sync_fails) throw FileError("sync", EIO);
        real_->sync();
    }

private:
    std::unique_ptr<File> real_;
    const FaultyFiles& files_;
};

}  // namespace

std::atomic<FaultyDisk::Fault> FaultyDisk::sqlite_writes = Fault::none;
std::atomic<FaultyDisk::Fault> FaultyDisk::sqlite_syncs = Fault::none;
std::atomic<int> FaultyDisk::calls_until = 0;
std::atomic<int> FaultyDisk::calls_failing = std::numeric_limits<int>::max();
std::atomic<char> FaultyDisk::unreadable = '\0';
std::atomic<std::uint64_t> FaultyDisk::bytes_written = 0;
std::atomic<unsigned> FaultyDisk::waits = 0;
std::function<void()> FaultyDisk::on_wait;

void FaultyDisk::heal() {
    sqlite_writes = Fault::none;
    sqlite_syncs = Fault::none;
    calls_until = 0;
    calls_failing = std::numeric_limits<int>::max();
    unreadable = '\0';
    on_wait = nullptr;
}

void FaultyDisk::install() {
    static sqlite3_vfs faulty;
    heal();
    if (real_vfs) return;
    real_vfs = sqlite3_vfs_find(nullptr);
    faulty = *real_vfs;
    faulty.zName = vfs;
    faulty.szOsFile += static_cast<int>(sizeof(Shim));
    faulty.xOpen = open;
    faulty.xSleep = wait;
    sqlite3_vfs_register(&faulty, 0);
}

std::unique_ptr<File> FaultyFiles::create(const std::string& path) {
    return std::make_unique<FaultyFile>(posix_files().create(path), *this);
}

}  // namespace onecopy::ledger::testing
