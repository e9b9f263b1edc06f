#include <doctest/doctest.h>

#include "base/base64.h"
#include "dialogue.h"

TEST_SUITE_BEGIN("server_auth");

namespace onecopy::smtp {

namespace {

using namespace std::string_literals;
using Strings = std::vector<std::string>;
using Tls = ServerSession::Tls;
using Auth = ServerSession::Auth;

Setting with(Tls tls, Auth auth = Auth::none) {
    Setting setting;
    setting.options.tls = tls;
    setting.options.auth = auth;
    setting.options.may_authenticate = tls == Tls::active;
    return setting;
}

std::string plain(const std::string& name, const std::string& password, const std::string& identity = "") {
    return base::base64(identity + "\0"s + name + "\0"s + password);
}

/// What a session of one segment a step says behind its greeting.
Strings replies(const Script& script, const Setting& setting) {
    Strings replies = play_cut(script, setting).replies;
    REQUIRE(replies.at(0) == "220");
    replies.erase(replies.begin());
    return replies;
}

std::string offered(const ServerSession::Options& options) {
    Recorder recorder;
    ServerSession session(options, recorder);
    std::string_view bytes = options.lmtp ? "LHLO x\r\n" : "EHLO x\r\n";
    session.feed(bytes);
    return session.take_output();
}

bool offers(const Setting& setting, const std::string& line) {
    const std::string text = offered(setting.options);
    return text.find("250-" + line + "\r\n") != text.npos || text.find("250 " + line + "\r\n") != text.npos;
}

}  // namespace

TEST_CASE("P170-P175: STARTTLS") {
    CHECK(offers(with(Tls::offered), "STARTTLS"));
    CHECK(offers(with(Tls::required), "STARTTLS"));
    CHECK_FALSE(offers(with(Tls::none), "STARTTLS"));
    CHECK_FALSE(offers(with(Tls::active), "STARTTLS"));
    CHECK(replies({"STARTTLS\r\n"}, with(Tls::offered)) == Strings{"220 2.0.0"});
    CHECK(replies(after_ehlo({"STARTTLS x\r\n", "NOOP\r\n"}), with(Tls::offered)) ==
          Strings{"250", "501 5.5.4", "250 2.0.0"});
    CHECK(replies(after_ehlo({"STARTTLS\r\n"}), with(Tls::active)) == Strings{"250", "503 5.5.1"});
    const Outcome lost = play_cut(after_ehlo({"MAIL FROM:<s@x>\r\n", "STARTTLS\r\n"}), with(Tls::offered));
    CHECK(lost.events == Strings{"mail <s@x>", "reset"});
}

TEST_CASE("after STARTTLS the session is over, and its owner is told to start TLS") {
    Recorder recorder;
    ServerSession session(with(Tls::offered).options, recorder);
    std::string_view bytes = "STARTTLS\r\n";
    CHECK(session.feed(bytes) == Input::start_tls);
    CHECK(session.take_output() == "220 2.0.0 Ready to start TLS\r\n");
    bytes = "NOOP\r\n";
    CHECK(session.feed(bytes) == Input::start_tls);
    CHECK(bytes == "NOOP\r\n");
    CHECK(session.take_output().empty());
}

TEST_CASE("P173: what stands behind STARTTLS in one segment ends the session, and is not run") {
    for (const std::string behind : {"NOOP\r\n", "MAIL FROM:<s@x>\r\n", "RSET", "NO", "\r\n", "\x16\x03\x01"}) {
        CAPTURE(behind);
        const Outcome outcome = play(after_ehlo({"STARTTLS\r\n" + behind}), with(Tls::offered));
        CHECK(outcome.replies == Strings{"220", "250", "554 5.5.0"});
        CHECK(outcome.closed);
        CHECK(outcome.events.empty());
    }
}

TEST_CASE("P175: where TLS is required nothing else is to be had before") {
    const Script script = after_ehlo({"NOOP\r\n", "MAIL FROM:<s@x>\r\n", "RCPT TO:<r@x>\r\n", "DATA\r\n", "RSET\r\n",
                                      "VRFY u\r\n", "AUTH PLAIN\r\n", "HELO x\r\n", "FOO\r\n", "QUIT\r\n"});
    CHECK(replies(script, with(Tls::required, Auth::optional)) == Strings{"250", "250 2.0.0", "530 5.7.0", "530 5.7.0",
                                                                          "530 5.7.0", "530 5.7.0", "530 5.7.0", "530 5.7.0",
                                                                          "530 5.7.0", "530 5.7.0", "221 2.0.0"});
    CHECK_FALSE(offers(with(Tls::required, Auth::optional), "AUTH PLAIN LOGIN"));
}

TEST_CASE("P041, P175: where TLS is required, other protocols are shown the door all the same") {
    for (const std::string line : {"GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n"}) {
        const Outcome outcome = play_cut({line + "EHLO x\r\n"}, with(Tls::required));
        CHECK(outcome.replies == Strings{"220", "500 5.5.1"});
        CHECK(outcome.closed);
    }
}

TEST_CASE("AUTH is offered where it may be used") {
    CHECK(offers(with(Tls::active, Auth::optional), "AUTH PLAIN LOGIN"));
    CHECK_FALSE(offers(with(Tls::offered, Auth::optional), "AUTH PLAIN LOGIN"));
    CHECK_FALSE(offers(with(Tls::active, Auth::none), "AUTH PLAIN LOGIN"));
    CHECK(replies(after_ehlo({"AUTH PLAIN " + plain("me", "pw") + "\r\n"}), with(Tls::offered, Auth::optional)) ==
          Strings{"250", "504 5.5.4"});
    CHECK(replies(after_ehlo({"AUTH PLAIN " + plain("me", "pw") + "\r\n"}), with(Tls::active)) ==
          Strings{"250", "502 5.5.1"});
}

TEST_CASE("name and password reach the owner, in each way in which they may be said") {
    const std::string name = base::base64("me"), password = base::base64("p w");
    const Script scripts[] = {
        {"AUTH PLAIN " + plain("me", "p w") + "\r\n"},      {"auth plain " + plain("me", "p w", "me") + "\r\n"},
        {"AUTH PLAIN\r\n", plain("me", "p w") + "\r\n"},    {"AUTH LOGIN\r\n", name + "\r\n", password + "\r\n"},
        {"AUTH LOGIN " + name + "\r\n", password + "\r\n"},
    };
    for (const Script& script : scripts) {
        CAPTURE(script.front());
        const Outcome outcome = play_cut(after_ehlo(script), with(Tls::active, Auth::required));
        CHECK(outcome.events == Strings{"authenticate me p w"});
        CHECK(outcome.replies.back() == "235 2.7.0");
        for (std::size_t i = 2; i + 1 < outcome.replies.size(); ++i) CHECK(outcome.replies[i] == "334");
    }
}

TEST_CASE("P183: 334 is followed by a space, and says what is asked for") {
    Recorder recorder;
    ServerSession session(with(Tls::active, Auth::optional).options, recorder);
    std::string_view bytes = "EHLO x\r\n";
    session.feed(bytes);
    session.take_output();
    bytes = "AUTH PLAIN\r\n";
    session.feed(bytes);
    CHECK(session.take_output() == "334 \r\n");
    bytes = "*\r\n";
    session.feed(bytes);
    session.take_output();
    bytes = "AUTH LOGIN\r\n";
    session.feed(bytes);
    CHECK(session.take_output() == "334 VXNlcm5hbWU6\r\n");
    bytes = "bWU=\r\n";
    session.feed(bytes);
    CHECK(session.take_output() == "334 UGFzc3dvcmQ6\r\n");
}

TEST_CASE("P181, P182, P189: what is no response is refused, and asks nobody") {
    struct Row {
        Script script;
        std::string reply;
    };
    const std::string long_name(256, 'n');
    const Row rows[] = {
        {{"AUTH FOO\r\n"}, "504 5.5.4"},
        {{"AUTH CRAM-MD5\r\n"}, "504 5.5.4"},
        {{"AUTH\r\n"}, "501 5.5.4"},
        {{"AUTH PLAIN =\r\n"}, "501 5.5.2"},
        {{"AUTH PLAIN =AAA\r\n"}, "501 5.5.2"},
        {{"AUTH PLAIN AAA=BBB\r\n"}, "501 5.5.2"},
        {{"AUTH PLAIN a!b?\r\n"}, "501 5.5.2"},
        {{"AUTH PLAIN " + base::base64("me") + "\r\n"}, "501 5.5.2"},
        {{"AUTH PLAIN " + base::base64("\0me"s) + "\r\n"}, "501 5.5.2"},
        {{"AUTH PLAIN " + base::base64("\0me\0pw\0"s) + "\r\n"}, "501 5.5.2"},
        {{"AUTH PLAIN " + plain("", "pw") + "\r\n"}, "501 5.5.2"},
        {{"AUTH PLAIN " + plain("me", "") + "\r\n"}, "501 5.5.2"},
        {{"AUTH PLAIN " + plain("me", "pw", "other") + "\r\n"}, "501 5.5.2"},
        {{"AUTH PLAIN " + plain(long_name, "pw") + "\r\n"}, "501 5.5.2"},
        {{"AUTH PLAIN " + plain("me", long_name) + "\r\n"}, "501 5.5.2"},
        {{"AUTH PLAIN " + plain("m\ne", "pw") + "\r\n"}, "501 5.5.2"},
        {{"AUTH PLAIN " + plain("m\xff", "pw") + "\r\n"}, "501 5.5.2"},
        {{"AUTH PLAIN\r\n", "*\r\n"}, "501 5.7.0"},
        {{"AUTH PLAIN\r\n", "\r\n"}, "501 5.5.2"},
        {{"AUTH LOGIN\r\n", "*\r\n"}, "501 5.7.0"},
        {{"AUTH LOGIN\r\n", "bWU=\r\n", "*\r\n"}, "501 5.7.0"},
        {{"AUTH LOGIN\r\n", "x\r\n"}, "501 5.5.2"},
        {{"AUTH LOGIN\r\n", "\r\n"}, "501 5.5.2"},
        {{"AUTH PLAIN\r\n", "AA\nAA\r\n"}, "500 5.5.2"},
        {{"AUTH PLAIN\r\n", std::string(20000, 'A') + "\r\n"}, "500 5.5.6"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.script.back().substr(0, 60));
        Script script = row.script;
        script.push_back("NOOP\r\n");
        const Outcome outcome = play_cut(after_ehlo(script), with(Tls::active, Auth::optional));
        CHECK(outcome.events.empty());
        REQUIRE(outcome.replies.size() >= 2);
        CHECK(outcome.replies[outcome.replies.size() - 2] == row.reply);
        CHECK(outcome.replies.back() == "250 2.0.0");
    }
}

TEST_CASE("P184: a response of 12288 octets is read, one of more is not") {
    const auto answer = [](std::size_t octets) {
        const Script script = after_ehlo({"AUTH PLAIN\r\n", std::string(octets, 'A') + "\r\n"});
        return play(script, with(Tls::active, Auth::optional)).replies.back();
    };
    CHECK(answer(12288) == "501 5.5.2");
    CHECK(answer(12289) == "500 5.5.6");
}

TEST_CASE("P185: AUTH comes once, after EHLO, and not within a transaction") {
    const std::string auth = "AUTH PLAIN " + plain("me", "pw") + "\r\n";
    const Setting setting = with(Tls::active, Auth::optional);
    CHECK(replies({auth}, setting) == Strings{"503 5.5.1"});
    CHECK(replies({"HELO x\r\n", auth}, setting) == Strings{"250", "503 5.5.1"});
    CHECK(replies(after_ehlo({auth, auth}), setting) == Strings{"250", "235 2.7.0", "503 5.5.1"});
    CHECK(replies(after_ehlo({"MAIL FROM:<s@x>\r\n", auth}), setting) == Strings{"250", "250 2.1.0", "503 5.5.1"});
}

TEST_CASE("P186: wrong and unknowable credentials") {
    const std::string auth = "AUTH PLAIN " + plain("me", "pw") + "\r\n";
    Setting setting = with(Tls::active, Auth::required);
    setting.prepare = [](Recorder& recorder) { recorder.credentials = ServerSession::Credentials::wrong; };
    const std::string mail = "MAIL FROM:<s@x>\r\n";
    CHECK(replies(after_ehlo({auth, mail, auth, auth, auth, auth}), setting) ==
          Strings{"250", "535 5.7.8", "530 5.7.0", "535 5.7.8", "535 5.7.8", "535 5.7.8", "421 4.7.0"});
    setting.prepare = [](Recorder& recorder) { recorder.credentials = ServerSession::Credentials::unavailable; };
    CHECK(replies(after_ehlo({auth, mail}), setting) == Strings{"250", "454 4.7.0", "530 5.7.0"});
}

TEST_CASE("P187: where it is required, mail comes from who has authenticated") {
    const Setting setting = with(Tls::active, Auth::required);
    const std::string mail = "MAIL FROM:<s@x>\r\n";
    CHECK(replies(after_ehlo({mail, "AUTH PLAIN " + plain("me", "pw") + "\r\n", mail}), setting) ==
          Strings{"250", "530 5.7.0", "235 2.7.0", "250 2.1.0"});
}

TEST_CASE("while a password is checked nothing is read, and an answer that nobody owes is none") {
    Recorder recorder;
    ServerSession session(with(Tls::active, Auth::optional).options, recorder);
    recorder.session = &session;
    recorder.answers_at_once = false;
    const std::string script = "EHLO x\r\n";
    std::string_view bytes = script;
    session.feed(bytes);
    session.take_output();
    const std::string both = "AUTH PLAIN " + plain("me", "pw") + "\r\nNOOP\r\n";
    bytes = both;
    CHECK(session.feed(bytes) == Input::pause);
    CHECK(bytes == "NOOP\r\n");
    CHECK(session.phase() == ServerSession::Phase::credentials);
    CHECK(session.user().empty());
    session.authenticated(ServerSession::Credentials::right);
    CHECK(session.take_output() == "235 2.7.0 Ok\r\n");
    CHECK(session.user() == "me");
    session.authenticated(ServerSession::Credentials::right);
    CHECK(session.take_output().empty());
    CHECK(session.feed(bytes) == Input::more);
}

TEST_CASE("P188: AUTH= of MAIL is read where AUTH is known, and changes nothing") {
    const Setting setting = with(Tls::active, Auth::optional);
    const std::pair<std::string, std::string> rows[] = {
        {"AUTH=<>", "250 2.1.0"},        {"AUTH=e+3Dmc2@x", "250 2.1.0"}, {"AUTH=<> AUTH=<>", "501 5.5.4"},
        {"AUTH=e+3dmc2@x", "501 5.5.4"}, {"AUTH=x y", "501 5.5.4"},       {"AUTH", "501 5.5.4"},
    };
    for (const auto& [parameter, reply] : rows) {
        CAPTURE(parameter);
        CHECK(replies(after_ehlo({"MAIL FROM:<s@x> " + parameter + "\r\n"}), setting).back() == reply);
    }
}

TEST_CASE("the protocol's name for Received (RFC 3848, 6531)") {
    struct Row {
        bool lmtp, tls, auth, utf8;
        std::string name;
    };
    const Row rows[] = {
        {false, false, false, false, "ESMTP"},   {false, true, false, false, "ESMTPS"},
        {false, true, true, false, "ESMTPSA"},   {false, false, true, false, "ESMTPA"},
        {false, true, true, true, "UTF8SMTPSA"}, {false, false, false, true, "UTF8SMTP"},
        {true, false, false, false, "LMTP"},     {true, true, true, false, "LMTPSA"},
        {true, false, false, true, "UTF8LMTP"},
    };
    for (const Row& row : rows) {
        Recorder recorder;
        ServerSession::Options options{
            .hostname = "h", .lmtp = row.lmtp, .auth = Auth::optional, .may_authenticate = true, .smtputf8 = true};
        if (row.tls) options.tls = Tls::active;
        ServerSession session(options, recorder);
        recorder.session = &session;
        std::string script = row.lmtp ? "LHLO x\r\n" : "EHLO x\r\n";
        const std::string steps[] = {script, row.auth ? "AUTH PLAIN " + plain("me", "pw") + "\r\n" : "NOOP\r\n",
                                     std::string("MAIL FROM:<s@x>") + (row.utf8 ? " SMTPUTF8\r\n" : "\r\n")};
        for (const std::string& step : steps) {
            std::string_view bytes = step;
            session.feed(bytes);
        }
        CHECK(session.protocol() == row.name);
        if (row.lmtp) continue;
        for (std::string_view step : {"HELO x\r\n", "MAIL FROM:<s@x>\r\n"}) session.feed(step);
        CHECK(session.protocol() == "SMTP");
    }
}

}  // namespace onecopy::smtp

TEST_SUITE_END();
