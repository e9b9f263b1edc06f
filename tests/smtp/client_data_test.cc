#include <doctest/doctest.h>

#include "client_script.h"

TEST_SUITE_BEGIN("client_data");

namespace onecopy::smtp::client_test {

TEST_CASE("answers to DATA and to the final dot") {
    const auto group = mail + a + b + data;
    const auto at_dot = [&](const std::string& verdict, Strings events) {
        return Row{
            verdict, {two}, grouped(group, {{ok + "550 a\r\n" + ok + go, content}, {verdict, ""}}), std::move(events)};
    };
    check({
        {"P088 DATA 5xx",
         {two},
         grouped(group, {{ok + ok + "550 b\r\n554 5.6.0 no\r\n", ""}}),
         {"done: refused [554 5.6.0 no] refused [550 b]"}},
        {"DATA 5xx is of those alone who had been accepted",
         {to({"a@y", "b@y", "c@y"})},
         grouped(mail + a + b + c + data, {{ok + ok + "550 b\r\n" + ok + "554 5.6.0 no\r\n", ""}}),
         {"done: shared refused [554 5.6.0 no] refused [550 b] shared refused [554 5.6.0 no]"}},
        {"P088 DATA 4xx",
         {two},
         grouped(group, {{ok + ok + ok + "451 later\r\n", ""}}),
         {"done: shared deferred [451 later] shared deferred [451 later]"}},
        {"DATA 421",
         {two},
         grouped(group, {{ok + ok + ok + "421 bye\r\n", ""}}),
         {"done: deferred [421 bye] deferred [421 bye]", "ill: 421 bye"}},
        {"DATA 530 is said of us, of no mail",
         {two},
         grouped(group, {{ok + ok + "550 b\r\n530 5.7.0 authenticate\r\n", ""}}),
         {"done: deferred [530 5.7.0 authenticate] refused [550 b]", "ill: 530 5.7.0 authenticate"}},
        {"DATA 538",
         {one},
         {greeting, {plain, mail}, {ok, a}, {ok, data}, {"538 x\r\n", ""}},
         {"done: deferred [538 x]", "ill: 538 x"}},
        {"DATA 2xx",
         {one},
         grouped(mail + a + data, {{ok + ok + ok, ""}}),
         {"done: deferred [senseless reply: 250 ok]", "ill: senseless reply: 250 ok"}},
        at_dot("250 2.0.0 queued\r\n", {"done: refused [550 a] delivered [250 2.0.0 queued]"}),
        at_dot("451 4.3.0 later\r\n", {"done: refused [550 a] deferred [451 4.3.0 later]"}),
        at_dot("550 5.7.1 spam\r\n", {"done: refused [550 a] refused [550 5.7.1 spam]"}),
        at_dot("552 5.3.4 large\r\n", {"done: refused [550 a] refused [552 5.3.4 large]"}),
        at_dot("550 5.7.26 not authenticated\r\n", {"done: refused [550 a] refused [550 5.7.26 not authenticated]"}),
        at_dot("530 5.7.0 log in\r\n", {"done: refused [550 a] deferred [530 5.7.0 log in]", "ill: 530 5.7.0 log in"}),
        at_dot("534 x\r\n", {"done: refused [550 a] deferred [534 x]", "ill: 534 x"}),
        at_dot("535 x\r\n", {"done: refused [550 a] deferred [535 x]", "ill: 535 x"}),
        at_dot("538 x\r\n", {"done: refused [550 a] deferred [538 x]", "ill: 538 x"}),
        at_dot("421 bye\r\n", {"done: refused [550 a] deferred [421 bye]", "ill: 421 bye"}),
        at_dot("354 go on\r\n", {"done: refused [550 a] unknown [354 go on]", "ill: senseless reply: 354 go on"}),
        at_dot("nonsense\r\n", {"done: refused [550 a] unknown [broken reply: no reply code: nonsense]",
                                "ill: broken reply: no reply code: nonsense"}),
        {"C11 250, then 421",
         {one},
         grouped(mail + a + data, {{ok + ok + go, content}, {ok + "421 bye\r\n", ""}}),
         {"done: delivered [250 ok]", "ill: 421 bye"}},
        {"P089 lost after the dot",
         {one},
         grouped(mail + a + data, {{ok + ok + go, content}}),
         {"done: unknown [connection lost]", "ill: connection lost"},
         true},
        {"P089 lost within the answer",
         {one},
         grouped(mail + a + data, {{ok + ok + go, content}, {"250 o", ""}}),
         {"done: unknown [connection lost]", "ill: connection lost"},
         true},
        {"lost before the data",
         {one},
         grouped(mail + a + data, {{ok + ok, ""}}),
         {"done: deferred [connection lost]", "ill: connection lost"},
         true},
        {"taken before the dot left",
         {one},
         grouped(mail + a + data, {{ok + ok + go + ok, ""}}),
         {"done: deferred [reply to nothing that was asked: 250 ok]", "ill: reply to nothing that was asked: 250 ok"}},
        {"refused before the dot left: the connection can't be used again, and nobody is ill",
         {two, one},
         grouped(group, {{ok + ok + ok + go + "552 5.3.4 large\r\n" + ok, ""}}),
         {"done: shared refused [552 5.3.4 large] shared refused [552 5.3.4 large]"},
         true,
         true},
    });
}

TEST_CASE("what is said in the midst of the content is its verdict where it is a refusal; all else is a broken server") {
    const struct {
        std::string early;
        Strings events;
    } rows[] = {
        {"552 5.3.4 large\r\n", {"done: shared refused [552 5.3.4 large] shared refused [552 5.3.4 large]"}},
        {"452 4.3.1 full\r\n", {"done: shared deferred [452 4.3.1 full] shared deferred [452 4.3.1 full]"}},
        {"554-no\r\n554 go away\r\n421 bye\r\n", {"done: shared refused [554 no go away] shared refused [554 no go away]"}},
        {"421 bye\r\n", {"done: deferred [421 bye] deferred [421 bye]", "ill: 421 bye"}},
        {"530 log in\r\n", {"done: deferred [530 log in] deferred [530 log in]", "ill: 530 log in"}},
        {ok,
         {"done: deferred [reply to nothing that was asked: 250 ok] deferred [reply to nothing that was asked: 250 ok]",
          "ill: reply to nothing that was asked: 250 ok"}},
        {go,
         {"done: deferred [reply to nothing that was asked: 354 go] deferred [reply to nothing that was asked: 354 go]",
          "ill: reply to nothing that was asked: 354 go"}},
    };
    for (const auto& [early, events] : rows) {
        for (const std::size_t step : {std::size_t(100), std::size_t(1)}) {
            CAPTURE(early);
            Sender sender;
            sender.transactions = {to({"a@y", "b@y"}, "s@x", 12), one};
            sender.sends_content = false;
            sender.hear({greeting.server, pipelining, ok + ok + ok + go});
            sender.session.content("half\r\n");
            sender.session.take_output();
            CHECK(!sender.session.awaiting_verdict());
            sender.session.content("more\r\n");
            for (std::size_t at = 0; at < early.size(); at += step) sender.session.feed(early.substr(at, step));
            CHECK(sender.events == events);
            CHECK(sender.session.dead());
            CHECK(sender.session.ill() == (events.size() == 2));
            sender.session.content("yet more\r\n");
            sender.session.end_of_content();
            sender.session.lost("connection lost");
            CHECK(sender.session.take_output().empty());
            CHECK(sender.events == events);
        }
    }
}

TEST_CASE("content is stuffed across its pieces") {
    Sender sender;
    sender.transactions = {to({"a@y"}, "s@x", 11)};
    sender.sends_content = false;
    sender.hear({greeting.server, pipelining, ok + ok + go});
    sender.session.content(".a\r\n");
    sender.session.content(".b\r");
    sender.session.content("\n.\r\n");
    sender.session.end_of_content();
    CHECK(sender.session.take_output() == "..a\r\n..b\r\n..\r\n.\r\n");
}

}  // namespace onecopy::smtp::client_test

TEST_SUITE_END();
