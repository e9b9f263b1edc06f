#include <doctest/doctest.h>
#include <unistd.h>

#include "tls_fixture.h"

using namespace onecopy;
using namespace onecopy::net;
using namespace onecopy::net::testing;
using Reason = Connection::Reason;

namespace {

/// A connection of ours that starts TLS at the first line it gets: a server after its reply, a client at once.
struct Upgrade : Bench {
    explicit Upgrade(bool server) : end(pair.far, server ? nullptr : &identity) {
        peer.connection = Connection::accepted(loop, pair.near, peer);
        peer.when_received = [this, server](std::string_view& bytes) {
            std::size_t line = lines.empty() ? bytes.find('\n') + 1 : bytes.size();
            lines += bytes.substr(0, line);
            bytes.remove_prefix(line);
            if (peer.connection->secure() || line == 0) return;
            if (server) peer.connection->write("220 2.0.0 Go ahead\r\n");
            server ? peer.connection->start_tls(files.server(identity))
                   : peer.connection->start_tls(std::make_shared<TlsClient>(TlsClient::Settings{}), "mail.example");
        };
    }
    ~Upgrade() { ::close(pair.far); }
    void say(std::string_view bytes) {
        REQUIRE(::send(pair.far, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
    }
    bool hears(const std::string& expected) {
        std::string bytes;
        return until([&] { return drain(pair.far, bytes) || bytes == expected; });
    }

    Files files;
    Identity identity{Identity::Wanted{}};
    TcpPair pair;
    Peer peer;
    TlsEnd end;
    std::string lines;
};

}  // namespace

TEST_SUITE_BEGIN("starttls");

TEST_CASE("the reply to STARTTLS goes in the clear, and everything after it under TLS, both ways") {
    for (bool server : {true, false}) {
        CAPTURE(server);
        Upgrade stand(server);
        stand.say(server ? "STARTTLS\r\n" : "220 2.0.0 Go ahead\r\n");
        if (server) REQUIRE(stand.hears("220 2.0.0 Go ahead\r\n"));
        REQUIRE(stand.until([&] {
            stand.end.step();
            return stand.peer.is_secured && stand.end.shaken;
        }));
        CHECK(stand.peer.connection->secure());
        stand.lines = "under TLS: ";
        stand.end.say("EHLO x\r\n");
        stand.peer.connection->write("250 y\r\n");
        CHECK(stand.until([&] {
            stand.end.step();
            return stand.lines == "under TLS: EHLO x\r\n" && stand.end.heard == "250 y\r\n";
        }));
    }
}

TEST_CASE("plaintext behind the line that starts TLS is never given, and ends the connection") {
    const std::pair<bool, std::string> table[] = {
        {true, "STARTTLS\r\nNOOP\r\n"}, {true, "STARTTLS\r\nN"},           {true, "STARTTLS\r\n\x16"},
        {false, "220 ok\r\n250-evil"},  {false, "220 ok\r\n250 evil\r\n"},
    };
    for (const auto& [server, bytes] : table) {
        CAPTURE(bytes);
        Upgrade stand(server);
        stand.say(bytes);
        REQUIRE(stand.until([&] { return stand.peer.ends == 1; }));
        CHECK(stand.peer.reason == Reason::tls);
        CHECK(stand.peer.words == "plaintext behind the start of TLS");
        CHECK(stand.lines == bytes.substr(0, bytes.find('\n') + 1));
        CHECK_FALSE(stand.peer.is_secured);
    }
}

TEST_CASE("plaintext that comes instead of the handshake is never given, and ends the connection") {
    for (bool server : {true, false}) {
        CAPTURE(server);
        Upgrade stand(server);
        stand.say(server ? "STARTTLS\r\n" : "220 ok\r\n");
        REQUIRE(stand.until([&] { return !stand.lines.empty(); }));
        std::string line = stand.lines;
        stand.say("250 evil\r\nNOOP\r\n");
        REQUIRE(stand.until([&] { return stand.peer.ends == 1; }));
        CHECK(stand.peer.reason == Reason::tls);
        CHECK_FALSE(stand.peer.words.empty());
        CHECK(stand.lines == line);
    }
}

TEST_SUITE_END();
