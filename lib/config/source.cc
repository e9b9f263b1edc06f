#include "config/source.h"

#include <algorithm>

#include "base/escape.h"

namespace onecopy::config {
namespace {

Problem at(std::string_view text, std::size_t offset, std::string what) {
    std::string_view before = text.substr(0, offset);
    std::size_t start = before.rfind('\n') + 1;
    return {static_cast<int>(std::ranges::count(before, '\n')) + 1, static_cast<int>(offset - start) + 1, std::move(what)};
}

bool is_control(std::string_view text, std::size_t i) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    bool line_end = c == '\n' || (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n');
    return (c < 0x20 && c != '\t' && !line_end) || c == 0x7f;
}

std::optional<Problem> find_control(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (!is_control(text, i)) continue;
        std::string byte = base::hex(text.substr(i, 1));
        return at(text, i, "a control character (0x" + byte + ") has no place in a configuration; is it a text file?");
    }
    return std::nullopt;
}

std::optional<Problem> find_indenting_tab(std::string_view text) {
    for (std::size_t start = 0; start < text.size();) {
        std::size_t end = std::min(text.find('\n', start), text.size());
        std::string_view line = text.substr(start, end - start);
        std::string_view indent = line.substr(0, std::min(line.find_first_not_of(" \t\r"), line.size()));
        std::size_t tab = indent.find('\t');
        bool empty = indent.size() == line.size() || line[indent.size()] == '#';
        if (tab != indent.npos && !empty) return at(text, start + tab, "a tab indents this line: YAML wants blanks");
        start = end + 1;
    }
    return std::nullopt;
}

}  // namespace

std::optional<Problem> wrong_text(std::string_view text) {
    if (text.size() > most_bytes) return Problem{1, 1, "larger than 1 MiB: is it a configuration?"};
    if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
        return Problem{1, 1, "this is UTF-16: save the file as UTF-8"};
    }
    if (std::size_t offset = base::first_not_utf8(text); offset != text.npos) {
        return at(text, offset, "a byte that is not UTF-8: save the file as UTF-8");
    }
    if (auto problem = find_control(text)) return problem;
    return find_indenting_tab(text);
}

Lines::Lines(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    for (std::size_t start = 0; start <= text.size();) {
        std::size_t end = std::min(text.find('\n', start), text.size());
        lines_.push_back(text.substr(start, end - start));
        start = end + 1;
    }
}

bool Lines::open_quote(Place at) const {
    if (at.line < 1 || static_cast<std::size_t>(at.line) > lines_.size()) return false;
    std::string_view rest = lines_[static_cast<std::size_t>(at.line) - 1];
    rest.remove_prefix(std::min(rest.size(), static_cast<std::size_t>(at.column) - 1));
    if (rest.empty() || (rest[0] != '"' && rest[0] != '\'')) return false;
    for (std::size_t i = 1; i < rest.size(); ++i) {
        bool escape = rest[0] == '"' ? rest[i] == '\\' : rest.substr(i, 2) == "''";
        if (escape) {
            ++i;
        } else if (rest[i] == rest[0]) {
            return false;
        }
    }
    return true;
}

}  // namespace onecopy::config
