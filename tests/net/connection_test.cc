#include "net/connection.h"

#include <doctest/doctest.h>
#include <event2/event.h>
#include <unistd.h>

#include <cstdlib>

#include "fixture.h"

using namespace onecopy;
using namespace onecopy::net;
using namespace onecopy::net::testing;
using Reason = Connection::Reason;

namespace {

/// A connection of ours, and the other end as a descriptor of the test's.
struct Stand : Bench {
    Stand() {
        peer.connection = Connection::accepted(loop, pair.near, peer);
        own = pair.far;
    }
    ~Stand() { hang_up(); }
    void say(std::string_view bytes) {
        while (!bytes.empty()) {
            ssize_t sent = ::send(own, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
            if (sent < 0) turn();
        }
    }
    void hang_up() {
        if (own >= 0) ::close(std::exchange(own, -1));
    }
    void reset() {
        const linger at_once{1, 0};
        ::setsockopt(own, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        hang_up();
    }
    /// What came to the other end, up to its end.
    std::string heard() {
        std::string bytes;
        CHECK(until([&] { return drain(own, bytes); }));
        return bytes;
    }

    TcpPair pair;
    Peer peer;
    int own = -1;
};

/// From this size on libevent gets no memory.
std::size_t too_much = SIZE_MAX;

void* allocate(std::size_t size) {
    return size >= too_much ? nullptr : std::malloc(size);
}
void* allocate_again(void* old, std::size_t size) {
    return size >= too_much ? nullptr : std::realloc(old, size);
}

/// Before the first use of libevent.
const bool replaced = (event_set_mem_functions(allocate, allocate_again, std::free), true);

std::string pattern(std::size_t size) {
    std::string bytes(size, 0);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>('a' + i * 7 % 26 + i / 4096 % 5);
    return bytes;
}

}  // namespace

TEST_SUITE_BEGIN("connection");

TEST_CASE("bytes go both ways, and a close after writing ends both sides in order") {
    Stand stand;
    stand.say("hello");
    REQUIRE(stand.until([&] { return stand.peer.bytes == "hello"; }));
    stand.peer.connection->write("good");
    stand.peer.connection->write("bye");
    stand.peer.connection->close_after_writing(Reason::done);
    CHECK(stand.heard() == "goodbye");
    CHECK(stand.peer.ends == 0);
    stand.hang_up();
    REQUIRE(stand.until([&] { return stand.peer.ends > 0; }));
    CHECK(stand.peer.reason == Reason::done);
    stand.turn();
    CHECK(stand.peer.ends == 1);
}

TEST_CASE("last words arrive though the peer has sent what nobody read, and goes on sending") {
    Stand stand;
    stand.peer.when_received = [](std::string_view&) {};
    stand.say(pattern(10'000));
    stand.turn();
    stand.peer.connection->write("421 enough\r\n");
    stand.peer.connection->close_after_writing(Reason::done);
    stand.say(pattern(500'000));
    CHECK(stand.heard() == "421 enough\r\n");
    stand.say(pattern(1000));
    stand.hang_up();
    CHECK(stand.until([&] { return stand.peer.ends == 1; }));
    CHECK(stand.peer.bytes.empty());
}

TEST_CASE("a peer that has ended its side still gets its answer") {
    Stand stand;
    stand.peer.when_received = [&](std::string_view& bytes) {
        stand.peer.bytes += std::exchange(bytes, {});
        stand.peer.connection->pause();
    };
    stand.say("question");
    ::shutdown(stand.own, SHUT_WR);
    REQUIRE(stand.until([&] { return stand.peer.bytes == "question"; }));
    stand.turn();
    CHECK(stand.peer.ends == 0);
    stand.peer.when_closed = [&] { stand.peer.connection.reset(); };
    stand.peer.connection->write("answer");
    stand.peer.connection->resume();
    CHECK(stand.heard() == "answer");
    CHECK(stand.until([&] { return stand.peer.ends == 1; }));
    CHECK(stand.peer.reason == Reason::peer_closed);
}

TEST_CASE("a peer that ends while nothing is owed is gone at once") {
    Stand stand;
    ::shutdown(stand.own, SHUT_WR);
    CHECK(stand.until([&] { return stand.peer.ends == 1; }));
    CHECK(stand.peer.reason == Reason::peer_closed);
}

TEST_CASE("a reset is told with its reason, whether something is written or not") {
    for (bool writing : {false, true}) {
        CAPTURE(writing);
        Stand stand;
        if (writing) stand.peer.connection->write(pattern(8 << 20));
        stand.reset();
        REQUIRE(stand.until([&] { return stand.peer.ends == 1; }));
        CHECK(stand.peer.reason == Reason::reset);
        CHECK_FALSE(stand.peer.words.empty());
    }
}

TEST_CASE("who writes to a peer that has gone hears of it by closed() alone") {
    Stand stand;
    stand.peer.connection->pause();
    stand.say("x");
    stand.reset();
    stand.turn();
    for (int i = 0; i < 3; ++i) stand.peer.connection->write("anybody there?");
    CHECK(stand.until([&] { return stand.peer.ends == 1; }));
    CHECK(stand.peer.reason == Reason::reset);
}

TEST_CASE("without memory for what came, or for what waits to go, the connection ends: no byte of a stream is left out") {
    REQUIRE(replaced);
    Stand stand;
    SUBCASE("for what came behind the 4 KiB that libevent reads") {
        stand.say(pattern(40'000));
        too_much = 10'000;
    }
    SUBCASE("to show it at once") {
        stand.peer.when_received = [](std::string_view&) {};  // it wants more
        stand.say(pattern(4000));
        stand.turn();
        stand.say(pattern(3000));
        too_much = 5000;
    }
    SUBCASE("for what waits to go") {
        too_much = 100'000;
        stand.peer.connection->write(pattern(16 << 20));
    }
    CHECK(stand.until([&] { return stand.peer.ends == 1; }));
    too_much = SIZE_MAX;
    CHECK(stand.peer.reason == Reason::reset);
    CHECK(stand.peer.words == "out of memory");
    CHECK(pattern(40'000).starts_with(stand.peer.bytes));
}

TEST_CASE("a port that nobody listens on refuses") {
    Bench bench;
    Descriptor bound(::socket(AF_INET, SOCK_STREAM, 0));
    SocketAddress any = socket_address("127.0.0.1:0");
    REQUIRE(::bind(bound.get(), any.get(), any.length) == 0);
    Peer peer;
    peer.connection = Connection::connect(bench.loop, TcpPair::address_of(bound.get()), peer);
    CHECK(peer.ends == 0);
    REQUIRE(bench.until([&] { return peer.ends == 1; }));
    CHECK(peer.reason == Reason::refused);
    CHECK(peer.words == "Connection refused");
    CHECK_FALSE(peer.is_connected);
}

TEST_CASE("who connects is told so, and may have written before") {
    Bench bench;
    std::vector<Descriptor> listening = listening_sockets("127.0.0.1:0", 0);
    Peer peer;
    peer.connection = Connection::connect(bench.loop, TcpPair::address_of(listening[0].get()), peer);
    peer.connection->write("early");
    REQUIRE(bench.until([&] { return peer.is_connected; }));
    Descriptor other(::accept(listening[0].get(), nullptr, nullptr));
    REQUIRE(other.get() >= 0);
    std::string bytes;
    CHECK(bench.until([&] { return drain(other.get(), bytes) || bytes == "early"; }));
    REQUIRE(::send(other.get(), "late", 4, 0) == 4);
    CHECK(bench.until([&] { return peer.bytes == "late"; }));
}

TEST_CASE("what has come is offered in one turn, though libevent reads 4 KiB of it at once") {
    Bench bench;
    int ends[2];  // not of TCP: what was sent is there
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    Peer peer;
    peer.connection = Connection::accepted(bench.loop, ends[0], peer);
    for (std::size_t size : {4096, 4097, 30'000}) {
        peer.bytes.clear();
        REQUIRE(::send(ends[1], pattern(size).data(), size, MSG_NOSIGNAL) == static_cast<ssize_t>(size));
        bench.turn();
        CHECK((peer.bytes == pattern(size)));
    }
    ::close(ends[1]);
}

TEST_CASE("what is not taken is offered again, with more") {
    Stand stand;
    std::vector<std::string> lines;
    stand.peer.when_received = [&](std::string_view& bytes) {
        std::size_t end = bytes.find('\n');
        if (end == bytes.npos) return;
        lines.emplace_back(bytes.substr(0, end));
        bytes.remove_prefix(end + 1);
    };
    const std::string longest(300'000, 'x');
    stand.say("one\ntw");
    REQUIRE(stand.until([&] { return lines.size() == 1; }));
    stand.say("o\n\nfour\n" + longest);
    stand.turn();
    stand.say("\nsix\n");
    REQUIRE(stand.until([&] { return lines.size() == 6; }));
    CHECK(lines == std::vector<std::string>{"one", "two", "", "four", longest, "six"});
}

TEST_CASE("a pause holds what comes, and a resume gives it at the end of the turn") {
    Stand stand;
    stand.peer.when_received = [&](std::string_view& bytes) {
        stand.peer.bytes += bytes.front();
        bytes.remove_prefix(1);
        stand.peer.connection->pause();
    };
    stand.say("abc");
    REQUIRE(stand.until([&] { return stand.peer.bytes == "a"; }));
    stand.say("d");
    stand.turn();
    CHECK(stand.peer.bytes == "a");
    CHECK(stand.peer.connection->paused());
    for (const char* expected : {"ab", "abc", "abcd"}) {
        std::string before = stand.peer.bytes;
        stand.peer.connection->resume();
        CHECK(stand.peer.bytes == before);
        CHECK(stand.until([&] { return stand.peer.bytes == expected; }));
    }
    stand.peer.connection->resume();
    stand.say("e");
    CHECK(stand.until([&] { return stand.peer.bytes == "abcde"; }));
}

TEST_CASE("a resume that is taken back at once gives nothing, and the next one all") {
    Stand stand;
    stand.peer.connection->pause();
    stand.say("abc");
    stand.turn();
    stand.peer.connection->resume();
    stand.peer.connection->pause();
    stand.turn();
    CHECK(stand.peer.bytes.empty());
    stand.peer.connection->resume();
    CHECK(stand.until([&] { return stand.peer.bytes == "abc"; }));
}

TEST_CASE("output that the peer does not take waits, in order, and its end is told") {
    Stand stand;
    const std::string large = pattern(16 << 20);
    stand.peer.connection->write(std::string_view(large).substr(0, 9 << 20));
    std::string bytes;
    drain(stand.own, bytes);  // there is room again, but what waits goes first
    stand.peer.connection->write(std::string_view(large).substr(9 << 20));
    CHECK(stand.peer.connection->unwritten() >= Connection::low_output);
    CHECK(stand.peer.writables == 0);
    REQUIRE(stand.until([&] { return drain(stand.own, bytes) || bytes.size() == large.size(); }));
    CHECK(bytes == large);
    CHECK(stand.until([&] { return stand.peer.writables == 1; }));
    CHECK(stand.peer.connection->unwritten() == 0);
}

TEST_CASE("a close after writing waits for the output") {
    Stand stand;
    const std::string large = pattern(8 << 20);
    stand.peer.connection->write(large);
    stand.peer.connection->close_after_writing(Reason::shutdown);
    stand.peer.connection->write("too late");
    CHECK(stand.heard() == large);
    stand.hang_up();
    CHECK(stand.until([&] { return stand.peer.ends == 1; }));
    CHECK(stand.peer.reason == Reason::shutdown);
}

TEST_CASE("a peer that never ends, or never reads, is waited for a while and no longer") {
    Stand never_ends, never_reads;
    auto start = std::chrono::steady_clock::now();
    never_reads.peer.connection->write(pattern(16 << 20));
    for (Stand* stand : {&never_reads, &never_ends}) stand->peer.connection->close_after_writing(Reason::done);
    for (Stand* stand : {&never_reads, &never_ends}) {
        CHECK(stand->until([&] { return stand->peer.ends == 1; }));
        CHECK(stand->peer.reason == Reason::done);
    }
    CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(4900));
}

TEST_CASE("a deadline ends the connection, unless it was moved or cleared") {
    Stand late, moved, cleared;
    late.peer.connection->set_deadline(base::Duration(30));
    moved.peer.connection->set_deadline(base::Duration(30));
    moved.peer.connection->set_deadline(std::chrono::hours(1));
    cleared.peer.connection->set_deadline(base::Duration(30));
    cleared.peer.connection->set_deadline(base::Duration(0));
    REQUIRE(late.until([&] { return late.peer.ends == 1; }));
    CHECK(late.peer.reason == Reason::timeout);
    CHECK(late.peer.words == "timed out");
    for (Stand* stand : {&moved, &cleared}) {
        bool passed = false;
        Timer later(stand->loop, [&] { passed = true; });
        later.set(base::Duration(60));
        CHECK(stand->until([&] { return passed; }));
        CHECK(stand->peer.ends == 0);
    }
}

TEST_CASE("bytes do not move a deadline") {
    Stand stand;
    stand.peer.connection->set_deadline(base::Duration(200));
    Timer drip(stand.loop, [&] {
        (void)!::send(stand.own, "x", 1, MSG_NOSIGNAL);
        drip.set(base::Duration(10));
    });
    drip.set(base::Duration(10));
    CHECK(stand.until([&] { return stand.peer.ends == 1; }));
    CHECK(stand.peer.reason == Reason::timeout);
    CHECK_FALSE(stand.peer.bytes.empty());
}

TEST_CASE("a callback for the deadline decides, and may replace itself meanwhile") {
    Stand stand;
    int calls = 0;
    std::string words(100, 'x');
    stand.peer.connection->on_deadline([&, words] {
        stand.peer.connection->on_deadline([] {});
        CHECK(words == std::string(100, 'x'));
        ++calls;
    });
    stand.peer.connection->set_deadline(base::Duration(5));
    REQUIRE(stand.until([&] { return calls == 1; }));
    stand.turn();
    CHECK(stand.peer.ends == 0);
}

TEST_CASE("closed() comes once, from the loop, and nothing else after it") {
    Stand stand;
    stand.peer.when_received = [&](std::string_view& bytes) {
        bytes.remove_prefix(1);
        stand.peer.bytes += 'x';
        stand.peer.connection->close(Reason::done);
        CHECK(stand.peer.ends == 0);
        stand.peer.connection->close(Reason::reset);
        stand.peer.connection->write("no");
    };
    stand.say("abc");
    REQUIRE(stand.until([&] { return stand.peer.ends == 1; }));
    CHECK(stand.peer.reason == Reason::done);
    stand.peer.connection->resume();
    stand.peer.connection->set_deadline(base::Duration(1));
    stand.turn();
    CHECK(stand.peer.bytes == "x");
    CHECK(stand.peer.ends == 1);
}

TEST_CASE("the owner may destroy a connection from any of its callbacks") {
    SUBCASE("received") {
        Stand stand;
        stand.peer.when_received = [&](std::string_view& bytes) {
            stand.peer.connection.reset();
            stand.peer.bytes += std::exchange(bytes, {});
        };
        stand.say("abc");
        REQUIRE(stand.until([&] { return !stand.peer.bytes.empty(); }));
        CHECK(stand.heard().empty());
        CHECK(stand.peer.ends == 0);
    }
    SUBCASE("closed") {
        Stand stand;
        stand.peer.when_closed = [&] {
            stand.peer.connection.reset();
            CHECK(stand.peer.ends == 1);
        };
        stand.hang_up();
        CHECK(stand.until([&] { return stand.peer.ends == 1; }));
        stand.turn();
    }
    SUBCASE("writable") {
        Stand stand;
        stand.peer.when_writable = [&] { stand.peer.connection.reset(); };
        stand.peer.connection->write(pattern(8 << 20));
        CHECK(stand.heard().size() == 8 << 20);
        CHECK(stand.peer.ends == 0);
    }
    SUBCASE("the deadline's callback") {
        Stand stand;
        bool called = false;
        stand.peer.connection->on_deadline([&, words = std::string(100, 'x')] {
            stand.peer.connection.reset();
            called = words.size() == 100;
        });
        stand.peer.connection->set_deadline(base::Duration(5));
        CHECK(stand.until([&] { return called; }));
        CHECK(stand.heard().empty());
    }
    SUBCASE("connected, and before that") {
        Bench bench;
        std::vector<Descriptor> listening = listening_sockets("127.0.0.1:0", 0);
        SocketAddress where = TcpPair::address_of(listening[0].get());
        Peer peer, never;
        peer.when_connected = [&] { peer.connection.reset(); };
        peer.connection = Connection::connect(bench.loop, where, peer);
        never.connection = Connection::connect(bench.loop, where, never);
        never.connection.reset();
        CHECK(bench.until([&] { return peer.is_connected; }));
        bench.turn();
        CHECK(peer.ends == 0);
        CHECK_FALSE(never.is_connected);
    }
    SUBCASE("while its end is on the way") {
        Stand stand;
        stand.peer.connection->close(Reason::done);
        stand.peer.connection.reset();
        CHECK(stand.heard().empty());
        CHECK(stand.peer.ends == 0);
    }
}

TEST_SUITE_END();
