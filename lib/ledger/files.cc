#include "ledger/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace onecopy::ledger {
namespace {

[[noreturn]] void fail(const std::string& call, const std::string& path, int error = errno) {
    throw FileError(call + " " + path + ": " + std::strerror(error), error);
}

class PosixFile : public File {
public:
    PosixFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
    ~PosixFile() override { ::close(descriptor_); }

    void append(std::string_view bytes) override {
        while (!bytes.empty()) {
            ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) fail("write", path_);
            bytes.remove_prefix(static_cast<std::size_t>(written));
        }
    }

    void sync() override {
        if (::fdatasync(descriptor_) != 0) fail("fdatasync", path_);
    }

private:
    int descriptor_;
    std::string path_;
};

class PosixFiles : public Files {
public:
    std::unique_ptr<File> create(const std::string& path) override {
        int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
        if (descriptor < 0) fail("create", path);
        return std::make_unique<PosixFile>(descriptor, path);
    }

    void sync_directory(const std::string& path) override {
        int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (descriptor < 0) fail("open", path);
        int result = ::fsync(descriptor);
        int error = errno;
        ::close(descriptor);
        if (result != 0) fail("fsync", path, error);
    }

    void unlink(const std::string& path) override {
        if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail("unlink", path);
    }

    void make_directory(const std::string& path) override {
        if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) fail("mkdir", path);
    }

    std::vector<std::string> list(const std::string& directory) override {
        std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory.c_str()), ::closedir);
        if (!open) fail("opendir", directory);
        std::vector<std::string> names;
        while (const dirent* entry = ::readdir(open.get())) {
            if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
        }
        return names;
    }

    std::uint64_t size(const std::string& path) override {
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0) fail("stat", path);
        return static_cast<std::uint64_t>(status.st_size);
    }

    std::uint64_t free_bytes(const std::string& directory) override {
        struct statvfs status {};
        if (::statvfs(directory.c_str(), &status) != 0) fail("statvfs", directory);
        return std::uint64_t{status.f_bavail} * status.f_frsize;
    }

    void reserve(const std::string& path, std::uint64_t bytes) override {
        int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (descriptor < 0) fail("create", path);
        int error = ::posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
        ::close(descriptor);
        if (error != 0) {
            ::unlink(path.c_str());
            fail("fallocate", path, error);
        }
    }
};

}  // namespace

Files& posix_files() {
    static PosixFiles files;
    return files;
}

DirectoryLock::DirectoryLock(const std::string& directory) {
    std::string path = directory + "/lock";
    descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor_ < 0) fail("open", path);
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        ::close(descriptor_);
        fail("lock", path, error);
    }
}

DirectoryLock::~DirectoryLock() {
    ::close(descriptor_);
}

}  // namespace onecopy::ledger
