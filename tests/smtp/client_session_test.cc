#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "client_script.h"

TEST_SUITE_BEGIN("client_session");

namespace onecopy::smtp::client_test {

TEST_CASE("P083: what is no reply makes the server ill and fails no mail") {
    for (const std::string bad : {"garbage\r\n", "150 x\r\n", "650 x\r\n", "250-a\r\n251 b\r\n", "\r\n"}) {
        Sender sender;
        sender.transactions = {one};
        sender.hear({greeting.server, pipelining, ok + bad});
        REQUIRE(sender.events.size() == 2);
        CHECK(sender.events[0].starts_with("done: deferred [broken reply:"));
        CHECK(sender.events[1].starts_with("ill: broken reply:"));
        sender.session.feed(ok);
        sender.session.lost("late");
        CHECK(sender.events.size() == 2);
    }
}

TEST_CASE("of a long reply an excerpt is kept for each recipient") {
    struct Keeper : Sender {
        void done(const ClientTransaction::Result& result) override { kept = result.recipients[0].reply; }
        Reply kept;
    } keeper;
    keeper.transactions = {one};
    keeper.hear({greeting.server, plain, ok});
    std::string reply;
    for (int i = 0; i < 90; ++i) reply += "550-5.1.1 " + std::string(1000, 'x') + "\r\n";
    keeper.session.feed(reply + "550 5.1.1 end\r\n");
    CHECK(keeper.kept.code == 550);
    CHECK(keeper.kept.text().size() < 2100);
    CHECK(keeper.kept.lines.size() == 3);
}

TEST_CASE("whatever a server says, each transaction ends once and a dead session tells no more") {
    std::mt19937 random(7);
    const Strings words = {ok,
                           ok,
                           ok,
                           go,
                           "220 mx\r\n",
                           pipelining,
                           plain,
                           "550 no\r\n",
                           "451 later\r\n",
                           "452 4.5.3 enough\r\n",
                           "421 bye\r\n",
                           "500 what\r\n",
                           "x",
                           "250-",
                           "\r\n",
                           "\n",
                           std::string(1, '\0'),
                           "530 log in\r\n"};
    for (int round = 0; round < 20'000; ++round) {
        Sender sender;
        sender.transactions = {two, one, to({"a@y", "b@y", "c@y"})};
        const bool promising = random() % 4 != 0;
        if (promising) {
            sender.session.feed("220 mx\r\n");
            sender.session.take_output();
            sender.session.feed(random() % 2 == 0 ? pipelining : plain);
            sender.session.take_output();
        }
        for (int i = 0; i < 25 && !sender.session.dead(); ++i) {
            const std::size_t usual = random() % 3 != 0 ? 4 : words.size();
            sender.session.feed(words[random() % usual]);
            if (random() % 8 != 0) sender.session.take_output();
        }
        sender.session.lost("connection lost");
        REQUIRE(sender.session.dead());
        const bool ill = sender.session.ill();
        REQUIRE(sender.events.back().starts_with(ill ? "ill" : "done"));
        REQUIRE(sender.events.size() == sender.started + ill);
        for (std::size_t i = 0; i < sender.started; ++i) REQUIRE(sender.events[i].starts_with("done"));
    }
}

TEST_CASE("P094: of many recipients at most 100 commands are unanswered") {
    Strings recipients;
    for (int i = 0; i < 1000; ++i) recipients.push_back("r" + std::to_string(i) + "@y");
    Sender sender;
    sender.transactions = {to(recipients)};
    sender.session.feed("220 mx\r\n");
    sender.session.take_output();
    sender.session.feed(pipelining);
    std::size_t commands = 0;
    for (auto sent = sender.session.take_output(); !sent.empty() && !sent.ends_with(content);) {
        const auto lines = static_cast<std::size_t>(std::count(sent.begin(), sent.end(), '\n'));
        CHECK(lines <= 100);
        commands += lines;
        std::string answers;
        const bool last = sent.ends_with(data);
        for (std::size_t i = 0; i < lines - last; ++i) answers += ok;
        sender.session.feed(answers + (last ? go : ""));
        sent = sender.session.take_output();
    }
    CHECK(commands == 1002);
    sender.session.feed(ok);
    CHECK(sender.events.size() == 1);
}

TEST_CASE("P091: each step has its own time") {
    using namespace std::chrono_literals;
    Sender sender;
    sender.transactions = {one};
    sender.sends_content = false;
    auto& session = sender.session;
    CHECK(session.timeout() == 5min);
    const auto say = [&](const std::string& reply) {
        const auto before = session.progress();
        session.feed(reply);
        CHECK(session.progress() > before);
        session.take_output();
    };
    say("220 mx\r\n");
    say(plain);
    CHECK(session.timeout() == 5min);
    say(ok);
    say(ok);
    CHECK(session.timeout() == 2min);
    say(go);
    CHECK(session.timeout() == 3min);
    const auto before = session.progress();
    session.content("Hi\r\n");
    CHECK(session.progress() > before);
    session.end_of_content();
    CHECK(!session.awaiting_verdict());
    session.take_output();
    CHECK(session.awaiting_verdict());
    CHECK(session.timeout() == 10min);
    say(ok);
    CHECK(!session.awaiting_verdict());
    session.quit();
    CHECK(session.timeout() < 1min);
}

TEST_CASE("quit() says so and ends without event") {
    Sender sender;
    sender.session.feed("220 mx\r\n");
    sender.session.take_output();
    sender.session.feed(plain);
    sender.session.quit();
    CHECK(sender.session.take_output() == "QUIT\r\n");
    CHECK(!sender.session.dead());
    SUBCASE("answered") {
        sender.session.feed("221 bye\r\n");
    }
    SUBCASE("answered by 421") {
        sender.session.feed("421 bye\r\n");
    }
    SUBCASE("cut") {
        sender.session.lost("connection lost");
    }
    SUBCASE("answered by nonsense") {
        sender.session.feed("bye\r\n");
    }
    CHECK(sender.session.dead());
    CHECK(!sender.session.ill());
    CHECK(sender.events.empty());
}

TEST_CASE("abandon() sends no more and tells nothing") {
    Sender sender;
    sender.transactions = {one};
    sender.sends_content = false;
    sender.hear({greeting.server, pipelining, ok + ok + go});
    sender.session.content("half");
    sender.session.abandon();
    CHECK(sender.session.take_output().empty());
    sender.session.lost("connection lost");
    CHECK(sender.session.dead());
    CHECK(sender.events.empty());
}

}  // namespace onecopy::smtp::client_test

TEST_SUITE_END();
