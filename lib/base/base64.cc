#include "base/base64.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace onecopy::base {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t no_digit = 64;

constexpr std::array<std::uint8_t, 256> digits = [] {
    std::array<std::uint8_t, 256> digits{};
    digits.fill(no_digit);
    for (std::size_t i = 0; i < alphabet.size(); ++i) {
        digits[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    }
    return digits;
}();

/// Appends what one to three bytes are in digits, filled up with padding.
void encode_group(std::string_view bytes, std::string& out) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0);
    for (std::size_t i = 0; i < 4; ++i) out += i <= bytes.size() ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
}

/// Two to four digits, without padding. False where one is none, or the bits that are left over are not zero.
bool decode_group(std::string_view text, std::string& out) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        const auto digit = i < text.size() ? digits[static_cast<unsigned char>(text[i])] : std::uint8_t(0);
        if (digit == no_digit) return false;
        bits = bits << 6 | digit;
    }
    const auto bytes = text.size() - 1;
    for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>(bits >> (16 - 8 * i) & 0xff);
    return bytes == 3 || (bits >> (16 - 8 * bytes) & 0xff) == 0;
}

}  // namespace

std::string base64(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (; bytes.size() > 3; bytes.remove_prefix(3)) encode_group(bytes.substr(0, 3), out);
    if (!bytes.empty()) encode_group(bytes, out);
    return out;
}

std::optional<std::string> decode_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::string out;
    out.reserve(text.size() / 4 * 3);  // it may be a password: no copies are left behind by growing
    for (; !text.empty(); text.remove_prefix(4)) {
        auto group = text.substr(0, 4);
        if (text.size() == 4 && group.ends_with('=')) group.remove_suffix(group[2] == '=' ? 2 : 1);
        if (!decode_group(group, out)) return std::nullopt;
    }
    return out;
}

}  // namespace onecopy::base
