#include "crash.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>

namespace onecopy {
namespace {

int descriptor = -1;

/// Async-signal-safe. SA_RESETHAND: raised again, the signal does what it always did.
void note(int number) {
    [[maybe_unused]] const auto written = ::write(descriptor, "x", 1);
    ::raise(number);
}

}  // namespace

void note_crashes(const std::string& file) {
    descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (descriptor < 0) return;  // then no crash is noted, and nothing else is different
    for (int number : std::array{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
        struct sigaction usual {};
        if (::sigaction(number, nullptr, &usual) != 0 || usual.sa_handler != SIG_DFL) continue;
        struct sigaction ours {};
        ours.sa_handler = note;
        ours.sa_flags = static_cast<int>(SA_RESETHAND);
        ::sigaction(number, &ours, nullptr);
    }
}

}  // namespace onecopy
