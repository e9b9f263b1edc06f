#include <doctest/doctest.h>

#include "client_script.h"

TEST_SUITE_BEGIN("client_chunk");

namespace onecopy::smtp::client_test {

namespace {

const std::string chunking = "250-mx\r\n250-CHUNKING\r\n250 PIPELINING\r\n";
const std::string chunk = "BDAT 4 LAST\r\nHi\r\n";

/// Greeting, EHLO with CHUNKING, then the whole group `sent`.
std::vector<Exchange> offered(const std::string& sent, std::vector<Exchange> rest) {
    rest.insert(rest.begin(), {greeting, {chunking, sent}});
    return rest;
}

}  // namespace

TEST_CASE("the content goes in one chunk, once it is known that somebody wants it") {
    check({
        {"pipelined",
         {one},
         offered(mail + a, {{ok, ""}, {ok, chunk}, {"250 2.0.0 queued\r\n", ""}}),
         {"done: delivered [250 2.0.0 queued]"}},
        {"step by step",
         {one},
         {greeting, {"250-mx\r\n250 chunking\r\n", mail}, {ok, a}, {ok, chunk}, {ok, ""}},
         {"done: delivered [250 ok]"}},
        {"mixed",
         {two},
         offered(mail + a + b, {{ok + ok + "451 later\r\n", chunk}, {ok, ""}}),
         {"done: delivered [250 ok] deferred [451 later]"}},
        {"nobody wants it, and the next transaction resets",
         {one, one},
         offered(mail + a, {{ok + "550 no\r\n", "RSET\r\n" + mail + a}, {ok + ok + ok, chunk}, {ok, ""}}),
         {"done: refused [550 no]", "done: delivered [250 ok]"}},
        {"two in turn",
         {one, one},
         offered(mail + a, {{ok + ok, chunk}, {ok, mail + a}, {ok + ok, chunk}, {ok, ""}}),
         {"done: delivered [250 ok]", "done: delivered [250 ok]"}},
    });
}

TEST_CASE("answers to the chunk") {
    const auto answered = [](const std::string& reply, Strings events) {
        return Row{reply, {two}, offered(mail + a + b, {{ok + ok + ok, chunk}, {reply, ""}}), std::move(events)};
    };
    check({
        answered("550 5.7.1 no\r\n", {"done: shared refused [550 5.7.1 no] shared refused [550 5.7.1 no]"}),
        answered("451 later\r\n", {"done: shared deferred [451 later] shared deferred [451 later]"}),
        answered("530 log in\r\n", {"done: deferred [530 log in] deferred [530 log in]", "ill: 530 log in"}),
        answered("421 bye\r\n", {"done: deferred [421 bye] deferred [421 bye]", "ill: 421 bye"}),
        answered("354 go\r\n", {"done: unknown [354 go] unknown [354 go]", "ill: senseless reply: 354 go"}),
        {"what a refused one left behind is reset",
         {one, one},
         offered(mail + a, {{ok + ok, chunk}, {"550 no\r\n", "RSET\r\n" + mail + a}, {ok + ok + ok, chunk}}),
         {"done: refused [550 no]"}},
        {"lost",
         {one},
         offered(mail + a, {{ok + ok, chunk}}),
         {"done: unknown [connection lost]", "ill: connection lost"},
         true},
        {"refused before its end: the connection can't be used again",
         {one, one},
         offered(mail + a, {{ok + ok + "552 5.3.4 large\r\n", ""}}),
         {"done: refused [552 5.3.4 large]"},
         true,
         true},
        {"taken before its end",
         {one},
         offered(mail + a, {{ok + ok + ok, ""}}),
         {"done: deferred [reply to nothing that was asked: 250 ok]", "ill: reply to nothing that was asked: 250 ok"}},
    });
}

TEST_CASE("P132: a chunk is its bytes: no dot is doubled, no line end made, whatever the pieces") {
    for (const std::string text : {".a\r\n..b\r\n.\r\nQUIT\r\n", "no line end", "\r\n.\r\n", "x\r"}) {
        for (const std::size_t step : {std::size_t(100), std::size_t(1)}) {
            Sender sender;
            sender.transactions = {to({"a@y"}, "s@x", text.size())};
            sender.sends_content = false;
            std::string sent = sender.hear({greeting.server, chunking, ok + ok});
            for (std::size_t at = 0; at < text.size(); at += step) sender.session.content(text.substr(at, step));
            CHECK(!sender.session.awaiting_verdict());
            sender.session.end_of_content();
            sent += sender.session.take_output();
            CHECK(sent == "BDAT " + std::to_string(text.size()) + " LAST\r\n" + text);
            CHECK(sender.session.awaiting_verdict());
            sender.session.feed(ok);
            CHECK(sender.events == Strings{"done: delivered [250 ok]"});
        }
    }
}

TEST_CASE("a refusal in the midst of a chunk is its verdict") {
    Sender sender;
    sender.transactions = {to({"a@y"}, "s@x", 1000), one};
    sender.sends_content = false;
    CHECK(sender.hear({greeting.server, chunking, ok + ok}) == "BDAT 1000 LAST\r\n");
    CHECK(sender.session.timeout() == std::chrono::minutes(3));
    sender.session.content("half\r\n");
    sender.session.take_output();
    sender.session.feed("554 5.7.1 no\r\n");
    CHECK(sender.events == Strings{"done: refused [554 5.7.1 no]"});
    CHECK(sender.session.dead());
    CHECK(!sender.session.ill());
}

TEST_CASE("abandoned in a chunk nothing more goes out") {
    struct Abandoning : Sender {
        void send_content() override { session.abandon(); }
    } sender;
    sender.transactions = {one};
    CHECK(sender.hear({greeting.server, chunking, ok + ok}).empty());
    CHECK(sender.session.dead());
    CHECK(sender.events.empty());
}

}  // namespace onecopy::smtp::client_test

TEST_SUITE_END();
