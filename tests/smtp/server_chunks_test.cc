#include <doctest/doctest.h>

#include <random>

#include "dialogue.h"

TEST_SUITE_BEGIN("server_chunks");

namespace onecopy::smtp {

namespace {

using Strings = std::vector<std::string>;

const std::string open = "MAIL FROM:<s@x>\r\nRCPT TO:<r@x>\r\n";

/// What follows the greeting, EHLO, MAIL and RCPT.
struct Row {
    std::string name;
    Script script;
    Strings replies;
    Strings messages = {};  // told, or refused
};

void check(const Row& row, const Setting& setting = {}) {
    CAPTURE(row.name);
    Script script = row.script;
    script.insert(script.begin(), open);
    const Outcome outcome = play_cut(after_ehlo(script), setting);
    Strings expected{"220", "250", "250 2.1.0", "250 2.1.5"};
    expected.insert(expected.end(), row.replies.begin(), row.replies.end());
    CHECK(outcome.replies == expected);
    Strings messages;
    for (const std::string& event : outcome.events) {
        if (event.starts_with("message ")) messages.push_back(event.substr(8));
    }
    CHECK(messages == row.messages);
}

/// What becomes of a header: a CR alone is a space, an LF alone a line end.
std::string canonical_header(const std::string& text) {
    std::string canonical;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool pair = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
        canonical += pair || text[i] == '\n' ? "\r\n" : text[i] == '\r' ? " " : std::string(1, text[i]);
        if (pair) ++i;
    }
    return canonical;
}

const std::string example = "To: Susan@random.com\r\nFrom: Sam@random.com\r\nSubject: This is a bodyless test message\r\n";

}  // namespace

TEST_CASE("P120-P136: chunks") {
    const std::string many = [] {
        std::string chunks;
        for (char c : std::string("a\r\n.\r\nb\r\n")) chunks += std::string("BDAT 1\r\n") + c;
        return chunks;
    }();
    const Row rows[] = {
        {"P120", {"BDAT " + std::to_string(example.size()) + " LAST\r\n" + example}, {"250 2.0.0"}, {"[" + example + "]"}},
        {"P121 two chunks", {"BDAT 3\r\na\r\nBDAT 0 LAST\r\n"}, {"250 2.0.0", "250 2.0.0"}, {"[a\r\n]"}},
        {"P121 case", {"bdat 3 last\r\na\r\n"}, {"250 2.0.0"}, {"[a\r\n]"}},
        {"P122", {"BDAT 0\r\nBDAT 3 LAST\r\na\r\n"}, {"250 2.0.0", "250 2.0.0"}, {"[a\r\n]"}},
        {"P123", {"BDAT 1 LAST\r\naBDAT 1 LAST\r\naNOOP\r\n"}, {"250 2.0.0", "503 5.5.1", "250 2.0.0"}, {"[a]"}},
        {"P124", {"BDAT 1\r\naDATA\r\n", "BDAT 1 LAST\r\nb"}, {"250 2.0.0", "503 5.5.1", "250 2.0.0"}, {"[ab]"}},
        {"P013 within chunks",
         {"BDAT 1\r\na" + open + "BDAT 0 LAST\r\n"},
         {"250 2.0.0", "503 5.5.1", "503 5.5.1", "250 2.0.0"},
         {"[a]"}},
        {"P128",
         {"BDAT 1\r\naRSET\r\n" + open + "BDAT 1 LAST\r\nb"},
         {"250 2.0.0", "250 2.0.0", "250 2.1.0", "250 2.1.5", "250 2.0.0"},
         {"[b]"}},
        {"P129 a CRLF cut in two", {"BDAT 2\r\na\rBDAT 2 LAST\r\n\nb"}, {"250 2.0.0", "250 2.0.0"}, {"[a\r\nb]"}},
        {"P129 chunks of one byte",
         {many + "BDAT 0 LAST\r\n"},
         {"250 2.0.0", "250 2.0.0", "250 2.0.0", "250 2.0.0", "250 2.0.0", "250 2.0.0", "250 2.0.0", "250 2.0.0",
          "250 2.0.0", "250 2.0.0"},
         {"[a\r\n.\r\nb\r\n]"}},
        {"P132 no dots, no end",
         {"BDAT 16 LAST\r\n..a\r\n.\r\nRSET\r\n\r\n"},
         {"250 2.0.0"},
         {"[..a\r\n.\r\nRSET\r\n\r\n]"}},
        {"P133 bare LF", {"BDAT 3 LAST\r\na\nb"}, {"250 2.0.0"}, {"[a\r\nb]"}},
        {"P133 a CR at the end", {"BDAT 6 LAST\r\n\r\n\r\na\r"}, {"250 2.0.0"}, {"[\r\n\r\na\r\n]"}},
        {"P133 a CR at the end of the header", {"BDAT 1\r\n\rBDAT 0 LAST\r\n"}, {"250 2.0.0", "250 2.0.0"}, {"[ ]"}},
        {"P136", {"BDAT 1\r\naBDAT 1 LAST\r\nbQUIT\r\n"}, {"250 2.0.0", "250 2.0.0", "221 2.0.0"}, {"[ab]"}},
        {"nothing at all", {"BDAT 0 LAST\r\n"}, {"250 2.0.0"}, {"[]"}},
    };
    for (const Row& row : rows) check(row);
}

TEST_CASE("P126: the bytes of a chunk that is not taken are no commands") {
    const std::string smuggled = "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n";
    const auto replies = [](const Script& script) { return play_cut(script).replies; };
    CHECK(replies({smuggled}) == Strings{"220", "503 5.5.1", "250 2.0.0"});
    CHECK(replies(after_ehlo({smuggled})) == Strings{"220", "250", "503 5.5.1", "250 2.0.0"});
    CHECK(replies(after_ehlo({"MAIL FROM:<s@x>\r\n" + smuggled})) ==
          Strings{"220", "250", "250 2.1.0", "554 5.5.1", "250 2.0.0"});
    CHECK(replies(after_ehlo({"BDAT 0 LAST\r\nNOOP\r\n"})) == Strings{"220", "250", "503 5.5.1", "250 2.0.0"});
    Setting required;
    required.options.tls = ServerSession::Tls::required;
    CHECK(play_cut({smuggled}, required).replies == Strings{"220", "530 5.7.0", "250 2.0.0"});
}

TEST_CASE("a refusal of the owner is the chunk's answer, and the chunk is passed over") {
    Setting setting;
    setting.prepare = [](Recorder& recorder) { recorder.data_reply = Reply(452, "4.3.1", "no room"); };
    check({"refused", {"BDAT 6\r\nQUIT\r\nRSET\r\n"}, {"452 4.3.1", "250 2.0.0"}}, setting);
}

TEST_CASE("P127, P131: a chunk beyond the limit is passed over, as are those behind it") {
    Setting setting;
    setting.options.message_size = 4;
    const Row rows[] = {
        {"at once", {"BDAT 5 LAST\r\naaaaaNOOP\r\n"}, {"552 5.3.4", "250 2.0.0"}},
        {"in sum",
         {"BDAT 3\r\naaaBDAT 2\r\nbbBDAT 1 LAST\r\ncNOOP\r\n"},
         {"250 2.0.0", "552 5.3.4", "503 5.5.1", "250 2.0.0"}},
        {"as much as fits", {"BDAT 3\r\naaaBDAT 1 LAST\r\nb"}, {"250 2.0.0", "250 2.0.0"}, {"[aaab]"}},
        {"once line ends are right", {"BDAT 4 LAST\r\n\n\n\n\n"}, {"552 5.3.4"}, {"refused"}},
    };
    for (const Row& row : rows) check(row, setting);
}

TEST_CASE("P130: behind a malformed size nobody can tell what follows") {
    for (const std::string argument :
         {"", " -1", " 1x", " 18446744073709551616", " 5 FIRST", " 5 LAST x", " LAST", " 5,LAST", " 0x5"}) {
        CAPTURE(argument);
        const Outcome outcome = play_cut(after_ehlo({open, "BDAT" + argument + "\r\nNOOP\r\n"}));
        CHECK(outcome.replies.back() == "521 5.5.4");
        CHECK(outcome.closed);
        CHECK(outcome.events.back() == "reset");
    }
}

TEST_CASE("the largest size that can be counted is one to pass over") {
    const Outcome outcome = play(after_ehlo({open, "BDAT 18446744073709551615\r\n" + std::string(1 << 20, 'x')}));
    CHECK(outcome.replies.size() == 4);
    CHECK_FALSE(outcome.closed);
}

TEST_CASE("P122: too many chunks without a byte end the session") {
    Setting setting;
    setting.options.errors = 3;
    const Outcome outcome = play_cut(after_ehlo({open, "BDAT 0\r\nBDAT 0\r\nBDAT 0\r\n"}), setting);
    CHECK(outcome.replies.back() == "421 4.7.0");
    CHECK(outcome.events.back() == "reset");
}

TEST_CASE("P133: a bare line end is refused where the setting says so, wherever chunks are cut") {
    Setting setting;
    setting.options.refuse_bare = true;
    check({"LF", {"BDAT 3 LAST\r\na\nbNOOP\r\n"}, {"550 5.5.2", "250 2.0.0"}, {"refused"}}, setting);
    check({"CR at the end", {"BDAT 2\r\na\rBDAT 0 LAST\r\n"}, {"250 2.0.0", "550 5.5.2"}, {"refused"}}, setting);
    check({"none", {"BDAT 2\r\na\rBDAT 1 LAST\r\n\n"}, {"250 2.0.0", "250 2.0.0"}, {"[a\r\n]"}}, setting);
}

TEST_CASE("P127: a refused chunk ends its transaction: nothing that was pipelined behind it joins that one") {
    const std::string second = "MAIL FROM:<t@x>\r\nRCPT TO:<u@x>\r\nBDAT 1 LAST\r\nb";
    const Outcome none = play_cut(after_ehlo({"MAIL FROM:<s@x>\r\nRCPT TO:<>\r\nBDAT 1 LAST\r\na" + second}));
    CHECK(none.replies ==
          Strings{"220", "250", "250 2.1.0", "501 5.1.3", "554 5.5.1", "250 2.1.0", "250 2.1.5", "250 2.0.0"});
    CHECK(none.events == Strings{"mail <s@x>", "reset", "mail <t@x>", "recipient <u@x>", "message [b]"});
    const Outcome late = play_cut(after_ehlo({"MAIL FROM:<s@x>\r\nBDAT 1\r\naRCPT TO:<r@x>\r\nBDAT 1 LAST\r\nb"}));
    CHECK(late.replies == Strings{"220", "250", "250 2.1.0", "554 5.5.1", "503 5.5.1", "503 5.5.1"});
    CHECK(late.events == Strings{"mail <s@x>", "reset"});
}

TEST_CASE("P127: the owner is not asked again for the rest of a message whose first chunk he refused") {
    Recorder recorder;
    ServerSession session({.hostname = "proxy.example"}, recorder);
    recorder.session = &session;
    const auto reply = [&](std::string_view bytes) {
        session.feed(bytes);
        return replies_in(session.take_output()).back();
    };
    reply("EHLO x\r\n");
    reply(open);
    recorder.data_reply = Reply(452, "4.3.1", "no room");
    CHECK(reply("BDAT 1\r\na") == "452 4.3.1");
    recorder.data_reply.reset();
    CHECK(reply("BDAT 1 LAST\r\nb") == "503 5.5.1");
    CHECK(recorder.events.back() == "reset");
    reply(open);
    CHECK(reply("BDAT 1 LAST\r\nc") == "250 2.0.0");
}

TEST_CASE("P127: chunks that are passed over up to LAST are no bad commands, others are") {
    Setting setting;
    setting.options.message_size = 1;
    setting.options.errors = 3;
    const std::string some = "BDAT 1\r\nbBDAT 1\r\nbBDAT 1\r\nbBDAT 1\r\nb";
    const Outcome outcome = play_cut(after_ehlo({open + "BDAT 2\r\naa" + some + "BDAT 1 LAST\r\nbNOOP\r\n"}), setting);
    CHECK(outcome.replies == Strings{"220", "250", "250 2.1.0", "250 2.1.5", "552 5.3.4", "503 5.5.1", "503 5.5.1",
                                     "503 5.5.1", "503 5.5.1", "503 5.5.1", "250 2.0.0"});
    CHECK(play_cut(after_ehlo({open + "BDAT 2 LAST\r\naa" + some}), setting).replies.back() == "421 4.7.0");
    CHECK(play_cut(after_ehlo({open + "BDAT 2\r\naaRSET\r\n" + some}), setting).replies.back() == "421 4.7.0");
}

TEST_CASE("P131: what a CR at the very end becomes counts too, in a chunk of its own or not") {
    Setting setting;
    setting.options.message_size = 6;
    check({"one chunk", {"BDAT 6 LAST\r\n\r\n\r\na\r"}, {"552 5.3.4"}, {"refused"}}, setting);
    check({"an empty last one", {"BDAT 6\r\n\r\n\r\na\rBDAT 0 LAST\r\n"}, {"250 2.0.0", "552 5.3.4"}, {"refused"}}, setting);
}

TEST_CASE("S02-S19: in chunks, however they are cut, nothing ends the data but LAST") {
    const Strings sequences = {
        "\r\n.\r\n", "\n.\n",       "\n.\r\n",       "\r\n.\n",     "\r.\r",      "\r.\n",      "\n.\r",      "\r.\r\n",
        "\r\n.\rx",  "\r\n.\r\r\n", "\r\r\n.\r\r\n", "\r\n\r.\r\n", "\r\n. \r\n", "\r\n .\r\n", "\r\n..\r\n", "\x85.\x85",
    };
    const auto chunk = [](std::string_view bytes, std::string_view last = "") {
        return "BDAT " + std::to_string(bytes.size()) + std::string(last) + "\r\n" + std::string(bytes);
    };
    for (const std::string& sequence : sequences) {
        CAPTURE(sequence);
        const std::string content = "a" + sequence + open + "DATA\r\nevil\r\n";
        const Outcome whole = play_cut(after_ehlo({open, chunk(content, " LAST")}));
        REQUIRE(whole.events.size() == 3);
        CHECK(whole.events[2] == "message [" + canonical_header(content) + "]");
        for (std::size_t at = 0; at < sequence.size() + 2; ++at) {
            const std::string cut = chunk(content.substr(0, at)) + chunk(content.substr(at), " LAST");
            CHECK(play(after_ehlo({open, cut})).events == whole.events);
        }
    }
}

TEST_CASE("P129: a hundred thousand chunks of one byte are one message") {
    std::string chunks, content;
    for (int i = 0; i < 100'000; ++i) {
        content += static_cast<char>('a' + i % 26);
        chunks += "BDAT 1\r\n";
        chunks += content.back();
    }
    const Outcome outcome = play(after_ehlo({open, chunks + "BDAT 0 LAST\r\n"}));
    CHECK(outcome.replies.size() == 4 + 100'001);
    CHECK(outcome.events.back() == "message [" + content + "]");
}

TEST_CASE("P115: random dialogues with chunks go the same way however they are cut") {
    std::mt19937 random(5);
    const Strings words = {
        "BDAT 3\r\na\r\n", "BDAT 1\r\n\r", "BDAT 2 LAST\r\n\na", "BDAT 0\r\n", "BDAT 0 LAST\r\n", "BDAT 9\r\nDATA\r\nEHL",
        "RSET\r\n",        "DATA\r\n",     "a\r\n.\r\n",         "FOO\r\n",    "EHLO x\r\n",      open};
    for (int round = 0; round < 200; ++round) {
        Setting setting;
        setting.options.message_size = 8;
        setting.options.refuse_bare = round % 2 == 0;
        Script script = after_ehlo({open});
        for (int i = 0; i < 12; ++i) script.push_back(words[random() % words.size()]);
        REQUIRE(play_cut(script, setting).replies.size() >= 5);
    }
}

TEST_CASE("a handler that can take no more pauses a chunk too, and its end is told at resume()") {
    Recorder recorder;
    ServerSession session({.hostname = "proxy.example"}, recorder);
    recorder.session = &session;
    session.greet();
    std::string_view bytes = "EHLO x\r\n";
    session.feed(bytes);
    const std::string rest = open + "BDAT 2\r\nabBDAT 1 LAST\r\nc";
    bytes = rest;
    recorder.takes_content = false;
    CHECK(session.feed(bytes) == Input::pause);
    session.take_output();
    session.resume();
    CHECK(session.take_output().starts_with("250 2.0.0"));
    CHECK(session.feed(bytes) == Input::pause);
    CHECK(session.phase() == ServerSession::Phase::data);
    session.resume();
    CHECK(recorder.events.back() == "message [abc]");
}

TEST_CASE("P035: a session that ends within a chunk leaves nothing") {
    const Outcome outcome = play(after_ehlo({open, "BDAT 5\r\nab"}));
    for (const std::string& event : outcome.events) CHECK_FALSE(event.starts_with("message"));
}

}  // namespace onecopy::smtp

TEST_SUITE_END();
