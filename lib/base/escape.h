#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace onecopy::base {

/// Text that stays on its line and drives no terminal, whatever bytes came in: controls, DEL, backslash, bytes that
/// are not UTF-8, C1 controls, U+2028/9 and the bidirectional controls become `\xNN` (one for each byte).
/// Longer than `most` bytes of input: cut at a character, and `...` appended.
std::string printable(std::string_view bytes, std::size_t most = 512);

/// printable(), and between double quotes (with `"` as `\x22`) where the text is empty or holds a space, `"` or `=`:
/// the value of one `key=value` pair.
std::string log_value(std::string_view bytes, std::size_t most = 512);

/// Where the first byte stands that is not part of a well-formed UTF-8 sequence (RFC 3629); npos: all are.
std::size_t first_not_utf8(std::string_view bytes);

/// ASCII only, as RFC 5321 compares verbs and domains; every other byte stays.
std::string lower(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);

/// Lower-case hexadecimal.
std::string hex(std::string_view bytes);

}  // namespace onecopy::base
