#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace onecopy::config {

/// 1-based; columns count bytes. Zero: no place.
struct Place {
    int line = 0;
    int column = 0;
};

/// One value of the file.
struct Node {
    enum class Kind { nothing, text, list, map };

    Kind kind = Kind::nothing;
    Place at;
    std::string text;
    bool quoted = false;
    std::vector<Node> items;  // of a list; of a map, each with its key

    std::string key;
    Place key_at;
};

struct Document {
    Node root;
    bool whole = false;  // read to its end: what the root holds may be looked at
    std::vector<Problem> problems;
};

/// YAML text, read in one pass by the parser's events with everything bounded: 1 MiB, 16 levels, 100 000 values, one
/// document, no anchors, aliases and tags, no controls. A text without any value is an empty map.
Document parse(const std::string& text);

constexpr std::size_t most_bytes = 1 << 20;

}  // namespace onecopy::config
