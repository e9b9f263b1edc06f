#include "relay/addresses.h"

#include <doctest/doctest.h>

#include <string>

#include "../net/fixture.h"

using namespace onecopy;
using namespace onecopy::relay;
using std::chrono::minutes;

namespace {

net::SocketAddress address(const std::string& digits) {
    return net::testing::socket_address("192.0.2." + digits + ":25");
}

std::vector<net::SocketAddress> addresses(const std::string& digits) {
    std::vector<net::SocketAddress> all;
    for (char digit : digits) all.push_back(address(std::string(1, digit)));
    return all;
}

/// Their last digits.
std::string in_turn(Addresses& of, base::Duration now) {
    std::string digits;
    for (const net::SocketAddress& one : of.in_turn(now)) digits += net::address_text(one.get()).back();
    return digits;
}

}  // namespace

TEST_SUITE_BEGIN("addresses");

TEST_CASE("they are tried as they were looked up, those that failed behind the others, the last to fail last") {
    Addresses known;
    CHECK(known.empty());
    known.found(addresses("123"));
    CHECK_FALSE(known.empty());
    CHECK(in_turn(known, minutes(1)) == "123");
    known.failed(address("1"), minutes(1));
    CHECK(in_turn(known, minutes(2)) == "231");
    known.failed(address("2"), minutes(2));
    CHECK(in_turn(known, minutes(3)) == "312");
    known.failed(address("3"), minutes(3));
    CHECK(in_turn(known, minutes(4)) == "123");
    known.failed(address("1"), minutes(4));
    CHECK(in_turn(known, minutes(5)) == "231");
}

TEST_CASE("one that answers is as good as ever") {
    Addresses known;
    known.found(addresses("12"));
    known.failed(address("1"), minutes(1));
    known.answered(address("2"));
    CHECK(in_turn(known, minutes(2)) == "21");
    known.answered(address("1"));
    CHECK(in_turn(known, minutes(2)) == "12");
}

TEST_CASE("after ten minutes one connection, and no more, finds out whether an address answers again") {
    Addresses known;
    known.found(addresses("12"));
    known.failed(address("1"), minutes(1));
    CHECK(in_turn(known, minutes(11) - base::Duration(1)) == "21");
    CHECK(in_turn(known, minutes(11)) == "12");
    CHECK(in_turn(known, minutes(11)) == "21");
    CHECK(in_turn(known, minutes(20)) == "21");
    CHECK(in_turn(known, minutes(21)) == "12");
}

TEST_CASE("a further look-up keeps what is known, and forgets who is gone") {
    Addresses known;
    known.found(addresses("12"));
    known.failed(address("1"), minutes(1));
    known.found(addresses("312"));
    CHECK(in_turn(known, minutes(2)) == "321");
    known.found(addresses("32"));
    known.failed(address("1"), minutes(2));  // by a connection that still tried it
    known.found(addresses("132"));
    CHECK(in_turn(known, minutes(3)) == "132");
    known.found({});
    CHECK(known.empty());
}

TEST_SUITE_END();
