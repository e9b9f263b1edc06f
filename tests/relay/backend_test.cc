#include "relay/backend.h"

#include <doctest/doctest.h>

#include "outbound.h"

using namespace onecopy;
using namespace onecopy::relay;
using namespace onecopy::relay::testing;
using Addresses = std::vector<std::string>;

namespace {

std::string id(int number) {
    return "<" + std::to_string(number) + "@x>";
}

/// One message to one recipient; waits until it is delivered.
void deliver(Outbound& out, int number) {
    std::size_t before = out.delivered().size();
    out.offer(make_copy({"a@x"}, id(number), static_cast<std::uint8_t>(number)));
    CHECK(out.until_delivered(before + 1));
}

}  // namespace

TEST_SUITE_BEGIN("backend");

TEST_CASE("a server that is ill rests and the next one serves, and no mail pays for it") {
    const std::pair<std::string, std::string> table[] = {
        {"connect", "421 4.3.2 busy"}, {"connect", "554 5.3.2 go away"},  {"EHLO", "550 not you"},
        {"MAIL", "530 5.7.0 log in"},  {"MAIL", "550 not authenticated"}, {"RCPT", "421 4.3.2 closing"},
        {"RCPT", "530 5.7.0 log in"},  {"DATA", "421 4.3.2 closing"},     {".", "421 4.3.2 closing"},
        {"MAIL", "no reply at all"},   {"connect", "220-a\r\n250 b"},     {"MAIL", "452 4.3.1 no resources"},
        {"DATA", "530 5.7.0 log in"},  {".", "530 5.7.0 log in"},         {"DATA", "452 4.3.1 no resources"},
        {".", "451 4.3.0 later"},
    };
    for (const auto& [command, reply] : table) {
        CAPTURE(command);
        CAPTURE(reply);
        Outbound out(2);
        out.sink(0).script = answers({{command, reply}});
        out.start();
        out.offer(make_copy({"a@x", "b@x"}));
        REQUIRE(out.until([&] { return out.delivery->health()[0].rests_for.count() > 0; }));
        CHECK_FALSE(out.delivery->health()[0].words.empty());
        if (command != "connect" && command != "EHLO") {
            REQUIRE(out.until([&] { return !out.settled.empty(); }));
            CHECK(out.settled[0].ended.empty());
            CHECK(out.record("<1@x>").members.at(0).attempts == 0);
        }
        if (&reply != &table[0].second && reply != "220-a\r\n250 b" && &reply != &std::rbegin(table)->second) continue;
        REQUIRE(out.until_delivered(2));
        CHECK(out.sink(0).messages.empty());
        CHECK(out.sink(1).messages.size() == 1);
        CHECK(out.delivery->health()[1].words.empty());
        CHECK(out.delivery->health()[1].transactions == 1);
        CHECK(out.until_quiet());
    }
}

TEST_CASE("a server that does not answer at all is passed over in the same way") {
    Outbound out(2);
    SUBCASE("a closed port") {
        out.config.backend.servers[0] = "127.0.0.1:1";
    }
    SUBCASE("a name that nobody knows") {
        out.config.backend.servers[0] = "not a name:25";
    }
    SUBCASE("a connection that ends without a word") {
        out.sink(0).script = [](Sink::Session& session, const std::string&) {
            session.hang_up();
            return "";
        };
    }
    out.start();
    deliver(out, 1);
    CHECK(out.sink(1).messages.size() == 1);
    CHECK_FALSE(out.delivery->health()[0].words.empty());
    CHECK(out.until_quiet());
}

TEST_CASE("a reload ends every rest: what ailed the server may be mended by it") {
    Outbound out;
    out.sink().script = answers({{"connect", "421 4.3.2 not now"}});
    out.start();
    out.offer(make_copy({"a@x"}));
    REQUIRE(out.until([&] { return out.delivery->health()[0].rests_for > std::chrono::seconds(2); }));
    out.sink().script = {};
    out.reload();
    CHECK(out.delivery->health().at(0).rests_for.count() == 0);
    CHECK(out.until_delivered(1));
}

TEST_CASE("a server that takes no further connection serves on by those that it has") {
    Outbound out;
    bool busy = false, refused = false;
    out.sink().script = [&](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
        if (session.number == 1) return busy && command == "." ? std::optional<std::string>("") : std::nullopt;
        refused = true;
        return "421 4.7.0 too many connections";
    };
    out.start();
    deliver(out, 1);
    busy = true;
    for (int i = 2; i <= 9; ++i) out.offer(make_copy({"a@x"}, id(i), static_cast<std::uint8_t>(i)));
    REQUIRE(out.until([&] { return refused; }));
    busy = false;
    out.sink().session(1).say("250 2.0.0 taken");
    CHECK(out.until_delivered(9));
    CHECK(out.sink().sessions.size() == 2);
    CHECK(out.delivery->health().at(0).words.empty());
}

TEST_CASE("while all rest, mail waits without an attempt, and goes once one is well") {
    Outbound out;
    bool ill = true;
    out.sink().script = [&ill](Sink::Session&, const std::string& command) -> std::optional<std::string> {
        if (ill && command == "connect") return "421 4.3.2 not now";
        return std::nullopt;
    };
    out.start();
    for (int i = 1; i <= 5; ++i) out.offer(make_copy({"a@x"}, id(i), static_cast<std::uint8_t>(i)));
    REQUIRE(out.until([&] { return !out.settled.empty(); }));
    CHECK(out.delivery->health().at(0).rests_for.count() > 0);
    CHECK(out.delivery->health().at(0).words == "421 4.3.2 not now");
    CHECK(out.sink().sessions.size() == 1);
    ill = false;
    REQUIRE(out.until_delivered(5));
    CHECK(out.delivery->health().at(0).rests_for.count() == 0);
    CHECK(out.record(id(1)).members.at(0).attempts == 0);
    CHECK(out.until_quiet());
}

TEST_CASE("connections are used again, by as many as are allowed") {
    Outbound out;
    out.start();
    for (int i = 1; i <= 5; ++i) deliver(out, i);
    CHECK(out.sink().sessions.size() == 1);
    for (int i = 6; i <= 40; ++i) out.offer(make_copy({"a@x"}, id(i), static_cast<std::uint8_t>(i)));
    REQUIRE(out.until_delivered(40));
    CHECK(out.sink().sessions.size() <= 2);
    CHECK(out.delivery->health().at(0).connections <= 2);
    CHECK(out.delivery->health().at(0).transactions == 40);
}

TEST_CASE("a connection ends politely after as many messages as it may carry") {
    Outbound out;
    out.config.backend.messages_per_connection = 2;
    out.config.backend.connections = 1;
    out.start();
    for (int i = 1; i <= 5; ++i) deliver(out, i);
    REQUIRE(out.sink().sessions.size() == 3);
    CHECK(out.sink().session(1).commands.back() == "QUIT");
    CHECK(out.sink().session(2).commands.back() == "QUIT");
    std::vector<int> connections;
    for (const Sink::Message& message : out.sink().messages) connections.push_back(message.connection);
    CHECK(connections == std::vector<int>{1, 1, 2, 2, 3});
}

TEST_CASE("a connection ends politely once it is old enough") {
    Outbound out;
    out.config.backend.connection_lifetime = base::Duration(300);
    bool old = false;
    net::Timer passing(out.loop, [&] { old = true; });
    out.sink().script = [&](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
        if (command != "." || session.number > 1) return std::nullopt;
        passing.set(base::Duration(400));
        return "";
    };
    out.start();
    out.offer(make_copy({"a@x"}, id(1), 1));
    REQUIRE(out.until([&] { return old; }));
    out.sink().session(1).say("250 2.0.0 ok");
    REQUIRE(out.until_delivered(1));
    deliver(out, 2);
    CHECK(out.sink().session(1).commands.back() == "QUIT");
    CHECK(out.sink().messages.at(0).connection == 2);
}

TEST_CASE("a server that ends a resting connection is not ill, and what was just given to it goes elsewhere") {
    for (const char* words : {"", "421 4.4.2 idle for too long"}) {
        CAPTURE(words);
        Outbound out;
        out.config.backend.connections = 1;
        out.start();
        deliver(out, 1);
        CHECK(out.until_quiet());
        out.sink().session(1).hang_up(words);
        deliver(out, 2);
        CHECK(out.sink().messages.at(1).connection == 2);
        CHECK(out.delivery->health().at(0).words.empty());
        CHECK(out.record(id(2)).attempts.size() == 1);
    }
}

TEST_CASE("mail that comes back from one of two connections that end together is not given to the other") {
    Outbound out;
    int dots = 0;
    out.sink().script = [&dots](Sink::Session&, const std::string& command) -> std::optional<std::string> {
        return command == "." && ++dots > 1 ? std::optional<std::string>("") : std::nullopt;
    };
    out.start();
    deliver(out, 1);
    out.offer(make_copy({"a@x"}, id(2), 2));
    out.offer(make_copy({"a@x"}, id(3), 3));
    REQUIRE(out.until([&] { return dots == 3; }));
    for (int number : {1, 2}) out.sink().session(number).say("250 2.0.0 taken");
    REQUIRE(out.until_delivered(3));
    CHECK(out.until_quiet());
    CHECK(out.delivery->health().at(0).connections == 2);

    out.sink().script = {};
    std::vector<ledger::Due> due;
    out.when_due = [&due](std::vector<ledger::Due> groups) { due = std::move(groups); };
    out.offer(make_copy({"a@x"}, id(4), 4));
    REQUIRE(out.until([&] { return !due.empty(); }));
    for (int number : {1, 2}) out.sink().session(number).hang_up();
    out.delivery->due(std::move(due));
    CHECK(out.until_delivered(4));
    CHECK(out.until_quiet());
    CHECK(out.delivery->health().at(0).words.empty());
}

TEST_CASE("a server that ends the connection at the next MAIL without a word gets it again on a new one") {
    Outbound out;
    out.config.backend.connections = 1;
    out.sink().script = [](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
        if (session.number > 1 || !command.starts_with("MAIL") || session.message.sender.empty()) return std::nullopt;
        if (std::ranges::count(session.commands, command) < 2) return std::nullopt;
        session.hang_up();
        return "";
    };
    out.start();
    deliver(out, 1);
    deliver(out, 2);
    CHECK(out.sink().messages.at(1).connection == 2);
    CHECK(out.delivery->health().at(0).words.empty());
}

TEST_CASE("connections that end together, one of them just given mail, give that mail to none of each other") {
    Outbound out;
    int held = 0;
    out.sink().script = [&](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
        if (command == "." && session.message.recipients == Addresses{"held@x"}) return ++held, "";
        if (!command.starts_with("MAIL") || out.delivered().size() < 3 || session.number > 2) return std::nullopt;
        for (Sink::Session& each : out.sink().sessions) each.hang_up();
        return "";
    };
    out.start();
    deliver(out, 1);
    for (int i = 2; i <= 3; ++i) out.offer(make_copy({"held@x"}, id(i), static_cast<std::uint8_t>(i)));
    REQUIRE(out.until([&] { return held == 2; }));
    for (int number : {1, 2}) out.sink().session(number).say("250 2.0.0 ok");
    REQUIRE(out.until_delivered(3));
    REQUIRE(out.until_quiet());
    deliver(out, 4);
    CHECK(out.until_quiet());
    CHECK(out.sink().messages.back().connection == 3);
    CHECK(out.delivery->health().at(0).words.empty());
}

TEST_CASE("after a reload connections with the old settings end: idle ones at once, busy ones after their transaction") {
    Outbound out(2);
    const Addresses both = out.config.backend.servers;
    Sink::Session* busy = nullptr;
    out.sink(0).script = [&](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
        if (command != "." || session.message.recipients != Addresses{"busy@x"}) return std::nullopt;
        busy = &session;
        return "";
    };
    out.config.backend.servers = {both[0]};
    out.start();
    deliver(out, 1);
    out.offer(make_copy({"busy@x"}, id(2), 2));
    REQUIRE(out.until([&] { return busy != nullptr; }));
    deliver(out, 3);
    CHECK(out.sink(0).open() == 2);

    out.config.backend.servers = {both[1]};
    out.reload();
    REQUIRE(out.until([&] { return out.sink(0).open() == 1; }));
    deliver(out, 4);
    CHECK(out.sink(1).messages.size() == 1);
    busy->say("250 2.0.0 ok");
    REQUIRE(out.until_delivered(4));
    CHECK(out.until([&] { return out.sink(0).open() == 0; }));
    for (int number : {1, 2}) CHECK(out.sink(0).session(number).commands.back() == "QUIT");
    CHECK(out.until_quiet());
}

TEST_CASE("a reload brings a server to mail that waits for one") {
    Outbound out(2);
    const Addresses both = out.config.backend.servers;
    out.sink(0).script = answers({{"connect", "554 5.3.2 never"}});
    out.config.backend.servers = {both[0]};
    out.start();
    out.offer(make_copy({"a@x"}));
    REQUIRE(out.until([&] { return !out.settled.empty(); }));
    out.config.backend.servers = both;
    out.reload();
    CHECK(out.until_delivered(1));
    CHECK(out.sink(1).messages.size() == 1);
}

TEST_CASE("an ill first server is tried again after its rest, and takes over") {
    Outbound out(2);
    bool ill = true;
    out.sink(0).script = [&ill](Sink::Session&, const std::string& command) -> std::optional<std::string> {
        if (ill && command == "connect") return "421 4.3.2 not now";
        return std::nullopt;
    };
    out.start();
    deliver(out, 1);
    ill = false;
    CHECK(out.sink(1).messages.size() == 1);
    REQUIRE(out.until([&] { return out.delivery->health()[0].rests_for.count() == 0; }));
    out.reload();  // ends the idle connection to the second
    REQUIRE(out.until([&] { return out.sink(1).open() == 0; }));
    deliver(out, 2);
    CHECK(out.sink(0).messages.size() == 1);
}

TEST_CASE("mail that needs SMTPUTF8 goes to the first server that has it, and other mail to the first") {
    for (bool crowded : {false, true}) {
        CAPTURE(crowded);
        Outbound out(2);
        out.sink(1).script = answers({{"EHLO", "250-sink.example\r\n250-8BITMIME\r\n250 SMTPUTF8"}});
        if (crowded) out.config.backend.connections = 1;
        out.start();
        ledger::Copy copy = make_copy({"a@x"}, id(1), 1);
        copy.arriving.options.smtputf8 = true;
        out.offer(std::move(copy));
        REQUIRE(out.until_delivered(1));
        CHECK(out.sink(0).messages.empty());
        CHECK(out.sink(1).messages.size() == 1);
        CHECK(out.ledger->smtputf8());
        CHECK(out.record(id(1)).attempts.size() == 1);
        out.reload();  // ends what is idle
        REQUIRE(out.until([&] { return out.sink(0).open() + out.sink(1).open() == 0; }));
        deliver(out, 2);
        CHECK(out.sink(0).messages.size() == 1);
        copy = make_copy({"a@x"}, id(3), 3);
        copy.arriving.options.smtputf8 = true;
        out.offer(std::move(copy));
        if (crowded) {  // no later mail keeps the one connection at the first
            out.offer(make_copy({"a@x"}, id(4), 4));
            REQUIRE(out.until([&] { return out.states(id(4)).at("a@x") == coalesce::State::delivered; }));
            CHECK(out.states(id(3)).at("a@x") == coalesce::State::delivered);
        }
        REQUIRE(out.until_delivered(crowded ? 4 : 3));
        CHECK(out.sink(1).messages.size() >= 2);
        CHECK(out.ledger->smtputf8());
        CHECK(out.until_quiet());
    }
}

TEST_CASE("mail that needs SMTPUTF8 waits where no server has it, and other mail does not wait for it") {
    Outbound out;
    out.start();
    ledger::Copy copy = make_copy({"a@x"}, id(1), 1);
    copy.arriving.options.smtputf8 = true;
    out.offer(std::move(copy));
    REQUIRE(out.until([&] { return !out.settled.empty(); }));
    deliver(out, 2);
    CHECK(out.states(id(1)).at("a@x") == coalesce::State::pending);
    CHECK(out.record(id(1)).members.at(0).reply.find("SMTPUTF8") != std::string::npos);
    CHECK(out.until_quiet());
}

TEST_CASE("it may go with look-ups, connections and transactions under way") {
    for (const char* held_at : {"connect", "EHLO", "DATA", "."}) {
        CAPTURE(held_at);
        Outbound out;
        bool reached = false;
        out.sink().script = [&](Sink::Session&, const std::string& command) -> std::optional<std::string> {
            if (!command.starts_with(held_at)) return std::nullopt;
            reached = true;
            return "";
        };
        out.start();
        out.offer(make_copy({"a@x"}));
        REQUIRE(out.until([&] { return reached; }));
        out.delivery.reset();
        CHECK(out.until([&] { return out.sink().open() == 0; }));
    }
    Outbound looking_up;
    looking_up.when_due = [&](std::vector<ledger::Due> groups) {
        looking_up.delivery->due(std::move(groups));
        looking_up.delivery.reset();
    };
    looking_up.start();
    looking_up.offer(make_copy({"a@x"}));
    CHECK(looking_up.until([&] { return !looking_up.delivery; }));
    looking_up.turn();
}

TEST_SUITE_END();
