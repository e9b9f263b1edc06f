#pragma once

#include <string>
#include <vector>

namespace onecopy {

/// Colours of a terminal, or none. Only for text that is safe for a terminal already.
struct Ink {
    bool colour = false;

    std::string strong(const std::string& text) const { return painted(text, "1"); }
    std::string soft(const std::string& text) const { return painted(text, "2"); }
    std::string good(const std::string& text) const { return painted(text, "32"); }
    std::string bad(const std::string& text) const { return painted(text, "31"); }
    std::string wait(const std::string& text) const { return painted(text, "33"); }
    /// By what the word says of mail: failed, held, delivered ...
    std::string state(const std::string& word) const;

private:
    std::string painted(const std::string& text, const char* code) const;
};

/// Filled up with blanks to so many characters (not bytes, UTF-8; not counting colours).
std::string padded(std::string text, std::size_t width);

/// Columns that stand in line: each as wide as its widest cell, but no cell over `most_column` widens it.
class Table {
public:
    static constexpr std::size_t most_column = 40;

    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    /// A line of its own below the last row.
    void note(std::string line) { rows_.push_back({std::move(line)}); }
    std::string text() const;

private:
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace onecopy
