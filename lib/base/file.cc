#include "base/file.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace onecopy::base {
namespace {

constexpr int longest_wait = 5000;  // ms

/// There is something to read from a pipe, or its writer is gone.
bool await(int descriptor) {
    pollfd one{descriptor, POLLIN, 0};
    const int ready = ::poll(&one, 1, longest_wait);
    if (ready == 0) errno = ETIMEDOUT;
    return ready > 0 || (ready < 0 && errno == EINTR);
}

/// Reads on until the end, an error or one byte too many.
bool read_all(int descriptor, std::size_t most, std::string& text) {
    std::array<char, 65536> piece;
    while (text.size() <= most) {
        const ssize_t length = ::read(descriptor, piece.data(), std::min(piece.size(), most + 1 - text.size()));
        if (length < 0 && errno == EINTR) continue;
        if (length < 0 && errno == EAGAIN && await(descriptor)) continue;
        if (length <= 0) return length == 0;
        text.append(piece.data(), static_cast<std::size_t>(length));
    }
    return true;
}

}  // namespace

FileText read_file(const std::string& path, std::size_t most) {
    const auto words = [](const char* what) { return what + std::generic_category().message(errno); };
    FileText file;
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (descriptor < 0) {
        file.wrong = words("can't be opened: ");
        return file;
    }
    if (!read_all(descriptor, most, file.text)) file.wrong = words("can't be read: ");
    ::close(descriptor);
    return file;
}

}  // namespace onecopy::base
