#pragma once

#include <string>
#include <vector>

/// onecopyctl analyze: no daemon is asked.
namespace onecopy::analyze {

/// Reads all mail below these paths and prints what it says of split copies. Progress on standard error where that is a
/// terminal; SIGINT ends the reading, and what was read so far is told. The exit status: 1 where something could not be read
/// or nothing was there, 130 after SIGINT.
int run(const std::vector<std::string>& paths, bool as_json);

}  // namespace onecopy::analyze
