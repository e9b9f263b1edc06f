// Loaded in front of the C library (LD_PRELOAD): numbers every step by which onecopyd leaves a trace outside of itself, and
// lets one of them fail. Steps on the disk (file created, written, synced, cut, renamed, removed) and steps on the wire
// (bytes sent) are numbered apart, since two threads make them.
//
// FAULT=disk:17:kill  the 17th step on the disk is not made: SIGKILL. FAULT=wire:3:fail: it fails with EIO, on the wire with
// ECONNRESET. COUNT=FILE: how many of each were made, as two numbers of 8 bytes.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

enum Where { disk, wire };

struct Fault {
    Where where = disk;
    std::uint64_t number = 0;  // 0: none
    bool kill = false;
};

Fault read_fault() {
    Fault fault;
    const char* text = std::getenv("FAULT");
    if (!text) return fault;
    fault.where = std::strncmp(text, "wire:", 5) == 0 ? wire : disk;
    char* end = nullptr;
    fault.number = std::strtoull(text + 5, &end, 10);
    fault.kill = std::strcmp(end, ":kill") == 0;
    return fault;
}

std::atomic<std::uint64_t>* open_counts() {
    static std::atomic<std::uint64_t> unseen[2];
    const char* name = std::getenv("COUNT");
    if (!name) return unseen;
    int descriptor = ::open(name, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return unseen;
    void* shared = ::mmap(nullptr, sizeof unseen, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    ::close(descriptor);
    return shared == MAP_FAILED ? unseen : static_cast<std::atomic<std::uint64_t>*>(shared);
}

thread_local bool inside = false;  // of this file: what it does itself is no step

/// True: this step fails, errno says how.
bool fails(Where where) {
    if (inside) return false;
    inside = true;
    static const Fault fault = read_fault();
    static std::atomic<std::uint64_t>* counts = open_counts();
    inside = false;
    if (++counts[where] != fault.number || where != fault.where) return false;
    if (fault.kill) ::kill(::getpid(), SIGKILL);
    errno = where == disk ? EIO : ECONNRESET;
    return true;
}

/// What is neither a file nor a stream (the log's pipe, the service manager's datagram) is no step.
bool fails_on(int descriptor) {
    struct stat status;
    if (::fstat(descriptor, &status) != 0) return false;
    if (S_ISREG(status.st_mode)) return descriptor > 2 && fails(disk);
    int type = 0;
    socklen_t size = sizeof type;
    const bool stream =
        S_ISSOCK(status.st_mode) && ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
    return stream && fails(wire);
}

template <typename Function>
Function* next(const char* name) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

#define STEP_ON(condition, name, ...)                        \
    static auto* const real = next<decltype(::name)>(#name); \
    if (condition) return -1;                                \
    return real(__VA_ARGS__)

extern "C" {

ssize_t write(int descriptor, const void* bytes, size_t size) {
    STEP_ON(fails_on(descriptor), write, descriptor, bytes, size);
}
ssize_t writev(int descriptor, const iovec* parts, int count) {
    STEP_ON(fails_on(descriptor), writev, descriptor, parts, count);
}
ssize_t send(int descriptor, const void* bytes, size_t size, int flags) {
    STEP_ON(fails_on(descriptor), send, descriptor, bytes, size, flags);
}
ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
    STEP_ON(fails_on(descriptor), sendmsg, descriptor, message, flags);
}
ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t offset) {
    STEP_ON(fails_on(descriptor), pwrite, descriptor, bytes, size, offset);
}
ssize_t pwrite64(int descriptor, const void* bytes, size_t size, off64_t offset) {
    STEP_ON(fails_on(descriptor), pwrite64, descriptor, bytes, size, offset);
}
int fdatasync(int descriptor) {
    STEP_ON(fails(disk), fdatasync, descriptor);
}
int fsync(int descriptor) {
    STEP_ON(fails(disk), fsync, descriptor);
}
int ftruncate(int descriptor, off_t size) noexcept {
    STEP_ON(fails(disk), ftruncate, descriptor, size);
}
int ftruncate64(int descriptor, off64_t size) noexcept {
    STEP_ON(fails(disk), ftruncate64, descriptor, size);
}
int unlink(const char* name) noexcept {
    STEP_ON(fails(disk), unlink, name);
}
int rename(const char* from, const char* to) noexcept {
    STEP_ON(fails(disk), rename, from, to);
}

int open(const char* name, int flags, ...) {
    static auto* const real = next<decltype(::open)>("open");
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    if ((flags & O_CREAT) != 0 && fails(disk)) return -1;
    return real(name, flags, mode);
}
int open64(const char* name, int flags, ...) {
    static auto* const real = next<decltype(::open64)>("open64");
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    if ((flags & O_CREAT) != 0 && fails(disk)) return -1;
    return real(name, flags, mode);
}

}  // extern "C"
