#include <doctest/doctest.h>

#include "dialogue.h"

TEST_SUITE_BEGIN("server_syntax");

namespace onecopy::smtp {

namespace {

using namespace std::string_literals;

struct Row {
    std::string name;
    Script script;
    std::vector<std::string> replies;  // behind the greeting
};

void check(const Row& row, const Setting& setting = {}) {
    CAPTURE(row.name);
    auto expected = row.replies;
    expected.insert(expected.begin(), "220");
    CHECK(play_cut(row.script, setting).replies == expected);
}

const std::string mail = "MAIL FROM:<s@x>\r\n";
const std::string rcpt = "RCPT TO:<r@x>\r\n";
const std::string body = "Subject: a\r\n\r\nb\r\n.\r\n";

}  // namespace

TEST_CASE("the session before and around a transaction") {
    const Row rows[] = {
        {"P003 upper", {"EHLO x\r\n"}, {"250"}},
        {"P003 lower", {"ehlo x\r\n"}, {"250"}},
        {"P003 mixed", {"EhLo x\r\n"}, {"250"}},
        {"P004 no parameters after HELO", {"HELO x\r\n", "MAIL FROM:<s@x> SIZE=1\r\n"}, {"250", "555 5.5.4"}},
        {"P004 plain after HELO", {"HELO x\r\n", mail}, {"250", "250 2.1.0"}},
        {"P005", {"EHLO\r\n", "EHLO  \r\n", "HELO\r\n"}, {"501 5.5.4", "501 5.5.4", "501 5.5.4"}},
        {"P006", {"EHLO [192.0.2.1]\r\n", "EHLO [IPv6:::1]\r\n", "EHLO [999.1.1.1]\r\n"}, {"250", "250", "250"}},
        {"P006 controls", {"EHLO a\tb\r\n"}, {"501 5.5.4"}},
        {"P006 long",
         {"EHLO " + std::string(512, 'a') + "\r\n", "EHLO " + std::string(513, 'a') + "\r\n"},
         {"250", "501 5.5.4"}},
        {"P007", after_ehlo({mail + rcpt, "EHLO x\r\n", rcpt}), {"250", "250 2.1.0", "250 2.1.5", "250", "503 5.5.1"}},
        {"P008", after_ehlo({mail, "EHLO\r\n", rcpt}), {"250", "250 2.1.0", "501 5.5.4", "250 2.1.5"}},
        {"P009", {mail}, {"503 5.5.1"}},
        {"P010",
         {"NOOP\r\nRSET\r\nHELP\r\n", "VRFY u\r\n", "EXPN l\r\n", "QUIT\r\n"},
         {"250 2.0.0", "250 2.0.0", "214 2.0.0", "252 2.1.5", "502 5.5.1", "221 2.0.0"}},
        {"P011", after_ehlo({rcpt, "MAIL FROM:x\r\n", rcpt}), {"250", "503 5.5.1", "501 5.5.4", "503 5.5.1"}},
        {"P012", after_ehlo({"DATA\r\n", mail, "DATA\r\n"}), {"250", "503 5.5.1", "250 2.1.0", "554 5.5.1"}},
        {"P013", after_ehlo({mail, "MAIL FROM:<t@x>\r\n", rcpt}), {"250", "250 2.1.0", "503 5.5.1", "250 2.1.5"}},
        {"P026", {"NOOP\r\nNOOP anything at all\r\n"}, {"250 2.0.0", "250 2.0.0"}},
        {"P027",
         after_ehlo({mail + "RSET x\r\n" + rcpt + "RSET\r\nRSET \r\n" + rcpt}),
         {"250", "250 2.1.0", "501 5.5.4", "250 2.1.5", "250 2.0.0", "250 2.0.0", "503 5.5.1"}},
        {"P028",
         after_ehlo({mail, rcpt, "DATA x\r\n", "QUIT x\r\n"}),
         {"250", "250 2.1.0", "250 2.1.5", "501 5.5.4", "501 5.5.4"}},
        {"P029",
         after_ehlo({mail, "VRFY u\r\n", "VRFY\r\n", rcpt}),
         {"250", "250 2.1.0", "252 2.1.5", "501 5.5.4", "250 2.1.5"}},
        {"P030", {"EXPN l\r\n"}, {"502 5.5.1"}},
        {"P031", {"HELP\r\nHELP MAIL\r\n"}, {"214 2.0.0", "214 2.0.0"}},
        {"P032",
         {"TURN\r\n", "SEND FROM:<a@b>\r\n", "SOML FROM:<a@b>\r\n", "SAML FROM:<a@b>\r\n"},
         {"502 5.5.1", "502 5.5.1", "502 5.5.1", "502 5.5.1"}},
        {"P033", {"FOO\r\nXFOO a b\r\n\r\n NOOP\r\n"}, {"500 5.5.1", "500 5.5.1", "500 5.5.1", "500 5.5.1"}},
        {"not offered",
         after_ehlo({"STARTTLS\r\n", "AUTH PLAIN AA==\r\n", "LHLO x\r\n"}),
         {"250", "502 5.5.1", "502 5.5.1", "500 5.5.1"}},
        {"P034", {"QUIT\r\nNOOP\r\n"}, {"221 2.0.0"}},
        {"S22 LF", after_ehlo({mail, "RCPT TO:<a@b>\nDATA\nx\r\nNOOP\r\n"}), {"250", "250 2.1.0", "500 5.5.2", "250 2.0.0"}},
        {"S22 CR", after_ehlo({"MAIL FROM:<a@b>\rRCPT TO:<a@b>\r\nNOOP\r\n"}), {"250", "500 5.5.2", "250 2.0.0"}},
        {"S23 CR in an address",
         after_ehlo({mail, "RCPT TO:<a@b>\x0dX\r\n", "RCPT TO:<\"\r\n\"@d>\r\nNOOP\r\n"}),
         {"250", "250 2.1.0", "500 5.5.2", "501 5.5.4", "500 5.5.1", "250 2.0.0"}},
        {"NUL", after_ehlo({"MAIL FROM:<a\0b@x>\r\nNO\0OP\r\n"s}), {"250", "500 5.5.2", "500 5.5.2"}},
        {"P024 512 octets", {"NOOP " + std::string(505, 'x') + "\r\n"}, {"250 2.0.0"}},
    };
    for (const auto& row : rows) check(row);
}

TEST_CASE("paths of MAIL") {
    struct Case {
        std::string argument, reply, sender;
    };
    const Case cases[] = {
        {"FROM:<>", "250 2.1.0", ""},
        {"from:<A@B.example>", "250 2.1.0", "A@B.example"},
        {"FROM: <a@b>", "250 2.1.0", "a@b"},
        {"FROM:a@b", "501 5.5.4", ""},
        {"FROM:<a@b> FOO=1", "555 5.5.4", ""},
        {"FROM:<a@b> AUTH=<>", "555 5.5.4", ""},
        {"FROM:<a@b> SMTPUTF8", "555 5.5.4", ""},
        {"FROM:<@r1.example,@r2.example:u@d>", "250 2.1.0", "u@d"},
        {"FROM:<a@b> BODY=7BIT", "250 2.1.0", "a@b"},
        {"FROM:<a@b> body=8bitmime", "250 2.1.0", "a@b"},
        {"FROM:<a@b> BODY=FOO", "501 5.5.4", ""},
        {"FROM:<a@b> BODY", "501 5.5.4", ""},
        {"FROM:<a@b> BODY=7BIT BODY=7BIT", "501 5.5.4", ""},
        {"FROM:<\xc3\xa9@b>", "550 5.6.7", ""},
        {"FROM:<\xff@b>", "501 5.1.7", ""},
        {"FROM:<a b@c>", "501 5.1.7", ""},
        {"FROM:<a@b\t@c>", "501 5.1.7", ""},
        {"FROM:<a<b@c>", "501 5.1.7", ""},
        {"FROM:<\"a>b\"c@d>", "501 5.1.7", ""},
        {"FROM:<\"a b\"c@d>", "501 5.1.7", ""},
        {"FROM:<a\x01@b@c>", "501 5.1.7", ""},
        {"FROM:<a@b@\xc3\xa9>", "501 5.1.7", ""},
        {"FROM:<\"a@b>", "501 5.5.4", ""},
        {"FROM:<a@" + std::string(999, 'b') + ">", "501 5.1.7", ""},
        {"FROM:<" + std::string(2000, 'a') + "@b>", "501 5.1.7", ""},
    };
    for (const auto& [argument, reply, sender] : cases) {
        const auto outcome = play_cut(after_ehlo({"MAIL " + argument + "\r\n"}));
        CAPTURE(argument);
        CHECK(outcome.replies == std::vector<std::string>{"220", "250", reply});
        const bool accepted = reply.starts_with("250");
        CHECK(outcome.events == (accepted ? std::vector{"mail <" + sender + ">"} : std::vector<std::string>{}));
    }
}

TEST_CASE("a sender that is no address is taken as he is: his mail has come already") {
    for (const std::string sender : {"a@b@far.example", "a:b@x", "a\\b@x", "a,b@x", "a;b@x", "a[b]@x", "a@far..example",
                                     "a@", "@", "@r1", "host!user", "root", "a@[300.1.1.1", "\"a\"b@x", "a(b)@x", "a\\"}) {
        CAPTURE(sender);
        const auto outcome = play_cut(after_ehlo({"MAIL FROM:<" + sender + "> SIZE=10\r\n"}));
        CHECK(outcome.replies == std::vector<std::string>{"220", "250", "250 2.1.0"});
        CHECK(outcome.events == std::vector{"mail <" + sender + "> 10"});
    }
    const auto longest = "a@" + std::string(998, 'b');
    CHECK(play_cut(after_ehlo({"MAIL FROM:<" + longest + ">\r\n"})).events == std::vector{"mail <" + longest + ">"});
}

TEST_CASE("SIZE is held against the limit before anything is sent") {
    Setting setting;
    setting.options.message_size = 1000;
    const std::pair<std::string, std::string> cases[] = {
        {"SIZE=1000", "250 2.1.0"}, {"SIZE=1001", "552 5.3.4"},     {"SIZE=0", "250 2.1.0"},
        {"SIZE=", "501 5.5.4"},     {"SIZE", "501 5.5.4"},          {"SIZE=-1", "501 5.5.4"},
        {"SIZE=1x", "501 5.5.4"},   {"SIZE=1 SIZE=2", "501 5.5.4"}, {"SIZE=99999999999999999999", "501 5.5.4"},
    };
    for (const auto& [parameter, reply] : cases) {
        check({parameter, after_ehlo({"MAIL FROM:<s@x> " + parameter + "\r\n"}), {"250", reply}}, setting);
    }
    const auto outcome = play_cut(after_ehlo({"MAIL FROM:<s@x> SIZE=10\r\n"}), setting);
    CHECK(outcome.events == std::vector<std::string>{"mail <s@x> 10"});
}

TEST_CASE("paths of RCPT") {
    struct Case {
        std::string argument, reply, recipient;
    };
    const Case cases[] = {
        {"TO:<r@x>", "250 2.1.5", "r@x"},
        {"TO: <r@x>", "250 2.1.5", "r@x"},
        {"TO:<@r.example:u@d>", "250 2.1.5", "u@d"},
        {"TO:<Postmaster>", "250 2.1.5", "Postmaster"},
        {"TO:<somebody>", "501 5.1.3", ""},
        {"TO:<>", "501 5.1.3", ""},
        {"TO:r@x", "501 5.5.4", ""},
        {R"(TO:<"a b"@d>)", "250 2.1.5", R"("a b"@d)"},
        {R"(TO:<"a\"b"@d>)", "250 2.1.5", R"("a\"b"@d)"},
        {R"(TO:<"a@b"@d>)", "250 2.1.5", R"("a@b"@d)"},
        {R"(TO:<"a>b"@d>)", "250 2.1.5", R"("a>b"@d)"},
        {"TO:<u@[192.0.2.1]>", "250 2.1.5", "u@[192.0.2.1]"},
        {"TO:<u@[IPv6:2001:db8::1]>", "250 2.1.5", "u@[IPv6:2001:db8::1]"},
        {"TO:<r@x> ORCPT=rfc822;r+0D+0A@x", "501 5.5.4", ""},
        {"TO:<r@x> FOO=1", "555 5.5.4", ""},
        {"TO:<\xc3\xa9@x>", "553 5.6.7", ""},
        {"TO:<r@\xff>", "501 5.1.3", ""},
    };
    for (const auto& [argument, reply, recipient] : cases) {
        const auto outcome = play_cut(after_ehlo({mail, "RCPT " + argument + "\r\n"}));
        CAPTURE(argument);
        CHECK(outcome.replies == std::vector<std::string>{"220", "250", "250 2.1.0", reply});
        const bool accepted = reply.starts_with("250");
        CHECK(outcome.events.size() == (accepted ? 2 : 1));
        if (accepted) CHECK(outcome.events.back() == "recipient <" + recipient + ">");
    }
}

TEST_CASE("P023: the longest parts are taken") {
    const auto labels = [](std::size_t length) {
        std::string domain;
        while (domain.size() + 10 < length) domain += "abcdefghi.";
        return domain + std::string(length - domain.size(), 'z');
    };
    for (const auto& address : {std::string(64, 'a') + "@b.example", "a@" + labels(250)}) {
        const auto outcome = play(after_ehlo({mail, "RCPT TO:<" + address + ">\r\n"}));
        CHECK(outcome.replies.back() == "250 2.1.5");
        CHECK(outcome.events.back() == "recipient <" + address + ">");
    }
}

TEST_CASE("P100: what EHLO offers") {
    Recorder recorder;
    ServerSession session({.hostname = "proxy.example", .message_size = 1234}, recorder);
    session.greet();
    CHECK(session.take_output() == "220 proxy.example ESMTP\r\n");
    std::string_view bytes = "EHLO client.example\r\n";
    CHECK(session.feed(bytes) == Input::more);
    CHECK(session.take_output() ==
          "250-proxy.example\r\n250-PIPELINING\r\n250-SIZE 1234\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n"
          "250-CHUNKING\r\n250-DSN\r\n250 HELP\r\n");
    CHECK(session.protocol() == "ESMTP");
    CHECK(session.helo() == "client.example");
    bytes = "HELO other.example\r\n";
    CHECK(session.feed(bytes) == Input::more);
    CHECK(session.take_output() == "250 proxy.example\r\n");
    CHECK(session.protocol() == "SMTP");
    CHECK(session.helo() == "other.example");
}

TEST_CASE("P025: an endless line is answered once and dropped") {
    const auto endless = std::string(1 << 20, 'x');
    const auto outcome = play(after_ehlo({endless, endless, "\r\nNOOP\r\n"}));
    CHECK(outcome.replies == std::vector<std::string>{"220", "250", "500 5.5.2", "250 2.0.0"});
}

TEST_CASE("P037: too many bad commands end the session") {
    Setting setting;
    setting.options.errors = 3;
    const auto outcome = play_cut(after_ehlo({mail + "FOO\r\nFOO\nx\r\nQUIT x\r\nNOOP\r\n"}), setting);
    CHECK(outcome.replies == std::vector<std::string>{"220", "250", "250 2.1.0", "500 5.5.1", "500 5.5.2", "421 4.7.0"});
    CHECK(outcome.events == std::vector<std::string>{"mail <s@x>", "reset"});
    CHECK(outcome.closed);
}

TEST_CASE("P037: a message that was taken forgives, a refused recipient is no bad command") {
    Setting setting;
    setting.options.errors = 2;
    const Script message = {mail + rcpt + "FOO\r\n", "DATA\r\n", body};
    CHECK(!play(after_ehlo({message[0], message[1], message[2], message[0], message[1], message[2]}), setting).closed);
    setting.prepare = [](Recorder& recorder) { recorder.recipient_reply = Reply(550, "5.1.1", "no such user"); };
    CHECK(!play(after_ehlo({mail + rcpt + rcpt + rcpt + rcpt}), setting).closed);
}

TEST_CASE("P040: abort says 421 and ends the transaction") {
    Recorder recorder;
    ServerSession session({.hostname = "proxy.example"}, recorder);
    session.greet();
    const std::string script = "HELO x\r\n";
    std::string_view bytes = script;
    session.feed(bytes);
    bytes = "MAIL FROM:<s@x>\r\n";
    session.feed(bytes);
    session.take_output();
    session.abort({421, "4.3.2", "shutting down"});
    CHECK(session.take_output() == "421 4.3.2 shutting down\r\n");
    CHECK(recorder.events.back() == "reset");
    bytes = "NOOP\r\n";
    CHECK(session.feed(bytes) == Input::closed);
    session.abort({421, "4.3.2", "shutting down"});
    CHECK(session.take_output().empty());
}

TEST_CASE("P041: other protocols are shown the door at once") {
    for (const std::string line : {"GET / HTTP/1.1", "POST / HTTP/1.1", "CONNECT x:25 HTTP/1.1", "PRI * HTTP/2.0"}) {
        const auto outcome = play_cut({line + "\r\nHost: x\r\nEHLO x\r\n"});
        CHECK(outcome.replies == std::vector<std::string>{"220", "500 5.5.1"});
        CHECK(outcome.closed);
    }
    const auto hello = play_cut({"\x16\x03\x01\x02\x00\x01\r\nNOOP\r\n"s});
    CHECK(hello.replies == std::vector<std::string>{"220", "500 5.5.1"});
    CHECK(hello.closed);
    CHECK(!play_cut({"NOOP \x16\r\n"}).closed);
}

TEST_CASE("no reply shows the client's own bytes") {
    const std::string marker = "evilmarker";
    Recorder recorder;
    ServerSession session({.hostname = "proxy.example"}, recorder);
    session.greet();
    const Script lines = {"EHLO evilmarker",
                          "evilmarker",
                          "MAIL FROM:<evilmarker>",
                          "MAIL evilmarker",
                          "VRFY evilmarker",
                          "HELP evilmarker",
                          "MAIL FROM:<s@x> EVILMARKER=evilmarker",
                          "MAIL FROM:<s@evilmarker>",
                          "RCPT TO:<evilmarker>",
                          "RSET evilmarker"};
    for (const auto& line : lines) {
        const auto sent = line + "\r\n";
        std::string_view bytes = sent;
        session.feed(bytes);
        const auto answer = session.take_output();
        CHECK(!answer.empty());
        CHECK(answer.find(marker) == answer.npos);
    }
}

}  // namespace onecopy::smtp

TEST_SUITE_END();
