// Loaded in front of the C library (LD_PRELOAD): counts every flush of a file to the disk, and makes each as slow as a
// slower disk would. FLUSH_DELAY=MICROSECONDS: so much longer. FLUSH_COUNT=FILE: how many, as a number of 8 bytes that all
// processes share.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

std::atomic<std::uint64_t> unseen;
std::atomic<std::uint64_t>* flushes = &unseen;
timespec delay{};

/// Before main: whoever drops his rights later can open the file now.
__attribute__((constructor)) void open_count() {
    if (const char* text = std::getenv("FLUSH_DELAY")) {
        const long microseconds = std::strtol(text, nullptr, 10);
        delay = {microseconds / 1'000'000, microseconds % 1'000'000 * 1000};
    }
    const char* name = std::getenv("FLUSH_COUNT");
    if (!name) return;
    const int descriptor = ::open(name, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return;
    void* shared = ::mmap(nullptr, sizeof unseen, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    ::close(descriptor);
    if (shared != MAP_FAILED) flushes = static_cast<std::atomic<std::uint64_t>*>(shared);
}

int flush(const char* name, int descriptor) {
    ++*flushes;
    if (delay.tv_sec != 0 || delay.tv_nsec != 0) ::nanosleep(&delay, nullptr);
    return reinterpret_cast<decltype(::fsync)*>(::dlsym(RTLD_NEXT, name))(descriptor);
}

}  // namespace

extern "C" {

int fsync(int descriptor) {
    return flush("fsync", descriptor);
}
int fdatasync(int descriptor) {
    return flush("fdatasync", descriptor);
}

}  // extern "C"
