#include "smtp/client_session.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

TEST_SUITE_BEGIN("client_session");

namespace onecopy::smtp {

namespace {

using Strings = std::vector<std::string>;
using Transaction = ClientSession::Transaction;

std::string name_of(ClientSession::Outcome outcome) {
    switch (outcome) {
        case ClientSession::Outcome::delivered:
            return "delivered";
        case ClientSession::Outcome::deferred:
            return "deferred";
        case ClientSession::Outcome::refused:
            return "refused";
        case ClientSession::Outcome::again:
            return "again";
        case ClientSession::Outcome::unknown:
            return "unknown";
    }
    return "";
}

/// Starts the transactions that it was given, one after the other, and keeps record.
struct Sender : ClientSession::Handler {
    ClientSession session{"proxy.example", *this};
    std::vector<Transaction> transactions;
    std::string content = "Hi\r\n";
    bool sends_content = true;
    std::size_t started = 0;
    Strings events;

    void ready() override { next(); }
    void send_content() override {
        if (!sends_content) return;
        session.content(content);
        session.end_of_content();
    }
    void done(const ClientSession::Result& result) override {
        std::string told = result.at_data ? "done at data:" : "done:";
        for (const auto& [outcome, reply] : result.recipients) told += " " + name_of(outcome) + " [" + reply.text() + "]";
        events.push_back(told);
        if (!session.dead()) next();
    }
    void ill(const Reply& reply) override {
        CHECK(session.dead());
        events.push_back("ill: " + reply.text());
    }
    void next() {
        if (started < transactions.size()) session.start(transactions[started++]);
    }
};

/// What the server says, and what it must get for it.
struct Exchange {
    std::string server, client;
};

struct Row {
    std::string name;
    std::vector<Transaction> transactions;
    std::vector<Exchange> exchanges;
    Strings events;
    bool lost = false;  // the connection, at the end
};

void play(const Row& row, std::size_t step) {
    Sender sender;
    sender.transactions = row.transactions;
    for (const auto& [server, client] : row.exchanges) {
        CAPTURE(server);
        for (std::size_t at = 0; at < server.size(); at += step)
            sender.session.feed(std::string_view(server).substr(at, step));
        CHECK(sender.session.take_output() == client);
    }
    if (row.lost) sender.session.lost("connection lost");
    CHECK(sender.events == row.events);
    const bool ill = !row.events.empty() && row.events.back().starts_with("ill");
    CHECK(sender.session.dead() == ill);
}

/// Each row with the server's bytes whole, byte by byte, and in threes.
void check(const std::vector<Row>& rows) {
    for (const auto& row : rows) {
        CAPTURE(row.name);
        for (const std::size_t step : {std::size_t(100'000), std::size_t(1), std::size_t(3)}) play(row, step);
    }
}

const Exchange greeting = {"220 mx ESMTP\r\n", "EHLO proxy.example\r\n"};
const std::string plain = "250 mx\r\n";
const std::string pipelining = "250-mx\r\n250 PIPELINING\r\n";

Transaction to(Strings recipients) {
    return {"s@x", std::move(recipients), 4, false};
}
const Transaction one = to({"a@y"});
const Transaction two = to({"a@y", "b@y"});
const std::string mail = "MAIL FROM:<s@x>\r\n";
const std::string a = "RCPT TO:<a@y>\r\n";
const std::string b = "RCPT TO:<b@y>\r\n";
const std::string c = "RCPT TO:<c@y>\r\n";
const std::string data = "DATA\r\n";
const std::string content = "Hi\r\n.\r\n";
const std::string ok = "250 ok\r\n";
const std::string go = "354 go\r\n";

/// Greeting, EHLO with PIPELINING, then the whole group `sent`.
std::vector<Exchange> grouped(const std::string& sent, std::vector<Exchange> rest) {
    rest.insert(rest.begin(), {greeting, {pipelining, sent}});
    return rest;
}

}  // namespace

TEST_CASE("greeting, EHLO and HELO") {
    check({
        {"P080 many lines", {}, {{"220-mx\r\n220-be patient\r\n220 ESMTP\r\n", greeting.client}, {plain, ""}}, {}},
        {"a greeting that refuses", {one}, {{"554 5.7.1 not you\r\n", ""}}, {"ill: 554 5.7.1 not you"}},
        {"a greeting that defers", {one}, {{"421 4.3.2 later\r\n", ""}}, {"ill: 421 4.3.2 later"}},
        {"an unknown greeting code", {}, {{"259 mx\r\n", greeting.client}}, {}},
        {"354 as greeting", {}, {{"354 mx\r\n", ""}}, {"ill: 354 mx"}},
        {"P081 500", {one}, {greeting, {"500 what\r\n", "HELO proxy.example\r\n"}, {ok, mail}}, {}},
        {"P081 502", {one}, {greeting, {"502 what\r\n", "HELO proxy.example\r\n"}, {ok, mail}}, {}},
        {"P081 504", {one}, {greeting, {"504 what\r\n", "HELO proxy.example\r\n"}, {ok, mail}}, {}},
        {"EHLO refused otherwise", {one}, {greeting, {"550 5.7.1 no\r\n", ""}}, {"ill: 550 5.7.1 no"}},
        {"EHLO deferred", {one}, {greeting, {"451 later\r\n", ""}}, {"ill: 451 later"}},
        {"HELO refused",
         {one},
         {greeting, {"500 what\r\n", "HELO proxy.example\r\n"}, {"500 what\r\n", ""}},
         {"ill: 500 what"}},
        {"lost before the greeting", {one}, {}, {"ill: connection lost"}, true},
        {"P090 421 while idle", {}, {greeting, {plain, ""}, {"421 bye\r\n", ""}}, {"ill: 421 bye"}},
        {"a reply to nothing", {}, {greeting, {plain, ""}, {ok, ""}}, {"ill: reply to nothing that was asked: 250 ok"}},
        {"talk before EHLO was sent",
         {one},
         {{"220 mx\r\n250 mx\r\n", ""}},
         {"ill: reply to nothing that was asked: 250 mx"}},
    });
}

TEST_CASE("one recipient, step by step and pipelined") {
    check({
        {"step by step",
         {one},
         {greeting, {plain, mail}, {ok, a}, {ok, data}, {go, content}, {"250 2.0.0 queued\r\n", ""}},
         {"done: delivered [250 2.0.0 queued]"}},
        {"pipelined",
         {one},
         grouped(mail + a + data, {{ok + ok + go, content}, {"250 2.0.0 queued\r\n", ""}}),
         {"done: delivered [250 2.0.0 queued]"}},
        {"P082 unknown codes",
         {one},
         grouped(mail + a + data, {{"259 a\r\n258 b\r\n355 c\r\n", content}, {"299 d\r\n", ""}}),
         {"done: delivered [299 d]"}},
        {"P087 251",
         {one},
         grouped(mail + a + data, {{ok + "251 will forward\r\n" + go, content}, {ok, ""}}),
         {"done: delivered [250 ok]"}},
        {"two in turn",
         {one, two},
         grouped(mail + a + data,
                 {{ok + ok + go, content}, {ok, mail + a + b + data}, {ok + ok + ok + go, content}, {ok, ""}}),
         {"done: delivered [250 ok]", "done: delivered [250 ok] delivered [250 ok]"}},
        {"null sender", {{"", {"a@y"}, 4, false}}, grouped("MAIL FROM:<>\r\n" + a + data, {}), {}},
    });
}

TEST_CASE("parameters of MAIL go where they were offered") {
    const Transaction eight_bit{"s@x", {"a@y"}, 1234, true};
    const auto sent = [](const Transaction& transaction, const std::string& offer) {
        Sender sender;
        sender.transactions = {transaction};
        sender.session.feed("220 mx\r\n");
        sender.session.take_output();
        sender.session.feed("250-mx\r\n" + offer + "250 HELP\r\n");
        return sender.session.take_output();
    };
    CHECK(sent(eight_bit, "") == mail);
    CHECK(sent(eight_bit, "250-SIZE\r\n") == "MAIL FROM:<s@x> SIZE=1234\r\n");
    CHECK(sent(eight_bit, "250-size 1234\r\n250-8BitMime\r\n") == "MAIL FROM:<s@x> SIZE=1234 BODY=8BITMIME\r\n");
    CHECK(sent(eight_bit, "250-SIZE 0\r\n") == "MAIL FROM:<s@x> SIZE=1234\r\n");
    CHECK(sent(eight_bit, "250-SIZE 99999999999999999999999\r\n") == "MAIL FROM:<s@x> SIZE=1234\r\n");
    CHECK(sent(one, "250-8BITMIME\r\n") == mail);
    CHECK(sent(eight_bit, "250-SIZEX 1\r\n250-X8BITMIME\r\n") == mail);
}

TEST_CASE("a message above the server's limit is not tried") {
    check({
        {"alone",
         {{"s@x", {"a@y", "b@y"}, 1001, false}},
         {greeting, {"250-mx\r\n250 SIZE 1000\r\n", ""}},
         {"done: refused [552 5.3.4 message too large for the server] refused [552 5.3.4 message too large for the "
          "server]"}},
        {"then one that fits",
         {{"s@x", {"a@y"}, 1001, false}, one},
         {greeting, {"250-mx\r\n250 SIZE 1000\r\n", "MAIL FROM:<s@x> SIZE=4\r\n"}},
         {"done: refused [552 5.3.4 message too large for the server]"}},
    });
}

TEST_CASE("an address that would change its command is not sent") {
    const std::string refused = " refused [553 5.1.3 unusable address]";
    for (const std::string bad :
         {"", "a@y>\r\nDATA", "a\n@y", "a\r@y", "a b@y", "a>b@y", "a<b@y", "\"a@y", "\"a\\\"@y", "\x7f@y"}) {
        CAPTURE(bad);
        check({{"among others",
                {to({bad, "a@y"})},
                grouped(mail + a + data, {{ok + ok + go, content}, {ok, ""}}),
                {"done:" + refused + " delivered [250 ok]"}},
               {"alone", {to({bad})}, grouped("", {}), {"done:" + refused}}});
    }
    check({{"NUL", {to({std::string("a\0@y", 4)})}, grouped("", {}), {"done:" + refused}},
           {"the sender",
            {{"s>@x", {"a@y"}, 4, false}},
            grouped("", {}),
            {"done: refused [553 5.1.7 unusable sender address]"}},
           {"quoted is fine", {to({"\"a >\\\"b\"@y"})}, grouped(mail + "RCPT TO:<\"a >\\\"b\"@y>\r\n" + data, {}), {}},
           {"nobody", {to({})}, grouped("", {}), {"done:"}}});
}

TEST_CASE("answers to MAIL") {
    const auto sent = mail + a + b + data;
    const std::string no = "503 5.5.1 no\r\n";
    check({
        {"5xx fails the mail",
         {two},
         grouped(sent, {{"550 5.7.1 bad sender\r\n" + no + no + no, ""}}),
         {"done: refused [550 5.7.1 bad sender] refused [550 5.7.1 bad sender]"}},
        {"5xx, though RCPT is taken",
         {two},
         grouped(sent, {{"550 5.7.1 bad sender\r\n" + ok + ok + no, ""}}),
         {"done: refused [550 5.7.1 bad sender] refused [550 5.7.1 bad sender]"}},
        {"5xx, step by step",
         {two},
         {greeting, {plain, mail}, {"550 no\r\n", ""}},
         {"done: refused [550 no] refused [550 no]"}},
        {"4xx defers",
         {two},
         grouped(sent, {{"451 4.3.0 later\r\n" + no + no + no, ""}}),
         {"done: deferred [451 4.3.0 later] deferred [451 4.3.0 later]"}},
        {"P090 421",
         {two},
         grouped(sent, {{"421 4.3.2 bye\r\n" + no, ""}}),
         {"done: deferred [421 4.3.2 bye] deferred [421 4.3.2 bye]", "ill: 421 4.3.2 bye"}},
        {"530",
         {one},
         {greeting, {plain, mail}, {"530 5.7.0 authenticate\r\n", ""}},
         {"done: deferred [530 5.7.0 authenticate]", "ill: 530 5.7.0 authenticate"}},
        {"534", {one}, {greeting, {plain, mail}, {"534 x\r\n", ""}}, {"done: deferred [534 x]", "ill: 534 x"}},
        {"535", {one}, {greeting, {plain, mail}, {"535 x\r\n", ""}}, {"done: deferred [535 x]", "ill: 535 x"}},
        {"538", {one}, {greeting, {plain, mail}, {"538 x\r\n", ""}}, {"done: deferred [538 x]", "ill: 538 x"}},
        {"not authenticated",
         {one},
         {greeting, {plain, mail}, {"550 5.7.1 Client was NOT authenticated\r\n", ""}},
         {"done: deferred [550 5.7.1 Client was NOT authenticated]", "ill: 550 5.7.1 Client was NOT authenticated"}},
        {"3xx",
         {one},
         {greeting, {plain, mail}, {go, ""}},
         {"done: deferred [senseless reply: 354 go]", "ill: senseless reply: 354 go"}},
    });
}

TEST_CASE("answers to RCPT") {
    const auto three = to({"a@y", "b@y", "c@y"});
    const auto sent = mail + a + b + c + data;
    check({
        {"P084 mixed",
         {three},
         grouped(sent, {{ok + "550 5.1.1 no\r\n" + ok + "451 4.2.0 later\r\n" + go, content}, {ok, ""}}),
         {"done: refused [550 5.1.1 no] delivered [250 ok] deferred [451 4.2.0 later]"}},
        {"P087 551",
         {three},
         grouped(sent, {{ok + ok + "551 moved\r\n" + ok + go, content}, {ok, ""}}),
         {"done: delivered [250 ok] refused [551 moved] delivered [250 ok]"}},
        {"P086 452 after one",
         {three},
         grouped(sent, {{ok + ok + "452 4.5.3 enough\r\n452 4.5.3 enough\r\n" + go, content}, {ok, ""}}),
         {"done: delivered [250 ok] again [452 4.5.3 enough] again [452 4.5.3 enough]"}},
        {"P086 552",
         {three},
         grouped(sent, {{ok + ok + "552 5.5.3 enough\r\n552 enough\r\n" + go, content}, {ok, ""}}),
         {"done: delivered [250 ok] again [552 5.5.3 enough] again [552 enough]"}},
        {"552 for another reason",
         {three},
         grouped(sent, {{ok + ok + ok + "552 5.2.2 full\r\n" + go, content}, {ok, ""}}),
         {"done: delivered [250 ok] delivered [250 ok] refused [552 5.2.2 full]"}},
        {"452 and 552 with nobody accepted",
         {three},
         grouped(sent, {{ok + "452 4.5.3 full\r\n552 full\r\n552 5.5.3 full\r\n503 no\r\n", ""}}),
         {"done: deferred [452 4.5.3 full] deferred [552 full] deferred [552 5.5.3 full]"}},
        {"P090 421 keeps what was said",
         {three},
         grouped(sent, {{ok + ok + "550 no\r\n421 bye\r\n", ""}}),
         {"done: deferred [421 bye] refused [550 no] deferred [421 bye]", "ill: 421 bye"}},
        {"P085 nobody accepted, DATA wanted",
         {two},
         grouped(mail + a + b + data, {{ok + "550 a\r\n550 b\r\n" + go, ".\r\n"}, {"554 nobody\r\n", ""}}),
         {"done: refused [550 a] refused [550 b]"}},
        {"P085 the empty message taken",
         {one},
         grouped(mail + a + data, {{ok + "550 a\r\n" + go, ".\r\n"}, {ok, ""}}),
         {"done: refused [550 a]"}},
        {"P085 421 to the empty message",
         {one},
         grouped(mail + a + data, {{ok + "550 a\r\n" + go, ".\r\n"}, {"421 bye\r\n", ""}}),
         {"done: refused [550 a]", "ill: 421 bye"}},
        {"nobody accepted, step by step: no DATA",
         {two},
         {greeting, {plain, mail}, {ok, a}, {"550 a\r\n", b}, {"450 b\r\n", ""}},
         {"done: refused [550 a] deferred [450 b]"}},
    });
}

TEST_CASE("a transaction that the server still holds open is reset with the next one") {
    check({
        {"pipelined",
         {one, one},
         grouped(mail + a + data,
                 {{ok + "550 a\r\n554 nobody\r\n", "RSET\r\n" + mail + a + data}, {ok + ok + ok + go, content}, {ok, ""}}),
         {"done: refused [550 a]", "done: delivered [250 ok]"}},
        {"step by step",
         {one, one},
         {greeting, {plain, mail}, {ok, a}, {"550 a\r\n", "RSET\r\n"}, {ok, mail}, {ok, a}, {ok, data}},
         {"done: refused [550 a]"}},
        {"not after MAIL was refused",
         {one, one},
         {greeting, {plain, mail}, {"550 a\r\n", mail}},
         {"done: refused [550 a]"}},
        {"after DATA was refused",
         {one, one},
         {greeting, {plain, mail}, {ok, a}, {ok, data}, {"451 no\r\n", "RSET\r\n"}},
         {"done at data: deferred [451 no]"}},
        {"not after the data",
         {one, one},
         grouped(mail + a + data, {{ok + ok + go, content}, {"550 no\r\n", mail + a + data}}),
         {"done at data: refused [550 no]"}},
        {"RSET refused",
         {one, one},
         {greeting, {plain, mail}, {ok, a}, {"550 a\r\n", "RSET\r\n"}, {"500 what\r\n", ""}},
         {"done: refused [550 a]", "done: deferred [500 what]", "ill: 500 what"}},
    });
}

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
         {"done at data: refused [554 5.6.0 no] refused [550 b]"}},
        {"P088 DATA 4xx",
         {two},
         grouped(group, {{ok + ok + ok + "451 later\r\n", ""}}),
         {"done at data: deferred [451 later] deferred [451 later]"}},
        {"DATA 421",
         {two},
         grouped(group, {{ok + ok + ok + "421 bye\r\n", ""}}),
         {"done: deferred [421 bye] deferred [421 bye]", "ill: 421 bye"}},
        {"DATA 2xx",
         {one},
         grouped(mail + a + data, {{ok + ok + ok, ""}}),
         {"done: deferred [senseless reply: 250 ok]", "ill: senseless reply: 250 ok"}},
        at_dot("250 2.0.0 queued\r\n", {"done: refused [550 a] delivered [250 2.0.0 queued]"}),
        at_dot("451 4.3.0 later\r\n", {"done at data: refused [550 a] deferred [451 4.3.0 later]"}),
        at_dot("550 5.7.1 spam\r\n", {"done at data: refused [550 a] refused [550 5.7.1 spam]"}),
        at_dot("552 5.3.4 large\r\n", {"done at data: refused [550 a] refused [552 5.3.4 large]"}),
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
        {"a verdict before the dot left",
         {one},
         grouped(mail + a + data, {{ok + ok + go + ok, ""}}),
         {"done: deferred [reply to nothing that was asked: 250 ok]", "ill: reply to nothing that was asked: 250 ok"}},
    });
}

TEST_CASE("P083: what is no reply makes the server ill and fails no mail") {
    for (const std::string bad : {"garbage\r\n", "150 x\r\n", "650 x\r\n", "250-a\r\n251 b\r\n", "\r\n"}) {
        Sender sender;
        sender.transactions = {one};
        for (const std::string& server : {std::string("220 mx\r\n"), pipelining, ok + bad}) {
            sender.session.feed(server);
            sender.session.take_output();
        }
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
        void done(const ClientSession::Result& result) override { kept = result.recipients[0].reply; }
        Reply kept;
    } keeper;
    keeper.transactions = {one};
    for (const std::string& server : {greeting.server, plain, ok}) {
        keeper.session.feed(server);
        keeper.session.take_output();
    }
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
        REQUIRE(sender.events.back().starts_with("ill"));
        REQUIRE(sender.events.size() == sender.started + 1);
        for (std::size_t i = 0; i < sender.started; ++i) REQUIRE(sender.events[i].starts_with("done"));
    }
}

TEST_CASE("a verdict while content is still being sent defers the mail") {
    for (const std::string early : {"250 ok\r\n", "552 too large\r\n", "421 bye\r\n"}) {
        Sender sender;
        sender.transactions = {one};
        sender.sends_content = false;
        for (const std::string& server : {std::string("220 mx\r\n"), pipelining, ok + ok + go}) {
            sender.session.feed(server);
            sender.session.take_output();
        }
        sender.session.content("half\r\n");
        sender.session.take_output();
        CHECK(!sender.session.awaiting_verdict());
        sender.session.feed(early);
        REQUIRE(sender.events.size() == 2);
        CHECK(sender.events[0].starts_with("done: deferred"));
        sender.session.content("more\r\n");
        sender.session.end_of_content();
        CHECK(sender.session.take_output().empty());
    }
}

TEST_CASE("content is stuffed across its pieces") {
    Sender sender;
    sender.transactions = {one};
    sender.sends_content = false;
    for (const std::string& server : {std::string("220 mx\r\n"), pipelining, ok + ok + go}) {
        sender.session.feed(server);
        sender.session.take_output();
    }
    sender.session.content(".a\r\n");
    sender.session.content(".b\r");
    sender.session.content("\n.\r\n");
    sender.session.end_of_content();
    CHECK(sender.session.take_output() == "..a\r\n..b\r\n..\r\n.\r\n");
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
    CHECK(sender.events.empty());
}

TEST_CASE("abandon() sends no more and tells nothing") {
    Sender sender;
    sender.transactions = {one};
    sender.sends_content = false;
    for (const std::string& server : {std::string("220 mx\r\n"), pipelining, ok + ok + go}) {
        sender.session.feed(server);
        sender.session.take_output();
    }
    sender.session.content("half");
    sender.session.abandon();
    CHECK(sender.session.take_output().empty());
    sender.session.lost("connection lost");
    CHECK(sender.session.dead());
    CHECK(sender.events.empty());
}

}  // namespace onecopy::smtp

TEST_SUITE_END();
