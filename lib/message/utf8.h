#pragma once

#include <string_view>

namespace onecopy::message {

/// Valid UTF-8 (RFC 3629: no overlong form, no surrogate) in which no character is a control, C1 included, a line or
/// paragraph separator, or a bidirectional control, which would make an address look like another one.
bool is_legible(std::string_view text);

}  // namespace onecopy::message
