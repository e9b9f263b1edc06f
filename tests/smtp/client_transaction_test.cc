#include <doctest/doctest.h>

#include "client_script.h"

TEST_SUITE_BEGIN("client_transaction");

namespace onecopy::smtp::client_test {

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
        {"null sender", {to({"a@y"}, "")}, grouped("MAIL FROM:<>\r\n" + a + data, {}), {}},
    });
}

TEST_CASE("what is said of a recipient alone is told apart from what is said of the message") {
    struct Row {
        Strings server;
        std::vector<bool> personal;  // a@y, b@y and one that no command can name
        std::uint64_t size = 4;
    };
    const std::string refused = "550 5.1.1 no\r\n";
    const Row rows[] = {
        {{plain, ok, refused, ok, go, "554 5.7.1 virus\r\n"}, {true, false, true}},
        {{plain, ok, refused, ok, go, ok}, {true, false, true}},
        {{plain, ok, ok, ok, "554 5.7.1 no data\r\n"}, {false, false, true}},
        {{plain, ok, "452 4.5.3 enough\r\n", "451 later\r\n"}, {true, true, true}},
        {{plain, "552 5.3.4 too large\r\n"}, {false, false, true}},
        {{"250-mx\r\n250 SIZE 1000\r\n"}, {false, false, true}, 1001},
    };
    for (const Row& row : rows) {
        CAPTURE(row.server.back());
        Sender sender;
        sender.transactions = {to({"a@y", "b@y", "c d@y"}, "s@x", row.size)};
        sender.hear({greeting.server});
        sender.hear(row.server);
        CHECK(sender.personal == row.personal);
    }
}

TEST_CASE("a message above the server's limit is not tried") {
    check({
        {"alone",
         {to({"a@y", "b@y"}, "s@x", 1001)},
         {greeting, {"250-mx\r\n250 SIZE 1000\r\n", ""}},
         {"done: refused [552 5.3.4 message too large for the server] refused [552 5.3.4 message too large for the "
          "server]"}},
        {"then one that fits",
         {to({"a@y"}, "s@x", 1001), one},
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
           {"the sender", {to({"a@y"}, "s>@x")}, grouped("", {}), {"done: refused [553 5.1.7 unusable sender address]"}},
           {"a sender that is no address is said as he is",
            {to({"a@y"}, "a\\b@c@x")},
            grouped("MAIL FROM:<a\\b@c@x>\r\n" + a + data, {}),
            {}},
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
        {"530 to RCPT is said of us, of no recipient; what was said of one before stays",
         {three},
         grouped(sent, {{ok + ok + "550 no\r\n530 5.7.0 authenticate\r\n", ""}}),
         {"done: deferred [530 5.7.0 authenticate] refused [550 no] deferred [530 5.7.0 authenticate]",
          "ill: 530 5.7.0 authenticate"}},
        {"534 to RCPT",
         {one},
         {greeting, {plain, mail}, {ok, a}, {"534 x\r\n", ""}},
         {"done: deferred [534 x]", "ill: 534 x"}},
        {"535 to RCPT",
         {one},
         {greeting, {plain, mail}, {ok, a}, {"535 x\r\n", ""}},
         {"done: deferred [535 x]", "ill: 535 x"}},
        {"538 to RCPT",
         {one},
         {greeting, {plain, mail}, {ok, a}, {"538 x\r\n", ""}},
         {"done: deferred [538 x]", "ill: 538 x"}},
        {"not authenticated to RCPT may be said of his mailbox",
         {one},
         {greeting, {plain, mail}, {ok, a}, {"550 5.7.1 sender not authenticated\r\n", ""}},
         {"done: refused [550 5.7.1 sender not authenticated]"}},
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
         {"done: deferred [451 no]"}},
        {"not after the data",
         {one, one},
         grouped(mail + a + data, {{ok + ok + go, content}, {"550 no\r\n", mail + a + data}}),
         {"done: refused [550 no]"}},
        {"RSET refused",
         {one, one},
         {greeting, {plain, mail}, {ok, a}, {"550 a\r\n", "RSET\r\n"}, {"500 what\r\n", ""}},
         {"done: refused [550 a]", "done: deferred [500 what]", "ill: 500 what"}},
    });
}

}  // namespace onecopy::smtp::client_test

TEST_SUITE_END();
