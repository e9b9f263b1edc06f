#include "message/date.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <span>
#include <vector>

#include "base/escape.h"
#include "message/characters.h"

namespace onecopy::message {
namespace {

constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array weekdays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

// A date has seven words, the line of an mbox the sender's besides.
constexpr std::size_t most_words = 32;

using Words = std::span<const std::string_view>;

// Behind a comment that starts here, or the end of the text.
std::size_t comment_end(std::string_view text, std::size_t at) {
    int depth = 0;
    for (; at < text.size(); ++at) {
        if (text[at] == '\\')
            ++at;
        else if (text[at] == '(')
            ++depth;
        else if (text[at] == ')' && --depth == 0)
            return at + 1;
    }
    return text.size();
}

// Without comments, commas and white space.
std::vector<std::string_view> words_of(std::string_view text) {
    const auto parts = [](char c) { return is_space(c) || c == ',' || c == '('; };
    std::vector<std::string_view> words;
    for (std::size_t at = 0; at < text.size() && words.size() < most_words;) {
        if (text[at] == '(') {
            at = comment_end(text, at);
        } else if (parts(text[at])) {
            ++at;
        } else {
            const auto end = std::find_if(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), parts);
            words.push_back(text.substr(at, static_cast<std::size_t>(end - text.begin()) - at));
            at += words.back().size();
        }
    }
    return words;
}

// Digits alone, as many as may be.
std::optional<unsigned> number(std::string_view digits, std::size_t least, std::size_t most) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool whole = error == std::errc() && end == digits.data() + digits.size();
    return whole && digits.size() >= least && digits.size() <= most ? std::optional(value) : std::nullopt;
}

// Its place in the table; the table's size where it is none of them.
template <typename Table>
std::size_t place(const Table& names, std::string_view word) {
    const auto found = std::ranges::find_if(names, [&](const char* name) { return base::equal_ignoring_case(name, word); });
    return static_cast<std::size_t>(found - names.begin());
}

bool is_weekday(std::string_view word) {
    return place(weekdays, word) < weekdays.size();
}

std::optional<std::chrono::year> year_of(std::string_view word) {
    const auto value = number(word, 2, 4);
    if (!value) return std::nullopt;
    const unsigned century = word.size() == 4 ? 0 : word.size() == 3 || *value >= 50 ? 1900 : 2000;  // RFC 5322 4.3
    const unsigned year = *value + century;
    return year < 1970 ? std::nullopt : std::optional(std::chrono::year(static_cast<int>(year)));
}

// `04:32:19`, `04:32`.
std::optional<std::chrono::seconds> clock_of(std::string_view word) {
    const auto first = word.find(':');
    if (first == word.npos) return std::nullopt;
    const auto second = std::min(word.find(':', first + 1), word.size());
    const auto hours = number(word.substr(0, first), 1, 2);
    const auto minutes = number(word.substr(first + 1, second - first - 1), 2, 2);
    const auto seconds = second == word.size() ? std::optional(0U) : number(word.substr(second + 1), 2, 2);
    if (!hours || !minutes || !seconds || *hours > 23 || *minutes > 59 || *seconds > 60) return std::nullopt;
    return std::chrono::hours(*hours) + std::chrono::minutes(*minutes) + std::chrono::seconds(*seconds);
}

// East of Greenwich (RFC 5322 4.3); nothing where the word is no zone that is known.
std::optional<std::chrono::minutes> zone_of(std::string_view word) {
    struct Named {
        std::string_view name;
        int hours;
    };
    static constexpr Named named[] = {{"UT", 0},   {"UTC", 0},  {"GMT", 0},  {"Z", 0},    {"EST", -5},
                                      {"EDT", -4}, {"CST", -6}, {"CDT", -5}, {"MST", -7}, {"MDT", -6},
                                      {"PST", -8}, {"PDT", -7}, {"CET", 1},  {"CEST", 2}};
    for (const auto& [name, hours] : named) {
        if (base::equal_ignoring_case(name, word)) return std::chrono::hours(hours);
    }
    if (!word.starts_with('+') && !word.starts_with('-')) return std::nullopt;
    const auto digits = number(word.substr(1), 4, 4);
    if (!digits || *digits % 100 > 59) return std::nullopt;
    const auto east = std::chrono::minutes(*digits / 100 * 60 + *digits % 100);
    return word[0] == '-' ? -east : east;
}

std::optional<base::WallTime> time_of_parts(std::optional<std::chrono::year> year, std::size_t month, std::string_view day,
                                            std::string_view clock, std::chrono::minutes east) {
    const auto day_number = number(day, 1, 2);
    const auto since_midnight = clock_of(clock);
    if (!year || !day_number || !since_midnight) return std::nullopt;
    const std::chrono::year_month_day calendar(*year, std::chrono::month(static_cast<unsigned>(month + 1)),
                                               std::chrono::day(*day_number));
    if (!calendar.ok()) return std::nullopt;
    return base::WallTime(std::chrono::sys_days(calendar) + *since_midnight - east);
}

std::chrono::minutes zone_or_utc(Words words, std::size_t at) {
    return at < words.size() ? zone_of(words[at]).value_or(std::chrono::minutes(0)) : std::chrono::minutes(0);
}

// `27 Nov 2026 04:32:19 +0000`
std::optional<base::WallTime> day_first(Words words) {
    if (words.size() < 4) return std::nullopt;
    const auto month = place(months, words[1]);
    if (month == months.size()) return std::nullopt;
    return time_of_parts(year_of(words[2]), month, words[0], words[3], zone_or_utc(words, 4));
}

// `Nov 27 04:32:19 2026`, with a zone before the year or behind it, of which one of a name that is not known says nothing.
std::optional<base::WallTime> month_first(Words words) {
    if (words.size() < 4) return std::nullopt;
    const auto month = place(months, words[0]);
    if (month == months.size()) return std::nullopt;
    const bool zone_before = !number(words[3], 4, 4);
    if (zone_before && words.size() < 5) return std::nullopt;
    return time_of_parts(year_of(words[zone_before ? 4 : 3]), month, words[1], words[2],
                         zone_or_utc(words, zone_before ? 3 : 4));
}

std::optional<base::WallTime> time_of_words(Words words) {
    if (!words.empty() && is_weekday(words[0])) words = words.subspan(1);
    const auto time = day_first(words);
    return time ? time : month_first(words);
}

}  // namespace

std::string date(base::WallTime time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day calendar(day);
    const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%s, %u %s %04d %02d:%02d:%02d +0000",
                  weekdays.at(std::chrono::weekday(day).c_encoding()), static_cast<unsigned>(calendar.day()),
                  months.at(static_cast<unsigned>(calendar.month()) - 1), static_cast<int>(calendar.year()),
                  static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                  static_cast<int>(clock.seconds().count()));
    return text.data();
}

std::optional<base::WallTime> parse_date(std::string_view text) {
    return time_of_words(words_of(text));
}

std::optional<base::WallTime> parse_from_line(std::string_view line) {
    if (!line.starts_with("From ")) return std::nullopt;
    const auto words = words_of(line.substr(5));
    for (std::size_t at = 0; at < words.size(); ++at) {
        if (!is_weekday(words[at])) continue;
        if (const auto time = time_of_words(Words(words).subspan(at))) return time;
    }
    return std::nullopt;
}

}  // namespace onecopy::message
