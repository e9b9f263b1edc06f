#include "message/utf8.h"

#include <cstddef>

#include "message/characters.h"

namespace onecopy::message {

namespace {

constexpr char32_t not_utf8 = 0xffffffff;

// How many bytes follow this first one; -1 where it is none.
int bytes_behind(unsigned char first) {
    if (first < 0x80) return 0;
    if (first < 0xc2) return -1;
    if (first < 0xe0) return 1;
    if (first < 0xf0) return 2;
    return first < 0xf5 ? 3 : -1;
}

char32_t decode(std::string_view bytes) {
    constexpr char32_t least[] = {0, 0x80, 0x800, 0x10000};
    const auto behind = bytes.size() - 1;
    char32_t character = static_cast<unsigned char>(bytes[0]) & (behind == 0 ? 0x7f : 0x3f >> behind);
    for (char c : bytes.substr(1)) {
        if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) return not_utf8;
        character = character << 6 | (static_cast<unsigned char>(c) & 0x3f);
    }
    const bool surrogate = character >= 0xd800 && character <= 0xdfff;
    return character < least[behind] || character > 0x10ffff || surrogate ? not_utf8 : character;
}

bool is_forbidden(char32_t c) {
    return c == not_utf8 || (c >= 0x80 && c <= 0x9f) || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

}  // namespace

bool is_legible(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const int behind = bytes_behind(static_cast<unsigned char>(text[at]));
        const std::size_t length = static_cast<std::size_t>(behind) + 1;
        if (behind < 0 || text.size() - at < length) return false;
        if (behind == 0 ? is_control(text[at]) : is_forbidden(decode(text.substr(at, length)))) return false;
        at += length;
    }
    return true;
}

}  // namespace onecopy::message
