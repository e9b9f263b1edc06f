#pragma once

#include <cstddef>
#include <string>

namespace onecopy::base {

/// What a small file holds, of an admin's making. `wrong`: why it can't be had ("can't be opened: No such file or
/// directory"); empty: it can. Of a larger one the text has `most` bytes and one more: the caller knows what it should have
/// been. Of a pipe that has a writer, what comes within five seconds.
struct FileText {
    std::string text;
    std::string wrong;
};
FileText read_file(const std::string& path, std::size_t most);

}  // namespace onecopy::base
