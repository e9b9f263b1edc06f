#include "net/proxy_reader.h"

#include <doctest/doctest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

using namespace onecopy;
using namespace onecopy::net;
using namespace onecopy::net::testing;

namespace {

/// A reader at one end of a connection, and what became of it.
struct Stand : Bench {
    explicit Stand(base::Duration most = std::chrono::seconds(10)) {
        const int at_once = 1;
        ::setsockopt(pair.far, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
        ProxyReader::Handler handler;
        handler.complete = [this](int descriptor, const std::optional<SocketAddress>& source) {
            left = descriptor;
            client = source ? address_text(source->get()) : "own";
            ended = true;
            reader.reset();
        };
        handler.failed = [this](const std::string& words) {
            why = words;
            ended = true;
            reader.reset();
        };
        reader = std::make_unique<ProxyReader>(loop, pair.near, most, std::move(handler));
    }
    ~Stand() {
        if (left >= 0) ::close(left);
        if (!closed) ::close(pair.far);
    }
    void say(std::string_view bytes) {
        CHECK(::send(pair.far, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    }
    void end() {
        ::close(pair.far);
        closed = true;
    }
    std::string read_left() {
        char buffer[4096];
        const ssize_t size = ::recv(left, buffer, sizeof buffer, MSG_DONTWAIT);
        return size > 0 ? std::string(buffer, static_cast<std::size_t>(size)) : "";
    }

    TcpPair pair;
    std::unique_ptr<ProxyReader> reader;
    std::string client;
    std::optional<std::string> why;
    int left = -1;
    bool ended = false;
    bool closed = false;
};

}  // namespace

TEST_SUITE_BEGIN("proxy_reader");

TEST_CASE("the header is taken off to the byte") {
    for (const bool dripping : {false, true}) {
        Stand stand;
        const std::string all = "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n\x16\x03\x01hello";
        if (!dripping) stand.say(all);
        for (std::size_t at = 0; dripping && at < all.size(); ++at) {
            stand.say(all.substr(at, 1));
            stand.turn();
        }
        REQUIRE(stand.until([&] { return stand.ended; }));
        CHECK(stand.client == "192.0.2.1");
        CHECK(stand.read_left() == "\x16\x03\x01hello");
    }
}

TEST_CASE("P193: without a header nobody gets in, and too late is too late") {
    Stand talks;
    talks.say("EHLO x\r\n");
    REQUIRE(talks.until([&] { return talks.ended; }));
    CHECK(talks.why == "no PROXY header, or a malformed one");
    Stand silent(base::Duration(30));
    REQUIRE(silent.until([&] { return silent.ended; }));
    CHECK(silent.why == "no PROXY header came");
    Stand slow(base::Duration(60));
    slow.say("PROXY ");
    REQUIRE(slow.until([&] { return slow.ended; }));
    CHECK(slow.why == "the PROXY header did not end in time");
}

TEST_CASE("P194: who only looks whether anybody is at home is nothing to talk of") {
    Stand stand;
    stand.end();
    REQUIRE(stand.until([&] { return stand.ended; }));
    CHECK(stand.why == "");
    Stand broken;
    broken.say("PROXY TC");
    broken.turn();
    broken.end();
    REQUIRE(broken.until([&] { return broken.ended; }));
    CHECK(broken.why == "the connection ended within the PROXY header");
}

TEST_CASE("a reader that is destroyed calls nobody") {
    Stand stand(base::Duration(20));
    stand.reader.reset();
    bool passed = false;
    Timer later(stand.loop, [&] { passed = true; });
    later.set(base::Duration(50));
    CHECK(stand.until([&] { return passed; }));
    CHECK_FALSE(stand.ended);
}

TEST_SUITE_END();
