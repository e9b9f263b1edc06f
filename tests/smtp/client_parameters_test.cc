#include <doctest/doctest.h>

#include "client_script.h"

TEST_SUITE_BEGIN("client_parameters");

namespace onecopy::smtp::client_test {

namespace {

using Return = message::MailOptions::Return;
using Ask = message::RecipientOptions;

/// All that is sent of a transaction to a server that offers these, besides PIPELINING.
std::string sent(const Transaction& transaction, const Strings& offers) {
    Sender sender;
    sender.transactions = {transaction};
    std::string hello = "250-mx\r\n";
    for (const auto& offer : offers) hello += "250-" + offer + "\r\n";
    return sender.hear({greeting.server, hello + "250 PIPELINING\r\n"});
}

Transaction asking(unsigned notify, const std::string& orcpt) {
    Transaction transaction = one;
    transaction.envelope.recipients[0].options = {notify, orcpt};
    return transaction;
}

}  // namespace

TEST_CASE("P106: SIZE and BODY go where they were offered") {
    Transaction eight_bit = to({"a@y"}, "s@x", 1234);
    eight_bit.eight_bit = true;
    const std::string rest = a + data;
    CHECK(sent(eight_bit, {}) == mail + rest);
    CHECK(sent(eight_bit, {"SIZE"}) == "MAIL FROM:<s@x> SIZE=1234\r\n" + rest);
    CHECK(sent(eight_bit, {"size 1234", "8BitMime"}) == "MAIL FROM:<s@x> SIZE=1234 BODY=8BITMIME\r\n" + rest);
    CHECK(sent(eight_bit, {"SIZE 0"}) == "MAIL FROM:<s@x> SIZE=1234\r\n" + rest);
    CHECK(sent(eight_bit, {"SIZE 99999999999999999999999"}) == "MAIL FROM:<s@x> SIZE=1234\r\n" + rest);
    CHECK(sent(one, {"8BITMIME"}) == mail + rest);
    CHECK(sent(eight_bit, {"SIZEX 1", "X8BITMIME"}) == mail + rest);
}

TEST_CASE("P152: what MAIL and RCPT asked for goes to a server with DSN as it came, and to no other (P153)") {
    Transaction asks = two;
    asks.envelope.options = {false, Return::headers, "QQ+3D314159"};
    asks.envelope.recipients[0].options = {Ask::success | Ask::failure | Ask::delay, "rfc822;Bob+2BX@Y"};
    asks.envelope.recipients[1].options = {Ask::never, ""};
    CHECK(sent(asks, {"DSN"}) ==
          "MAIL FROM:<s@x> RET=HDRS ENVID=QQ+3D314159\r\n"
          "RCPT TO:<a@y> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;Bob+2BX@Y\r\n"
          "RCPT TO:<b@y> NOTIFY=NEVER\r\n" +
              data);
    CHECK(sent(asks, {"XDSN"}) == mail + a + b + data);
    CHECK(sent(two, {"DSN"}) == mail + a + b + data);
    asks.envelope.options.ret = Return::full;
    CHECK(sent(asks, {"DSN", "SIZE"}).starts_with("MAIL FROM:<s@x> SIZE=4 RET=FULL ENVID=QQ+3D314159\r\n"));
}

TEST_CASE("each of NOTIFY's words is its own") {
    const std::pair<unsigned, std::string> rows[] = {
        {Ask::never, "NEVER"},
        {Ask::success, "SUCCESS"},
        {Ask::failure, "FAILURE"},
        {Ask::delay, "DELAY"},
        {Ask::failure | Ask::delay, "FAILURE,DELAY"},
    };
    for (const auto& [notify, value] : rows) {
        CHECK(sent(asking(notify, ""), {"DSN"}) == mail + "RCPT TO:<a@y> NOTIFY=" + value + "\r\n" + data);
    }
}

TEST_CASE("S23: a parameter that would change its command is left out") {
    for (const std::string bad : {"rfc822;a\r\nDATA", "rfc822;a b", "rfc822;a\n", "rfc822;\x7f", " ", "\t"}) {
        CAPTURE(bad);
        CHECK(sent(asking(0, bad), {"DSN"}) == mail + a + data);
        Transaction transaction = one;
        transaction.envelope.options.envid = bad;
        CHECK(sent(transaction, {"DSN"}) == mail + a + data);
    }
}

TEST_CASE("SMTPUTF8 is asked for where the mail, its sender or a recipient needs it") {
    Transaction wanted = one;
    wanted.envelope.options.smtputf8 = true;
    const std::string smtputf8 = "MAIL FROM:<s@x> SMTPUTF8\r\n";
    CHECK(sent(one, {"SMTPUTF8"}) == mail + a + data);
    CHECK(sent(wanted, {"smtputf8"}) == smtputf8 + a + data);
    CHECK(sent(to({"a@y", "b\u00fc@y"}), {"SMTPUTF8"}) == smtputf8 + a + "RCPT TO:<b\u00fc@y>\r\n" + data);
    CHECK(sent(to({"a@y"}, "s\u00fc@x"), {"SMTPUTF8"}) == "MAIL FROM:<s\u00fc@x> SMTPUTF8\r\n" + a + data);
    CHECK(sent(asking(0, "utf-8;\u00fc@y"), {"SMTPUTF8", "DSN"}) ==
          smtputf8 + "RCPT TO:<a@y> ORCPT=utf-8;\u00fc@y\r\n" + data);
    wanted.eight_bit = true;
    CHECK(sent(wanted, {"SMTPUTF8", "8BITMIME"}).starts_with("MAIL FROM:<s@x> BODY=8BITMIME SMTPUTF8\r\n"));
}

TEST_CASE("who needs SMTPUTF8 waits for a server that has it, and the others go") {
    const std::string waits = " deferred [5.6.7 the server does not offer SMTPUTF8]";
    Transaction wanted = two;
    wanted.envelope.options.smtputf8 = true;
    check({
        {"the mail", {wanted}, grouped("", {}), {"done:" + waits + waits}},
        {"its sender", {to({"a@y"}, "s\u00fc@x")}, grouped("", {}), {"done:" + waits}},
        {"what RCPT would say", {asking(0, "utf-8;\u00fc@y")}, grouped("", {}), {"done:" + waits}},
        {"one recipient",
         {to({"\u00fc@y", "a@y"})},
         grouped(mail + a + data, {{ok + ok + go, content}, {ok, ""}}),
         {"done:" + waits + " delivered [250 ok]"}},
        {"then one that needs it not",
         {wanted, one},
         grouped(mail + a + data, {{ok + ok + go, content}, {ok, ""}}),
         {"done:" + waits + waits, "done: delivered [250 ok]"}},
    });
}

}  // namespace onecopy::smtp::client_test

TEST_SUITE_END();
