#include "config/suggest.h"

#include <algorithm>
#include <utility>

#include "base/escape.h"

namespace onecopy::config {
namespace {

constexpr std::size_t most_off = 2;
constexpr std::size_t least_prefix = 3;

/// Levenshtein's distance, or anything above `most_off`.
std::size_t distance(std::string_view a, std::string_view b) {
    if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) > most_off) return most_off + 1;
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j < row.size(); ++j) {
            std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = std::exchange(row[j], std::min({changed, row[j] + 1, row[j - 1] + 1}));
        }
    }
    return row.back();
}

bool begins(std::string_view a, std::string_view b) {
    return std::min(a.size(), b.size()) >= least_prefix && (a.starts_with(b) || b.starts_with(a));
}

}  // namespace

std::string meant(std::string_view text, const std::vector<std::string>& words) {
    std::string written = base::lower(text);
    std::string best;
    std::size_t least = most_off + 1;
    for (const std::string& word : words) {
        std::size_t off = distance(written, word);
        if (off < least && off < word.size()) {
            least = off;
            best = word;
        }
    }
    if (!best.empty()) return best;
    auto found = std::ranges::find_if(words, [&](const std::string& word) { return begins(written, word); });
    return found == words.end() ? "" : *found;
}

std::string did_you_mean(std::string_view text, const std::vector<std::string>& words) {
    std::string word = meant(text, words);
    return word.empty() ? "" : "; did you mean " + word + "?";
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
        text += words[i];
    }
    return text;
}

}  // namespace onecopy::config
