#include <doctest/doctest.h>

#include "dialogue.h"

TEST_SUITE_BEGIN("server_extensions");

namespace onecopy::smtp {

namespace {

using Strings = std::vector<std::string>;

const std::string mail = "MAIL FROM:<s@x>\r\n";
const std::string rcpt = "RCPT TO:<r@x>\r\n";

Setting lmtp() {
    Setting setting;
    setting.options.lmtp = true;
    return setting;
}

Setting smtputf8() {
    Setting setting;
    setting.options.smtputf8 = true;
    return setting;
}

/// What one line behind EHLO (and MAIL, where it is a RCPT) gets, and tells.
struct Row {
    std::string line;
    std::string reply;
    std::string event = "";
};

void check(const Row& row, const std::string& before, const Setting& setting = {}) {
    CAPTURE(row.line);
    Script script;
    if (!before.empty()) script.push_back(before);
    script.push_back(row.line + "\r\n");
    const Outcome outcome = play_cut(after_ehlo(script), setting);
    CHECK(outcome.replies.back() == row.reply);
    if (!before.empty()) {
        REQUIRE_FALSE(outcome.events.empty());
        CHECK((outcome.events.size() == 1 ? "" : outcome.events.back()) == row.event);
    } else {
        CHECK((outcome.events.empty() ? "" : outcome.events.back()) == row.event);
    }
}

}  // namespace

TEST_CASE("P150, P151: RET and ENVID") {
    const std::string envid(100, 'e');
    const Row rows[] = {
        {"MAIL FROM:<s@x> RET=FULL", "250 2.1.0", "mail <s@x> full"},
        {"MAIL FROM:<s@x> ret=hdrs", "250 2.1.0", "mail <s@x> headers"},
        {"MAIL FROM:<s@x> ENVID=QQ314159+2B", "250 2.1.0", "mail <s@x> envid=QQ314159+2B"},
        {"MAIL FROM:<s@x> ENVID=" + envid + " RET=FULL SIZE=7", "250 2.1.0", "mail <s@x> 7 full envid=" + envid},
        {"MAIL FROM:<s@x> ENVID=" + envid + "e", "501 5.5.4"},
        {"MAIL FROM:<s@x> RET=FULL RET=FULL", "501 5.5.4"},
        {"MAIL FROM:<s@x> RET=HALF", "501 5.5.4"},
        {"MAIL FROM:<s@x> RET", "501 5.5.4"},
        {"MAIL FROM:<s@x> ENVID=a ENVID=a", "501 5.5.4"},
        {"MAIL FROM:<s@x> ENVID", "501 5.5.4"},
        {"MAIL FROM:<s@x> ENVID=a+ZZ", "501 5.5.4"},
        {"MAIL FROM:<s@x> ENVID=a+2b", "501 5.5.4"},
        {"MAIL FROM:<s@x> ENVID=a+2", "501 5.5.4"},
        {"MAIL FROM:<s@x> ENVID=a+", "501 5.5.4"},
        {"MAIL FROM:<s@x> ENVID=a=b", "501 5.5.4"},
        {"MAIL FROM:<s@x> ENVID=a+00", "501 5.5.4"},
        {"MAIL FROM:<s@x> ENVID=a+0D+0A", "501 5.5.4"},
        {"MAIL FROM:<s@x> ENVID=\xc3\xa9", "501 5.5.4"},
    };
    for (const Row& row : rows) check(row, "");
}

TEST_CASE("P150, P151: NOTIFY and ORCPT") {
    const std::string longest = "rfc822;" + std::string(493, 'o');
    const Row rows[] = {
        {"RCPT TO:<r@x> NOTIFY=NEVER", "250 2.1.5", "recipient <r@x> notify=1"},
        {"RCPT TO:<r@x> NOTIFY=SUCCESS,failure,Delay", "250 2.1.5", "recipient <r@x> notify=14"},
        {"RCPT TO:<r@x> ORCPT=rfc822;R+2Bx@X", "250 2.1.5", "recipient <r@x> orcpt=rfc822;R+2Bx@X"},
        {"RCPT TO:<r@x> NOTIFY=DELAY ORCPT=" + longest, "250 2.1.5", "recipient <r@x> notify=8 orcpt=" + longest},
        {"RCPT TO:<r@x> ORCPT=" + longest + "o", "501 5.5.4"},
        {"RCPT TO:<r@x> ORCPT=utf-8;r@x", "250 2.1.5", "recipient <r@x> orcpt=utf-8;r@x"},
        {"RCPT TO:<r@x> ORCPT=utf-8;\xc3\xa9@x", "501 5.5.4"},
        {R"(RCPT TO:<r@x> ORCPT=utf-8;\x{E9}\x{2B}\x{10FFFF}@x)", "250 2.1.5",
         R"(recipient <r@x> orcpt=utf-8;\x{E9}\x{2B}\x{10FFFF}@x)"},
        {R"(RCPT TO:<r@x> ORCPT=utf-8;a\)", "501 5.5.4"},
        {R"(RCPT TO:<r@x> ORCPT=utf-8;\x{}@x)", "501 5.5.4"},
        {R"(RCPT TO:<r@x> ORCPT=utf-8;\x{e9}@x)", "501 5.5.4"},
        {R"(RCPT TO:<r@x> ORCPT=utf-8;\x{0D}\x{0A}@x)", "501 5.5.4"},
        {R"(RCPT TO:<r@x> ORCPT=utf-8;\x{D800}@x)", "501 5.5.4"},
        {R"(RCPT TO:<r@x> ORCPT=utf-8;\x{202E}@x)", "501 5.5.4"},
        {R"(RCPT TO:<r@x> ORCPT=utf-8;\x{110000}@x)", "501 5.5.4"},
        {R"(RCPT TO:<r@x> ORCPT=utf-8;\x{E9@x)", "501 5.5.4"},
        {"RCPT TO:<r@x> ORCPT=utf-8;a+2B@x", "501 5.5.4"},
        {"RCPT TO:<r@x> ORCPT=rf(c;a", "501 5.5.4"},
        {"RCPT TO:<r@x> ORCPT=r.f;a", "501 5.5.4"},
        {"RCPT TO:<r@x> NOTIFY=NEVER,SUCCESS", "501 5.5.4"},
        {"RCPT TO:<r@x> NOTIFY=SUCCESS,SUCCESS", "501 5.5.4"},
        {"RCPT TO:<r@x> NOTIFY=SUCCESS,", "501 5.5.4"},
        {"RCPT TO:<r@x> NOTIFY=FOO", "501 5.5.4"},
        {"RCPT TO:<r@x> NOTIFY", "501 5.5.4"},
        {"RCPT TO:<r@x> NOTIFY=NEVER NOTIFY=NEVER", "501 5.5.4"},
        {"RCPT TO:<r@x> ORCPT=rfc822;a ORCPT=rfc822;a", "501 5.5.4"},
        {"RCPT TO:<r@x> ORCPT=rfc822", "501 5.5.4"},
        {"RCPT TO:<r@x> ORCPT=;a", "501 5.5.4"},
        {"RCPT TO:<r@x> ORCPT=rfc822;", "501 5.5.4"},
        {"RCPT TO:<r@x> ORCPT=rfc822;a+00", "501 5.5.4"},
        {"RCPT TO:<r@x> ORCPT=rfc+2B822;a", "501 5.5.4"},
        {"RCPT TO:<r@x> SIZE=1", "555 5.5.4"},
    };
    for (const Row& row : rows) check(row, mail);
}

TEST_CASE("without EHLO no parameter is known") {
    CHECK(play_cut({"HELO x\r\n", "MAIL FROM:<s@x> RET=FULL\r\n", mail, "RCPT TO:<r@x> NOTIFY=NEVER\r\n"}).replies ==
          Strings{"220", "250", "555 5.5.4", "250 2.1.0", "555 5.5.4"});
}

TEST_CASE("P144-P148: SMTPUTF8") {
    const std::string e = "\xc3\xa9";
    const Row rows[] = {
        {"MAIL FROM:<" + e + "@x> SMTPUTF8", "250 2.1.0", "mail <" + e + "@x> smtputf8"},
        {"MAIL FROM:<s@x> smtputf8 BODY=8BITMIME", "250 2.1.0", "mail <s@x> smtputf8"},
        {"MAIL FROM:<" + e + "@x>", "550 5.6.7"},
        {"MAIL FROM:<s@x> SMTPUTF8=x", "501 5.5.4"},
        {"MAIL FROM:<s@x> SMTPUTF8 SMTPUTF8", "501 5.5.4"},
        {"MAIL FROM:<\xff@x> SMTPUTF8", "501 5.1.7"},
        {"MAIL FROM:<\xc0\xaf@x> SMTPUTF8", "501 5.1.7"},
        {"MAIL FROM:<\xed\xa0\x80@x> SMTPUTF8", "501 5.1.7"},
        {"MAIL FROM:<\u202e@x> SMTPUTF8", "501 5.1.7"},
        {"MAIL FROM:<\xc2\x85@x> SMTPUTF8", "501 5.1.7"},
    };
    for (const Row& row : rows) check(row, "", smtputf8());
    check({"MAIL FROM:<s@x> SMTPUTF8", "555 5.5.4"}, "");
    const std::string with = "MAIL FROM:<s@x> SMTPUTF8\r\n";
    check({"RCPT TO:<" + e + "@x>", "250 2.1.5", "recipient <" + e + "@x>"}, with, smtputf8());
    check({"RCPT TO:<r@" + e + ".example>", "250 2.1.5", "recipient <r@" + e + ".example>"}, with, smtputf8());
    check({"RCPT TO:<r@x> ORCPT=utf-8;" + e + "@x", "250 2.1.5", "recipient <r@x> orcpt=utf-8;" + e + "@x"}, with,
          smtputf8());
    check({"RCPT TO:<" + e + "@x>", "553 5.6.7"}, mail, smtputf8());
}

TEST_CASE("P14A: addresses beyond ASCII without SMTPUTF8 open nothing") {
    const std::string e = "\xc3\xa9";
    const Script script =
        after_ehlo({"MAIL FROM:<" + e + "@x>\r\nRCPT TO:<" + e + "@x>\r\n", "VRFY " + e + "\r\n", "DATA\r\n"});
    for (const Setting& setting : {Setting{}, smtputf8()}) {
        const Outcome outcome = play_cut(script, setting);
        CHECK(outcome.replies == Strings{"220", "250", "550 5.6.7", "503 5.5.1", "252 2.1.5", "503 5.5.1"});
        CHECK(outcome.events.empty());
    }
}

TEST_CASE("what one transaction said of SMTPUTF8 does not hold for the next") {
    const Script script = after_ehlo({"MAIL FROM:<s@x> SMTPUTF8\r\nRSET\r\n", mail, "RCPT TO:<\xc3\xa9@x>\r\n"});
    CHECK(play_cut(script, smtputf8()).replies.back() == "553 5.6.7");
}

TEST_CASE("LMTP greets, and is greeted, by its own name (RFC 2033 4.1)") {
    CHECK(play_cut({"EHLO x\r\n", "HELO x\r\n", mail, "LHLO x\r\n", mail}, lmtp()).replies ==
          Strings{"220", "500 5.5.1", "500 5.5.1", "503 5.5.1", "250", "250 2.1.0"});
    CHECK(play_cut({"LHLO x\r\n"}).replies == Strings{"220", "500 5.5.1"});
    Recorder recorder;
    ServerSession session({.hostname = "proxy.example", .lmtp = true}, recorder);
    session.greet();
    CHECK(session.take_output() == "220 proxy.example LMTP\r\n");
}

TEST_CASE("LMTP answers for each recipient that was accepted, in both ways of sending data (RFC 2033 4.2)") {
    const std::string three = mail + rcpt + "RCPT TO:<bad>\r\n" + "RCPT TO:<t@x>\r\n" + "RCPT TO:<u@x>\r\n";
    const Strings opened{"220", "250", "250 2.1.0", "250 2.1.5", "501 5.1.3", "250 2.1.5", "250 2.1.5"};
    const auto with = [&](Strings more) {
        Strings all = opened;
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    const Strings taken{"250 2.0.0", "250 2.0.0", "250 2.0.0"};
    CHECK(play_cut({"LHLO x\r\n", three, "DATA\r\n", "a\r\n.\r\n"}, lmtp()).replies ==
          with({"354", taken[0], taken[1], taken[2]}));
    CHECK(play_cut({"LHLO x\r\n", three, "BDAT 1\r\na", "BDAT 1 LAST\r\nb" + mail}, lmtp()).replies ==
          with({"250 2.0.0", taken[0], taken[1], taken[2], "250 2.1.0"}));
    Setting refusing = lmtp();
    refusing.prepare = [](Recorder& recorder) { recorder.verdict = Reply(452, "4.3.1", "no room"); };
    CHECK(play_cut({"LHLO x\r\n", mail + rcpt + rcpt, "DATA\r\n", "a\r\n.\r\nNOOP\r\n"}, refusing).replies ==
          Strings{"220", "250", "250 2.1.0", "250 2.1.5", "250 2.1.5", "354", "452 4.3.1", "452 4.3.1", "250 2.0.0"});
}

TEST_CASE("LMTP without a recipient: 503, and no data (RFC 2033 4.2)") {
    CHECK(play_cut({"LHLO x\r\n", mail, "DATA\r\n", "BDAT 1 LAST\r\na"}, lmtp()).replies ==
          Strings{"220", "250", "250 2.1.0", "503 5.5.1", "503 5.5.1"});
}

TEST_CASE("LMTP that is told 421 at the end of its data is told so once") {
    Setting setting = lmtp();
    setting.prepare = [](Recorder& recorder) { recorder.verdict = Reply(421, "4.3.2", "bye"); };
    const Outcome outcome = play_cut({"LHLO x\r\n", mail + rcpt + rcpt, "DATA\r\n", "a\r\n.\r\n"}, setting);
    CHECK(std::ranges::count(outcome.replies, "421 4.3.2") == 1);
    CHECK(outcome.closed);
}

}  // namespace onecopy::smtp

TEST_SUITE_END();
