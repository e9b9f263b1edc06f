#include "ink.h"

#include <algorithm>

namespace onecopy {
namespace {

/// Without colours and bytes that continue a character.
std::size_t width_of(const std::string& text) {
    std::size_t width = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\x1b') {
            i = std::min(text.find('m', i), text.size());
        } else if ((text[i] & 0xc0) != 0x80) {
            ++width;
        }
    }
    return width;
}

}  // namespace

std::string Ink::painted(const std::string& text, const char* code) const {
    return colour && !text.empty() ? std::string("\x1b[") + code + "m" + text + "\x1b[0m" : text;
}

std::string Ink::state(const std::string& word) const {
    if (word == "failed" || word == "refused" || word == "dropped" || word == "unreadable") return bad(word);
    if (word == "delivered" || word == "done") return good(word);
    if (word == "queued" || word == "deferred" || word == "rested") return wait(word);
    return word;
}

std::string padded(std::string text, std::size_t width) {
    const std::size_t now = width_of(text);
    if (now < width) text.append(width - now, ' ');
    return text;
}

std::string Table::text() const {
    std::vector<std::size_t> widths;
    for (const auto& row : rows_) {
        if (row.size() == 1) continue;
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::size_t width = width_of(row[i]);
            if (width <= most_column) widths[i] = std::max(widths[i], width);
        }
    }
    std::string text;
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i + 1 < row.size(); ++i) text += padded(row[i], widths[i]) + "  ";
        text += row.back() + "\n";
    }
    return text;
}

}  // namespace onecopy
