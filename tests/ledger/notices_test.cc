#include "ledger/notices.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "fixture.h"
#include "ledger/reader.h"

using namespace onecopy;
using namespace onecopy::ledger;
using namespace onecopy::ledger::testing;
using coalesce::Kind;
using coalesce::Notified;
using coalesce::State;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::seconds;
using What = coalesce::Outcome::What;

namespace {

struct Office : Bench {
    Office() {
        settings.policy.window = base::Duration(0);
        settings.policy.telling = {Notified::sender, "postmaster@x"};
        spool().configure(settings);
    }
    /// Everybody in what is due gets this outcome.
    Settled fail_due(const std::string& reply = "550 5.1.1 no such user") {
        std::vector<Due> due = take_due();
        REQUIRE(due.size() == 1);
        return settle_all(due[0], What::refused, reply);
    }
    /// The server refuses the one that is due for what it holds.
    Settled refuse_content(const Due& due) {
        return settle({due.group,
                       {{due.recipients.at(0).member, What::refused, "554 5.7.1 virus", false, true, true}},
                       "sink:25",
                       false,
                       true});
    }
    Told tell(std::int64_t group) { return spool().tell(group, moment); }
    std::string body_of(const Due& due) {
        std::string body = due.content->body;
        SegmentReader reader(path());
        for (const Extent& extent : due.content->extents) body += reader.read(extent);
        return body;
    }
    GroupRecord record(std::int64_t group) { return *Reader(path()).show(group); }
};

/// A copy whose body went to a segment.
Copy large_copy(Bench& bench, std::vector<std::string> recipients, const std::string& text) {
    Copy copy = make_copy(std::move(recipients), "<large@x>", 1, "");
    copy.upload = 5;
    REQUIRE(bench.spool().append(5, "\r\n" + text));
    copy.size = copy.header.size() + text.size() + 2;
    return copy;
}

}  // namespace

TEST_SUITE_BEGIN("notices");

TEST_CASE("a failure becomes a notice in the queue, to the sender, with the header") {
    Office office;
    std::int64_t group = office.offer(make_copy({"a@x", "b@x"})).group;
    CHECK(office.fail_due().owing);
    Told told = office.tell(group);
    REQUIRE(told.done);
    REQUIRE(told.notices.size() == 1);
    CHECK(told.untold.empty());
    CHECK(told.notices[0].to == "sender@s.example");
    CHECK(told.notices[0].recipients == std::vector<std::string>{"a@x", "b@x"});
    Due notice = office.take_due().at(0);
    CHECK(notice.group == told.notices[0].group);
    CHECK(notice.sender.empty());
    CHECK(notice.untouched);
    REQUIRE(notice.recipients.size() == 1);
    CHECK(notice.recipients[0].address == "sender@s.example");
    std::string body = office.body_of(notice);
    CHECK(body.size() == notice.content->body_size);
    CHECK(body.find("Final-Recipient: rfc822; a@x\r\n") != std::string::npos);
    CHECK(body.find("Final-Recipient: rfc822; b@x\r\n") != std::string::npos);
    CHECK(body.find("Remote-MTA: dns; sink\r\n") != std::string::npos);
    CHECK(body.find("From: sender@s.example\r\n") != std::string::npos);
    CHECK_MESSAGE(body.find("\r\nhello\r\n") == std::string::npos, "the body was not asked for");
    GroupRecord record = office.record(notice.group);
    CHECK(record.kind == Kind::notice);
    CHECK(record.about == group);
    CHECK(office.record(group).members[0].told == coalesce::tell_failed);
    CHECK(office.spool().ledger().owing().empty());
    CHECK(Reader(office.path()).counts().totals.notices == 1);
}

TEST_CASE("what is owed is durable with the failure, and told once, whatever happens in between") {
    Office office;
    std::int64_t group = office.offer(make_copy({"a@x"})).group;
    office.fail_due();
    office.die();
    office.open();
    CHECK(office.spool().ledger().owing() == std::vector{group});
    CHECK(office.tell(group).notices.size() == 1);
    office.die();
    office.open();
    CHECK(office.spool().ledger().owing().empty());
    CHECK(office.tell(group).notices.empty());
    CHECK(office.take_due().size() == 1);
}

TEST_CASE("of a message that was forgotten while a failure was to be told nothing stays when it was") {
    Office office;
    const std::int64_t group = office.offer(large_copy(office, {"a@x"}, std::string(20'000, 'x'))).group;
    office.fail_due();
    CHECK(office.change(Change::forget, {group}).groups == 1);
    CHECK(office.record(group).has_content);
    REQUIRE(office.tell(group).notices.size() == 1);
    CHECK(office.body_of(office.take_due().at(0)).find("From: sender@s.example\r\n") != std::string::npos);
    CHECK_FALSE(office.record(group).has_content);
    CHECK(office.record(group).header.empty());
    CHECK(office.spool().ledger().live_segments().empty());
}

TEST_CASE("whose failure was told can be sent again, so his message stays") {
    Office office;
    const std::int64_t group = office.offer(make_copy({"a@x"})).group;
    office.fail_due();
    REQUIRE(office.tell(group).done);
    CHECK(office.record(group).has_content);
}

TEST_CASE("RET=FULL brings a small body back, small or in segments, and no large one") {
    Office office;
    const std::string pattern = "a line of the body\r\n";
    for (std::size_t lines : {std::size_t{1}, std::size_t{1500}, std::size_t{10'000}}) {
        CAPTURE(lines);
        std::string text;
        for (std::size_t i = 0; i < lines; ++i) text += pattern;
        Copy copy = lines == 1 ? make_copy({"a@x"}, "<small@x>", 9, "\r\n" + text) : large_copy(office, {"a@x"}, text);
        copy.arriving.identity.content[1] = static_cast<std::uint8_t>(lines % 251);
        copy.arriving.options.ret = message::MailOptions::Return::full;
        std::int64_t group = office.offer(copy).group;
        office.fail_due();
        REQUIRE(office.tell(group).done);
        Due notice = office.take_due().at(0);
        std::string body = office.body_of(notice);
        CHECK(body.size() == notice.content->body_size);
        CHECK((body.find(text) != std::string::npos) == (text.size() <= most_returned_body));
        CHECK(body.ends_with("--\r\n"));
        office.settle_all(notice, What::delivered);
    }
}

TEST_CASE("postmaster gets all of a message that nobody else can be told of, however large") {
    Office office;
    const std::string text(3 << 20, 'x');
    Copy copy = make_copy({"a@x"}, "<large@x>", 1, "");
    copy.arriving.sender.clear();
    copy.upload = 5;
    for (std::size_t at = 0; at < text.size(); at += most_extent_bytes)
        REQUIRE(office.spool().append(5, std::string_view(text).substr(at, most_extent_bytes)));
    std::int64_t group = office.offer(copy).group;
    office.fail_due();
    Told told = office.tell(group);
    REQUIRE(told.notices.size() == 1);
    CHECK(told.notices[0].to == "postmaster@x");
    office.spool().keep_house(true, office.moment);
    office.die();
    office.open();
    Due notice = office.take_due().at(0);
    std::string body = office.body_of(notice);
    CHECK(body.size() == notice.content->body_size);
    CHECK(body.find(text) != std::string::npos);
}

TEST_CASE("a body that can't be read, or has no room, goes back without: the notice does not wait for it") {
    Office office;
    SUBCASE("damaged") {
        Copy copy = large_copy(office, {"a@x"}, std::string(20'000, 'x'));
        copy.arriving.sender.clear();
        std::int64_t group = office.offer(copy).group;
        std::filesystem::resize_file(office.path() + "/segments/1", 100);
        office.fail_due();
        REQUIRE(office.tell(group).done);
    }
    SUBCASE("no room") {
        Copy copy = large_copy(office, {"a@x"}, std::string(20'000, 'x'));
        copy.arriving.sender.clear();
        std::int64_t group = office.offer(copy).group;
        office.fail_due();
        Spool::Settings full = office.settings;
        full.min_free = std::uint64_t{1} << 62;
        office.spool().configure(full);
        REQUIRE(office.tell(group).done);
    }
    Due notice = office.take_due().at(0);
    std::string body = office.body_of(notice);
    CHECK(body.size() == notice.content->body_size);
    CHECK(body.find("text/rfc822-headers") != std::string::npos);
    CHECK(body.find("xxxx") == std::string::npos);
}

TEST_CASE("a sender does not learn of blind recipients by what comes back") {
    Office office;
    Copy copy = make_copy({"a@x", "blind@x"});
    copy.header = "To: a@x\r\nDelivered-To: blind@x\r\nX-Filter: seen by blind@x\r\n" + copy.header;
    std::int64_t group = office.offer(copy).group;
    Due due = office.take_due().at(0);
    office.settle({group, {{1, What::refused, "550 no"}, {2, What::delivered, "250 ok"}}, "sink:25", false, true});
    REQUIRE(office.tell(group).done);
    std::string body = office.body_of(office.take_due().at(0));
    CHECK(body.find("To: a@x\r\n") != std::string::npos);
    CHECK(body.find("blind") == std::string::npos);
}

TEST_CASE("a refused notice is told to postmaster with all of it, and that one to nobody, which is said") {
    Office office;
    std::int64_t group = office.offer(make_copy({"a@x"})).group;
    office.fail_due();
    std::int64_t notice = office.tell(group).notices.at(0).group;
    CHECK(office.fail_due("550 5.7.1 no notices here").owing);
    Told told = office.tell(notice);
    REQUIRE(told.notices.size() == 1);
    CHECK(told.notices[0].to == "postmaster@x");
    std::int64_t last = told.notices[0].group;
    CHECK(office.record(last).kind == Kind::last_notice);
    std::vector<Due> due = office.take_due();
    REQUIRE(due.size() == 1);
    CHECK(office.body_of(due[0]).find("Final-Recipient: rfc822; a@x\r\n") != std::string::npos);
    office.settle_all(due[0], What::refused, "550 5.1.1 no postmaster");
    told = office.tell(last);
    CHECK(told.notices.empty());
    CHECK(told.untold == std::vector<std::string>{"postmaster@x"});
    CHECK(office.spool().ledger().owing().empty());
    CHECK(office.take_due().empty());
    CHECK(Reader(office.path()).counts().untold == 1);
    CHECK(Reader(office.path()).list(Reader::Which::failed, 10).size() == 3);
}

TEST_CASE(
    "a notice that is refused for what it holds waits with less in it, until there is nothing left: then nobody is told") {
    for (const std::size_t lines : {std::size_t{1}, std::size_t{10'000}}) {
        CAPTURE(lines);
        Office office;
        std::string text;
        for (std::size_t i = 0; i < lines; ++i) text += "a line of the body\r\n";
        Copy copy = lines == 1 ? make_copy({"a@x"}, "<1@x>", 1, "\r\n" + text) : large_copy(office, {"a@x"}, text);
        copy.arriving.sender.clear();
        const std::int64_t group = office.offer(copy).group;
        CHECK_FALSE(office.refuse_content(office.take_due().at(0)).shortened);
        const std::int64_t notice = office.tell(group).notices.at(0).group;
        const std::uint64_t failed = Reader(office.path()).counts().totals.failed;
        for (const char* form : {"message/rfc822", "text/rfc822-headers", "none"}) {
            CAPTURE(form);
            office.die();
            office.open();
            const std::vector<Due> due = office.take_due();
            REQUIRE(due.size() == 1);
            CHECK(due[0].group == notice);
            const std::string body = office.body_of(due[0]);
            CHECK(body.size() == due[0].content->body_size);
            CHECK(body.find("Final-Recipient: rfc822; a@x\r\n") != std::string::npos);
            const bool all = form == std::string("message/rfc822"), nothing = form == std::string("none");
            CHECK((body.find(text) != std::string::npos) == all);
            CHECK((body.find("From: sender@s.example\r\n") == std::string::npos) == nothing);
            CHECK(body.ends_with("--\r\n"));
            if (!nothing) CHECK(body.find("Content-Type: " + std::string(form) + "\r\n") != std::string::npos);
            CHECK(office.record(notice).size == due[0].content->header.size() + body.size());
            const Settled settled = office.refuse_content(due[0]);
            CHECK(settled.shortened == !nothing);
            CHECK(settled.owing == nothing);
            CHECK(settled.ended.size() == (nothing ? 1 : 0));
            CHECK(office.record(notice).members.at(0).attempts == 0);
        }
        CHECK(office.tell(notice).untold == std::vector<std::string>{"postmaster@x"});
        CHECK(Reader(office.path()).counts().totals.failed == failed + 1);
        CHECK(Reader(office.path()).counts().totals.notices == 1);
        const std::uint64_t kept = lines == 1 ? 0 : text.size() + 2;
        std::uint64_t live = 0;
        for (const auto& [segment, bytes] : office.spool().ledger().live_segments()) live += bytes;
        CHECK_MESSAGE(live == kept, "the message that failed, and no longer the notice");
    }
}

TEST_CASE("a notice waits with less in it whatever it has failed by, but for whom it is to") {
    Office office;
    Copy copy = make_copy({"a@x"});
    copy.arriving.sender.clear();
    const std::int64_t group = office.offer(copy).group;
    office.refuse_content(office.take_due().at(0));
    const std::int64_t notice = office.tell(group).notices.at(0).group;
    const Due due = office.take_due().at(0);
    SUBCASE("put off until it expired") {
        office.pass(days(6));
        const Settled settled =
            office.settle({notice, {{1, What::deferred, "451 4.7.1 later", false, true, true}}, "", false, true});
        CHECK(settled.shortened);
        CHECK(settled.next == settled.now);
        CHECK(office.take_due().size() == 1);
        CHECK_FALSE_MESSAGE(
            office.settle({notice, {{1, What::deferred, "451 4.7.1 later", false, true, true}}, "", false, true}).shortened,
            "it has as much time as any");
    }
    SUBCASE("put off, and not expired yet") {
        CHECK_FALSE(
            office.settle({notice, {{1, What::deferred, "451 4.7.1 later", false, true, true}}, "", false, true}).shortened);
        CHECK_FALSE(office.record(notice).members.at(0).state == State::failed);
    }
    SUBCASE("to nobody who is there") {
        CHECK_FALSE(office.settle_all(due, What::refused, "550 5.1.1 no postmaster").shortened);
        CHECK(office.tell(notice).untold.size() == 1);
    }
    SUBCASE("dropped by hand meanwhile") {
        office.spool().came_back(notice);
        CHECK(office.change(Change::drop, {notice}).groups == 1);
        CHECK_FALSE(office.refuse_content(due).shortened);
        CHECK(office.take_due().empty());
    }
}

TEST_CASE("what a notice returns may be damaged: it takes its shorter form all the same") {
    Office office;
    Copy copy = large_copy(office, {"a@x"}, std::string(200'000, 'x'));
    copy.arriving.sender.clear();
    const std::int64_t group = office.offer(copy).group;
    office.refuse_content(office.take_due().at(0));
    REQUIRE(office.tell(group).notices.size() == 1);
    const Due due = office.take_due().at(0);
    REQUIRE(due.content->extents.size() > 1);
    std::filesystem::resize_file(office.path() + "/segments/1", due.content->extents[1].offset + 100);
    CHECK(office.refuse_content(due).shortened);
    const std::string body = office.body_of(office.take_due().at(0));
    CHECK(body.find("From: sender@s.example\r\n") != std::string::npos);
}

TEST_CASE("a notice that crashes us is set aside with what it returns") {
    Office office;
    Copy copy = make_copy({"a@x"});
    copy.arriving.sender.clear();
    const std::int64_t group = office.offer(copy).group;
    office.refuse_content(office.take_due().at(0));
    const std::int64_t notice = office.tell(group).notices.at(0).group;
    for (int crashes = 0; crashes < 2; ++crashes) {
        Spool::Operation mark{[&](const Context&) { office.spool().ledger().suspect({notice}, true); }};
        office.spool().transact({&mark, 1}, office.moment);
    }
    const std::vector<Settlement> aside = office.spool().ledger().set_aside();
    REQUIRE(aside.size() == 1);
    CHECK(office.settle(aside[0]).shortened);
    CHECK(office.body_of(office.take_due().at(0)).find("hello") == std::string::npos);
}

TEST_CASE("postmaster is told where the message stays, and for how long, if it does") {
    Office office;
    office.settings.policy.keep_failed = days(2);
    bool stays = true;
    Copy copy = make_copy({"a@x"});
    SUBCASE("a message from nobody") {
        copy.arriving.sender.clear();
    }
    SUBCASE("not where it is kept no longer") {
        copy.arriving.sender.clear();
        office.settings.policy.keep_failed = base::Duration(0);
        stays = false;
    }
    SUBCASE("not its sender, who has none of it") {
        stays = false;
    }
    office.spool().configure(office.settings);
    const std::int64_t group = office.offer(copy).group;
    office.fail_due();
    REQUIRE(office.tell(group).done);
    const std::string body = office.body_of(office.take_due().at(0));
    CHECK((body.find("kept at proxy.example for 2d (delivery.keep_failed)") != std::string::npos) == stays);
    CHECK((body.find("    onecopyctl retry " + std::to_string(group) + "\r\n") != std::string::npos) == stays);
}

TEST_CASE("a delay is told once, and one at a time while such a notice waits itself") {
    Office office;
    office.settings.policy.warn_after = hours(4);
    office.spool().configure(office.settings);
    std::int64_t first = office.offer(make_copy({"a@x"}, "<1@x>", 1)).group;
    std::int64_t second = office.offer(make_copy({"a@x"}, "<2@x>", 2)).group;
    auto put_off = [&] {
        for (const Due& due : office.take_due()) {
            if (due.sender.empty()) continue;
            office.settle_all(due, What::rested, "connection refused");
        }
        office.spool().in_flight().clear();
        std::size_t notices = 0;
        for (std::int64_t group : {first, second}) notices += office.tell(group).notices.size();
        office.pass(hours(1));
        return notices;
    };
    office.pass(hours(4));
    CHECK(put_off() == 1);
    CHECK(put_off() == 0);
    Due notice;
    for (const Due& due : office.take_due()) {
        if (due.sender.empty()) notice = due;
    }
    CHECK(notice.recipients.at(0).address == "postmaster@x");
    CHECK(office.body_of(notice).find("Action: delayed\r\n") != std::string::npos);
    office.settle_all(notice, What::delivered);
    office.spool().in_flight().clear();
    CHECK_MESSAGE(put_off() == 1, "the other one, now that the first has arrived");
    CHECK(put_off() == 0);
}

TEST_CASE("who asked for SUCCESS hears of a server that tells nobody") {
    Office office;
    Copy copy = make_copy({"a@x", "b@x"});
    copy.arriving.recipients[0].options = {message::RecipientOptions::success, "rfc822;a@x"};
    std::int64_t group = office.offer(copy).group;
    Due due = office.take_due().at(0);
    office.settle({group,
                   {{1, What::delivered, "250 2.6.0 ok", false, false}, {2, What::delivered, "250 2.6.0 ok", false, false}},
                   "sink:25",
                   false,
                   true});
    Told told = office.tell(group);
    REQUIRE(told.notices.size() == 1);
    CHECK(told.notices[0].recipients == std::vector<std::string>{"a@x"});
    std::string body = office.body_of(office.take_due().at(0));
    CHECK(body.find("Action: relayed\r\nStatus: 2.6.0\r\n") != std::string::npos);
}

TEST_CASE("failed mail is kept for keep_failed, then its content ends, and who was told of nothing is named") {
    Office office;
    office.settings.policy.keep_failed = days(2);
    office.settings.policy.telling = {Notified::none, ""};
    office.spool().configure(office.settings);
    std::int64_t quiet = office.offer(make_copy({"a@x"}, "<1@x>", 1)).group;
    office.fail_due();
    REQUIRE(office.tell(quiet).done);
    office.settings.policy.telling = {Notified::postmaster, ""};
    office.spool().configure(office.settings);
    std::int64_t untold = office.offer(make_copy({"a@x"}, "<2@x>", 2)).group;
    office.fail_due();
    CHECK(office.tell(untold).untold == std::vector<std::string>{"a@x"});
    office.pass(days(2) - seconds(1));
    CHECK(office.spool().keep_house(true, office.moment).untold.empty());
    CHECK(Reader(office.path()).list(Reader::Which::failed, 10).size() == 2);
    CHECK(office.change(Change::retry, {untold}).groups == 1);
    office.fail_due();
    office.pass(seconds(2));
    office.spool().keep_house(true, office.moment);
    CHECK(Reader(office.path()).list(Reader::Which::failed, 10).size() == 1);
    office.pass(days(2));
    CHECK(office.spool().keep_house(true, office.moment).untold == std::vector{untold});
    CHECK(Reader(office.path()).list(Reader::Which::failed, 10).empty());
    CHECK(office.change(Change::retry, {untold}).groups == 0);
    CHECK_MESSAGE(Reader(office.path()).show(untold).has_value(), "the history is longer");
}

TEST_SUITE_END();
