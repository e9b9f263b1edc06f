#include "base/escape.h"

#include <algorithm>
#include <cstdint>

namespace onecopy::base {
namespace {

constexpr std::string_view digits = "0123456789abcdef";

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// The length of the well-formed UTF-8 sequence at the front, 0 where there is none; its code point in `point`.
std::size_t sequence(std::string_view bytes, std::uint32_t& point) {
    auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    unsigned char first = byte(0);
    std::size_t length = first < 0x80                    ? 1
                         : first >= 0xc2 && first < 0xe0 ? 2
                         : first >= 0xe0 && first < 0xf0 ? 3
                         : first >= 0xf0 && first < 0xf5 ? 4
                                                         : 0;
    if (length == 0 || length > bytes.size()) return 0;
    point = length == 1 ? first : first & (0x7f >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
        point = point << 6 | (byte(i) & 0x3f);
    }
    static constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    bool surrogate = point >= 0xd800 && point < 0xe000;
    return point < least[length] || point > 0x10ffff || surrogate ? 0 : length;
}

/// Acts on a terminal, on a log reader or on the eye.
bool harmful(std::uint32_t point) {
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == '\\' || point == 0x2028 || point == 0x2029 ||
           point == 0x200e || point == 0x200f || point == 0x061c || (point >= 0x202a && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

/// How far it is harmless ASCII, as nearly everything is.
std::size_t plain_length(std::string_view bytes) {
    auto is_plain = [](char c) { return c >= ' ' && c < 0x7f && c != '\\'; };
    return static_cast<std::size_t>(std::ranges::find_if_not(bytes, is_plain) - bytes.begin());
}

void append_escaped(std::string& out, std::string_view bytes) {
    for (unsigned char byte : bytes) {
        out += "\\x";
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
}

}  // namespace

std::string printable(std::string_view bytes, std::size_t most) {
    std::string out(bytes.substr(0, std::min(plain_length(bytes), most)));
    for (std::size_t at = out.size(); at < bytes.size();) {
        std::uint32_t point = 0;
        std::size_t length = sequence(bytes.substr(at), point);
        bool escape = length == 0 || harmful(point);
        length = std::max<std::size_t>(length, 1);
        if (at + length > most) return out + "...";
        if (escape) {
            append_escaped(out, bytes.substr(at, length));
        } else {
            out += bytes.substr(at, length);
        }
        at += length;
    }
    return out;
}

std::string log_value(std::string_view bytes, std::size_t most) {
    std::string text = printable(bytes, most);
    if (!text.empty() && text.find_first_of(" \"=") == text.npos) return text;
    std::string quoted = "\"";
    for (char c : text) {
        if (c == '"') {
            quoted += "\\x22";
        } else {
            quoted += c;
        }
    }
    return quoted + "\"";
}

std::size_t first_not_utf8(std::string_view bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
        std::uint32_t point = 0;
        std::size_t length = sequence(bytes.substr(at), point);
        if (length == 0) return at;
        at += length;
    }
    return bytes.npos;
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) { return lower(c); });
    return out;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string hex(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size() * 2);
    for (unsigned char byte : bytes) {
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

}  // namespace onecopy::base
