#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace onecopy::message {

/// One `for` clause in the raw value of a Received field (RFC 5321 4.4; RFC 2821 allowed several addresses):
/// `for <a@b>`, `for a@b (single-drop)`, folded anywhere, with comments, also within a comment.
struct ForClause {
    std::string_view text;  // from the first address on, the comments that belong to it included
    // What to cut so that the rest is a Received field still: the clause and white space on one side of it.
    std::size_t begin = 0;
    std::size_t end = 0;
};

/// In order, none within another. Linear: an address of more than 1100 bytes and a comment of more than 256 end it.
std::vector<ForClause> for_clauses(std::string_view value);

}  // namespace onecopy::message
