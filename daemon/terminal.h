#pragma once

#include <string>

#include "ink.h"

namespace onecopy::terminal {

/// Colours where standard output is a terminal that has them and NO_COLOR is not set (no-color.org).
Ink ink();

/// To standard output. False: it could not be written.
bool print(const std::string& text);
/// The same, through $PAGER, or less, where it is a terminal with fewer lines.
bool show(const std::string& text);

/// Whether standard input and output are a terminal.
bool interactive();

}  // namespace onecopy::terminal
