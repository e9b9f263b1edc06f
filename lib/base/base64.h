#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace onecopy::base {

/// RFC 4648 4, on one line, with padding.
std::string base64(std::string_view bytes);

/// Strict (RFC 4648 3): nothing where a character is outside the alphabet (line ends and blanks too), padding is missing,
/// too much or not at the end, or bits behind the last byte are set: no two texts mean the same bytes.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace onecopy::base
