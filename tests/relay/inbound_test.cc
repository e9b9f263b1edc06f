#include "relay/inbound.h"

#include <doctest/doctest.h>

#include "fixture.h"

using namespace onecopy;
using namespace onecopy::relay;
using namespace onecopy::relay::testing;

namespace {

/// Listeners of a configuration, and clients that come to them.
struct Stand : House {
    Stand() {
        config.hostname = "proxy.example";
        config.listen.resize(1);
        config.listen[0].address = "127.0.0.1:0";
        inbound.emplace(loop, *ledger);
    }
    void configure() { inbound->configure(config, credentials); }
    /// At the listener with that number, in the order of addresses.
    Client& come(std::size_t listener = 0) {
        Client& client = clients.emplace_back();
        net::SocketAddress where = net::testing::socket_address(inbound->addresses().at(listener));
        client.connection = net::Connection::connect(loop, where, client);
        CHECK(until([&] { return !client.replies().empty() || client.ends > 0; }));
        return client;
    }
    /// And says EHLO.
    Client& enter(std::size_t listener = 0) {
        Client& client = come(listener);
        client.say("EHLO fetcher\r\n");
        CHECK(hear(client, 2) == "250");
        return client;
    }
    std::string hear(Client& client, std::size_t count) {
        CHECK(until([&] { return client.replies().size() >= count || client.ends > 0; }));
        return client.last();
    }
    void leave(Client& client) {
        std::uint64_t open = inbound->counters().open;
        client.connection.reset();
        CHECK(until([&] { return inbound->counters().open == open - 1; }));
    }

    config::Config config;
    Credentials credentials;
    std::list<Client> clients;
    std::optional<Inbound> inbound;
};

}  // namespace

TEST_SUITE_BEGIN("inbound");

TEST_CASE("who is in the allow list gets the greeting, others the key to change") {
    Stand stand;
    stand.configure();
    CHECK(stand.come().last() == "220");
    stand.config.listen[0].allow = {"10.0.0.0/8", "::1"};
    stand.configure();
    Client& refused = stand.come();
    CHECK(refused.last() == "421 4.7.0");
    CHECK(refused.bytes.find("listen.allow") != std::string::npos);
    CHECK(stand.until([&] { return refused.ends == 1; }));
    CHECK(stand.inbound->counters().accepted == 1);
    CHECK(stand.inbound->counters().refused == 1);
    CHECK(stand.inbound->counters().open == 1);
}

TEST_CASE("the right to connect to a Unix socket is its file's") {
    Stand stand;
    stand.config.listen[0].address = "unix:" + stand.directory.path() + "/smtp";
    stand.config.listen[0].allow = {};
    stand.configure();
    CHECK(stand.come().last() == "220");
}

TEST_CASE("connections are limited, in all and for each client, and free again when one ends") {
    for (const char* key : {"limits.connections)", "limits.connections_per_client)"}) {
        CAPTURE(key);
        Stand stand;
        const bool each = std::string(key).find("client") != std::string::npos;
        (each ? stand.config.limits.connections_per_client : stand.config.limits.connections) = 2;
        stand.configure();
        Client& first = stand.come();
        stand.come();
        Client& third = stand.come();
        CHECK(third.last() == "421 4.7.0");
        CHECK(third.bytes.find(key) != std::string::npos);
        stand.leave(first);
        CHECK(stand.come().last() == "220");
        CHECK(stand.inbound->counters().open == 2);
    }
}

TEST_CASE("a limit for each client spares others") {
    Stand stand;
    stand.config.limits.connections_per_client = 1;
    stand.config.listen.push_back(stand.config.listen[0]);
    stand.config.listen[1].address = "unix:" + stand.directory.path() + "/smtp";
    stand.configure();
    CHECK(stand.come(0).last() == "220");
    CHECK(stand.come(0).last() == "421 4.7.0");
    CHECK(stand.come(1).last() == "220");
}

TEST_CASE("after a reload what listens goes on, and open connections keep their settings") {
    Stand stand;
    stand.config.limits.recipients = 1;
    stand.configure();
    const std::vector<std::string> before = stand.inbound->addresses();
    Client& old = stand.enter();
    stand.config.limits.recipients = 2;
    stand.config.listen.push_back(stand.config.listen[0]);
    stand.config.listen[1].address = "unix:" + stand.directory.path() + "/smtp";
    stand.configure();
    REQUIRE(stand.inbound->addresses().size() == 2);
    CHECK(stand.inbound->addresses()[0] == before[0]);
    Client& later = stand.enter();
    for (Client* client : {&old, &later}) client->say("MAIL FROM:<s@x>\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\n");
    CHECK(stand.hear(old, 5) == "452 4.5.3");
    CHECK(stand.hear(later, 5) == "250 2.1.5");

    stand.config.listen.erase(stand.config.listen.begin());
    stand.configure();
    CHECK(stand.inbound->addresses().size() == 1);
    old.say("RSET\r\n");
    CHECK_MESSAGE(stand.hear(old, 6) == "250 2.0.0", "its listener has gone, the connection has not");
}

TEST_CASE("a configuration that can't be listened to changes nothing") {
    Stand stand;
    stand.configure();
    const std::vector<std::string> before = stand.inbound->addresses();
    config::Config wrong = stand.config;
    wrong.limits.connections = 1;
    wrong.listen.push_back(wrong.listen[0]);
    wrong.listen.push_back(wrong.listen[0]);
    wrong.listen[1].address = "unix:" + stand.directory.path() + "/smtp";
    wrong.listen[2].address = "unix:/nowhere/at/all";
    CHECK_THROWS_AS(stand.inbound->configure(wrong, {}), std::runtime_error);
    CHECK(stand.inbound->addresses() == before);
    CHECK_FALSE(std::filesystem::exists(stand.directory.path() + "/smtp"));
    stand.come();
    CHECK(stand.come().last() == "220");
}

TEST_CASE("stop closes the doors, lets a transaction come to its answer and then calls back") {
    Stand stand;
    stand.configure();
    net::SocketAddress where = net::testing::socket_address(stand.inbound->addresses().at(0));
    Client& idle = stand.come();
    Client& busy = stand.enter();
    busy.say(envelope({"a@x"}));
    stand.hear(busy, 5);
    bool stopped = false;
    stand.inbound->stop([&] { stopped = true; });
    CHECK(stand.inbound->addresses().empty());
    Client late;
    late.connection = net::Connection::connect(stand.loop, where, late);
    CHECK(stand.until([&] { return late.ends == 1; }));
    CHECK(late.reason == net::Connection::Reason::refused);
    CHECK(stand.hear(idle, 2) == "421 4.3.2");
    stand.leave(idle);
    CHECK_FALSE(stopped);
    busy.say(mail("<1@x>"));
    CHECK(stand.until([&] { return busy.ends == 1; }));
    CHECK(busy.replies()[5] == "250 2.0.0");
    busy.connection.reset();
    CHECK(stand.until([&] { return stopped; }));
    CHECK(stand.copies() == 1);
}

TEST_CASE("stop waits for nobody longer than limits.shutdown") {
    Stand stand;
    stand.config.limits.shutdown = base::Duration(50);
    stand.configure();
    Client& busy = stand.enter();
    busy.say(envelope({"a@x"}));
    stand.hear(busy, 5);
    bool stopped = false;
    stand.inbound->stop([&] { stopped = true; });
    CHECK(stand.until([&] { return stopped; }));
    CHECK(stand.inbound->counters().open == 0);
    CHECK(stand.copies() == 0);
}

TEST_CASE("stop without connections calls back at once") {
    Stand stand;
    stand.configure();
    bool stopped = false;
    stand.inbound->stop([&] { stopped = true; });
    CHECK_FALSE(stopped);
    CHECK(stand.until([&] { return stopped; }));
}

TEST_CASE("it may go with connections open and answers under way") {
    Stand stand;
    stand.config.grouping.observe = true;
    stand.configure();
    Client& client = stand.enter();
    stand.holding = true;
    client.say(envelope({"a@x"}) + mail("<1@x>"));
    REQUIRE(stand.until([&] { return !stand.held.empty(); }));
    stand.inbound.reset();
    CHECK(stand.until([&] { return client.ends == 1; }));
    CHECK(client.last() == "354");
    CHECK(stand.copies() == 1);
}

TEST_SUITE_END();
