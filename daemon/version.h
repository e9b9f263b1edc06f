#pragma once

#include <string>

namespace onecopy {

/// `0.1.0`.
std::string version();

/// `onecopyd 0.1.0` and, a line each, the libraries that are in use.
std::string version_text();

}  // namespace onecopy
