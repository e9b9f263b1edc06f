#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace onecopy::ledger {

/// A file system call that failed; what() names call, path and reason.
class FileError : public std::runtime_error {
public:
    FileError(const std::string& what, int error) : std::runtime_error(what), error_(error) {}
    int error() const { return error_; }  // errno

private:
    int error_;
};

/// An open file of the spool.
class File {
public:
    virtual ~File() = default;
    virtual void append(std::string_view bytes) = 0;
    virtual void sync() = 0;  // fdatasync
};

/// The one door to the file system, beside SQLite's VFS: so that a test can let each call fail.
class Files {
public:
    virtual ~Files() = default;
    virtual std::unique_ptr<File> create(const std::string& path) = 0;  // for appending; must not exist
    virtual void sync_directory(const std::string& path) = 0;
    virtual void unlink(const std::string& path) = 0;          // gone already is no error
    virtual void make_directory(const std::string& path) = 0;  // 0700; there already is no error
    virtual std::vector<std::string> list(const std::string& directory) = 0;
    virtual std::uint64_t size(const std::string& path) = 0;
    virtual std::uint64_t free_bytes(const std::string& directory) = 0;  // for an ordinary user
    /// A file of that many bytes that are really allocated.
    virtual void reserve(const std::string& path, std::uint64_t bytes) = 0;
};

/// The real ones.
Files& posix_files();

/// Held as long as it lives, by flock; released by the kernel when the process dies.
class DirectoryLock {
public:
    /// Throws FileError (EWOULDBLOCK: somebody else holds it).
    explicit DirectoryLock(const std::string& directory);
    ~DirectoryLock();
    DirectoryLock(const DirectoryLock&) = delete;

private:
    int descriptor_;
};

}  // namespace onecopy::ledger
