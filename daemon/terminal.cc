#include "terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace onecopy::terminal {
namespace {

bool on_terminal() {
    return ::isatty(STDOUT_FILENO) == 1;
}

std::string from_environment(const char* name, const char* otherwise) {
    const char* value = std::getenv(name);
    return value && *value ? value : otherwise;
}

bool fits(const std::string& text) {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) return true;
    return std::ranges::count(text, '\n') < size.ws_row;
}

/// It may be left before its end, and it is no way to a shell for who may only look.
bool page(const std::string& text) {
    ::setenv("LESS", "FRX", 0);
    ::setenv("LESSSECURE", "1", 0);
    std::signal(SIGPIPE, SIG_IGN);
    FILE* pager = ::popen(from_environment("PAGER", "less").c_str(), "w");
    if (!pager) return print(text);
    std::fputs(text.c_str(), pager);
    constexpr int no_such_command = 127;  // of the shell
    const int status = ::pclose(pager);
    return WIFEXITED(status) && WEXITSTATUS(status) == no_such_command ? print(text) : true;
}

}  // namespace

bool print(const std::string& text) {
    return std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
}

Ink ink() {
    return {on_terminal() && !std::getenv("NO_COLOR") && from_environment("TERM", "dumb") != "dumb"};
}

bool show(const std::string& text) {
    return on_terminal() && !fits(text) ? page(text) : print(text);
}

bool interactive() {
    return on_terminal() && ::isatty(STDIN_FILENO) == 1;
}

}  // namespace onecopy::terminal
