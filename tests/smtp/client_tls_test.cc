#include <doctest/doctest.h>

#include "client_script.h"

TEST_SUITE_BEGIN("client_tls");

namespace onecopy::smtp::client_test {

namespace {

using Tls = ClientSession::Tls;

ClientSession::Options options(Tls tls, const std::string& user = "", bool loopback = false, bool lmtp = false) {
    ClientSession::Options options{.hostname = "proxy.example"};
    options.tls = tls;
    options.username = user;
    options.password = "pw";
    options.may_authenticate = loopback;
    options.lmtp = lmtp;
    return options;
}

const std::string offers = "250-mx\r\n250 STARTTLS\r\n";

}  // namespace

TEST_CASE("TLS begins before anything else, and what was said before is forgotten") {
    Sender sender(options(Tls::required));
    sender.transactions = {one};
    CHECK(sender.hear({greeting.server, "250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n"}) == "STARTTLS\r\n");
    CHECK(sender.hear({"220 go\r\n"}).empty());
    CHECK(sender.events == Strings{"start TLS"});
    sender.session.secured();
    CHECK(sender.session.take_output() == "EHLO proxy.example\r\n");
    CHECK(sender.hear({plain}) == mail);
}

TEST_CASE("P174: what stands behind the 220 is not taken") {
    Sender sender(options(Tls::opportunistic));
    sender.hear({greeting.server, offers});
    CHECK(sender.session.feed("220 go\r\n250-evil\r\n") == "250-evil\r\n");
    CHECK(sender.session.feed("more") == "more");
    CHECK(sender.session.take_output().empty());
    CHECK_FALSE(sender.session.dead());
}

TEST_CASE("without STARTTLS mail goes on where it may, and the server is ill where it may not") {
    for (const std::string& answer : {plain, offers + "454 4.7.0 not now\r\n", offers + "500 what\r\n"}) {
        Sender may(options(Tls::opportunistic));
        may.transactions = {one};
        std::string said = may.hear({greeting.server, answer.substr(0, answer == plain ? answer.npos : offers.size())});
        if (answer != plain) said = may.hear({answer.substr(offers.size())});
        CHECK(said == mail);
        Sender must(options(Tls::required));
        must.transactions = {one};
        must.hear({greeting.server, answer.substr(0, answer == plain ? answer.npos : offers.size())});
        if (answer != plain) must.hear({answer.substr(offers.size())});
        REQUIRE(must.events.size() == 1);
        CHECK(must.events[0].starts_with("ill: "));
        CHECK(must.started == 0);
    }
    Sender helo(options(Tls::required));
    helo.hear({greeting.server, "500 what\r\n", "250 mx\r\n"});
    CHECK(helo.events == Strings{"ill: 4.7.0 the server does not offer STARTTLS (backend.tls)"});
}

TEST_CASE("AUTH PLAIN where it is offered, LOGIN else") {
    Sender plain_one(options(Tls::none, "me", true));
    plain_one.transactions = {one};
    CHECK(plain_one.hear({greeting.server, "250-mx\r\n250 AUTH LOGIN PLAIN\r\n"}) == "AUTH PLAIN AG1lAHB3\r\n");
    CHECK(plain_one.hear({"235 2.7.0 ok\r\n"}) == mail);
    Sender login(options(Tls::none, "me", true));
    login.transactions = {one};
    CHECK(login.hear({greeting.server, "250-mx\r\n250 AUTH=LOGIN\r\n"}) == "AUTH LOGIN\r\n");
    CHECK(login.hear({"334 VXNlcm5hbWU6\r\n"}) == "bWU=\r\n");
    CHECK(login.hear({"334 UGFzc3dvcmQ6\r\n"}) == "cHc=\r\n");
    CHECK(login.hear({"235 2.7.0 ok\r\n"}) == mail);
}

TEST_CASE("a password is said under TLS or to loopback alone, and what goes wrong with it blames no mail") {
    const auto told = [](const ClientSession::Options& wanted, const Strings& sayings) {
        Sender sender(wanted);
        sender.transactions = {one};
        const std::string said = sender.hear(sayings);
        CHECK(said.find("AUTH") == said.npos);
        CHECK(sender.started == 0);
        REQUIRE(sender.events.size() == 1);
        return sender.events[0];
    };
    const std::string auth = "250-mx\r\n250 AUTH PLAIN\r\n";
    CHECK(told(options(Tls::opportunistic, "me"), {greeting.server, auth}) ==
          "ill: 4.7.0 no TLS: the password is not sent in plain text (backend.username)");
    CHECK(told(options(Tls::none, "me", true), {greeting.server, plain}) ==
          "ill: 4.7.0 the server offers no AUTH that is known here: PLAIN, LOGIN");
    CHECK(told(options(Tls::none, "me", true), {greeting.server, auth, "535 5.7.8 wrong\r\n"}) == "ill: 535 5.7.8 wrong");
    CHECK(told(options(Tls::none, "me", true), {greeting.server, auth, "334 more\r\n"}) == "ill: senseless reply: 334 more");
    CHECK(told(options(Tls::none, "me", true), {greeting.server, "250-mx\r\n250 AUTH LOGIN\r\n", "334 a\r\n", "334 b\r\n",
                                                "334 c\r\n"}) == "ill: senseless reply: 334 c");
}

TEST_CASE("LMTP: LHLO, and a verdict for each who was accepted (RFC 2033)") {
    for (const std::size_t step : {std::size_t(1000), std::size_t(1)}) {
        Sender sender(options(Tls::none, "", false, true));
        sender.transactions = {to({"a@y", "b@y", "c@y"}), one};
        CHECK(sender.hear({"220 mx LMTP\r\n"}) == "LHLO proxy.example\r\n");
        sender.hear({pipelining, ok + ok + "550 no\r\n" + ok + go});
        const std::string verdicts = "250 2.0.0 a\r\n452 4.2.2 full\r\n";
        std::string said;
        for (std::size_t at = 0; at < verdicts.size(); at += step) {
            sender.session.feed(std::string_view(verdicts).substr(at, step));
            said += sender.session.take_output();
        }
        CHECK(sender.events == Strings{"done: delivered [250 2.0.0 a] refused [550 no] deferred [452 4.2.2 full]"});
        CHECK(said.starts_with(mail));
    }
    Sender lost(options(Tls::none, "", false, true));
    lost.transactions = {two};
    lost.hear({"220 mx LMTP\r\n", pipelining, ok + ok + ok + go, "250 2.0.0 a\r\n"});
    lost.session.lost("connection lost");
    CHECK(lost.events == Strings{"done: delivered [250 2.0.0 a] unknown [connection lost]", "ill: connection lost"});
    Sender none(options(Tls::none, "", false, true));
    none.hear({"220 mx\r\n", "500 what\r\n"});
    CHECK(none.events == Strings{"ill: 500 what"});
}

TEST_CASE("LMTP that says 421 to one recipient says nothing of the others") {
    Sender sender(options(Tls::none, "", false, true));
    sender.transactions = {two};
    sender.hear({"220 mx LMTP\r\n", pipelining, ok + ok + ok + go, "421 4.3.2 bye\r\n"});
    CHECK(sender.events == Strings{"done: deferred [421 4.3.2 bye] unknown [421 4.3.2 bye]", "ill: 421 4.3.2 bye"});
}

TEST_CASE("LMTP that wants a log-in for one recipient may have taken the others' mail: their verdicts are heard") {
    Sender sender(options(Tls::none, "", false, true));
    sender.transactions = {to({"a@y", "b@y", "c@y"}), one};
    sender.hear({"220 mx LMTP\r\n", pipelining, ok + ok + ok + ok + go, "530 5.7.0 log in\r\n"});
    CHECK(sender.events.empty());
    sender.hear({"550 no\r\n" + ok});
    CHECK(sender.events ==
          Strings{"done: deferred [530 5.7.0 log in] refused [550 no] delivered [250 ok]", "ill: 530 5.7.0 log in"});
    CHECK(sender.session.dead());
    Sender cut(options(Tls::none, "", false, true));
    cut.transactions = {two};
    cut.hear({"220 mx LMTP\r\n", pipelining, ok + ok + ok + go, "530 log in\r\n"});
    cut.session.lost("connection lost");
    CHECK(cut.events == Strings{"done: deferred [530 log in] unknown [connection lost]", "ill: connection lost"});
}

TEST_CASE("LMTP that wants the data of a message for nobody is not waited for") {
    Sender sender(options(Tls::none, "", false, true));
    sender.transactions = {one};
    sender.hear({"220 mx LMTP\r\n", pipelining, ok + "550 no\r\n" + go});
    CHECK(sender.events == Strings{"done: refused [550 no]", "ill: senseless reply: 354 go"});
}

}  // namespace onecopy::smtp::client_test

TEST_SUITE_END();
