#pragma once

#include <string>

namespace onecopy::base {

/// Overwrites all that the text ever held in its present memory, in a way that no compiler leaves out, and empties it.
void wipe(std::string& text);

}  // namespace onecopy::base
