#include "message/addresses.h"

#include <algorithm>

#include "base/escape.h"
#include "message/characters.h"
#include "message/header.h"
#include "message/mailbox.h"

namespace onecopy::message {

namespace {

constexpr std::size_t most_quoted = 2000;  // a longer quoted local-part is none (mailbox.h)

bool stands_beside(std::string_view text, std::size_t at, std::string_view any) {
    const bool before = at + 1 < text.size() && any.find(text[at + 1]) != any.npos;
    const bool behind = at > 0 && any.find(text[at - 1]) != any.npos;
    return before || behind;
}

// Most values have none: they are spared the other readings.
bool has_space_at(std::string_view any, std::string_view text) {
    for (auto at = text.find(' '); at != text.npos; at = text.find(' ', at + 1)) {
        if (stands_beside(text, at, any)) return true;
    }
    return false;
}

// "a @ b" is how a fold at the `@` reads once it is a space (unfolded, so that there is one).
std::string without_spaces_at(std::string_view any, std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != ' ' || !stands_beside(text, at, any)) result += text[at];
    }
    return result;
}

// The text as it is where a comment does not end.
std::string without_comments(const std::string& text) {
    std::string result;
    std::size_t depth = 0;
    bool quoted = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        const bool comment = depth > 0 || (c == '(' && !quoted);
        if (c == '\\' && (comment || quoted)) {
            if (!comment) result.append(text, at, 2);
            ++at;
            continue;
        }
        if (c == '"' && !comment) quoted = !quoted;
        if (c == '(' && comment) ++depth;
        if (!comment) result += c;
        if (c == ')' && comment) --depth;
    }
    return depth == 0 ? result : text;
}

std::string without_folds(std::string_view value) {
    std::string result;
    for (std::size_t at = 0; at < value.size(); ++at) {
        if (value[at] == '\r' && at + 1 < value.size() && value[at + 1] == '\n') {
            ++at;
            while (at + 1 < value.size() && is_blank(value[at + 1])) ++at;
        } else {
            result += value[at];
        }
    }
    return result;
}

// Where the quoted string starts whose closing quote stands before `end`; npos: not at or behind `from`.
std::size_t opening_quote(std::string_view text, std::size_t from, std::size_t end) {
    const auto least = std::max(from, end > most_quoted ? end - most_quoted : 0);
    for (auto at = end - 1; at-- > least;) {
        if (text[at] == '"' && (at == least || text[at - 1] != '\\')) return at;
    }
    return text.npos;
}

// The local-part that ends before the `@` at `end`.
std::string_view local_part_before(std::string_view text, std::size_t from, std::size_t end) {
    if (end > from && text[end - 1] == '"') {
        if (end - from > 1 && text[end - 2] == '\\') return {};  // no closing quote: the `@` is within the string
        const auto start = opening_quote(text, from, end);
        return start == text.npos ? std::string_view{} : text.substr(start, end - start);
    }
    auto start = end;
    while (start > from && is_local_character(text[start - 1])) --start;
    return text.substr(start, end - start);
}

std::size_t literal_end(std::string_view text, std::size_t from) {
    const auto end = text.find_first_not_of("0123456789.:-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", from + 1);
    return end != text.npos && text[end] == ']' ? end + 1 : from;
}

std::string_view without_tail(std::string_view domain) {
    while (domain.ends_with('.') || domain.ends_with('-')) domain.remove_suffix(1);
    return domain;
}

std::string_view domain_behind(std::string_view text, std::size_t from) {
    if (from < text.size() && text[from] == '[') return text.substr(from, literal_end(text, from) - from);
    auto end = from;
    while (end < text.size() && is_domain_character(text[end])) ++end;
    return without_tail(text.substr(from, end - from));
}

// 'a@x.example', as some programs write it, is not the address of 'a.
std::string_view without_apostrophe(std::string_view local_part, std::string_view text, std::size_t behind) {
    if (local_part.starts_with('\'') && behind < text.size() && text[behind] == '\'') local_part.remove_prefix(1);
    return local_part;
}

// In front of a local-part may stand whatever a program puts there to encode it: `list-`, `bounce+`, `prvs=tag=`.
bool may_stand_before(char c) {
    return !is_alphanumeric(c) && c != '.' && c != '_';
}

// A dot that no name follows ends a sentence, or a domain.
bool may_end_domain(std::string_view text, std::size_t at) {
    if (at == text.size() || !is_domain_character(text[at])) return true;
    if (text[at] == '.') return at + 1 == text.size() || !is_alphanumeric(text[at + 1]);
    return !is_alphanumeric(text[at]);
}

std::string_view without_dots(std::string_view domain) {
    while (domain.ends_with('.')) domain.remove_suffix(1);
    return domain;
}

}  // namespace

std::vector<std::string> readings(std::string_view value) {
    std::vector<std::string> texts{unfold(value)};
    const auto add = [&](std::string text) {
        if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(std::move(text));
    };
    if (has_space_at("@", texts[0])) add(without_spaces_at("@", texts[0]));
    if (texts[0].find('(') != std::string::npos || has_space_at("@.", texts[0])) {
        add(without_spaces_at("@.", unfold(without_comments(texts[0]))));
    }
    if (value.find("\r\n") != value.npos) add(without_folds(value));
    return texts;
}

std::vector<std::string> addresses_shown_in(std::string_view value) {
    std::vector<std::string> addresses;
    for (const auto& text : readings(value)) {
        for (auto& address : addresses_of(text)) addresses.push_back(std::move(address));
    }
    return addresses;
}

std::vector<std::string> addresses_of(std::string_view text) {
    std::vector<std::string> addresses;
    std::size_t from = 0;
    for (auto at = text.find('@'); at != text.npos; at = text.find('@', at + 1)) {
        const auto domain = domain_behind(text, at + 1);
        const auto local_part = without_apostrophe(local_part_before(text, from, at), text, at + 1 + domain.size());
        if (domain.empty() || local_part.empty()) continue;
        addresses.push_back(std::string(local_part).append("@").append(domain));
        from = at + 1 + domain.size();
    }
    return addresses;
}

std::vector<std::string> addresses_in(std::string_view value) {
    return addresses_of(without_spaces_at("@", unfold(value)));
}

std::string plain_spelling(std::string_view address) {
    const auto domain = domain_of(address);
    if (domain.empty()) return base::lower(address);
    const auto local_part = address.substr(0, address.size() - domain.size() - 1);
    return base::lower(unquoted(local_part)).append("@").append(base::lower(without_dots(domain)));
}

std::vector<std::string> spellings(std::string_view address) {
    const auto domain = domain_of(address);
    if (domain.empty()) return {base::lower(address)};
    const auto local_part = base::lower(unquoted(address.substr(0, address.size() - domain.size() - 1)));
    std::vector<std::string> result{plain_spelling(address), local_part + '@' + normal_domain(domain),
                                    local_part + '@' + unicode_domain(domain)};
    std::sort(result.begin(), result.end());
    result.erase(std::unique(result.begin(), result.end()), result.end());
    return result;
}

void AddressSet::LocalParts::add(std::string name) {
    std::size_t node = 0;
    for (auto at = name.size(); at-- > 0;) {
        const auto [next, is_new] = nodes_[node].before.try_emplace(name[at], nodes_.size());
        node = next->second;
        if (is_new) nodes_.emplace_back();
    }
    nodes_[node].whole = true;
    names_.insert(std::move(name));
}

bool AddressSet::LocalParts::end(std::string_view text) const {
    std::size_t node = 0;
    for (auto at = text.size(); at-- > 0;) {
        const auto next = nodes_[node].before.find(text[at]);
        if (next == nodes_[node].before.end()) return false;
        node = next->second;
        if (nodes_[node].whole && (at == 0 || may_stand_before(text[at - 1]))) return true;
    }
    return false;
}

void AddressSet::add(std::string_view address) {
    for (const auto& spelling : spellings(address)) {
        const auto at = spelling.rfind('@');
        if (at == spelling.npos || at == 0) continue;
        domains_[spelling.substr(at + 1)].add(spelling.substr(0, at));
        most_domain_ = std::max(most_domain_, spelling.size() - at - 1);
    }
}

bool AddressSet::held_by(std::string_view text, bool tagged) const {
    if (empty()) return false;
    const auto low = base::lower(text);
    for (auto at = low.find_first_of("@=%"); at != low.npos; at = low.find_first_of("@=%", at + 1)) {
        const bool plain = low[at] == '@' || (low[at] == '=' && tagged);
        if (plain && held_around(low, at, at + 1)) return true;
        if (low[at] != '@' && low.compare(at + 1, 2, "40") == 0 && held_around(low, at, at + 3)) return true;
    }
    return false;
}

bool AddressSet::has_local_part(std::string_view local_part) const {
    const auto low = base::lower(unquoted(local_part));
    return std::any_of(domains_.begin(), domains_.end(), [&](const auto& domain) { return domain.second.has(low); });
}

// A local-part ends at `separator`, a domain begins at `start`.
bool AddressSet::held_around(std::string_view text, std::size_t separator, std::size_t start) const {
    const auto before = text.substr(0, separator);
    if (start < text.size() && text[start] == '[') {
        return held_before(before, text.substr(start, literal_end(text, start) - start));
    }
    const auto most = std::min(text.size(), start + most_domain_);
    for (auto end = start; end <= most; ++end) {
        if (may_end_domain(text, end) && held_before(before, text.substr(start, end - start))) return true;
        if (end < text.size() && !is_domain_character(text[end])) return false;
    }
    return false;
}

bool AddressSet::held_before(std::string_view text, std::string_view domain) const {
    const auto found = domains_.find(domain);
    if (found == domains_.end()) return false;
    const auto& local_parts = found->second;
    const bool quoted = text.ends_with('"');
    return (quoted && local_parts.has(unquoted(local_part_before(text, 0, text.size())))) || local_parts.end(text);
}

}  // namespace onecopy::message
