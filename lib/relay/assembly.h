#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "message/identity.h"

namespace onecopy::relay {

/// One message as it arrives: header and body told apart, identity computed on the way. The blank line belongs to the
/// body. A body beyond what the ledger's row takes is given away in pieces, to be uploaded; until then it is held here.
/// A header that is too large to be compared stays with the body: the message is `untouched`.
class Assembly {
public:
    /// Canonical text.
    void add(std::string_view piece);
    /// All of it is here.
    void finish();

    /// The body is too large to stand in the ledger's row.
    bool large() const { return large_; }
    /// Up to most_extent_bytes of a large body; empty where there is less than `least`.
    std::string take_piece(std::size_t least);

    std::uint64_t size() const { return size_; }
    bool eight_bit() const { return eight_bit_; }
    bool untouched() const { return untouched_; }
    std::size_t hops() const { return hops_; }
    /// After finish().
    std::string take_header() { return std::move(header_); }
    std::string take_body();  // but for the pieces that were taken
    message::Identity& identity() { return identity_; }

private:
    void look_for_body(std::size_t from);
    void begin_body(std::size_t header_end);
    void add_to_body(std::string_view piece);

    enum class Part { header, body };
    Part part_ = Part::header;
    std::string header_;
    std::string body_;
    std::size_t given_ = 0;  // of body_, taken already
    std::uint64_t size_ = 0;
    std::size_t blank_line_ = 0;  // bytes of the blank line that have not been passed over by the identity
    bool eight_bit_ = false;
    bool untouched_ = false;
    bool large_ = false;
    std::size_t hops_ = 0;
    message::IdentityBuilder builder_;
    message::Identity identity_;
};

}  // namespace onecopy::relay
