#include "net/address.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>

#include "fixture.h"

using namespace onecopy::net;
using namespace onecopy::net::testing;

namespace {

SocketAddress address(const char* text) {
    SocketAddress result;
    if (std::strchr(text, ':')) {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(result.storage);
        v6.sin6_family = AF_INET6;
        REQUIRE(::inet_pton(AF_INET6, text, &v6.sin6_addr) == 1);
    } else {
        auto& v4 = reinterpret_cast<sockaddr_in&>(result.storage);
        v4.sin_family = AF_INET;
        REQUIRE(::inet_pton(AF_INET, text, &v4.sin_addr) == 1);
    }
    return result;
}

}  // namespace

TEST_SUITE_BEGIN("address");

TEST_CASE("a network holds the addresses that share its first bits") {
    struct Row {
        const char *network, *address;
        bool holds;
    };
    const Row table[] = {
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.1.2.3/8", "10.9.9.9", true},  // bits of the host do not matter
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"192.0.2.7/32", "192.0.2.7", true},
        {"192.0.2.6/31", "192.0.2.7", true},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "127.0.0.1", false},
        {"::/0", "2001:db8::1", true},
        {"::1", "::1", true},
        {"::1", "::2", false},
        {"fd00::/8", "fdff::1", true},
        {"fd00::/8", "fe00::1", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"2001:db8::1/128", "2001:db8::1", true},
        {"127.0.0.0/8", "::ffff:127.0.0.1", true},  // an IPv4 peer on an IPv6 socket
        {"127.0.0.0/8", "::ffff:128.0.0.1", false},
        {"::ffff:0:0/96", "::ffff:127.0.0.1", false},
    };
    for (const Row& row : table) {
        CAPTURE(row.network);
        CAPTURE(row.address);
        std::optional<Network> network = Network::parse(row.network);
        REQUIRE(network);
        CHECK(network->contains(address(row.address).get()) == row.holds);
    }
}

TEST_CASE("a Unix socket's peer is in no network") {
    SocketAddress local = unix_socket("/x");
    CHECK_FALSE(Network::parse("0.0.0.0/0")->contains(local.get()));
    CHECK_FALSE(Network::parse("::/0")->contains(local.get()));
}

TEST_CASE("what is no network is none") {
    for (const char* text : {"",
                             "/",
                             "/8",
                             "10",
                             "10.0.0",
                             "10.0.0.0/",
                             "10.0.0.0/33",
                             "10.0.0.0/-1",
                             "10.0.0.0/+8",
                             "10.0.0.0/ 8",
                             "10.0.0.0/8x",
                             "10.0.0.0/8/8",
                             "10.0.0.256",
                             "010.0.0.x",
                             "::/129",
                             "::1/",
                             ":::",
                             "[::1]",
                             "localhost",
                             "fe80::1%lo",
                             "10.0.0.0/4294967304",
                             "10.0.0.0 /8"}) {
        CAPTURE(text);
        CHECK_FALSE(Network::parse(text));
    }
}

TEST_CASE("host and port come apart at the last colon") {
    struct Row {
        const char *text, *host;
        std::uint16_t port;
    };
    const Row table[] = {
        {"127.0.0.1:25", "127.0.0.1", 25},   {"mail.example:65535", "mail.example", 65535},
        {"[::1]:2525", "::1", 2525},         {"host:0", "host", 0},
        {"[fe80::1%lo]:1", "fe80::1%lo", 1},
    };
    for (const Row& row : table) {
        CAPTURE(row.text);
        std::optional<HostPort> where = parse_host_port(row.text);
        REQUIRE(where);
        CHECK(where->host == row.host);
        CHECK(where->port == row.port);
    }
}

TEST_CASE("what is no host and port is none") {
    for (const char* text : {"", ":", "host", "host:", ":25", "host:x", "host:25x", "host: 25", "host:-1", "host:+1",
                             "host:65536", "host:4294967321", "::1:25", "[]:25", "[::1:25", "::1]:25", "[::1]", "[::1]25"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_host_port(text));
    }
}

TEST_CASE("a peer's address as text has no port, and IPv4 in IPv6 is IPv4") {
    CHECK(address_text(address("192.0.2.7").get()) == "192.0.2.7");
    CHECK(address_text(address("2001:db8:0::1").get()) == "2001:db8::1");
    CHECK(address_text(address("::ffff:192.0.2.7").get()) == "192.0.2.7");
    CHECK(address_text(unix_socket("/x").get()) == "unix");
}

TEST_CASE("loopback is this host, however it is written") {
    for (const char* text : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"}) CHECK(is_loopback(address(text).get()));
    CHECK(is_loopback(unix_socket("/x").get()));
    for (const char* text : {"128.0.0.1", "10.127.0.1", "::2", "::", "::ffff:10.0.0.1", "0.0.0.0"}) {
        CHECK_FALSE(is_loopback(address(text).get()));
    }
}

TEST_CASE("literal addresses are looked up without a name server, and what can't be is told") {
    LookUp v4 = look_up("127.0.0.1", 25);
    REQUIRE(v4.addresses.size() == 1);
    CHECK(address_text(v4.addresses[0].get()) == "127.0.0.1");
    CHECK(v4.error.empty());
    LookUp none = look_up("not a name", 25);
    CHECK(none.addresses.empty());
    CHECK_FALSE(none.error.empty());
}

TEST_SUITE_END();
