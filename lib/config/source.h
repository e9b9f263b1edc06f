#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/document.h"

namespace onecopy::config {

/// What makes a text no text before it can be YAML: size, not UTF-8, controls, tabs that indent. The first such thing.
std::optional<Problem> wrong_text(std::string_view text);

/// True where the quoted text that begins at a place does not end on its line. The parser reads on to the next quote, or
/// to the end, and so takes other keys for a part of the value.
class Lines {
public:
    explicit Lines(std::string_view text);

    bool open_quote(Place at) const;

private:
    std::vector<std::string_view> lines_;
};

}  // namespace onecopy::config
