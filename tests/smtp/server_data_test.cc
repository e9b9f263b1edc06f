#include <doctest/doctest.h>

#include <random>

#include "dialogue.h"

TEST_SUITE_BEGIN("server_data");

namespace onecopy::smtp {

namespace {

using namespace std::string_literals;
using Strings = std::vector<std::string>;

const std::string opening = "MAIL FROM:<s@x>\r\nRCPT TO:<r@x>\r\nDATA\r\n";
const std::string injected = "MAIL FROM:<evil@x>\r\nRCPT TO:<victim@y>\r\nDATA\r\nevil\r\n";

Script message(const std::string& content) {
    return after_ehlo({opening, content});
}

const Strings taken = {"220", "250", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0"};

Setting small(std::uint64_t size) {
    Setting setting;
    setting.options.message_size = size;
    return setting;
}

Setting strict() {
    Setting setting;
    setting.options.refuse_bare = true;
    return setting;
}

Strings with_last(Strings replies, const std::string& last) {
    replies.back() = last;
    return replies;
}

}  // namespace

TEST_CASE("a message is told whole, unstuffed") {
    const std::pair<std::string, std::string> rows[] = {
        {"a\r\n.\r\n", "a\r\n"},
        {".\r\n", ""},
        {"..a\r\n...\r\n. x\r\n.\r\n", ".a\r\n..\r\n x\r\n"},
        {"a\0b\r\n.\r\n"s, "a\0b\r\n"s},
        {"\xff\xe9\r\n.\r\n", "\xff\xe9\r\n"},
        {"a\nb\rc\r\n\r\nd\re\r\n.\r\n", "a\r\nb c\r\n\r\nd\r\ne\r\n"},
    };
    for (const auto& [sent, text] : rows) {
        const auto outcome = play_cut(message(sent));
        CHECK(outcome.replies == taken);
        CHECK(outcome.events == Strings{"mail <s@x>", "recipient <r@x>", "message [" + text + "]"});
    }
}

TEST_CASE("S02-S17: what does not end the data smuggles nothing") {
    const Strings with_bare = {
        "\n.\n",   "\n.\r\n",  "\r\n.\n",     "\r.\r",         "\r.\n",       "\n.\r",
        "\r.\r\n", "\r\n.\rx", "\r\n.\r\r\n", "\r\r\n.\r\r\n", "\r\n\r.\r\n", "\n\r.\n\r",
    };
    const Strings clean = {
        "\r\n\0.\r\n"s, "\r\n.\0\r\n"s, "\r\n. \r\n", "\r\n.\t\r\n",   "\r\n .\r\n",
        "\x0b.\x0b",    "\x0c.\x0c",    "\x85.\x85",  "\u2028.\u2028", "\r\n..\r\n",
    };
    const auto check = [](const std::string& sequence, const Setting& setting, const std::string& reply) {
        CAPTURE(sequence);
        const auto outcome = play_cut(message("a" + sequence + injected + ".\r\n"), setting);
        CHECK(outcome.replies == with_last(taken, reply));
        REQUIRE(outcome.events.size() == 3);
        return outcome.events[2];
    };
    for (const auto& list : {with_bare, clean}) {
        for (const auto& sequence : list) CHECK(check(sequence, {}, "250 2.0.0").ends_with("DATA\r\nevil\r\n]"));
    }
    for (const auto& sequence : with_bare) CHECK(check(sequence, strict(), "550 5.5.2") == "message refused");
    for (const auto& sequence : clean) CHECK(check(sequence, strict(), "250 2.0.0").ends_with("DATA\r\nevil\r\n]"));
}

TEST_CASE("S01, S24: what follows the end is the next transaction") {
    const auto outcome = play_cut(after_ehlo({opening, "a\r\n.\r\n" + opening, "b\r\n.\r\nQUIT\r\n"}));
    CHECK(outcome.replies == Strings{"220", "250", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "250 2.1.0", "250 2.1.5",
                                     "354", "250 2.0.0", "221 2.0.0"});
    CHECK(outcome.events ==
          Strings{"mail <s@x>", "recipient <r@x>", "message [a\r\n]", "mail <s@x>", "recipient <r@x>", "message [b\r\n]"});
}

TEST_CASE("a bare CR or LF is refused where the setting says so, and the session goes on") {
    for (const std::string bare : {"a\nb", "a\rb", "a\r\r\nb", "a\n"}) {
        const auto outcome = play_cut(after_ehlo({opening, bare + "\r\n.\r\n", opening, "c\r\n.\r\n"}), strict());
        CHECK(outcome.replies == Strings{"220", "250", "250 2.1.0", "250 2.1.5", "354", "550 5.5.2", "250 2.1.0",
                                         "250 2.1.5", "354", "250 2.0.0"});
        CHECK(outcome.events.back() == "message [c\r\n]");
    }
}

TEST_CASE("P057: a message over the limit is read to its end, then refused; the next one is taken") {
    const auto outcome = play_cut(
        after_ehlo({opening, "12345678\r\n.\r\n", opening, "123456789\r\n.\r\n", opening, "x\r\n.\r\n"}), small(10));
    CHECK(outcome.replies == Strings{"220", "250", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "250 2.1.0", "250 2.1.5",
                                     "354", "552 5.3.4", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0"});
    CHECK(outcome.events[5] == "message refused");
}

TEST_CASE("P057: nothing beyond the limit reaches the handler") {
    Recorder recorder;
    ServerSession session({.hostname = "proxy.example", .message_size = 100'000}, recorder);
    recorder.session = &session;
    for (const std::string& segment : after_ehlo({opening, std::string(10 << 20, 'x')})) {
        std::string_view bytes = segment;
        CHECK(session.feed(bytes) == Input::more);
    }
    CHECK(recorder.content_seen.size() <= 100'000);
    CHECK(recorder.largest_piece <= 64 << 10);
}

TEST_CASE("P104: what SIZE declared does not bound the message") {
    const auto outcome = play_cut(after_ehlo({"MAIL FROM:<s@x> SIZE=1\r\nRCPT TO:<r@x>\r\nDATA\r\n", "longer\r\n.\r\n"}));
    CHECK(outcome.replies == taken);
}

TEST_CASE("pieces stay within 64 KiB even where every byte doubles") {
    Recorder recorder;
    ServerSession session({.hostname = "proxy.example"}, recorder);
    recorder.session = &session;
    const auto script = after_ehlo({opening, std::string(1 << 20, '\r'), std::string(1 << 20, '\n')});
    for (const auto& segment : script) {
        std::string_view bytes = segment;
        CHECK(session.feed(bytes) == Input::more);
    }
    CHECK(recorder.largest_piece <= 64 << 10);
}

TEST_CASE("P052: long lines pass unchanged") {
    for (const std::size_t length : {998, 1000, 2048, 100'000}) {
        const auto line = std::string(length, 'x');
        const auto outcome = play(message(line + "\r\n.\r\n"));
        CHECK(outcome.events.back() == "message [" + line + "\r\n]");
    }
}

TEST_CASE("P058: recipients beyond the limit get 452, the others are kept") {
    Setting setting;
    setting.options.recipients = 2;
    const std::string rcpt = "RCPT TO:<r@x>\r\n";
    const auto outcome =
        play_cut(after_ehlo({"MAIL FROM:<s@x>\r\n" + rcpt + rcpt + rcpt + "DATA\r\n", "a\r\n.\r\n", opening}), setting);
    CHECK(outcome.replies == Strings{"220", "250", "250 2.1.0", "250 2.1.5", "250 2.1.5", "452 4.5.3", "354", "250 2.0.0",
                                     "250 2.1.0", "250 2.1.5", "354"});
    CHECK(!outcome.closed);
}

TEST_CASE("the handler's refusals are passed on and leave the session in order") {
    Setting setting;
    setting.prepare = [](Recorder& recorder) { recorder.mail_reply = Reply(452, "4.3.1", "no room"); };
    CHECK(play_cut(after_ehlo({"MAIL FROM:<s@x>\r\n", "RCPT TO:<r@x>\r\n"}), setting).replies ==
          Strings{"220", "250", "452 4.3.1", "503 5.5.1"});
    setting.prepare = [](Recorder& recorder) { recorder.recipient_reply = Reply(550, "5.1.1", "no such user"); };
    CHECK(play_cut(after_ehlo({"MAIL FROM:<s@x>\r\n", "RCPT TO:<r@x>\r\n", "DATA\r\n"}), setting).replies ==
          Strings{"220", "250", "250 2.1.0", "550 5.1.1", "554 5.5.1"});
    setting.prepare = [](Recorder& recorder) { recorder.data_reply = Reply(452, "4.3.1", "no room"); };
    CHECK(play_cut(after_ehlo({opening, "RSET\r\n"}), setting).replies ==
          Strings{"220", "250", "250 2.1.0", "250 2.1.5", "452 4.3.1", "250 2.0.0"});
    setting.prepare = [](Recorder& recorder) { recorder.mail_reply = Reply(421, "4.3.2", "shutting down"); };
    CHECK(play_cut(after_ehlo({"MAIL FROM:<s@x>\r\n"}), setting).closed);
}

TEST_CASE("P035: a transaction that ends before its data is reset, and told so once") {
    const std::string mail = "MAIL FROM:<s@x>\r\n";
    for (const std::string end : {"RSET\r\n", "EHLO x\r\n", "HELO x\r\n", "QUIT\r\n"}) {
        CHECK(play_cut(after_ehlo({mail, end})).events == Strings{"mail <s@x>", "reset"});
        CHECK(play_cut(after_ehlo({end})).events.empty());
    }
}

TEST_CASE("P115: random dialogues go the same way byte by byte and in one segment a line") {
    std::mt19937 random(3);
    const Strings words = {
        "MAIL FROM:<s@x>\r\n", "RCPT TO:<r@x>\r\n", "DATA\r\n", "a\r\n.\r\n", "RSET\r\n", "NOOP\r\n", "EHLO x\r\n",
        "NOOP\nNOOP\r\n",      "FOO\r\n",           "a\rb\r\n", ".\r\n",      "\0\r\n"s,  "\r\n"};
    for (int round = 0; round < 300; ++round) {
        Script script = {"EHLO x\r\n", "MAIL FROM:<s@x>\r\n", "RCPT TO:<r@x>\r\n", "DATA\r\n"};
        for (int i = 0; i < 12; ++i) script.push_back(words[random() % words.size()]);
        const auto outcome = play_cut(script, round % 2 == 0 ? Setting{} : strict());
        REQUIRE(outcome.replies.size() >= 5);
    }
}

TEST_CASE("the answer to the data may be anything the owner says") {
    Setting setting;
    setting.prepare = [](Recorder& recorder) { recorder.verdict = Reply(451, "4.3.0", "later"); };
    CHECK(play_cut(message("a\r\n.\r\n"), setting).replies == with_last(taken, "451 4.3.0"));
    setting.prepare = [](Recorder& recorder) { recorder.verdict = Reply(421, "4.3.2", "bye"); };
    const auto outcome = play_cut(message("a\r\n.\r\nNOOP\r\n"), setting);
    CHECK(outcome.replies == with_last(taken, "421 4.3.2"));
    CHECK(outcome.closed);
    CHECK(outcome.events.back() == "message [a\r\n]");
}

}  // namespace onecopy::smtp

TEST_SUITE_END();
