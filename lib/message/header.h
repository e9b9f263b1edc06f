#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace onecopy::message {

/// A header with more than this goes alone, as it came (CONTRACT.md).
constexpr std::size_t most_header_bytes = 1 << 20;
constexpr std::size_t most_header_fields = 10'000;

/// One field, as views into the header block.
struct Field {
    std::string_view name;   // as written; empty: a line that is no field (kept; content as it stands)
    std::string_view value;  // raw: what stands behind the colon, folding and all, without the last CRLF
    std::string_view raw;    // the whole field with its last CRLF

    bool is(std::string_view other) const;  // names compare without case
};

/// The fields of a header block (canonical: every line ends in CRLF; the blank line that ends it is not part of it).
/// Views: the block must outlive them. A `From ` line of mbox at the top, lines without colon, names with spaces
/// before the colon (`Message-ID :`, RFC 5322 4.5) are met in the wild: the last is a field, the others are no field.
class Header {
public:
    explicit Header(std::string_view block);

    const std::vector<Field>& fields() const { return fields_; }
    std::size_t count(std::string_view name) const;
    const Field* find(std::string_view name) const;  // the topmost; null: none

private:
    std::vector<Field> fields_;
};

/// Not more bytes and fields than may be compared.
bool within_limits(std::string_view block);

/// Folding undone: a fold, with the white space behind it, is one space; other white space stays, but for what stands
/// in front of the value.
std::string join_folds(std::string_view value);

/// Folding undone (RFC 5322 2.2.3), white space runs as one space, none at the ends.
std::string unfold(std::string_view value);

/// Every address that the text shows: what an address scanner would find in it (addr-specs, also inside comments and
/// quoted strings), in order, as written. For Delivered-To and the like, and for `for` clauses.
std::vector<std::string> addresses_in(std::string_view value);

}  // namespace onecopy::message
