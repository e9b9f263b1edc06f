#include "http_client.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <thread>

using namespace onecopy;

namespace {

/// Answers one client with these bytes, and keeps what it asked.
class OneAnswer {
public:
    explicit OneAnswer(std::string answer) : answer_(std::move(answer)) {
        char name[] = "/tmp/onecopy-http-XXXXXX";
        if (!::mkdtemp(name)) throw std::runtime_error("no directory");
        directory_ = name;
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, path().c_str());
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener_, 1) != 0)
            throw std::runtime_error("no socket");
        thread_ = std::thread([this] { serve(); });
    }
    ~OneAnswer() {
        thread_.join();
        ::close(listener_);
        std::filesystem::remove_all(directory_);
    }
    std::string path() const { return directory_ + "/socket"; }
    std::string asked() {
        thread_.join();
        thread_ = std::thread([] {});
        return asked_;
    }

private:
    void serve() {
        int client = ::accept(listener_, nullptr, nullptr);
        char piece[4096];
        while (asked_.find("\r\n\r\n") == asked_.npos) {
            ssize_t got = ::recv(client, piece, sizeof piece, 0);
            if (got <= 0) break;
            asked_.append(piece, static_cast<std::size_t>(got));
        }
        (void)!::send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL);
        ::close(client);
    }

    std::string answer_, directory_, asked_;
    int listener_ = -1;
    std::thread thread_;
};

std::string complaint_of(const std::string& path) try {
    ask(path, "GET", "/status");
    return "none";
} catch (const NoDaemon& error) {
    return error.what();
}

}  // namespace

TEST_SUITE_BEGIN("http client");

TEST_CASE("a request goes out whole and its answer comes back") {
    OneAnswer server("HTTP/1.0 404 Not Found\r\nContent-Type: application/json\r\n\r\n{\"error\": \"x\"}\r\n\r\nmore");
    HttpAnswer answer = ask(server.path(), "POST", "/release?group=7");
    CHECK(answer.status == 404);
    CHECK(answer.body == "{\"error\": \"x\"}\r\n\r\nmore");
    CHECK(server.asked() == "POST /release?group=7 HTTP/1.0\r\nHost: onecopyd\r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("what is no HTTP is no onecopyd") {
    for (const char* answer : {"", "220 mail ESMTP\r\n", "\r\n\r\n", "nonsense\r\n\r\nx y"}) {
        OneAnswer server(answer);
        CHECK(complaint_of(server.path()).ends_with("that is no onecopyd"));
    }
}

TEST_CASE("where nobody listens, the complaint names the socket and what to look at") {
    CHECK(complaint_of("/nonexistent/socket") ==
          "/nonexistent/socket: No such file or directory (does onecopyd run? see --socket)");
    CHECK(complaint_of("/" + std::string(200, 'x')).ends_with("the path is too long for a socket"));
}

TEST_CASE("a value for a query survives every byte") {
    CHECK(percent_encoded("<a+b@x y>&%") == "%3Ca%2Bb%40x%20y%3E%26%25");
    CHECK(percent_encoded(std::string("\0\xff", 2)) == "%00%FF");
    CHECK(percent_encoded("AZaz09-._") == "AZaz09-._");
}

TEST_SUITE_END();
