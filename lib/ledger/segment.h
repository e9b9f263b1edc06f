#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "ledger/files.h"

namespace onecopy::ledger {

/// Where a piece of a body lies, and how to know that it is whole.
struct Extent {
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
    std::uint32_t crc = 0;  // CRC-32 of its bytes
};

/// Pieces are at most this large.
constexpr std::size_t most_extent_bytes = 256 << 10;

/// The segment files of a spool: append-only, shared by all large bodies, named `segments/NUMBER`. Belongs to the ledger's
/// thread. Throws FileError. Nothing is durable before sync().
class Segments {
public:
    static constexpr std::uint64_t full_at = std::uint64_t{64} << 20;

    /// `next`: a number beyond all that were ever used.
    Segments(Files& files, std::string directory, std::uint64_t next);

    Extent append(std::string_view piece);
    /// Everything appended so far, and the names of new files.
    void sync();
    /// A sync() failed: what was not synced is not to be trusted, nor can it be synced again; new segments from here.
    void forget_unsynced();
    /// The next append opens a new segment.
    void rotate();
    void remove(std::uint64_t segment);

    std::uint64_t current() const { return current_; }  // 0: none is open
    std::uint64_t next() const { return next_; }
    std::map<std::uint64_t, std::uint64_t> on_disk() const;  // number -> bytes
    std::string path(std::uint64_t segment) const;

private:
    Files& files_;
    std::string directory_;
    std::uint64_t next_;
    std::uint64_t current_ = 0;
    std::uint64_t offset_ = 0;
    std::unique_ptr<File> file_;
    std::map<std::uint64_t, std::unique_ptr<File>> unsynced_;  // full ones that still need it
    bool dirty_ = false;
    bool new_name_ = false;

    void open_next();
};

/// Reads bodies back; any thread. Throws FileError where the bytes can't be had and Damaged where they are not those that
/// were written.
class SegmentReader {
public:
    struct Damaged {
        std::string what;
    };
    explicit SegmentReader(std::string directory);
    ~SegmentReader();
    std::string read(const Extent& extent);

private:
    void open(std::uint64_t segment);

    std::string directory_;
    std::uint64_t open_segment_ = 0;
    int descriptor_ = -1;
};

}  // namespace onecopy::ledger
