#pragma once

#include <string>
#include <string_view>

namespace onecopy::message {

/// An unfolded value as people read it: its encoded-words (RFC 2047) as UTF-8, without the blanks between two of them
/// (6.2). A word that is malformed, or in a charset that mail is hardly written in, stays as it stands. For people alone:
/// never for what is compared or sent.
std::string decode_words(std::string_view value);

}  // namespace onecopy::message
