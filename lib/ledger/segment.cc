#include "ledger/segment.h"

#include <fcntl.h>
#include <libdeflate.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace onecopy::ledger {
namespace {

std::uint32_t crc_of(std::string_view bytes) {
    return ::libdeflate_crc32(0, bytes.data(), bytes.size());
}

std::string segment_path(const std::string& directory, std::uint64_t segment) {
    return directory + "/segments/" + std::to_string(segment);
}

}  // namespace

Segments::Segments(Files& files, std::string directory, std::uint64_t next)
    : files_(files), directory_(std::move(directory)), next_(next) {}

std::string Segments::path(std::uint64_t segment) const {
    return segment_path(directory_, segment);
}

Extent Segments::append(std::string_view piece) {
    if (current_ == 0 || offset_ >= full_at) open_next();
    Extent extent{current_, offset_, static_cast<std::uint32_t>(piece.size()), crc_of(piece)};
    try {
        file_->append(piece);
    } catch (const FileError&) {
        rotate();  // part of the piece may have been written: where the next would begin is not known
        throw;
    }
    offset_ += piece.size();
    dirty_ = true;
    return extent;
}

void Segments::open_next() {
    rotate();
    file_ = files_.create(path(next_));
    current_ = next_++;
    offset_ = 0;
    new_name_ = true;
}

void Segments::rotate() {
    if (file_ && dirty_) unsynced_[current_] = std::move(file_);
    file_.reset();
    current_ = 0;
    dirty_ = false;
}

void Segments::sync() {
    while (!unsynced_.empty()) {
        unsynced_.begin()->second->sync();
        unsynced_.erase(unsynced_.begin());
    }
    if (dirty_) file_->sync();
    dirty_ = false;
    if (new_name_) files_.sync_directory(directory_ + "/segments");
    new_name_ = false;
}

void Segments::forget_unsynced() {
    unsynced_.clear();
    file_.reset();
    current_ = 0;
    dirty_ = false;
}

void Segments::remove(std::uint64_t segment) {
    if (segment == current_) rotate();
    unsynced_.erase(segment);
    files_.unlink(path(segment));
}

std::map<std::uint64_t, std::uint64_t> Segments::on_disk() const {
    std::map<std::uint64_t, std::uint64_t> found;
    for (const std::string& name : files_.list(directory_ + "/segments")) {
        std::uint64_t number = 0;
        auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
        if (error == std::errc() && end == name.data() + name.size()) found[number] = files_.size(path(number));
    }
    return found;
}

SegmentReader::SegmentReader(std::string directory) : directory_(std::move(directory)) {}

SegmentReader::~SegmentReader() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

void SegmentReader::open(std::uint64_t segment) {
    if (descriptor_ >= 0 && open_segment_ == segment) return;
    if (descriptor_ >= 0) ::close(descriptor_);
    std::string path = segment_path(directory_, segment);
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    open_segment_ = segment;
    if (descriptor_ >= 0) return;
    if (errno == ENOENT) throw Damaged{"segment " + std::to_string(segment) + " is missing"};
    throw FileError("open " + path + ": " + std::strerror(errno), errno);
}

std::string SegmentReader::read(const Extent& extent) {
    std::string what = "segment " + std::to_string(extent.segment) + " at " + std::to_string(extent.offset);
    if (extent.length > most_extent_bytes) throw Damaged{what + ": a piece of impossible length"};
    open(extent.segment);
    std::string bytes(extent.length, '\0');
    std::size_t have = 0;
    while (have < bytes.size()) {
        ssize_t got =
            ::pread(descriptor_, bytes.data() + have, bytes.size() - have, static_cast<off_t>(extent.offset + have));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw FileError("read " + what + ": " + std::strerror(errno), errno);
        if (got == 0) throw Damaged{what + ": ends too early"};
        have += static_cast<std::size_t>(got);
    }
    if (crc_of(bytes) != extent.crc) throw Damaged{what + ": checksum differs"};
    return bytes;
}

}  // namespace onecopy::ledger
