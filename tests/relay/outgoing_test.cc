#include "relay/outgoing.h"

#include <doctest/doctest.h>

#include <list>

#include "fixture.h"
#include "sink.h"

using namespace onecopy;
using namespace onecopy::relay;
using namespace onecopy::relay::testing;
using Texts = std::vector<std::string>;
using Tls = smtp::ClientSession::Tls;

namespace {

/// A server with several addresses, each of them a sink, and one connection to it.
struct Several : net::testing::Bench {
    explicit Several(std::size_t count) {
        base::log::set_level(base::Level::error);
        for (std::size_t i = 0; i < count; ++i) sinks.emplace_back(loop);
    }
    Sink& sink(std::size_t number) { return *std::next(sinks.begin(), static_cast<std::ptrdiff_t>(number)); }
    /// True once there is a session, false where the connection ended before.
    bool connect() {
        std::vector<net::SocketAddress> addresses;
        for (const Sink& one : sinks) addresses.push_back(net::testing::socket_address(one.address()));
        Outgoing::Owner owner;
        owner.ready = [this] { ready = true; };
        owner.passed_over = [this](const smtp::Reply& reply) { heard.push_back("next: " + reply.text()); };
        owner.finished = [](Job, const Report&) {};
        owner.ill = [this](const smtp::Reply& reply) { heard.push_back("ill: " + reply.text()); };
        owner.gone = [this] { gone = true; };
        Outgoing::Doors doors{
            loop, worker, "/nowhere", options, std::make_shared<net::TlsClient>(net::TlsClient::Settings()), "mail.example"};
        connection.emplace(std::move(doors), "mail.example:25", addresses, std::move(owner));
        REQUIRE(until([&] { return ready || gone; }));
        return ready;
    }
    /// How many connections each of them had.
    std::vector<std::size_t> sessions() const {
        std::vector<std::size_t> counts;
        for (const Sink& one : sinks) counts.push_back(one.sessions.size());
        return counts;
    }

    std::list<Sink> sinks;
    base::Worker worker;
    smtp::ClientSession::Options options{.hostname = "proxy.example"};
    Texts heard;
    bool ready = false;
    bool gone = false;
    std::optional<Outgoing> connection;
};

using Counts = std::vector<std::size_t>;

Sink::Script says(const std::string& command, const std::string& reply) {
    return [=](Sink::Session& session, const std::string& given) -> std::optional<std::string> {
        if (!given.starts_with(command)) return std::nullopt;
        if (reply != "nothing") return reply;
        session.hang_up();
        return "";
    };
}

const std::string with_tls = "250-sink.example\r\n250 STARTTLS";

/// The connection ends in place of a handshake.
Sink::Script breaks_handshakes() {
    return [](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
        if (command.starts_with("EHLO")) return with_tls;
        if (!command.starts_with("STARTTLS")) return std::nullopt;
        session.hang_up("220 go on");
        return "";
    };
}

}  // namespace

TEST_SUITE_BEGIN("outgoing");

TEST_CASE("an address where no session comes about is followed by the next") {
    const std::pair<std::string, std::string> table[] = {
        {"connect", "421 4.3.2 busy"}, {"connect", "554 5.3.2 no"}, {"connect", "nothing"}, {"connect", "220-a\r\n250 b"},
        {"EHLO", "550 5.7.1 not you"}, {"EHLO", "nothing"},         {"EHLO", "421 bye"},
    };
    for (const auto& [command, reply] : table) {
        CAPTURE(command);
        CAPTURE(reply);
        Several several(3);
        several.sink(0).script = says(command, reply);
        REQUIRE(several.connect());
        CHECK(several.sessions() == Counts{1, 1, 0});
        CHECK(net::is_loopback(several.connection->address().get()));
        REQUIRE(several.heard.size() == 1);
        CHECK(several.heard[0].starts_with("next: "));
        CHECK(several.until([&] { return several.sink(0).open() == 0; }));
    }
}

TEST_CASE("only when the last address was tried is the server ill, by the reply that tells most") {
    const struct {
        Texts greetings;
        std::string ill;
    } table[] = {
        {{"554 a", "554 b", "554 c"}, "ill: 554 c"},
        {{"421 a", "554 b", "nothing"}, "ill: 421 a"},  // of a server that serves others: it is full
        {{"554 a", "421 b", "554 c"}, "ill: 421 b"},
        {{"nothing", "554 b", "nothing"}, "ill: 554 b"},
        {{"nothing", "nothing", "nothing"}, "ill: connection closed by the server"},
    };
    for (const auto& [greetings, ill] : table) {
        CAPTURE(ill);
        Several several(3);
        for (std::size_t i = 0; i < 3; ++i) several.sink(i).script = says("connect", greetings[i]);
        CHECK_FALSE(several.connect());
        CHECK(several.sessions() == Counts{1, 1, 1});
        REQUIRE(several.heard.size() == 3);
        CHECK(several.heard[2] == ill);
    }
}

TEST_CASE("what befalls a session that was ready is no reason to try another address") {
    Several several(2);
    several.sink(0).script = says("MAIL", "421 4.3.2 closing");
    REQUIRE(several.connect());
    Job job;
    job.envelope.sender = "s@x";
    job.envelope.recipients.emplace_back().address = "a@x";
    job.header = std::make_shared<std::string>("Subject: x\r\n\r\n");
    job.content = std::make_shared<ledger::Content>();
    several.connection->run(std::move(job));
    REQUIRE(several.until([&] { return !several.heard.empty(); }));
    CHECK(several.heard == Texts{"ill: 421 4.3.2 closing"});
    several.turn();
    CHECK(several.sessions() == Counts{1, 0});
}

TEST_CASE("a connection that is cut while it tries addresses tries no further") {
    Several several(2);
    bool reached = false;
    several.sink(0).script = [&](Sink::Session&, const std::string&) {
        reached = true;
        several.connection->cut();
        return "421 4.3.2 busy";
    };
    CHECK_FALSE(several.connect());
    CHECK(reached);
    CHECK(several.heard.empty());
    CHECK(several.sessions() == Counts{1, 0});
}

TEST_CASE("where TLS is required an address without it is passed over, and none is used in plain text") {
    Several several(3);
    several.options.tls = Tls::required;
    several.sink(1).script = [](Sink::Session&, const std::string& command) -> std::optional<std::string> {
        if (command.starts_with("EHLO")) return with_tls;
        return command.starts_with("STARTTLS") ? std::optional<std::string>("454 4.7.0 not now") : std::nullopt;
    };
    several.sink(2).script = breaks_handshakes();
    CHECK_FALSE(several.connect());
    CHECK(several.sessions() == Counts{1, 1, 1});
    REQUIRE(several.heard.size() == 3);
    CHECK(several.heard[0] == "next: 4.7.0 the server does not offer STARTTLS (backend.tls)");
    CHECK(several.heard[1] == "next: 454 4.7.0 not now");
    CHECK(several.heard[2] == "ill: 454 4.7.0 not now");
}

TEST_CASE("without encryption, where that may be, goes on at the address whose handshake failed, and there alone") {
    Several several(2);
    several.options.tls = Tls::opportunistic;
    several.sink(0).script = several.sink(1).script = breaks_handshakes();
    SUBCASE("it serves") {
        REQUIRE(several.connect());
        CHECK(several.sessions() == Counts{2, 0});
        CHECK(several.heard.empty());
    }
    SUBCASE("it does not: the next one is asked for TLS again") {
        several.sink(0).script = [broken = breaks_handshakes()](Sink::Session& session, const std::string& command) {
            if (session.number == 2 && command == "connect") return std::optional<std::string>("554 5.3.2 no");
            return broken(session, command);
        };
        REQUIRE(several.connect());
        CHECK(several.sessions() == Counts{2, 2});
        const Texts& commands = several.sink(1).session(1).commands;
        CHECK(std::ranges::count(commands, "STARTTLS") == 1);
        CHECK(several.heard == Texts{"next: 554 5.3.2 no"});
    }
}

TEST_SUITE_END();
