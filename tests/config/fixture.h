#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace onecopy::config {

/// The least that a configuration must have. What a test adds begins in line 5, first with what belongs to `backend`.
inline const std::string least =
    "listen:\n"
    "  - address: 127.0.0.1:2525\n"
    "backend:\n"
    "  servers: [mail.example:25]\n";

/// `least` with one key more, named as keys() names it; `recover_from[]` keys are none of these.
inline std::string with(std::string_view key, const std::string& value) {
    std::string line = std::string(key.substr(key.find('.') + 1)) + ": " + value + "\n";
    if (key.find('.') == key.npos) return least + line;
    std::string section(key.substr(0, key.find('.')));
    if (section == "backend") return least + "  " + line;
    if (section != "listen[]") return least + section + ":\n  " + line;
    std::string text = least;
    return text.insert(text.find("backend:"), "    " + line);
}

/// What is wrong with a text, each as `LINE:COLUMN: what`.
inline std::vector<std::string> told(const std::string& text) {
    std::vector<std::string> lines;
    for (const Problem& problem : read(text).problems) {
        lines.push_back(std::to_string(problem.line) + ":" + std::to_string(problem.column) + ": " + problem.what);
    }
    return lines;
}

/// What is wrong with one value, without its place and its key. All in one text, so that a second problem shows.
inline std::string complaint(std::string_view key, const std::string& value) {
    std::string all;
    for (const Problem& problem : read(with(key, value)).problems) {
        bool named = problem.what.starts_with(std::string(key) + ": ");
        all += (all.empty() ? "" : "\n") + (named ? problem.what.substr(key.size() + 2) : problem.what);
    }
    return all;
}

}  // namespace onecopy::config

/// One line each, where a check fails.
template <>
struct doctest::StringMaker<std::vector<std::string>> {
    static String convert(const std::vector<std::string>& lines) {
        std::string all;
        for (const std::string& line : lines) all += "\n    " + line;
        return all.c_str();
    }
};
