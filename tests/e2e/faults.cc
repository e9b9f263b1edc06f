// Loaded in front of the C library (LD_PRELOAD): numbers every step by which onecopyd leaves a trace outside of itself, and
// lets one of them fail, or come late; and so with every question to the system that may be answered by an error. Steps on
// the disk (file created, written, synced, cut, renamed, removed), steps on the wire (bytes sent), and questions (file
// opened or read, socket made, accepted, connected, read) are numbered apart, since two threads make them. And so is memory
// that is asked for.
//
// FAULT=disk:17:kill  the 17th step on the disk is not made: SIGKILL. FAULT=wire:3:fail: it fails, with EIO on a file,
// ECONNRESET on a stream, EMFILE where a descriptor is asked for, ECONNREFUSED at connect. FAULT=ask:5:delay: it is made a
// second later. FAULT=memory:1000:fail: there is none. COUNT=FILE: how many of each were made, as four numbers of 8 bytes.

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

enum Where { disk, wire, ask, memory, wheres };
enum class How { fail, kill, delay };

struct Fault {
    Where where = disk;
    std::uint64_t number = 0;  // 0: none
    How how = How::fail;
};

Fault read_fault() {
    Fault fault;
    const char* text = std::getenv("FAULT");
    if (!text || !*text) return fault;
    fault.where = *text == 'w' ? wire : *text == 'a' ? ask : *text == 'm' ? memory : disk;
    char* end = nullptr;
    fault.number = std::strtoull(std::strchr(text, ':') + 1, &end, 10);
    if (std::strcmp(end, ":kill") == 0) fault.how = How::kill;
    if (std::strcmp(end, ":delay") == 0) fault.how = How::delay;
    return fault;
}

std::atomic<std::uint64_t>* open_counts() {
    static std::atomic<std::uint64_t> unseen[wheres];
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
bool fails(Where where, int error = 0) {
    if (inside) return false;
    inside = true;
    static const Fault fault = read_fault();
    static std::atomic<std::uint64_t>* counts = open_counts();
    inside = false;
    if (++counts[where] != fault.number || where != fault.where) return false;
    if (fault.how == How::kill) ::kill(::getpid(), SIGKILL);
    if (fault.how == How::delay) {
        ::sleep(1);
        return false;
    }
    errno = error != 0 ? error : where == disk ? EIO : ECONNRESET;
    return true;
}

/// What is neither a file nor a stream (the log's pipe, the service manager's datagram) is no step.
bool fails_on(int descriptor, bool reads = false) {
    struct stat status;
    if (::fstat(descriptor, &status) != 0) return false;
    if (S_ISREG(status.st_mode)) return descriptor > 2 && fails(reads ? ask : disk, EIO);
    int type = 0;
    socklen_t size = sizeof type;
    const bool stream =
        S_ISSOCK(status.st_mode) && ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
    return stream && fails(reads ? ask : wire, ECONNRESET);
}

bool is_internet(int family) {
    return family == AF_INET || family == AF_INET6;
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

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);

void* malloc(size_t size) {
    return fails(memory, ENOMEM) ? nullptr : __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
    return fails(memory, ENOMEM) ? nullptr : __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
    return fails(memory, ENOMEM) ? nullptr : __libc_realloc(old, size);
}

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
    if (fails((flags & O_CREAT) != 0 ? disk : ask, EIO)) return -1;
    return real(name, flags, mode);
}
int open64(const char* name, int flags, ...) {
    static auto* const real = next<decltype(::open64)>("open64");
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    if (fails((flags & O_CREAT) != 0 ? disk : ask, EIO)) return -1;
    return real(name, flags, mode);
}

ssize_t read(int descriptor, void* bytes, size_t size) {
    STEP_ON(fails_on(descriptor, true), read, descriptor, bytes, size);
}
ssize_t readv(int descriptor, const iovec* parts, int count) {
    STEP_ON(fails_on(descriptor, true), readv, descriptor, parts, count);
}
ssize_t recv(int descriptor, void* bytes, size_t size, int flags) {
    STEP_ON(fails_on(descriptor, true), recv, descriptor, bytes, size, flags);
}
ssize_t pread(int descriptor, void* bytes, size_t size, off_t offset) {
    STEP_ON(fails_on(descriptor, true), pread, descriptor, bytes, size, offset);
}
ssize_t pread64(int descriptor, void* bytes, size_t size, off64_t offset) {
    STEP_ON(fails_on(descriptor, true), pread64, descriptor, bytes, size, offset);
}
int socket(int family, int type, int protocol) noexcept {
    STEP_ON(is_internet(family) && fails(ask, EMFILE), socket, family, type, protocol);
}
int accept(int descriptor, sockaddr* address, socklen_t* size) {
    STEP_ON(fails(ask, EMFILE), accept, descriptor, address, size);
}
int accept4(int descriptor, sockaddr* address, socklen_t* size, int flags) {
    STEP_ON(fails(ask, EMFILE), accept4, descriptor, address, size, flags);
}
int connect(int descriptor, const sockaddr* address, socklen_t size) {
    STEP_ON(is_internet(address->sa_family) && fails(ask, ECONNREFUSED), connect, descriptor, address, size);
}

}  // extern "C"
