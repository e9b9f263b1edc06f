#include "net/listener.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "../ledger/fixture.h"
#include "fixture.h"

using namespace onecopy;
using namespace onecopy::net;
using namespace onecopy::net::testing;
using onecopy::ledger::testing::TemporaryDirectory;

namespace {

/// Keeps whom a listener accepted.
struct Door : Bench {
    Listener::Accepted accepted() {
        return [this](int descriptor, const sockaddr* peer) {
            descriptors.emplace_back(descriptor);
            clients.push_back(address_text(peer));
        };
    }
    std::unique_ptr<Connection> connect(Listener& listener, Peer& peer) {
        return Connection::connect(loop, socket_address(listener.address()), peer);
    }

    std::vector<Descriptor> descriptors;
    std::vector<std::string> clients;
};

std::string refusal(const std::string& address) {
    Bench bench;
    try {
        Listener listener(bench.loop, address, [](int, const sockaddr*) {});
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "";
}

/// Few descriptors, for as long as this lives.
class FewDescriptors {
public:
    FewDescriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        Descriptor next(::dup(0));
        rlimit few = before_;
        few.rlim_cur = static_cast<rlim_t>(next.get());
        ::setrlimit(RLIMIT_NOFILE, &few);
    }
    ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

/// As systemd passes sockets: names in order, from descriptor 3 on; `mine` is the last.
class Passed {
public:
    explicit Passed(int descriptor) {
        std::string names;
        for (int i = 3; i < descriptor; ++i) names += "other:";
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
        ::setenv("LISTEN_FDS", std::to_string(descriptor - 2).c_str(), 1);
        ::setenv("LISTEN_FDNAMES", (names + "mine").c_str(), 1);
    }
    ~Passed() {
        for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
    }
};

}  // namespace

TEST_SUITE_BEGIN("listener");

TEST_CASE("it says where it listens, and hands over who comes") {
    TemporaryDirectory directory;
    const std::pair<std::string, std::string> table[] = {
        {"127.0.0.1:0", "127.0.0.1"}, {"[::1]:0", "::1"}, {"unix:" + directory.path() + "/s", "unix"}};
    for (const auto& [address, client] : table) {
        CAPTURE(address);
        Door door;
        Listener listener(door.loop, address, door.accepted());
        CHECK(listener.address().starts_with(address.substr(0, address.size() - 1)));
        CHECK_FALSE(listener.address().ends_with(":0"));
        Peer peers[3];
        for (Peer& peer : peers) peer.connection = door.connect(listener, peer);
        REQUIRE(door.until([&] { return door.clients.size() == 3; }));
        CHECK(door.clients == std::vector<std::string>(3, client));
        CHECK((::fcntl(door.descriptors[0].get(), F_GETFL) & O_NONBLOCK) != 0);
        CHECK((::fcntl(door.descriptors[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
        CHECK_FALSE(listener.resting());
    }
}

TEST_CASE("more than one turn may accept are all accepted") {
    Door door;
    Listener listener(door.loop, "127.0.0.1:0", door.accepted());
    std::vector<Peer> peers(150);
    for (Peer& peer : peers) peer.connection = door.connect(listener, peer);
    CHECK(door.until([&] { return door.clients.size() == peers.size(); }));
}

TEST_CASE("a port that is in use, and what is no address, is told with words") {
    Door door;
    Listener listener(door.loop, "127.0.0.1:0", door.accepted());
    CHECK(refusal(listener.address()) == listener.address() + ": Address already in use");
    for (const char* address : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "::1:25", "not a name:25",
                                "unix:", "unix:/nowhere/at/all", "systemd:nobody"}) {
        CAPTURE(address);
        CHECK(refusal(address).starts_with(std::string(address) + ": "));
    }
    CHECK(refusal("unix:/" + std::string(200, 'x')).ends_with("too long for a socket"));
}

TEST_CASE("a socket file has the wanted mode, and goes with its listener") {
    TemporaryDirectory directory;
    const std::string path = directory.path() + "/s";
    Door door;
    std::optional<Listener> listener;
    listener.emplace(door.loop, "unix:" + path, door.accepted(), 0640);
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0640);
    listener.reset();
    CHECK(::stat(path.c_str(), &status) != 0);
}

TEST_CASE("a socket file that was left behind is replaced, any other file is not") {
    TemporaryDirectory directory;
    const std::string path = directory.path() + "/s", address = "unix:" + path;
    { std::vector<Descriptor> died = listening_sockets(address, 0600); }
    Door door;
    std::optional<Listener> listener;
    REQUIRE_NOTHROW(listener.emplace(door.loop, address, door.accepted()));
    CHECK(refusal(address) == address + ": in use by another process");
    Peer peer;
    peer.connection = door.connect(*listener, peer);
    CHECK_MESSAGE(door.until([&] { return !door.clients.empty(); }), "the refused one has not taken the file away");

    const std::string other = directory.path() + "/file";
    std::ofstream(other) << "precious";
    CHECK(refusal("unix:" + other) == "unix:" + other + ": there is a file that is no socket");
    std::string content;
    std::ifstream(other) >> content;
    CHECK(content == "precious");
}

TEST_CASE("without descriptors it rests, and accepts who waited when there are some again") {
    Door door;
    Listener listener(door.loop, "127.0.0.1:0", door.accepted());
    TcpPair warm_up;  // whatever the library opens at its first use
    Peer peer;
    peer.connection = door.connect(listener, peer);
    {
        FewDescriptors few;
        REQUIRE(door.until([&] { return listener.resting(); }));
        CHECK(door.clients.empty());
    }
    CHECK(door.until([&] { return door.clients.size() == 1; }));
    CHECK_FALSE(listener.resting());
    ::close(warm_up.near);
    ::close(warm_up.far);
}

TEST_CASE("a socket from systemd is taken by its name, and stays there to be taken again") {
    Door door;
    std::vector<Descriptor> own = listening_sockets("127.0.0.1:0", 0);
    ::fcntl(own[0].get(), F_SETFL, ::fcntl(own[0].get(), F_GETFL) & ~O_NONBLOCK);
    Passed passed(own[0].get());
    for (int round = 1; round <= 2; ++round) {
        Listener listener(door.loop, "systemd:mine", door.accepted());
        Peer peer;
        peer.connection = door.connect(listener, peer);
        CHECK(door.until([&] { return door.clients.size() == static_cast<std::size_t>(round); }));
    }
    CHECK(refusal("systemd:another").starts_with("systemd:another: systemd passed no socket of that name"));
}

TEST_CASE("a listener may be destroyed by whom it calls, between two turns") {
    Door door;
    std::unique_ptr<Listener> listener;
    int calls = 0;
    listener = std::make_unique<Listener>(door.loop, "127.0.0.1:0", [&](int descriptor, const sockaddr*) {
        ::close(descriptor);
        if (++calls == 1) door.loop.defer([&] { listener.reset(); });
    });
    Peer peer;
    peer.connection = door.connect(*listener, peer);
    CHECK(door.until([&] { return !listener; }));
    CHECK(calls == 1);
}

TEST_SUITE_END();
