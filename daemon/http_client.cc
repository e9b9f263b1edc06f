#include "http_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace onecopy {
namespace {

constexpr std::size_t most_answer = std::size_t{64} << 20;
constexpr timeval patience{30, 0};

class Socket {
public:
    explicit Socket(const std::string& path) : path_(path), descriptor_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path.size() >= sizeof address.sun_path) throw NoDaemon(path + ": the path is too long for a socket");
        std::memcpy(address.sun_path, path.data(), path.size());
        ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail();
    }
    ~Socket() { ::close(descriptor_); }
    Socket(const Socket&) = delete;

    void write(std::string_view bytes) {
        while (!bytes.empty()) {
            ssize_t written = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (written <= 0) fail();
            bytes.remove_prefix(static_cast<std::size_t>(written));
        }
    }

    std::string read_all() {
        std::string all;
        char piece[64 << 10];
        while (all.size() < most_answer) {
            ssize_t got = ::recv(descriptor_, piece, sizeof piece, 0);
            if (got == 0) return all;
            if (got < 0) fail();
            all.append(piece, static_cast<std::size_t>(got));
        }
        throw NoDaemon(path_ + ": the answer is too long");
    }

private:
    [[noreturn]] void fail() {
        int error = errno;
        std::string hint =
            error == EACCES ? " (are you root, or in the service's group?)" : " (does onecopyd run? see --socket)";
        throw NoDaemon(path_ + ": " + std::strerror(error) + hint);
    }

    std::string path_;
    int descriptor_;
};

}  // namespace

HttpAnswer ask(const std::string& path, const std::string& method, const std::string& target) {
    Socket socket(path);
    socket.write(method + " " + target + " HTTP/1.0\r\nHost: onecopyd\r\nContent-Length: 0\r\n\r\n");
    std::string text = socket.read_all();
    std::size_t body = text.find("\r\n\r\n");
    std::size_t space = text.find(' ');
    HttpAnswer answer;
    if (body == text.npos || space > body) throw NoDaemon(path + ": that is no onecopyd");
    std::from_chars(text.data() + space + 1, text.data() + body, answer.status);
    answer.body = text.substr(body + 4);
    return answer;
}

std::string percent_encoded(const std::string& text) {
    constexpr const char* digits = "0123456789ABCDEF";
    std::string encoded;
    for (unsigned char c : text) {
        bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
        if (plain) {
            encoded += static_cast<char>(c);
        } else {
            encoded += {'%', digits[c >> 4], digits[c & 15]};
        }
    }
    return encoded;
}

}  // namespace onecopy
