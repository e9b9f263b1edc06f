#include "message/message_id.h"

#include <algorithm>
#include <cstddef>

#include "message/characters.h"

namespace onecopy::message {

namespace {

constexpr auto none = std::string_view::npos;

// Behind the comment that starts here (RFC 5322 3.2.2, nested); npos: it does not end.
std::size_t comment_end(std::string_view text, std::size_t from) {
    std::size_t depth = 0;
    for (auto at = from; at < text.size(); ++at) {
        if (text[at] == '\\') {
            ++at;
        } else if (text[at] == '(') {
            ++depth;
        } else if (text[at] == ')' && --depth == 0) {
            return at + 1;
        }
    }
    return none;
}

// Behind white space and comments; npos: a comment does not end.
std::size_t skip_around(std::string_view text, std::size_t from) {
    while (from < text.size() && (is_blank(text[from]) || text[from] == '(')) {
        from = is_blank(text[from]) ? from + 1 : comment_end(text, from);
    }
    return from;
}

// Behind `closing`, which a backslash may quote; npos: it does not come.
std::size_t closed_by(char closing, std::string_view text, std::size_t from) {
    for (auto at = from; at < text.size(); ++at) {
        if (text[at] == '\\') {
            ++at;
        } else if (text[at] == closing) {
            return at + 1;
        }
    }
    return none;
}

// Behind the `>` that ends the id whose `<` stands here; npos: it does not end.
std::size_t id_end(std::string_view text, std::size_t from) {
    for (auto at = from + 1; at < text.size();) {
        const char c = text[at];
        if (c == '>') return at + 1;
        if (c == '<') return none;
        if (c == '"') {
            at = closed_by('"', text, at + 1);
        } else if (c == '[' && text[at - 1] == '@') {
            at = closed_by(']', text, at + 1);
        } else {
            ++at;
        }
    }
    return none;
}

bool has_forbidden(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) { return is_control(c) && c != '\t'; });
}

bool says_nothing(std::string_view id) {
    return id.find_first_not_of("<> \t") == id.npos;
}

}  // namespace

std::string parse_message_id(std::string_view value) {
    if (has_forbidden(value)) return {};
    const auto start = skip_around(value, 0);
    if (start >= value.size() || value[start] != '<') return {};
    const auto end = id_end(value, start);
    if (end == none || skip_around(value, end) != value.size()) return {};
    const auto id = value.substr(start, end - start);
    return says_nothing(id) ? std::string() : std::string(id);
}

}  // namespace onecopy::message
