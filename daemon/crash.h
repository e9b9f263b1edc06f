#pragma once

#include <string>

namespace onecopy {

/// From here on, a crash (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT) leaves a byte in the file before it ends the process as
/// it would have. A kill leaves none. A signal that somebody else, a sanitizer, handles already is left to him.
void note_crashes(const std::string& file);

}  // namespace onecopy
