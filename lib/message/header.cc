#include "message/header.h"

#include <algorithm>

#include "base/escape.h"
#include "message/characters.h"

namespace onecopy::message {

namespace {

// RFC 5322 3.6.8 ftext.
bool is_name_character(char c) {
    return c > ' ' && c < 0x7f && c != ':';
}

// Behind the line's CRLF, or the end of the block. A bare CR or LF ends no line.
std::size_t line_end(std::string_view block, std::size_t from) {
    const auto end = block.find("\r\n", from);
    return end == block.npos ? block.size() : end + 2;
}

// Behind the last line of the field that starts here.
std::size_t field_end(std::string_view block, std::size_t from) {
    auto end = line_end(block, from);
    while (end < block.size() && is_blank(block[end])) end = line_end(block, end);
    return end;
}

std::string_view without_line_end(std::string_view text) {
    if (text.ends_with("\r\n")) text.remove_suffix(2);
    return text;
}

Field field_of(std::string_view raw) {
    const auto name_end = std::find_if_not(raw.begin(), raw.end(), is_name_character);
    const auto colon = std::find_if_not(name_end, raw.end(), is_blank);
    if (name_end == raw.begin() || colon == raw.end() || *colon != ':') return {{}, {}, raw};
    const auto name_length = static_cast<std::size_t>(name_end - raw.begin());
    const auto value_start = static_cast<std::size_t>(colon - raw.begin()) + 1;
    return {raw.substr(0, name_length), without_line_end(raw.substr(value_start)), raw};
}

std::size_t blanks_end(std::string_view text, std::size_t from) {
    while (from < text.size() && is_blank(text[from])) ++from;
    return from;
}

bool is_fold(std::string_view text, std::size_t at) {
    return text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n';
}

bool is_space_at(std::string_view text, std::size_t at) {
    return is_blank(text[at]) || is_fold(text, at);
}

std::size_t spaces_end(std::string_view text, std::size_t from) {
    while (from < text.size() && is_space_at(text, from)) from += is_blank(text[from]) ? 1 : 2;
    return from;
}

}  // namespace

bool Field::is(std::string_view other) const {
    return base::equal_ignoring_case(name, other);
}

Header::Header(std::string_view block) {
    for (std::size_t from = 0; from < block.size();) {
        const auto end = field_end(block, from);
        fields_.push_back(field_of(block.substr(from, end - from)));
        from = end;
    }
}

std::size_t Header::count(std::string_view name) const {
    return static_cast<std::size_t>(
        std::count_if(fields_.begin(), fields_.end(), [&](const Field& field) { return field.is(name); }));
}

const Field* Header::find(std::string_view name) const {
    const auto found = std::find_if(fields_.begin(), fields_.end(), [&](const Field& field) { return field.is(name); });
    return found == fields_.end() ? nullptr : &*found;
}

bool within_limits(std::string_view block) {
    if (block.size() > most_header_bytes) return false;
    std::size_t fields = 0;
    for (std::size_t from = 0; from < block.size(); from = field_end(block, from)) {
        if (++fields > most_header_fields) return false;
    }
    return true;
}

std::string join_folds(std::string_view value) {
    std::string result;
    result.reserve(value.size());
    for (auto at = blanks_end(value, 0); at < value.size();) {
        const auto fold = std::min(value.find("\r\n", at), value.size());
        result.append(value, at, fold - at);
        if (fold == value.size()) break;
        at = blanks_end(value, fold + 2);
        result += ' ';
    }
    result.erase(0, blanks_end(result, 0));
    return result;
}

std::string unfold(std::string_view value) {
    std::string result;
    result.reserve(value.size());
    for (auto at = spaces_end(value, 0); at < value.size(); at = spaces_end(value, at)) {
        if (!result.empty()) result += ' ';
        const auto word = at;
        while (at < value.size() && !is_space_at(value, at)) ++at;
        result.append(value, word, at - word);
    }
    return result;
}

}  // namespace onecopy::message
