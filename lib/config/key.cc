#include "config/key.h"

#include <algorithm>

namespace onecopy::config {
namespace {

/// The keys that may stand where `prefix` leads to.
std::vector<std::string> siblings(std::string_view prefix, const std::vector<std::string_view>& names) {
    std::vector<std::string> words;
    for (std::string_view name : names) {
        if (!name.starts_with(prefix)) continue;
        std::string word(name.substr(prefix.size()));
        word.resize(std::min(word.find('.'), word.size()));
        if (std::ranges::find(words, word) == words.end()) words.push_back(word);
    }
    return words;
}

/// The section that has such a key, where it is another one; empty: none.
std::string section_of(const std::string& key, const std::vector<std::string_view>& names) {
    for (std::string_view name : names) {
        std::size_t dot = name.rfind('.');
        if (dot != name.npos && name.substr(dot + 1) == key) return std::string(name.substr(0, dot));
    }
    return {};
}

}  // namespace

std::string unknown_key(const std::string& key, std::string_view prefix, const std::vector<std::string_view>& names) {
    if (std::size_t dot = key.rfind('.'); dot != key.npos && std::ranges::find(names, key) != names.end())
        return "unknown key here; write " + key.substr(dot + 1) + ": below " + key.substr(0, dot) + ":";
    std::vector<std::string> words = siblings(prefix, names);
    if (std::string hint = did_you_mean(key, words); !hint.empty()) return "unknown key" + hint;
    if (std::string section = section_of(key, names); !section.empty())
        return "unknown key here; it belongs below " + section + ":";
    return "unknown key; here may stand " + joined(words);
}

}  // namespace onecopy::config
