#include "disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <vector>

#include "threads.h"

namespace simulation {

Disk* disk = nullptr;

namespace {

constexpr std::size_t sector = 512;

/// One change of a file that a loss of power may undo.
struct Change {
    std::uint64_t offset = 0;
    std::string before, after;  // the bytes there
    std::uint64_t size_before = 0;
    std::uint64_t size_after = 0;
    bool doomed = false;  // a sync of it failed: later ones say nothing of it
};

struct File {
    std::string path;
    std::vector<Change> changes;  // not synced
};

/// A change of a directory: a name that came or went.
struct Name {
    bool came = false;
    std::string path, grave;
};

std::string directory_of(const std::string& path) {
    return path.substr(0, path.rfind('/'));
}

long real_open(const char* path, int flags, mode_t mode = 0600) {
    return ::syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

std::uint64_t size_of(int descriptor) {
    struct stat status {};
    ::fstat(descriptor, &status);
    return static_cast<std::uint64_t>(status.st_size);
}

std::string read_at(int descriptor, std::uint64_t offset, std::size_t size) {
    std::string bytes(size, '\0');
    const long got = ::syscall(SYS_pread64, descriptor, bytes.data(), size, offset);
    bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return bytes;
}

}  // namespace

struct Disk::State {
    std::map<int, std::shared_ptr<File>> open;
    std::map<std::string, std::shared_ptr<File>> files;
    std::vector<Name> names;  // not synced, in order
    unsigned graves = 0;

    std::shared_ptr<File> at(int descriptor) {
        auto found = open.find(descriptor);
        return found == open.end() ? nullptr : found->second;
    }
};

Disk::Disk(std::string root) : root_(std::move(root)), state_(new State) {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_ + "/spool");
    std::filesystem::create_directories(root_ + "/graves");
    disk = this;
}

Disk::~Disk() {
    disk = nullptr;
    delete state_;
    std::filesystem::remove_all(root_);
}

void Disk::process_death() {
    state_->open.clear();
    ::syscall(SYS_unlink, (spool() + "/ledger.db-shm").c_str());
}

void Disk::power_loss() {
    process_death();
    const unsigned kept = world->chance(30) ? 0 : world->chance(30) ? 100 : static_cast<unsigned>(world->below(101));
    for (auto& [path, file] : state_->files) {
        if (file->changes.empty()) continue;
        const int descriptor = static_cast<int>(real_open(path.c_str(), O_RDWR));
        std::vector<Change> changes = std::move(file->changes);
        file->changes.clear();
        if (descriptor < 0) continue;
        for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
            if (change->doomed) change->before.resize(change->after.size());  // what came behind it may be on the disk
            ::syscall(SYS_pwrite64, descriptor, change->before.data(), change->before.size(), change->offset);
            if (!change->doomed) ::syscall(SYS_ftruncate, descriptor, change->size_before);
        }
        for (const Change& change : changes) {
            if (!world->chance(kept)) continue;
            if (change.after.empty()) {
                ::syscall(SYS_ftruncate, descriptor, change.size_after);
                continue;
            }
            std::size_t bytes = change.after.size();
            if (world->chance(30)) bytes = std::min<std::size_t>(bytes, world->below(bytes / sector + 1) * sector);
            ::syscall(SYS_pwrite64, descriptor, change.after.data(), bytes, change.offset);
        }
        ::syscall(SYS_close, descriptor);
    }
    const std::size_t stay = world->below(state_->names.size() + 1);
    while (state_->names.size() > stay) {
        const Name name = state_->names.back();
        state_->names.pop_back();
        if (name.came) {
            ::syscall(SYS_unlink, name.path.c_str());
        } else {
            ::syscall(SYS_rename, name.grave.c_str(), name.path.c_str());
        }
    }
    state_->names.clear();
}

void Disk::note_crash() {
    const long descriptor = real_open((spool() + "/crashed").c_str(), O_WRONLY | O_CREAT | O_TRUNC);
    ::syscall(SYS_write, descriptor, "x", 1);
    ::syscall(SYS_close, descriptor);
}

Disk::Outside::Outside(Disk& one) : disk_(one) {
    disk = nullptr;
}

Disk::Outside::~Outside() {
    disk = &disk_;
}

void Disk::is_safe(const std::string& path) {
    state_->files.erase(path);
    std::erase_if(state_->names, [&](const Name& one) { return one.path == path; });
}

namespace {

/// Whose changes are noted. The index of the log is made anew after a start, and a lock is no content.
bool is_ours(const std::string& path) {
    return disk && path.starts_with(disk->spool() + "/") && !path.ends_with("-shm") && !path.ends_with("/lock");
}

int fail(int error) {
    errno = error;
    return -1;
}

/// 0: it is made.
int fault_of_write() {
    if (!world->effect()) return EIO;
    const Disk::Faults& faults = disk->faults();
    if (faults.write > 0 && world->chance(faults.write)) return disk->count_fault(), EIO;
    if (faults.full > 0 && world->chance(faults.full)) return disk->count_fault(), ENOSPC;
    return 0;
}

ssize_t write_at(int descriptor, File& file, const void* bytes, std::size_t size, std::uint64_t offset) {
    const int fault = fault_of_write();
    if (fault != 0) return fail(fault);
    Change change;
    change.offset = offset;
    change.size_before = size_of(descriptor);
    change.before = read_at(descriptor, offset, size);
    change.after.assign(static_cast<const char*>(bytes), size);
    file.changes.push_back(std::move(change));
    return ::syscall(SYS_pwrite64, descriptor, bytes, size, offset);
}

int open_file(const char* path, int flags, mode_t mode) {
    const std::string name = path;
    if (!is_ours(name)) return static_cast<int>(real_open(path, flags, mode));
    struct stat status {};
    const bool comes = (flags & O_CREAT) != 0 && ::stat(path, &status) != 0;
    if (comes) {
        const int fault = fault_of_write();
        if (fault != 0) return fail(fault);
    }
    if ((flags & O_TRUNC) != 0) flags &= ~O_TRUNC;
    const int descriptor = static_cast<int>(real_open(path, flags, mode));
    if (descriptor < 0) return descriptor;
    if (::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)) {
        std::shared_ptr<File>& file = disk->state().files[name];
        if (!file || comes) file = std::make_shared<File>();
        file->path = name;
        disk->state().open[descriptor] = file;
        if (comes) disk->state().names.push_back({true, name, {}});
    }
    return descriptor;
}

/// What is synced is safe; what a sync has failed for is not, but where it was written anew since.
void settle(File& file) {
    std::vector<Change> doomed;
    for (Change& change : file.changes) {
        if (change.doomed) {
            doomed.push_back(std::move(change));
            continue;
        }
        const std::uint64_t end = change.offset + std::max(change.after.size(), change.before.size());
        std::erase_if(doomed, [&](const Change& one) {
            const bool cut = one.after.empty();  // who writes behind it since has given the file its size anew
            return one.offset < end && (cut || change.offset < one.offset + one.after.size());
        });
    }
    file.changes = std::move(doomed);
}

std::string path_of(int descriptor) {
    return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(descriptor)).string();
}

/// Of a log more than its header is to be synced: that is a commit.
bool is_of_commit(int descriptor) {
    const std::shared_ptr<File> file = disk->state().at(descriptor);
    return file && file->path.ends_with("-wal") &&
           std::ranges::any_of(file->changes, [](const Change& change) { return change.offset > 0; });
}

bool sync_fails(int descriptor) {
    const Disk::Faults& faults = disk->faults();
    unsigned percent = faults.sync;
    if (faults.sync_of_segments > 0 && path_of(descriptor).starts_with(disk->spool() + "/segments/"))
        percent = faults.sync_of_segments;
    if (faults.sync_of_commits > 0 && is_of_commit(descriptor)) percent = faults.sync_of_commits;
    const bool fails = percent > 0 && world->chance(percent);
    if (fails) disk->count_fault();
    return fails;
}

int sync(int descriptor) {
    if (!disk) return 0;
    struct stat status {};
    if (::fstat(descriptor, &status) != 0) return fail(EBADF);
    if (!world->effect()) return fail(EIO);
    sleep_on_fiber(world->chance(5) ? world->between(0, 200 * millisecond) : world->between(20, 4 * millisecond));
    if (world->dead()) return fail(EIO);
    const bool fails = sync_fails(descriptor);
    if (S_ISDIR(status.st_mode)) {
        if (fails) return fail(EIO);
        const std::string directory = path_of(descriptor);
        std::erase_if(disk->state().names, [&](const Name& one) { return directory_of(one.path) == directory; });
        return 0;
    }
    const std::shared_ptr<File> file = disk->state().at(descriptor);
    if (!file) return 0;
    if (fails) {
        for (Change& change : file->changes) change.doomed = true;
        return fail(EIO);
    }
    settle(*file);
    return 0;
}

int truncate(int descriptor, std::uint64_t size) {
    const std::shared_ptr<File> file = disk ? disk->state().at(descriptor) : nullptr;
    if (!file) return static_cast<int>(::syscall(SYS_ftruncate, descriptor, size));
    const int fault = fault_of_write();
    if (fault != 0) return fail(fault);
    Change change;
    change.size_before = size_of(descriptor);
    change.size_after = size;
    change.offset = size;
    if (size < change.size_before) change.before = read_at(descriptor, size, change.size_before - size);
    file->changes.push_back(std::move(change));
    return static_cast<int>(::syscall(SYS_ftruncate, descriptor, size));
}

}  // namespace
}  // namespace simulation

using namespace simulation;

extern "C" {

int open(const char* path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return open_file(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return open_file(path, flags, mode);
}

int close(int descriptor) {
    if (disk) disk->state().open.erase(descriptor);
    return static_cast<int>(::syscall(SYS_close, descriptor));
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
    if (descriptor == 2 && world && !world->tracing()) return static_cast<ssize_t>(size);  // the log
    const std::shared_ptr<File> file = disk ? disk->state().at(descriptor) : nullptr;
    if (!file) return ::syscall(SYS_write, descriptor, bytes, size);
    const bool appends = (::fcntl(descriptor, F_GETFL) & O_APPEND) != 0;
    return write_at(descriptor, *file, bytes, size, appends ? size_of(descriptor) : 0);
}

ssize_t pwrite64(int descriptor, const void* bytes, size_t size, off64_t offset) {
    const std::shared_ptr<File> file = disk ? disk->state().at(descriptor) : nullptr;
    if (!file) return ::syscall(SYS_pwrite64, descriptor, bytes, size, offset);
    return write_at(descriptor, *file, bytes, size, static_cast<std::uint64_t>(offset));
}

ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t offset) {
    return pwrite64(descriptor, bytes, size, offset);
}

int fdatasync(int descriptor) {
    return simulation::sync(descriptor);
}

int fsync(int descriptor) {
    return simulation::sync(descriptor);
}

int ftruncate(int descriptor, off_t size) noexcept {
    return simulation::truncate(descriptor, static_cast<std::uint64_t>(size));
}

int ftruncate64(int descriptor, off64_t size) noexcept {
    return simulation::truncate(descriptor, static_cast<std::uint64_t>(size));
}

int unlink(const char* path) noexcept {
    if (!is_ours(path)) return static_cast<int>(::syscall(SYS_unlink, path));
    struct stat status {};
    if (::stat(path, &status) != 0) return fail(ENOENT);
    const int fault = fault_of_write();
    if (fault != 0) return fail(fault);
    const std::string grave = disk->root() + "/graves/" + std::to_string(++disk->state().graves);
    disk->state().names.push_back({false, path, grave});
    disk->state().files.erase(path);
    return static_cast<int>(::syscall(SYS_rename, path, grave.c_str()));
}

int posix_fallocate(int, off_t, off_t) {
    return ENOSPC;  // no reserve: 64 MiB each run would take its time
}

int posix_fallocate64(int, off64_t, off64_t) {
    return ENOSPC;
}

}  // extern "C"
