#include "relay/intake.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>

#include "fixture.h"

using namespace onecopy;
using namespace onecopy::relay;
using namespace onecopy::relay::testing;

namespace {

/// One inbound connection, with a client at its other end.
struct Stand : House {
    explicit Stand(std::function<void(IntakeSettings&)> adjust = [](IntakeSettings&) {}) {
        auto settings = std::make_shared<IntakeSettings>();
        settings->session.hostname = "proxy.example";
        settings->rules = policy;
        adjust(*settings);
        TcpPair pair;
        client.connection = net::Connection::accepted(loop, pair.far, client);
        far = pair.far;
        intake = std::make_unique<Intake>(IntakeDoors{loop, *ledger, budget, observer, authenticator}, pair.near,
                                          relay::Peer{"192.0.2.1", false}, settings, [this] {
                                              ++gone;
                                              intake.reset();
                                          });
        client.say("EHLO fetcher\r\n");
        hear(2);
    }
    /// Waits for that many replies in all.
    std::vector<std::string> hear(std::size_t count) {
        CHECK(until([&] { return client.replies().size() >= count || client.ends > 0; }));
        return client.replies();
    }
    /// What a whole transaction gets in the end.
    std::string send(const std::string& id, const std::string& body = "hello\r\n") {
        std::size_t before = client.replies().size();
        client.say(envelope({"a@x"}));
        hear(before + 3);
        client.say(mail(id, body));
        return hear(before + 4).back();
    }
    void hand_out() {
        ledger->want(100);
        CHECK(until([&] { return !due.empty(); }));
    }
    /// Nothing that any connection held is still counted.
    bool budget_is_free() {
        budget.take(Budget::most);
        bool free = !budget.exceeded();
        budget.give(Budget::most);
        return free;
    }
    void break_off() {
        const linger at_once{1, 0};
        ::setsockopt(far, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        client.connection.reset();
        CHECK(until([&] { return gone == 1; }));
    }
    std::string body_of(const ledger::Due& group) {
        std::string body = group.content->body;
        ledger::SegmentReader reader(directory.path());
        for (const ledger::Extent& extent : group.content->extents) body += reader.read(extent);
        return body;
    }

    Budget budget;
    Observer observer;
    Authenticator authenticator{loop.poster()};
    int gone = 0;
    int far = -1;
    Client client;
    std::unique_ptr<Intake> intake;
};

using Replies = std::vector<std::string>;

}  // namespace

TEST_SUITE_BEGIN("intake");

TEST_CASE("a message is stored as it came, with its envelope, and answered") {
    Stand stand;
    CHECK(stand.client.replies() == Replies{"220", "250"});
    stand.client.say(envelope({"a@x", "b@x"}));
    CHECK(stand.hear(6) == Replies{"220", "250", "250 2.1.0", "250 2.1.5", "250 2.1.5", "354"});
    stand.client.say(mail("<1@x>", "h\xc3\xa4llo\r\n..dot\r\n"));
    CHECK(stand.hear(7).back() == "250 2.0.0");
    CHECK(stand.client.bytes.find("queued as 1\r\n") != std::string::npos);
    stand.hand_out();
    const ledger::Due& group = stand.due.at(0);
    CHECK(group.sender == "s@x");
    CHECK(group.message_id == "<1@x>");
    REQUIRE(group.recipients.size() == 2);
    CHECK(group.recipients[1].address == "b@x");
    CHECK(group.eight_bit);
    CHECK_FALSE(group.untouched);
    CHECK(stand.body_of(group) == "\r\nh\xc3\xa4llo\r\n.dot\r\n");
    CHECK(group.content->header.ends_with("From: s@x\r\nMessage-ID: <1@x>\r\nDate: Tue, 24 Nov 2026 15:04:05 +0000\r\n"));
    CHECK(group.content->header.find("fetcher") < group.content->header.find("with ESMTP"));
    CHECK(stand.budget_is_free());
}

TEST_CASE("250 is said only once the ledger has answered, and nothing further is read before") {
    Stand stand;
    stand.holding = true;
    stand.client.say(envelope({"a@x"}) + mail("<1@x>") + "NOOP\r\n");
    REQUIRE(stand.until([&] { return !stand.held.empty(); }));
    CHECK(stand.copies() == 1);
    stand.turn();
    CHECK(stand.client.last() == "354");
    stand.let_go();
    CHECK(stand.hear(7) == Replies{"220", "250", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "250 2.0.0"});
}

TEST_CASE("messages that follow each other at once are each answered, in order") {
    Stand stand;
    std::string both;
    for (const char* id : {"<1@x>", "<2@x>", "<3@x>"}) both += envelope({"a@x"}) + mail(id);
    stand.client.say(both + "QUIT\r\n");
    CHECK(stand.until([&] { return stand.client.ends == 1; }));
    CHECK(stand.client.replies().size() == 2 + 3 * 4 + 1);
    CHECK(stand.client.last() == "221 2.0.0");
    CHECK(stand.copies() == 3);
    stand.client.connection.reset();
    CHECK(stand.until([&] { return stand.gone == 1; }));
}

TEST_CASE("a client that goes while its answer is on the way changes nothing of what was stored") {
    for (bool reset : {true, false}) {
        CAPTURE(reset);
        Stand stand;
        stand.holding = true;
        stand.client.say(envelope({"a@x"}) + mail("<1@x>"));
        REQUIRE(stand.until([&] { return !stand.held.empty(); }));
        if (reset) {
            stand.break_off();
        } else {
            ::shutdown(stand.far, SHUT_WR);
            stand.turn();
            CHECK_MESSAGE(stand.gone == 0, "who has ended his side may still read");
        }
        stand.let_go();
        if (!reset) CHECK(stand.hear(6).back() == "250 2.0.0");
        CHECK(stand.until([&] { return stand.gone == 1; }));
        CHECK(stand.copies() == 1);
        CHECK(stand.budget_is_free());
    }
}

TEST_CASE("of a message that breaks off nothing stays") {
    const std::string small = "From: s@x\r\n\r\nhello\r\n", large = "From: s@x\r\n\r\n" + lines_of_text(900'000);
    for (const std::string& part : {std::string(), small, large, large + ".", large + ".\r"}) {
        CAPTURE(part.size());
        Stand stand;
        stand.client.say(envelope({"a@x"}));
        stand.hear(5);
        stand.client.say(part);
        REQUIRE(stand.until([&] { return stand.client.connection->unwritten() == 0; }));
        stand.turn();
        stand.client.connection.reset();
        REQUIRE(stand.until([&] { return stand.gone == 1; }));
        stand.settle_down();
        CHECK(stand.copies() == 0);
        CHECK(stand.budget_is_free());
    }
}

TEST_CASE("a connection that is destroyed with pieces and offers under way leaves answers that find nobody") {
    for (bool whole : {false, true}) {
        CAPTURE(whole);
        Stand stand;
        stand.holding = true;
        stand.client.say(envelope({"a@x"}) + (whole ? mail("<1@x>") : "A: b\r\n\r\n" + lines_of_text(2 << 20)));
        REQUIRE(stand.until([&] { return !stand.held.empty(); }));
        stand.intake.reset();
        stand.let_go();
        stand.settle_down();
        CHECK(stand.copies() == whole);
        CHECK(stand.budget_is_free());
    }
}

TEST_CASE("a large body is stored by pieces and comes back the same") {
    const std::size_t row = ledger::most_inline_body, extent = ledger::most_extent_bytes;
    for (std::size_t size : {row - 2, row - 1, extent - 2, extent + 3, 3 * extent - 2, std::size_t{3'000'001}}) {
        CAPTURE(size);
        Stand stand;
        const std::string body = lines_of_text(size - 2) + "\r\n";
        CHECK(stand.send("<1@x>", stuffed(body)) == "250 2.0.0");
        stand.hand_out();
        CHECK(stand.due.at(0).content->extents.empty() == (size + 2 <= row));
        CHECK(stand.body_of(stand.due.at(0)) == "\r\n" + body);
        CHECK(stand.budget_is_free());
    }
}

TEST_CASE("while the disk is behind nothing more is read than one connection may hold") {
    Stand stand;
    stand.holding = true;
    const std::string body = lines_of_text(24 << 20) + "\r\n";
    stand.client.say(envelope({"a@x"}) + "Message-ID: <1@x>\r\n\r\n");
    stand.client.say(body + ".\r\n");
    REQUIRE(stand.until([&] { return !stand.held.empty(); }));
    for (int i = 0; i < 20; ++i) stand.turn();
    CHECK(stand.client.connection->unwritten() > 0);
    constexpr std::size_t slack = 128 << 10;
    stand.budget.take(Budget::most - Budget::most_each - slack);
    CHECK_FALSE(stand.budget.exceeded());
    stand.budget.give(Budget::most - Budget::most_each - slack);
    stand.let_go();
    CHECK(stand.hear(6).back() == "250 2.0.0");
    CHECK(stand.copies() == 1);
    CHECK(stand.budget_is_free());
}

TEST_CASE("too much mail at once is put off, and read to its end") {
    Stand stand;
    stand.budget.take(Budget::most);
    CHECK(stand.send("<1@x>") == "452 4.3.1");
    CHECK(stand.send("<2@x>", lines_of_text(10'000) + "\r\n") == "452 4.3.1");
    stand.budget.give(Budget::most);
    CHECK(stand.send("<3@x>") == "250 2.0.0");
    CHECK(stand.copies() == 1);
    CHECK(stand.budget_is_free());
}

TEST_CASE("a large message goes on at the pace of the disk while others hold too much") {
    Stand stand;
    const std::string first = lines_of_text(1 << 20) + "\r\n", second = lines_of_text(1 << 20) + "\r\n";
    stand.client.say(envelope({"a@x"}) + "Message-ID: <1@x>\r\n\r\n" + stuffed(first));
    stand.hear(5);
    REQUIRE(stand.until([&] { return stand.client.connection->unwritten() == 0; }));
    stand.settle_down();
    stand.budget.take(Budget::most);
    stand.client.say(stuffed(second) + ".\r\n");
    CHECK(stand.hear(6).back() == "250 2.0.0");
    stand.budget.give(Budget::most);
    CHECK(stand.budget_is_free());
    stand.hand_out();
    CHECK(stand.body_of(stand.due.at(0)) == "\r\n" + first + second);
}

TEST_CASE("without room on the disk a message is put off, at MAIL where that is known") {
    constexpr std::uint64_t everything = std::uint64_t{1} << 62;
    Stand stand;
    stand.client.say(envelope({"a@x"}));
    stand.hear(5);
    stand.configure(everything);
    stand.client.say(mail("<1@x>"));
    CHECK(stand.hear(6).back() == "452 4.3.1");
    REQUIRE(stand.until([&] { return stand.ledger->room() == 0; }));
    stand.client.say("MAIL FROM:<s@x>\r\n");
    CHECK(stand.hear(7).back() == "452 4.3.1");
    stand.configure(0);
    stand.settle_down();
    REQUIRE(stand.until([&] { return stand.ledger->room() > 0; }));
    CHECK(stand.send("<1@x>") == "250 2.0.0");
    stand.client.say("MAIL FROM:<s@x> SIZE=" + std::to_string(50 << 20) + "\r\n");
    CHECK(stand.hear(12).back() == "250 2.1.0");
}

TEST_CASE("pieces that can't be written put the message off, once, and the next small one is taken") {
    Stand stand;
    std::filesystem::remove_all(stand.directory.path() + "/segments");
    CHECK(stand.send("<1@x>", lines_of_text(3 << 20) + "\r\n") == "452 4.3.1");
    CHECK(stand.send("<2@x>", lines_of_text(100'000) + "\r\n") == "451 4.3.0");
    CHECK(stand.send("<3@x>") == "250 2.0.0");
    CHECK(stand.client.replies().size() == 14);
    CHECK(stand.copies() == 1);
    CHECK(stand.budget_is_free());
}

TEST_CASE("what is wrong with a message for good is told by 5xx") {
    Stand stand([](IntakeSettings& settings) {
        settings.session.message_size = 100'000;
        settings.session.refuse_bare = true;
        settings.hops = 2;
    });
    CHECK(stand.send("<1@x>", lines_of_text(100'000) + "\r\n") == "552 5.3.4");
    CHECK(stand.send("<2@x>", "a\nb\r\n") == "550 5.5.2");
    const std::string hop = "Received: by a\r\n";
    for (const auto& [hops, reply] :
         std::map<std::string, std::string>{{hop + hop, "250 2.0.0"}, {hop + hop + hop, "554 5.4.6"}}) {
        std::size_t before = stand.client.replies().size();
        stand.client.say(envelope({"a@x"}) + hops + mail("<3@x>"));
        CHECK(stand.hear(before + 4).back() == reply);
    }
    CHECK(stand.copies() == 1);
    CHECK(stand.budget_is_free());
}

TEST_CASE("RSET and a new EHLO end a transaction, and the next one stands alone") {
    for (const char* command : {"RSET\r\n", "EHLO again\r\n"}) {
        CAPTURE(command);
        Stand stand;
        stand.client.say("MAIL FROM:<other@x>\r\nRCPT TO:<b@x>\r\n" + std::string(command));
        stand.hear(5);
        CHECK(stand.send("<1@x>") == "250 2.0.0");
        stand.hand_out();
        CHECK(stand.due.at(0).sender == "s@x");
        CHECK(stand.due.at(0).everyone == std::vector<std::string>{"a@x"});
    }
}

TEST_CASE("recipients are rewritten, and foreign ones refused where that is wanted") {
    Stand stand([](IntakeSettings& settings) {
        settings.addresses.local_domains = {"corp.example"};
        settings.addresses.foreign = coalesce::Foreign::reject;
        settings.addresses.rewrite_domains = {{"localhost", "corp.example"}};
    });
    stand.client.say(envelope({"a@localhost", "b@elsewhere.example", "c@corp.example"}));
    CHECK(stand.hear(7) == Replies{"220", "250", "250 2.1.0", "250 2.1.5", "550 5.7.1", "250 2.1.5", "354"});
    stand.client.say(mail("<1@x>"));
    stand.hear(8);
    stand.hand_out();
    CHECK(stand.due.at(0).everyone == std::vector<std::string>{"a@corp.example", "c@corp.example"});
}

TEST_CASE("under observe each copy goes alone and untouched") {
    Stand stand([](IntakeSettings& settings) { settings.addresses.observe = true; });
    CHECK(stand.send("<1@x>") == "250 2.0.0");
    CHECK(stand.send("<1@x>") == "250 2.0.0");
    stand.ledger->want(10);
    REQUIRE(stand.until([&] { return stand.due.size() == 2; }));
    CHECK(stand.due[0].untouched);
    CHECK(stand.due[1].everyone == std::vector<std::string>{"a@x"});
}

TEST_CASE("a slow client has its time for a command, from the last reply on, however its bytes drip") {
    Stand stand([](IntakeSettings& settings) { settings.timeout = base::Duration(150); });
    net::Timer drip(stand.loop, [&] {
        if (stand.client.connection) stand.client.say("x");
        drip.set(base::Duration(10));
    });
    drip.set(base::Duration(10));
    REQUIRE(stand.until([&] { return stand.client.ends == 1; }));
    CHECK(stand.client.last() == "421 4.4.2");
    stand.client.connection.reset();
    CHECK(stand.until([&] { return stand.gone == 1; }));
}

TEST_CASE("a client that stops in its data is late too, but not one that waits for us") {
    Stand stand([](IntakeSettings& settings) { settings.timeout = base::Duration(150); });
    stand.holding = true;
    stand.client.say(envelope({"a@x"}) + mail("<1@x>"));
    REQUIRE(stand.until([&] { return !stand.held.empty(); }));
    bool passed = false;
    net::Timer later(stand.loop, [&] { passed = true; });
    later.set(base::Duration(300));
    REQUIRE(stand.until([&] { return passed; }));
    stand.let_go();
    CHECK(stand.hear(6).back() == "250 2.0.0");
    stand.client.say(envelope({"a@x"}) + "Subject: x");
    REQUIRE(stand.until([&] { return stand.client.ends == 1; }));
    CHECK(stand.client.last() == "421 4.4.2");
    CHECK(stand.copies() == 1);
}

TEST_CASE("at shutdown an idle client is told so, and one in its transaction gets the true answer first") {
    Stand idle;
    idle.intake->shut_down();
    CHECK(idle.hear(3) == Replies{"220", "250", "421 4.3.2"});

    Stand busy;
    busy.client.say(envelope({"a@x"}));
    busy.hear(5);
    busy.intake->shut_down();
    busy.client.say(mail("<1@x>") + "NOOP\r\n");
    REQUIRE(busy.until([&] { return busy.client.ends == 1; }));
    CHECK(busy.client.replies() == Replies{"220", "250", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "421 4.3.2"});
    CHECK(busy.copies() == 1);
}

TEST_CASE("a cut ends at once") {
    Stand stand;
    stand.client.say(envelope({"a@x"}));
    stand.hear(5);
    stand.intake->cut();
    CHECK(stand.until([&] { return stand.gone == 1; }));
    CHECK(stand.until([&] { return stand.client.ends == 1; }));
}

TEST_CASE("who does not read his replies is not read either, and gets them all later") {
    Stand stand;
    stand.client.connection->pause();
    const std::string some = [] {
        std::string commands;
        for (int i = 0; i < 1000; ++i) commands += "NOOP\r\n";
        return commands;
    }();
    std::size_t said = 0;
    for (constexpr std::size_t most = 20'000; said < most && stand.client.connection->unwritten() < (4 << 20); ++said) {
        stand.client.say(some);
        stand.turn();
    }
    CHECK_MESSAGE(stand.client.connection->unwritten() >= (4 << 20), "the commands wait at the client's");
    stand.client.connection->resume();
    std::size_t heard = 0;
    stand.client.when_received = [&](std::string_view& bytes) {
        heard += static_cast<std::size_t>(std::ranges::count(std::exchange(bytes, {}), '\n'));
    };
    CHECK(stand.until([&] { return heard == said * 1000; }));
}

TEST_SUITE_END();
