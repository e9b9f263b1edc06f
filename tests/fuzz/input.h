#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace onecopy::fuzz {

/// What must hold, or the input is a finding.
inline void must(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

/// The fuzzer's bytes: some choices from the front, the rest as text.
class Input {
public:
    Input(const std::uint8_t* bytes, std::size_t size) : rest_(reinterpret_cast<const char*>(bytes), size) {}

    /// 0 where nothing is left.
    unsigned byte() {
        if (rest_.empty()) return 0;
        const auto first = static_cast<unsigned char>(rest_[0]);
        rest_.remove_prefix(1);
        return first;
    }
    bool bit(unsigned of, unsigned which) const { return (of >> which & 1) != 0; }
    std::string_view rest() const { return rest_; }

private:
    std::string_view rest_;
};

/// Pieces of a text, of lengths that one byte decides; 0: in one piece.
inline std::vector<std::string_view> pieces(std::string_view text, unsigned seed) {
    std::vector<std::string_view> all;
    for (std::uint32_t state = seed; !text.empty();) {
        state = state * 1664525 + 1013904223;
        const std::size_t size = seed == 0 ? text.size() : 1 + (state >> 24) % (1 + seed);
        all.push_back(text.substr(0, size));
        text.remove_prefix(all.back().size());
    }
    return all;
}

/// The same for each line of its own: nothing stands behind a line in its piece.
inline std::vector<std::string_view> pieces_of_lines(std::string_view text, unsigned seed) {
    std::vector<std::string_view> all;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end == text.npos ? text.size() : end + 1);
        for (std::string_view piece : pieces(line, seed)) all.push_back(piece);
        text.remove_prefix(line.size());
    }
    return all;
}

}  // namespace onecopy::fuzz
