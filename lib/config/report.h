#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/escape.h"
#include "config/document.h"

namespace onecopy::config {

/// Gathers what is wrong. `key` is put in front: a line must be clear to one who reads it without the file.
class Report {
public:
    void wrong(std::string_view key, Place at, const std::string& what) {
        problems.push_back({at.line, at.column, std::string(key) + ": " + what});
    }

    std::vector<Problem> problems;
};

/// A piece of the file as it stands in an error line.
inline std::string quote(std::string_view text) {
    return "`" + base::printable(text, 80) + "`";
}

}  // namespace onecopy::config
