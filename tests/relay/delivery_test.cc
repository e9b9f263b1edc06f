#include "relay/delivery.h"

#include <doctest/doctest.h>

#include <fstream>

#include "outbound.h"

using namespace onecopy;
using namespace onecopy::relay;
using namespace onecopy::relay::testing;
using coalesce::State;
using Addresses = std::vector<std::string>;

namespace {

std::vector<Addresses> transactions(const Sink& sink) {
    std::vector<Addresses> all;
    for (const Sink::Message& message : sink.messages) all.push_back(message.recipients);
    return all;
}

/// With its body in segments.
ledger::Copy large_copy(House& house, const std::string& id, const std::string& body) {
    ledger::Copy copy = make_copy({"a@x"}, id);
    static ledger::UploadId upload = 1'000'000;
    copy.upload = ++upload;
    copy.size = copy.header.size() + body.size();
    copy.body.clear();
    for (std::size_t at = 0; at < body.size(); at += ledger::most_extent_bytes) {
        house.ledger->append(copy.upload, body.substr(at, ledger::most_extent_bytes), [](bool written) { CHECK(written); });
    }
    return copy;
}

std::string the_segment(const House& house) {
    for (const auto& entry : std::filesystem::directory_iterator(house.directory.path() + "/segments")) return entry.path();
    return "";
}

}  // namespace

TEST_SUITE_BEGIN("delivery");

TEST_CASE("a message goes out with its header, its body and all its recipients in one transaction") {
    Outbound out;
    out.start();
    out.offer(make_copy({"a@x", "b@x", "c@x"}, "<1@x>", 1, "\r\nhello\r\n.dot\r\n"));
    REQUIRE(out.until_delivered(3));
    REQUIRE(out.sink().messages.size() == 1);
    const Sink::Message& message = out.sink().messages[0];
    CHECK(message.sender == "sender@s.example");
    CHECK(message.recipients == Addresses{"a@x", "b@x", "c@x"});
    CHECK(message.content.starts_with("Received: "));
    CHECK(message.content.ends_with("From: sender@s.example\r\nMessage-ID: <1@x>\r\n\r\nhello\r\n.dot\r\n"));
    CHECK(out.until_quiet());
    CHECK(out.delivery->counters().transactions == 1);
    CHECK(out.delivery->counters().possible_duplicates == 0);
    CHECK(out.record("<1@x>").attempts.at(0).server == out.sink().address());
}

TEST_CASE("each recipient has his own outcome") {
    Outbound out;
    out.sink().script = answers({{"RCPT TO:<b@x>", "550 5.1.1 no such user"}, {"RCPT TO:<c@x>", "451 4.7.1 later"}});
    out.start();
    out.offer(make_copy({"a@x", "b@x", "c@x"}));
    REQUIRE(out.until([&] { return !out.settled.empty(); }));
    CHECK(out.delivered() == Addresses{"a@x"});
    CHECK(out.failed() == Addresses{"b@x"});
    CHECK(out.settled[0].next != base::never);
    CHECK(out.states("<1@x>").at("c@x") == State::pending);
    CHECK(out.until_quiet());
}

TEST_CASE("what MAIL and RCPT asked for goes along") {
    Outbound out;
    out.sink().script = answers({{"EHLO", "250-sink.example\r\n250-DSN\r\n250 SMTPUTF8"}});
    out.start();
    ledger::Copy copy = make_copy({"a@x", "b@x"});
    copy.arriving.options = {true, message::MailOptions::Return::headers, "id"};
    copy.arriving.recipients[1].options = {message::RecipientOptions::never, "rfc822;b@x"};
    out.offer(std::move(copy));
    REQUIRE(out.until_delivered(2));
    const std::vector<std::string>& commands = out.sink().session(1).commands;
    CHECK(commands.at(2) == "MAIL FROM:<sender@s.example> SMTPUTF8 RET=HDRS ENVID=id");
    CHECK(commands.at(3) == "RCPT TO:<a@x>");
    CHECK(commands.at(4) == "RCPT TO:<b@x> NOTIFY=NEVER ORCPT=rfc822;b@x");
}

TEST_CASE("no more recipients go in one transaction than may, and the content goes with each part") {
    Outbound out;
    out.config.backend.max_recipients = 2;
    out.start();
    out.offer(make_copy({"a@x", "b@x", "c@x", "d@x", "e@x"}));
    REQUIRE(out.until_delivered(5));
    CHECK(transactions(out.sink()) == std::vector<Addresses>{{"a@x", "b@x"}, {"c@x", "d@x"}, {"e@x"}});
    CHECK(out.sink().messages[0].content == out.sink().messages[2].content);
    CHECK(out.until_quiet());
}

TEST_CASE("whom a limit of the server's leaves over goes at once in the next transaction") {
    for (const char* reply : {"452 4.5.3 too many", "552 5.5.3 too many", "552 too many"}) {
        CAPTURE(reply);
        Outbound out;
        out.sink().script = [reply](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
            if (command.starts_with("RCPT") && session.message.recipients.size() == 2) return reply;
            return std::nullopt;
        };
        out.start();
        out.offer(make_copy({"a@x", "b@x", "c@x", "d@x", "e@x"}));
        REQUIRE(out.until_delivered(5));
        CHECK(transactions(out.sink()) == std::vector<Addresses>{{"a@x", "b@x"}, {"c@x", "d@x"}, {"e@x"}});
        CHECK(out.until_quiet());
    }
}

TEST_CASE("the next transaction of a message begins once the verdicts of the one before are durable") {
    Outbound out;
    std::size_t begun = 0;
    out.sink().script = [&](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
        if (command.starts_with("MAIL")) ++begun;
        if (command == "." && begun == 1) out.holding = true;
        if (command.starts_with("RCPT") && session.message.recipients.size() == 2) return "452 4.5.3 too many";
        return std::nullopt;
    };
    out.start();
    out.offer(make_copy({"a@x", "b@x", "c@x"}));
    REQUIRE(out.until([&] { return !out.held.empty(); }));
    for (int i = 0; i < 20; ++i) out.turn();
    CHECK(begun == 1);
    out.let_go();
    REQUIRE(out.until_delivered(3));
    CHECK(out.until_quiet());
}

TEST_CASE("a server that takes nobody for a limit of its own is not asked again at once") {
    Outbound out;
    out.sink().script = answers({{"RCPT", "452 4.5.3 too many"}});
    out.start();
    out.offer(make_copy({"a@x", "b@x"}));
    REQUIRE(out.until([&] { return !out.settled.empty(); }));
    CHECK(out.settled[0].next != base::never);
    CHECK(out.until_quiet());
    CHECK(out.sink().messages.empty());
    CHECK(out.states("<1@x>").at("b@x") == State::pending);
}

TEST_CASE("whom a 5xx to the data may not mean is tried alone, and each verdict stands") {
    Outbound out;
    out.sink().script = [](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
        const Addresses& recipients = session.message.recipients;
        if (command == "." && std::ranges::count(recipients, "b@x") > 0) return "554 5.7.1 not for b";
        return std::nullopt;
    };
    out.start();
    out.offer(make_copy({"a@x", "b@x", "c@x"}));
    REQUIRE(out.until_delivered(2));
    CHECK(out.until_quiet());
    CHECK(transactions(out.sink()) == std::vector<Addresses>{{"a@x"}, {"c@x"}});
    CHECK(out.failed() == Addresses{"b@x"});
    std::vector<std::string> what;
    for (const ledger::AttemptRecord& attempt : out.record("<1@x>").attempts) what.push_back(attempt.what);
    CHECK(what == Addresses{"apart", "apart", "apart", "delivered", "refused", "delivered"});
}

TEST_CASE("a 5xx in the midst of the data is one to the data, and no server is ill for it") {
    for (const std::size_t size : {std::size_t{10}, std::size_t{1} << 20}) {
        CAPTURE(size);
        Outbound out;
        out.sink().script = [](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
            const Addresses& recipients = session.message.recipients;
            if (command == "DATA" && std::ranges::count(recipients, "b@x") > 0) return "354 go\r\n554 5.7.1 not for b";
            return std::nullopt;
        };
        out.start();
        out.offer(make_copy({"a@x", "b@x", "c@x"}, "<1@x>", 1, "\r\n" + std::string(size, 'x') + "\r\n"));
        REQUIRE(out.until_delivered(2));
        CHECK(out.until_quiet());
        CHECK(out.failed() == Addresses{"b@x"});
        CHECK(out.delivery->health().at(0).rests_for.count() == 0);
    }
}

TEST_CASE("a 5xx to the DATA command is one to the data") {
    Outbound out;
    out.sink().script = [](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
        if (command == "DATA" && session.message.recipients.size() > 1) return "554 5.7.1 one at a time";
        return std::nullopt;
    };
    out.start();
    out.offer(make_copy({"a@x", "b@x"}));
    REQUIRE(out.until_delivered(2));
    CHECK(transactions(out.sink()) == std::vector<Addresses>{{"a@x"}, {"b@x"}});
}

TEST_CASE("a refusal in the midst of the content is a verdict on it, and the server is not ill") {
    Outbound out;
    out.sink().script = [](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
        if (command != "DATA" || session.message.recipients.size() < 2) return std::nullopt;
        session.say("354 go on\r\n554 5.7.1 not for all of you");
        return "";
    };
    out.start();
    SUBCASE("of a small message") {
        out.offer(make_copy({"a@x", "b@x"}));
    }
    SUBCASE("of a large one") {
        ledger::Copy copy = large_copy(out, "<1@x>", "\r\n" + lines_of_text(1 << 20) + "\r\n");
        copy.arriving.recipients.push_back({"b@x"});
        out.offer(std::move(copy));
    }
    REQUIRE(out.until_delivered(2));
    CHECK(transactions(out.sink()) == std::vector<Addresses>{{"a@x"}, {"b@x"}});
    CHECK(out.sink().session(1).number != out.sink().messages[0].connection);
    CHECK(out.delivery->health()[0].words.empty());
    CHECK(out.until_quiet());
}

TEST_CASE("a message that is too large for the server fails for all, without one more attempt") {
    SUBCASE("as the server says") {
        Outbound out;
        out.sink().script = answers({{".", "552 5.3.4 too large"}});
        out.start();
        out.offer(make_copy({"a@x", "b@x"}));
        REQUIRE(out.until([&] { return out.failed().size() == 2; }));
        CHECK(out.delivery->counters().transactions == 1);
        CHECK(out.until_quiet());
    }
    SUBCASE("as it said by SIZE, and what waits behind it goes on") {
        Outbound out;
        out.sink().script = answers({{"EHLO", "250-sink.example\r\n250-PIPELINING\r\n250 SIZE 1000"}});
        out.config.backend.connections = 1;
        out.config.backend.max_recipients = 1;
        out.offer(make_copy({"a@x", "b@x", "c@x"}, "<1@x>", 1, "\r\n" + lines_of_text(5000) + "\r\n"));
        out.offer(make_copy({"a@x", "b@x"}, "<2@x>", 2));
        out.start();
        REQUIRE(out.until([&] { return out.failed().size() == 3 && out.delivered().size() == 2; }));
        CHECK(out.until_quiet());
        CHECK(out.sink().sessions.size() == 1);
    }
}

TEST_CASE("a lost answer to the data is a possible duplicate: the same bytes are sent again") {
    Outbound out;
    out.policy.retry = {base::Duration(10)};
    out.configure();
    std::string first;
    out.sink().script = [&](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
        if (command != "." || session.number > 1) return std::nullopt;
        first = session.message.content;
        session.hang_up();
        return "";
    };
    out.start();
    out.offer(make_copy({"a@x", "b@x"}));
    REQUIRE(out.until_delivered(2));
    CHECK(out.delivery->counters().possible_duplicates == 1);
    CHECK(out.sink().messages.at(0).content == first);
    CHECK(out.until_quiet());
}

TEST_CASE("a connection that is lost before the final dot is no possible duplicate") {
    Outbound out;
    out.sink().script = [&](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
        if (command != "DATA" || session.number > 1) return std::nullopt;
        session.hang_up();
        return "";
    };
    out.start();
    out.offer(make_copy({"a@x"}));
    REQUIRE(out.until_delivered(1));
    CHECK(out.delivery->counters().possible_duplicates == 0);
    CHECK(out.record("<1@x>").members.at(0).attempts == 0);
}

TEST_CASE("a large body goes out by its pieces, whatever the pace of the server") {
    Outbound out;
    const std::string body = "\r\n" + lines_of_text(5 << 20) + "\r\n";
    out.start();
    out.offer(large_copy(out, "<1@x>", body));
    REQUIRE(out.until_delivered(1));
    CHECK(out.sink().messages.at(0).content.ends_with("Message-ID: <1@x>\r\n" + body));
    out.offer(large_copy(out, "<2@x>", body));
    REQUIRE(out.until_delivered(2));
    CHECK(out.sink().messages.at(1).content.ends_with("Message-ID: <2@x>\r\n" + body));
    CHECK(out.sink().messages.at(1).connection == 1);
    CHECK(out.until_quiet());
}

TEST_CASE("to a server with CHUNKING a body goes as it is, in one chunk") {
    Outbound out;
    out.sink().script = answers({{"EHLO", "250-sink.example\r\n250-PIPELINING\r\n250 CHUNKING"}});
    const std::string body = "\r\n.\r\n" + lines_of_text(1 << 20);
    out.start();
    out.offer(large_copy(out, "<1@x>", body));
    REQUIRE(out.until_delivered(1));
    out.offer(make_copy({"a@x"}, "<2@x>", 2, "\r\n.\r\nno line end"));
    REQUIRE(out.until_delivered(2));
    CHECK(out.sink().messages.at(0).content.ends_with("Message-ID: <1@x>\r\n" + body));
    CHECK(out.sink().messages.at(1).content.ends_with("Message-ID: <2@x>\r\n\r\n.\r\nno line end"));
    const std::string size = std::to_string(out.sink().messages[0].content.size());
    CHECK(out.sink().session(1).commands.at(4) == "BDAT " + size + " LAST");
    CHECK(out.until_quiet());
}

TEST_CASE("a damaged body fails its message and is never sent; one that can't be read waits") {
    Outbound out;
    out.config.backend.connections = 1;
    const std::string body = "\r\n" + lines_of_text(600'000) + "\r\n";
    out.offer(large_copy(out, "<1@x>", body));
    const std::string segment = the_segment(out);
    bool damaged = true;
    SUBCASE("damaged") {
        std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(400'000);
        file << "~~~";
    }
    SUBCASE("unreadable") {
        damaged = false;
        std::filesystem::remove(segment);
        std::filesystem::create_directory(segment);
    }
    out.offer(make_copy({"b@x"}, "<2@x>", 2));
    out.start();
    REQUIRE(out.until([&] { return out.settled.size() == 2; }));
    CHECK(out.failed() == (damaged ? Addresses{"a@x"} : Addresses{}));
    CHECK(out.states("<1@x>").at("a@x") == (damaged ? State::failed : State::pending));
    CHECK(out.delivered() == Addresses{"b@x"});
    CHECK(transactions(out.sink()) == std::vector<Addresses>{{"b@x"}});
    CHECK(out.until_quiet());
}

TEST_CASE("however transactions end, every group that was handed out comes back, and no credit is lost") {
    Outbound out;
    out.policy.retry = {base::Duration(20)};
    out.configure();
    out.config.backend.max_recipients = 2;
    int turn = 0;
    out.sink().script = [&turn](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
        ++turn;
        if (command.starts_with("RCPT") && turn % 7 == 0) return "452 4.5.3 too many";
        if (command.starts_with("RCPT") && turn % 11 == 0) return "550 5.1.1 nobody";
        if (command == "." && turn % 5 == 0) return "554 5.7.1 no";
        if (command == "." && turn % 13 == 0) return "451 4.2.0 later";
        if (command == "DATA" && turn % 17 == 0) return "451 4.2.0 later";
        if (command == "." && turn == 83) {
            session.hang_up("421 4.3.2 enough");
            return "";
        }
        return std::nullopt;
    };
    out.start();
    constexpr std::size_t many = 60;
    for (std::size_t i = 0; i < many; ++i) {
        out.offer(make_copy({"a@x", "b@x", "c@x"}, "<" + std::to_string(i) + "@x>", static_cast<std::uint8_t>(i)));
    }
    REQUIRE(out.until([&] { return out.delivered().size() + out.failed().size() == many * 3; }));
    CHECK(out.until_quiet());
    out.sink().script = nullptr;
    const std::size_t before = out.delivered().size();
    for (int i = 0; i < 9; ++i) out.offer(make_copy({"z@x"}, "<z" + std::to_string(i) + "@x>", 99));
    CHECK(out.until_delivered(before + 9));
}

TEST_CASE("stop gives up what is not at its final dot, and settles what is") {
    Outbound out;
    std::vector<Sink::Session*> at_dot;
    bool others_in_data = false;
    out.sink().script = [&](Sink::Session& session, const std::string& command) -> std::optional<std::string> {
        if (command == "." && session.message.recipients == Addresses{"a@x"}) {
            at_dot.push_back(&session);
            return "";
        }
        if (command == "DATA" && session.message.recipients == Addresses{"b@x"}) {
            others_in_data = true;
            return "";
        }
        return std::nullopt;
    };
    out.start();
    out.offer(make_copy({"first@x"}, "<0@x>", 9));
    REQUIRE(out.until_delivered(1));
    out.offer(make_copy({"a@x"}, "<1@x>", 1));
    out.offer(make_copy({"b@x"}, "<2@x>", 2));
    REQUIRE(out.until([&] { return at_dot.size() == 1 && others_in_data; }));
    bool stopped = false;
    out.delivery->stop([&] { stopped = true; });
    out.offer(make_copy({"c@x"}, "<3@x>", 3));
    REQUIRE(out.until([&] { return out.sink().open() == 1; }));
    CHECK_FALSE(stopped);
    at_dot[0]->say("250 2.0.0 ok");
    REQUIRE(out.until([&] { return stopped; }));
    CHECK(out.until_delivered(2));
    CHECK(out.states("<1@x>").at("a@x") == State::delivered);
    CHECK(out.states("<2@x>").at("b@x") == State::pending);
    CHECK(out.states("<3@x>").at("c@x") == State::pending);
    CHECK(out.sink().messages.size() == 1);
}

TEST_CASE("stop with nothing under way calls back at once") {
    Outbound out;
    out.start();
    bool stopped = false;
    out.delivery->stop([&] { stopped = true; });
    CHECK_FALSE(stopped);
    CHECK(out.until([&] { return stopped; }));
}

TEST_SUITE_END();
