#include "message/for_clause.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/escape.h"
#include "message/characters.h"

namespace onecopy::message {

namespace {

constexpr std::size_t most_address = 1100;
constexpr std::size_t most_comment = 256;
constexpr auto none = std::string_view::npos;

std::size_t skip_space(std::string_view text, std::size_t from) {
    while (from < text.size() && is_space(text[from])) ++from;
    return from;
}

// Behind the comment that starts here; `from` where it is too long, or does not end.
std::size_t skip_comment(std::string_view text, std::size_t from) {
    std::size_t depth = 0;
    const auto most = std::min(text.size(), from + most_comment);
    for (auto at = from; at < most; ++at) {
        if (text[at] == '\\') {
            ++at;
        } else if (text[at] == '(') {
            ++depth;
        } else if (text[at] == ')' && --depth == 0) {
            return at + 1;
        }
    }
    return from;
}

// Behind all comments from here on; `from` where there is none.
std::size_t skip_comments(std::string_view text, std::size_t from) {
    for (;;) {
        const auto start = skip_space(text, from);
        if (start == text.size() || text[start] != '(') return from;
        const auto end = skip_comment(text, start);
        if (end == start) return from;
        from = end;
    }
}

bool ends_word(char c) {
    return is_space(c) || c == ';' || c == '(' || c == ')' || c == ',' || c == '<' || c == '>';
}

// Behind `<...>`; npos where it does not end. Quoted strings may hold a bracket.
std::size_t path_end(std::string_view text, std::size_t from) {
    bool quoted = false;
    const auto most = std::min(text.size(), from + most_address);
    for (auto at = from + 1; at < most; ++at) {
        if (text[at] == '\\' && quoted) {
            ++at;
        } else if (text[at] == '"') {
            quoted = !quoted;
        } else if (!quoted && (text[at] == '>' || text[at] == '<')) {
            return text[at] == '>' ? at + 1 : none;
        }
    }
    return none;
}

std::size_t word_end(std::string_view text, std::size_t from) {
    bool quoted = false;
    const auto most = std::min(text.size(), from + most_address);
    auto at = from;
    for (; at < most && (quoted || !ends_word(text[at])); ++at) {
        if (text[at] == '"') quoted = !quoted;
        if (text[at] == '\\' && quoted) ++at;
    }
    return quoted ? from : std::min(at, text.size());
}

bool is_keyword(std::string_view word) {
    constexpr std::array words{"with", "id", "via", "by", "from", "for"};
    return std::any_of(words.begin(), words.end(), [&](const char* each) { return base::equal_ignoring_case(word, each); });
}

// A fold within the address: at its `@`, or anywhere where nothing but the date's semicolon comes next.
bool goes_on(std::string_view text, std::size_t end, std::size_t next) {
    if (next == end || next == text.size()) return false;
    if (text[end - 1] == '@' || text[next] == '@') return true;
    if (text[end] != '\r') return false;
    const auto next_end = word_end(text, next);
    const auto behind = skip_space(text, next_end);
    return next_end > next && !is_keyword(text.substr(next, next_end - next)) && behind < text.size() && text[behind] == ';';
}

std::size_t bare_end(std::string_view text, std::size_t from) {
    auto end = word_end(text, from);
    if (end == from) return none;
    for (auto next = skip_space(text, end); end - from < most_address && goes_on(text, end, next);
         next = skip_space(text, end)) {
        const auto next_end = word_end(text, next);
        if (next_end == next) break;
        end = next_end;
    }
    return end;
}

std::size_t address_end(std::string_view text, std::size_t from) {
    if (from >= text.size()) return none;
    if (text[from] == '<') {
        if (const auto end = path_end(text, from); end != none) return end;
        ++from;
    }
    return bare_end(text, from);
}

// A further address of the same clause (RFC 2821 4.4) begins here.
bool is_another(std::string_view text, std::size_t from) {
    if (from >= text.size()) return false;
    return text[from] == '<' || text.substr(from, word_end(text, from) - from).find('@') != none;
}

// From the first address to the end of the clause.
std::size_t clause_end(std::string_view text, std::size_t from) {
    auto end = address_end(text, from);
    if (end == none) return none;
    for (;;) {
        end = skip_comments(text, end);
        auto next = skip_space(text, end);
        while (next < text.size() && text[next] == ',') next = skip_space(text, next + 1);
        const auto next_end = is_another(text, next) ? address_end(text, next) : none;
        if (next_end == none) return end;
        end = next_end;
    }
}

bool is_for(std::string_view value, std::size_t at) {
    if (!base::equal_ignoring_case(value.substr(at, 3), "for") || at + 3 >= value.size()) return false;
    const char next = value[at + 3];
    return (at == 0 || ends_word(value[at - 1])) && (is_space(next) || next == '<' || next == '(');
}

// The words before and behind must not grow together, nor may a line of nothing but white space be left.
ForClause clause_of(std::string_view value, std::size_t word, std::size_t start, std::size_t end) {
    auto begin = word;
    while (begin > 0 && is_space(value[begin - 1])) --begin;
    const auto text = value.substr(start, end - start);
    if (begin == 0) return {text, word, skip_space(value, end)};
    const bool parted = end == value.size() || (ends_word(value[end]) && value[end] != '<');
    return {text, parted ? begin : word, end};
}

std::optional<ForClause> clause_at(std::string_view value, std::size_t word) {
    const auto start = skip_space(value, skip_comments(value, word + 3));
    const auto end = clause_end(value, start);
    if (end == none) return {};
    return clause_of(value, word, start, end);
}

}  // namespace

std::vector<ForClause> for_clauses(std::string_view value) {
    std::vector<ForClause> clauses;
    for (std::size_t at = 0; at + 3 < value.size(); ++at) {
        if ((value[at] | 0x20) != 'f' || !is_for(value, at)) continue;
        if (const auto clause = clause_at(value, at)) {
            clauses.push_back(*clause);
            at = clause->end - 1;
        }
    }
    return clauses;
}

}  // namespace onecopy::message
