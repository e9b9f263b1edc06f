#include "base/units.h"

#include <array>
#include <charconv>

namespace onecopy::base {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t size;
};

constexpr std::array duration_units = {Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000}, Unit{"s", 1000},
                                       Unit{"ms", 1}};
constexpr std::array size_units = {Unit{"G", 1 << 30}, Unit{"M", 1 << 20}, Unit{"K", 1 << 10}, Unit{"", 1}};
constexpr std::uint64_t longest = std::uint64_t{3660} * 86'400'000;  // ten years

/// A whole number and one of the units behind it, at most `most`.
template <typename Units>
std::optional<std::uint64_t> parse(std::string_view text, const Units& units, std::uint64_t most) {
    bool leading_zero = text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9';  // octal, to some
    if (leading_zero) return std::nullopt;
    std::uint64_t number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end == text.data()) return std::nullopt;
    std::string_view name = text.substr(static_cast<std::size_t>(end - text.data()));
    for (const Unit& unit : units) {
        if (unit.name == name && number <= most / unit.size) return number * unit.size;
    }
    return std::nullopt;
}

template <typename Units>
std::string shortest(std::uint64_t value, const Units& units) {
    for (const Unit& unit : units) {
        if (value % unit.size == 0) return std::to_string(value / unit.size) + std::string(unit.name);
    }
    return {};
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
    if (text == "0") return Duration(0);
    std::optional<std::uint64_t> milliseconds = parse(text, duration_units, longest);
    if (!milliseconds) return std::nullopt;
    return Duration(*milliseconds);
}

std::string to_text(Duration duration) {
    if (duration.count() == 0) return "0s";
    if (duration.count() < 0) return "-" + to_text(-duration);
    return shortest(static_cast<std::uint64_t>(duration.count()), duration_units);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    return parse(text, size_units, std::uint64_t{1} << 62);
}

std::string size_to_text(std::uint64_t bytes) {
    return bytes == 0 ? "0" : shortest(bytes, size_units);
}

}  // namespace onecopy::base
