#include <doctest/doctest.h>

#include "dialogue.h"

TEST_SUITE_BEGIN("server_pipelining");

namespace onecopy::smtp {

namespace {

using Strings = std::vector<std::string>;

const std::string mail = "MAIL FROM:<s@x>\r\n";
const std::string rcpt = "RCPT TO:<r@x>\r\n";

/// A session with a transaction whose data is awaited.
struct InData {
    Recorder recorder;
    ServerSession session{{.hostname = "proxy.example"}, recorder};

    InData() {
        recorder.session = &session;
        recorder.answers_at_once = false;
        session.greet();
        for (const std::string& segment : {std::string("EHLO x\r\n"), mail + rcpt + "DATA\r\n"}) {
            std::string_view bytes = segment;
            CHECK(session.feed(bytes) == Input::more);
        }
        session.take_output();
    }
};

}  // namespace

TEST_CASE("P110: a whole transaction opens in one segment and is answered in one write") {
    std::string group = mail;
    for (int i = 0; i < 50; ++i) group += rcpt;
    group += "DATA\r\n";
    Recorder recorder;
    ServerSession session({.hostname = "proxy.example"}, recorder);
    session.greet();
    std::string_view bytes = "EHLO x\r\n";
    session.feed(bytes);
    session.take_output();
    bytes = group;
    CHECK(session.feed(bytes) == Input::more);
    const auto replies = replies_in(session.take_output());
    CHECK(replies.size() == 52);
    CHECK(replies.front() == "250 2.1.0");
    CHECK(replies[50] == "250 2.1.5");
    CHECK(replies.back() == "354");
    CHECK(play_cut(after_ehlo({mail + rcpt + rcpt + "DATA\r\n"})).replies ==
          Strings{"220", "250", "250 2.1.0", "250 2.1.5", "250 2.1.5", "354"});
}

TEST_CASE("P111: what follows the final dot waits until the message has its answer") {
    InData open;
    std::string_view bytes = "a\r\n.\r\nRSET\r\nMAIL FROM:<t@x>\r\nRCPT TO:<r@x>\r\nDATA\r\n";
    CHECK(open.session.feed(bytes) == Input::pause);
    CHECK(bytes.starts_with("RSET"));
    CHECK(open.session.phase() == ServerSession::Phase::answer);
    CHECK(open.session.feed(bytes) == Input::pause);
    CHECK(open.session.take_output().empty());
    open.session.finish({250, "2.0.0", "taken"});
    CHECK(replies_in(open.session.take_output()) == Strings{"250 2.0.0"});
    CHECK(open.session.feed(bytes) == Input::more);
    CHECK(replies_in(open.session.take_output()) == Strings{"250 2.0.0", "250 2.1.0", "250 2.1.5", "354"});
    CHECK(open.recorder.events ==
          Strings{"mail <s@x>", "recipient <r@x>", "message [a\r\n]", "mail <t@x>", "recipient <r@x>"});
}

TEST_CASE("finish() counts where an answer is owed, once") {
    InData open;
    open.session.finish({250, "2.0.0", "too early"});
    CHECK(open.session.take_output().empty());
    std::string_view bytes = "a\r\n.\r\n";
    CHECK(open.session.feed(bytes) == Input::pause);
    open.session.finish({250, "2.0.0", "taken"});
    open.session.finish({250, "2.0.0", "again"});
    CHECK(replies_in(open.session.take_output()) == Strings{"250 2.0.0"});
}

TEST_CASE("abort() while an answer is owed says nothing") {
    InData open;
    std::string_view bytes = "a\r\n.\r\n";
    open.session.feed(bytes);
    open.session.abort({421, "4.3.2", "shutting down"});
    open.session.finish({250, "2.0.0", "taken"});
    CHECK(open.session.take_output().empty());
    CHECK(open.session.phase() == ServerSession::Phase::closed);
    CHECK(open.recorder.events.back() == "message [a\r\n]");
}

TEST_CASE("a handler that can take no more pauses the session, and no byte is lost or told twice") {
    std::string content;
    for (int i = 0; i < 20'000; ++i) content += "line " + std::to_string(i) + "\r\n";
    for (const std::string tail : {"", "NOOP\r\n"}) {
        InData open;
        open.recorder.takes_content = false;
        const std::string sent = content + ".\r\n" + tail;
        std::string_view bytes = sent;
        int pauses = 0;
        while (open.session.feed(bytes) == Input::pause && open.session.phase() == ServerSession::Phase::data) {
            ++pauses;
            CHECK(open.session.feed(bytes) == Input::pause);
            open.session.resume();
        }
        CHECK(pauses > 5);
        CHECK(open.recorder.content_seen == content);
        CHECK(bytes == tail);
        CHECK(open.recorder.events.size() == 3);
        CHECK(open.session.phase() == ServerSession::Phase::answer);
    }
}

TEST_CASE("the end of the data that came with a paused piece is told at resume()") {
    InData open;
    open.recorder.takes_content = false;
    std::string_view bytes = "a\r\n.\r\n";
    CHECK(open.session.feed(bytes) == Input::pause);
    CHECK(bytes.empty());
    CHECK(open.recorder.events.size() == 2);
    open.session.resume();
    CHECK(open.recorder.events.back() == "message [a\r\n]");
    open.session.resume();
    CHECK(open.recorder.events.size() == 3);
}

TEST_CASE("a paused session can be aborted") {
    InData open;
    open.recorder.takes_content = false;
    std::string_view bytes = "a\r\nb";
    CHECK(open.session.feed(bytes) == Input::pause);
    open.session.abort({421, "4.4.2", "timed out"});
    open.session.resume();
    CHECK(open.session.feed(bytes) == Input::closed);
    CHECK(open.recorder.events.back() == "reset");
}

TEST_CASE("a message that comes at once behind DATA is taken") {
    const auto outcome = play_cut(after_ehlo({mail + rcpt + "DATA\r\nRCPT TO:<evil@x>\r\n.\r\nNOOP\r\n"}));
    CHECK(outcome.replies == Strings{"220", "250", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "250 2.0.0"});
}

TEST_CASE("P113: the lines of a message whose DATA was refused are no commands, until RSET or MAIL") {
    const auto outcome = play_cut(after_ehlo(
        {mail + "RCPT TO:<>\r\nDATA\r\nRCPT TO:<evil@x>\r\nDATA\r\nVRFY x\r\nhello\r\n.\r\nRSET\r\n" + mail + rcpt}));
    CHECK(outcome.replies == Strings{"220", "250", "250 2.1.0", "501 5.1.3", "554 5.5.1", "503 5.5.1", "503 5.5.1",
                                     "503 5.5.1", "503 5.5.1", "503 5.5.1", "250 2.0.0", "250 2.1.0", "250 2.1.5"});
    CHECK(play_cut(after_ehlo({"DATA\r\nRCPT TO:<evil@x>\r\n" + mail + rcpt})).replies ==
          Strings{"220", "250", "503 5.5.1", "503 5.5.1", "250 2.1.0", "250 2.1.5"});
}

TEST_CASE("P112: input behind a command whose answer must be awaited ends the session") {
    struct Row {
        Script script;
        Strings replies;
    };
    const Row rows[] = {
        {{"EHLO x\r\nMAIL FROM:<s@x>\r\n"}, {"554 5.5.0"}},
        {{"HELO x\r\nN"}, {"554 5.5.0"}},
        {{"VRFY u\r\nNOOP\r\n"}, {"554 5.5.0"}},
        {{"EXPN u\r\nNOOP\r\n"}, {"554 5.5.0"}},
        {after_ehlo({"STARTTLS\r\nNOOP\r\n"}), {"250", "554 5.5.0"}},
    };
    for (const auto& row : rows) {
        CAPTURE(row.script.back());
        auto expected = row.replies;
        expected.insert(expected.begin(), "220");
        const auto outcome = play(row.script);
        CHECK(outcome.replies == expected);
        CHECK(outcome.closed);
        for (const auto& event : outcome.events) CHECK(!event.starts_with("message"));
    }
}

TEST_CASE("P112: input behind NOOP, RSET, QUIT, HELP and unknown verbs is let pass") {
    CHECK(play_cut({"NOOP\r\nRSET\r\nHELP\r\nFOO\r\nNOOP\r\nQUIT\r\nNOOP\r\n"}).replies ==
          Strings{"220", "250 2.0.0", "250 2.0.0", "214 2.0.0", "500 5.5.1", "250 2.0.0", "221 2.0.0"});
}

}  // namespace onecopy::smtp

TEST_SUITE_END();
