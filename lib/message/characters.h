#pragma once

#include <algorithm>
#include <string_view>

namespace onecopy::message {

// Classes of bytes, of no locale. Bytes from 0x80 are parts of UTF-8 characters (RFC 6532), or are taken for such.

constexpr bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/// What a folded value holds between its words.
constexpr bool is_space(char c) {
    return is_blank(c) || c == '\r' || c == '\n';
}

constexpr bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

constexpr bool is_eight_bit(char c) {
    return static_cast<unsigned char>(c) >= 0x80;
}

constexpr bool is_ascii(std::string_view text) {
    return std::ranges::none_of(text, is_eight_bit);
}

constexpr bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/// What an unquoted local-part is made of (RFC 5322 3.2.3), dots wherever they stand: fetched mail has `a..b@x.example`.
constexpr bool is_local_character(char c) {
    if (is_alphanumeric(c) || is_eight_bit(c)) return true;
    switch (c) {
        case '.':
        case '!':
        case '#':
        case '$':
        case '%':
        case '&':
        case '\'':
        case '*':
        case '+':
        case '-':
        case '/':
        case '=':
        case '?':
        case '^':
        case '_':
        case '`':
        case '{':
        case '|':
        case '}':
        case '~':
            return true;
        default:
            return false;
    }
}

/// What a domain is made of, dots included; underscores are met in the wild.
constexpr bool is_domain_character(char c) {
    return is_alphanumeric(c) || is_eight_bit(c) || c == '-' || c == '.' || c == '_';
}

}  // namespace onecopy::message
