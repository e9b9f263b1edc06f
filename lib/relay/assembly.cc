#include "relay/assembly.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ledger/records.h"
#include "message/header.h"
#include "message/trace.h"

namespace onecopy::relay {
namespace {

bool has_high_bit(std::string_view bytes) {
    std::uint64_t seen = 0;
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
        std::uint64_t word;
        std::memcpy(&word, bytes.data() + at, 8);
        seen |= word;
    }
    for (; at < bytes.size(); ++at) seen |= static_cast<unsigned char>(bytes[at]);
    return (seen & 0x8080808080808080) != 0;
}

constexpr std::string_view line_end = "\r\n";

}  // namespace

void Assembly::add(std::string_view piece) {
    size_ += piece.size();
    eight_bit_ = eight_bit_ || has_high_bit(piece);
    if (part_ == Part::body) return add_to_body(piece);
    std::size_t seam = header_.size() < 3 ? 0 : header_.size() - 3;
    header_ += piece;
    look_for_body(seam);
}

/// The header ends with the first blank line, which may be the first line of all.
void Assembly::look_for_body(std::size_t from) {
    if (header_.starts_with(line_end)) return begin_body(0);
    std::size_t end = header_.find("\r\n\r\n", from);
    if (end != header_.npos && end + 2 <= message::most_header_bytes) return begin_body(end + 2);
    if (header_.size() > message::most_header_bytes + 2) begin_body(header_.size());
}

void Assembly::begin_body(std::size_t header_end) {
    part_ = Part::body;
    std::string rest = header_.substr(header_end);
    header_.resize(header_end);
    hops_ = message::hops(header_);
    untouched_ = !message::within_limits(header_);
    if (untouched_) {
        identity_.message_id = message::message_id(header_);
        rest = std::exchange(header_, {}) + rest;
    } else {
        builder_.header(header_);
        blank_line_ = line_end.size();
    }
    add_to_body(rest);
}

void Assembly::add_to_body(std::string_view piece) {
    if (!untouched_) {
        std::size_t blank = std::min(blank_line_, piece.size());
        blank_line_ -= blank;
        builder_.body(piece.substr(blank));
    }
    if (given_ > 0) {
        body_.erase(0, given_);
        given_ = 0;
    }
    body_ += piece;
    large_ = large_ || body_.size() > ledger::most_inline_body;
}

void Assembly::finish() {
    if (part_ == Part::header) begin_body(header_.size());
    if (untouched_) return;
    identity_ = builder_.finish();
}

std::string Assembly::take_body() {
    body_.erase(0, std::exchange(given_, 0));
    return std::move(body_);
}

std::string Assembly::take_piece(std::size_t least) {
    std::size_t left = body_.size() - given_;
    if (left == 0 || left < least) return {};
    std::size_t size = std::min(left, ledger::most_extent_bytes);
    if (given_ == 0 && size == left) return std::exchange(body_, {});
    std::string piece = body_.substr(given_, size);
    given_ += size;
    if (given_ == body_.size()) {
        body_.clear();
        given_ = 0;
    }
    return piece;
}

}  // namespace onecopy::relay
