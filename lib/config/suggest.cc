#include "config/suggest.h"

#include <algorithm>
#include <utility>

#include "base/escape.h"

namespace onecopy::config {
namespace {

constexpr std::size_t most_off = 2;
constexpr std::size_t least_prefix = 3;

/// Levenshtein's distance, two neighbours that changed places counted once; or anything above `most_off`.
std::size_t distance(std::string_view a, std::string_view b) {
    if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) > most_off) return most_off + 1;
    std::vector<std::size_t> row(b.size() + 1), above = row, two_above = row;
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        two_above = std::exchange(above, row);
        row[0] = i;
        for (std::size_t j = 1; j < row.size(); ++j) {
            std::size_t changed = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({changed, above[j] + 1, row[j - 1] + 1});
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = std::min(row[j], two_above[j - 2] + 1);
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
        bool closer = off < least || (off == least && begins(written, word) && !begins(written, best));
        if (closer && off * 2 <= word.size()) {
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
