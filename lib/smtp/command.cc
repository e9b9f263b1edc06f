#include "smtp/command.h"

#include <algorithm>
#include <charconv>

#include "base/escape.h"

namespace onecopy::smtp {

namespace {

constexpr std::string_view white_space = " \t";

std::string upper(std::string_view text) {
    std::string upper(text);
    for (char& c : upper) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return upper;
}

std::string_view trim(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(white_space), text.size()));
    text.remove_suffix(text.size() - (text.find_last_not_of(white_space) + 1));
    return text;
}

/// Takes one word off the front of `text`, and the white space behind it.
std::string_view take_word(std::string_view& text) {
    const auto word = text.substr(0, text.find_first_of(white_space));
    text = trim(text.substr(word.size()));
    return word;
}

/// Where the `>` stands that ends the path at the front of `text`.
std::size_t end_of_path(std::string_view text) {
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"') quoted = !quoted;
        if (quoted && text[i] == '\\') ++i;
        if (!quoted && i < text.size() && text[i] == '>') return i;
    }
    return text.npos;
}

bool is_keyword(std::string_view name) {
    const auto allowed = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    };
    return !name.empty() && name.front() != '-' && std::ranges::all_of(name, allowed);
}

bool is_value(std::string_view value) {
    return !value.empty() && std::ranges::all_of(value, [](char c) {
        const bool high = static_cast<unsigned char>(c) >= 0x80;  // RFC 6533 3
        return high || (c > ' ' && c <= '~' && c != '=');
    });
}

std::optional<Parameter> parse_parameter(std::string_view word) {
    const auto equals = word.find('=');
    const auto name = word.substr(0, equals);
    if (!is_keyword(name)) return std::nullopt;
    if (equals == word.npos) return Parameter{upper(name), std::nullopt};
    const auto value = word.substr(equals + 1);
    if (!is_value(value)) return std::nullopt;
    return Parameter{upper(name), value};
}

}  // namespace

CommandLine parse_command(std::string_view line) {
    const auto verb = take_word(line);
    return {upper(verb), line};
}

std::optional<PathArgument> parse_path_argument(std::string_view argument, std::string_view keyword) {
    if (!base::equal_ignoring_case(argument.substr(0, keyword.size()), keyword)) return std::nullopt;
    auto rest = trim(argument.substr(keyword.size()));
    if (rest.empty() || rest.front() != '<') return std::nullopt;
    rest.remove_prefix(1);
    const auto end = end_of_path(rest);
    if (end == rest.npos) return std::nullopt;
    PathArgument parsed{rest.substr(0, end), {}};
    rest.remove_prefix(end + 1);
    if (!rest.empty() && white_space.find(rest.front()) == white_space.npos) return std::nullopt;
    for (rest = trim(rest); !rest.empty();) {
        auto parameter = parse_parameter(take_word(rest));
        if (!parameter) return std::nullopt;
        parsed.parameters.push_back(*std::move(parameter));
    }
    return parsed;
}

std::pair<std::string_view, std::string_view> first_word(std::string_view argument) {
    const auto word = take_word(argument);
    return {word, argument};
}

std::optional<ChunkArgument> parse_chunk_argument(std::string_view argument) {
    const auto [word, rest] = first_word(argument);
    const auto size = parse_size_value(word);
    const bool last = base::equal_ignoring_case(rest, "LAST");
    if (!size || (!last && !rest.empty())) return std::nullopt;
    return ChunkArgument{*size, last};
}

std::optional<std::uint64_t> parse_size_value(std::string_view value) {
    constexpr std::size_t most_digits = 20;
    std::uint64_t size = 0;
    const char* const end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, size);
    if (value.size() > most_digits || error != std::errc() || stop != end) return std::nullopt;
    return size;
}

}  // namespace onecopy::smtp
