#include "ledger/spool.h"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "fixture.h"
#include "ledger/group_store.h"
#include "ledger/reader.h"
#include "ledger/spool_error.h"

using namespace onecopy;
using namespace onecopy::ledger;
using namespace onecopy::ledger::testing;
using coalesce::State;
using coalesce::Verdict;
using std::chrono::hours;
using std::chrono::seconds;
using What = coalesce::Outcome::What;
namespace fs = std::filesystem;

TEST_SUITE_BEGIN("spool");

TEST_CASE("copies become one group, which is due when its window ends, with everyone in it") {
    Bench bench;
    Acceptance first = bench.offer(make_copy({"a@x", "b@x"}));
    CHECK(first.status == Acceptance::Status::accepted);
    CHECK(first.copy == 1);
    bench.pass(seconds(20));
    Acceptance second = bench.offer(make_copy({"b@x", "c@x"}));
    CHECK(second.group == first.group);
    CHECK(second.copy == 2);
    CHECK(second.verdicts == std::vector{Verdict::merged, Verdict::added});
    CHECK(bench.take_due().empty());
    bench.pass(seconds(10));
    std::vector<Due> due = bench.take_due();
    REQUIRE(due.size() == 1);
    CHECK(due[0].sender == "sender@s.example");
    CHECK(due[0].recipients.size() == 3);
    CHECK(due[0].everyone.size() == 3);
    CHECK(due[0].content->body == "\r\nhello\r\n");
    CHECK(due[0].content->header.starts_with("Received: from fetcher"));
    CHECK(due[0].content->header.ends_with("\r\nFrom: sender@s.example\r\nMessage-ID: <1@x>\r\n"));
    CHECK_MESSAGE(bench.take_due().empty(), "it is in flight");
}

TEST_CASE("what the backend said is stored, and content goes with the last who needs it") {
    Bench bench;
    bench.offer(make_copy({"a@x", "b@x", "c@x"}));
    bench.pass(seconds(30));
    Due due = bench.take_due().at(0);
    Settled settled =
        bench.settle({due.group,
                      {{1, What::delivered, "250 ok"}, {2, What::refused, "550 no"}, {3, What::deferred, "450 later"}},
                      "sink:25"});
    CHECK(settled.ended.size() == 2);
    CHECK(settled.next == bench.spool().now(bench.moment.boot) + seconds(60));
    bench.pass(seconds(60));
    due = bench.take_due().at(0);
    CHECK(due.recipients.size() == 1);
    CHECK(due.everyone.size() == 3);
    bench.settle_all(due, What::delivered);
    GroupRecord record = Reader(bench.path()).why("<1@x>").at(0);
    CHECK(record.members[0].state == State::delivered);
    CHECK(record.members[1].state == State::failed);
    CHECK(record.members[1].reply == "550 no");
    CHECK(record.attempts.size() == 4);
    CHECK(bench.spool().load_due(due.group, bench.moment).content != nullptr);
    bench.offer(make_copy({"b@x"}));
    bench.pass(seconds(30));
    bench.settle_all(bench.take_due().at(0), What::delivered);
    CHECK(bench.spool().load_due(due.group, bench.moment).content == nullptr);
}

TEST_CASE("what MAIL and RCPT asked for is handed out as it came, after a death too, and each has his own") {
    using Notify = message::RecipientOptions;
    const message::MailOptions asked{true, message::MailOptions::Return::headers, "QQ+2B314159"};
    const Notify rows[] = {{Notify::success | Notify::delay, "rfc822;A+2B@old.example"}, {Notify::never, ""}, {}};
    Bench bench;
    Copy copy = make_copy({"a@x", "b@x", "c@x"});
    copy.arriving.options = asked;
    for (std::size_t i = 0; i < std::size(rows); ++i) copy.arriving.recipients[i].options = rows[i];
    bench.offer(copy);
    bench.die();
    bench.open();
    copy.arriving.recipients[1].options = {Notify::failure, ""};
    bench.offer(copy);
    bench.die();
    bench.open();
    bench.pass(seconds(60));
    Due due = bench.take_due().at(0);
    CHECK(due.options == asked);
    REQUIRE(due.recipients.size() == 3);
    CHECK(due.recipients[0].options == rows[0]);
    CHECK(due.recipients[1].options == Notify{Notify::failure, ""});
    CHECK(due.recipients[2].options == Notify{});
}

TEST_CASE("whether the servers have SMTPUTF8 is stored with the next commit, and not undone with a transaction") {
    Bench bench;
    CHECK_FALSE(bench.spool().ledger().smtputf8());
    bench.spool().ledger().remember_smtputf8(true);
    bench.die();
    bench.open();
    CHECK_MESSAGE(!bench.spool().ledger().smtputf8(), "nothing was committed");
    bench.spool().ledger().remember_smtputf8(true);
    bench.spool().ledger().begin();
    bench.spool().ledger().roll_back();
    bench.offer(make_copy({"a@x"}));
    bench.die();
    bench.open();
    CHECK(bench.spool().ledger().smtputf8());
    bench.spool().ledger().remember_smtputf8(false);
    bench.close();
    bench.open();
    CHECK_FALSE(bench.spool().ledger().smtputf8());
}

TEST_CASE("after a death every window and delivery goes on where it stood") {
    Bench bench;
    Acceptance accepted = bench.offer(make_copy({"a@x"}));
    bench.pass(seconds(10));
    bench.die();
    bench.pass(seconds(5));
    bench.open();
    CHECK(bench.take_due().empty());
    bench.pass(seconds(15));
    CHECK(bench.take_due().at(0).group == accepted.group);
    bench.die();
    bench.open();
    Due due = bench.take_due().at(0);
    CHECK_MESSAGE(due.group == accepted.group, "in flight is a mark in memory");
    bench.settle_all(due, What::delivered);
    bench.die();
    bench.open();
    CHECK(bench.take_due().empty());
    CHECK(bench.offer(make_copy({"a@x"})).verdicts == std::vector{Verdict::suppressed});
}

TEST_CASE("after an unclean end a header that may have been sent is not exchanged") {
    for (bool clean : {true, false}) {
        Bench bench;
        Copy open = make_copy({"a@x"}), secret = make_copy({"a@x"});
        open.arriving.exposure = 1;
        secret.header = "X-Less: 1\r\n" + secret.header;
        bench.offer(open);
        if (clean) {
            bench.close();
        } else {
            bench.die();
        }
        bench.open();
        bench.offer(secret);
        bench.pass(seconds(60));
        CHECK((bench.take_due().at(0).content->header.find("X-Less") != std::string::npos) == clean);
    }
}

TEST_CASE("while a group is in flight its header stays and new recipients wait for the next transaction") {
    Bench bench;
    Copy open = make_copy({"a@x"});
    open.arriving.exposure = 1;
    bench.offer(open);
    bench.pass(seconds(30));
    Due due = bench.take_due().at(0);
    Copy clean = make_copy({"a@x", "b@x"});
    clean.header = "X-Less: 1\r\n" + clean.header;
    CHECK(bench.offer(clean).verdicts == std::vector{Verdict::merged, Verdict::added});
    bench.settle_all(due, What::delivered);
    bench.pass(seconds(30));
    Due next = bench.take_due().at(0);
    REQUIRE(next.recipients.size() == 1);
    CHECK(next.recipients[0].address == "b@x");
    CHECK(next.content->header.find("X-Less") == std::string::npos);
}

TEST_CASE("what comes back while it is being sent is not taken, since nobody would have it; later it is, and known") {
    Bench bench;
    bench.offer(make_copy({"a@x"}));
    bench.pass(seconds(30));
    Due due = bench.take_due().at(0);
    Copy back = make_copy({"a@x", "b@x"});
    back.header = due.content->header;
    const Acceptance refused = bench.offer(back);
    CHECK(refused.status == Acceptance::Status::comes_back);
    CHECK(refused.group == due.group);
    Copy forwarded = back;
    forwarded.arriving.sender = "srs0=@relay.example";
    CHECK(bench.offer(forwarded).status == Acceptance::Status::comes_back);
    CHECK(bench.offer(forwarded).group == due.group);
    CHECK(bench.offer(make_copy({"a@x"})).verdicts == std::vector{Verdict::merged});  // another copy is welcome
    bench.settle_all(due, What::deferred, "451 4.4.6");
    CHECK(bench.offer(back).verdicts == std::vector{Verdict::merged, Verdict::added});
    bench.pass(std::chrono::minutes(5));
    Due next = bench.take_due().at(0);
    CHECK(next.recipients.size() == 2);
    bench.settle_all(next, What::delivered);
    const Acceptance known = bench.offer(back);
    CHECK(known.verdicts == std::vector{Verdict::suppressed, Verdict::suppressed});
    CHECK(known.loop);
}

TEST_CASE("wall clock jumps: running they change nothing, across a restart they are clamped and end no history") {
    const base::Duration hour = hours(1), day = hours(24), decade = hours(24 * 3650);
    for (base::Duration jump : {-hour, day, decade}) {
        Bench bench;
        bench.offer(make_copy({"done@x"}, "<done@x>"));
        bench.pass(seconds(30));
        bench.settle_all(bench.take_due().at(0), What::delivered);
        bench.offer(make_copy({"held@x"}, "<held@x>"));
        bench.moment.wall += jump;
        CHECK(bench.take_due().empty());
        bench.offer(make_copy({"other@x"}, "<other@x>"));
        bench.moment.wall -= jump;
        bench.die();
        bench.moment.wall += jump;
        bench.open();
        bench.pass(seconds(30));
        CHECK(bench.take_due().size() == 2);
        CHECK(bench.offer(make_copy({"done@x"}, "<done@x>")).verdicts == std::vector{Verdict::suppressed});
        bench.spool().keep_house(true, bench.moment);
        CHECK(bench.offer(make_copy({"done@x"}, "<done@x>")).verdicts == std::vector{Verdict::suppressed});
    }
}

TEST_CASE("same Message-ID, other content: a group of its own, and it is said") {
    Bench bench;
    Acceptance first = bench.offer(make_copy({"a@x"}));
    Acceptance other = bench.offer(make_copy({"a@x"}, "<1@x>", 2));
    CHECK(other.group != first.group);
    CHECK(other.other_content == first.group);
    CHECK(other.verdicts == std::vector{Verdict::added});
}

TEST_CASE("other content of a Message-ID is told once for each group, whatever match names, and of no id it is not") {
    for (const bool match_id : {true, false}) {
        Bench bench;
        Spool::Settings settings = bench.settings;
        settings.policy.match_id = match_id;
        bench.spool().configure(settings);
        const Acceptance first = bench.offer(make_copy({"a@x"}, "<1@x>", 5));
        CHECK(first.other_content == 0);
        CHECK(bench.offer(make_copy({"a@x"}, "<1@x>", 9)).other_content == first.group);
        CHECK(bench.offer(make_copy({"b@x"}, "<1@x>", 9)).other_content == 0);
        CHECK(bench.offer(make_copy({"a@x"}, "<1@x>", 1)).other_content != 0);
        CHECK(bench.offer(make_copy({"a@x"}, "<2@x>", 2)).other_content == 0);
        for (std::uint8_t content : {3, 4}) CHECK(bench.offer(make_copy({"a@x"}, "", content)).other_content == 0);
    }
}

TEST_CASE(
    "a copy has to do with few groups in a flood of one Message-ID with other content, or of one content with other ids") {
    Bench bench;
    for (std::uint8_t i = 1; i <= 20; ++i) bench.offer(make_copy({"a@x"}, "<1@x>", i));
    for (int i = 2; i <= 21; ++i) bench.offer(make_copy({"a@x"}, "<" + std::to_string(i) + "@x>", 50));
    const std::int64_t without_id = bench.offer(make_copy({"a@x"}, "", 50)).group;
    Database database(bench.path() + "/ledger.db", Database::Mode::read_only, "");
    GroupStore groups(database);
    coalesce::Policy policy;
    const auto related = [&](const std::string& id, std::uint8_t content) {
        return groups.related(make_copy({}, id, content).arriving.identity, policy);
    };
    CHECK(related("<1@x>", 7) == std::vector<std::int64_t>{7});
    CHECK(related("<1@x>", 99).empty());
    CHECK(related("<3@x>", 50) == std::vector<std::int64_t>{22});
    CHECK(related("", 50) == std::vector<std::int64_t>{without_id});
    policy.match_id = false;
    CHECK_MESSAGE(related("<3@x>", 50).size() == 21, "all are one message then, whatever stands in the spool from before");
    policy = {};
    policy.match_content = false;
    CHECK_MESSAGE(related("<1@x>", 99).size() == 20, "all of them wait, and any of them may take the copy");
}

TEST_CASE("a sound spool is sound in every table that there is") {
    Bench bench;
    bench.offer(make_copy({"a@x"}));
    Reader reader(bench.path());
    for (const char* table : Reader::tables()) CHECK(reader.check(table) == "");
    Database database(bench.path() + "/ledger.db", Database::Mode::read_only, "");
    CHECK(database.integer("SELECT count(*) FROM sqlite_master WHERE type = 'table'") ==
          static_cast<std::int64_t>(Reader::tables().size()));
}

TEST_CASE("the same message under another sender is kept from those who have it") {
    Bench bench;
    Acceptance first = bench.offer(make_copy({"a@x"}));
    Copy verp = make_copy({"a@x", "b@x"});
    verp.arriving.sender = "bounce-2@s.example";
    Acceptance second = bench.offer(verp);
    CHECK(second.group != first.group);
    CHECK(second.elsewhere == first.group);
    CHECK(second.verdicts == std::vector{Verdict::elsewhere, Verdict::added});
    bench.pass(std::chrono::minutes(1));
    Due due = bench.take_due().at(1);
    CHECK(due.recipients.size() == 1);
    const std::vector<std::string> everyone{"a@x", "b@x"};
    CHECK_MESSAGE(due.everyone == everyone, "who gets it by the other one is not shown either");
}

TEST_CASE("who got a message by either of two groups does not get it again when the sender counts no more") {
    for (const bool reversed : {false, true}) {
        Bench bench;
        Copy to_a = make_copy({"a@x"});
        Copy to_b = make_copy({"b@x"});
        to_b.arriving.sender = "other@s.example";
        for (const Copy& copy : {reversed ? to_b : to_a, reversed ? to_a : to_b}) bench.offer(copy);
        bench.pass(std::chrono::minutes(1));
        for (const Due& due : bench.take_due()) bench.settle_all(due, coalesce::Outcome::What::delivered);
        Spool::Settings settings = bench.settings;
        settings.policy.match_sender = false;
        bench.spool().configure(settings);
        for (const char* again : {"a@x", "b@x"}) {
            const Verdict verdict = bench.offer(make_copy({again})).verdicts.at(0);
            CHECK((verdict == Verdict::suppressed || verdict == Verdict::elsewhere));
        }
        CHECK(bench.offer(make_copy({"c@x"})).verdicts == std::vector{Verdict::added});
    }
}

namespace {

/// Two groups of one message, which `match` parted when its copies came, each delivered to somebody; a@x has failed in one.
struct Parted : Bench {
    enum class By { sender, id };
    Parted(By by, bool failed_in_older) {
        for (const bool second : {false, true}) {
            Copy& copy = copies[second ? 1 : 0];
            copy = make_copy({second ? "newer@x" : "older@x"}, second && by == By::id ? "<2@x>" : "<1@x>");
            if (second && by == By::sender) copy.arriving.sender = "other@s.example";
            groups[second ? 1 : 0] = offer(copy).group;
        }
        send(What::delivered);
        if (!failed_in_older) {
            std::swap(copies[0], copies[1]);
            std::swap(groups[0], groups[1]);
        }
        for (Copy& copy : copies) copy.arriving.recipients = {{"a@x"}};
        offer(copies[0]);
        send(What::refused);
        changed = settings;
        (by == By::sender ? changed.policy.match_sender : changed.policy.match_id) = false;
    }
    /// How often a@x is sent it then.
    std::ptrdiff_t send(What what) {
        pass(hours(1));
        std::ptrdiff_t to_a = 0;
        for (const Due& due : take_due()) {
            to_a += std::ranges::count(due.recipients, "a@x", &Due::Recipient::address);
            settle_all(due, what, what == What::delivered ? "250 ok" : "550 5.1.1 no");
        }
        return to_a;
    }

    Copy copies[2];
    std::int64_t groups[2] = {};  // the first one is that in which he failed
    Spool::Settings changed;
};

}  // namespace

TEST_CASE("retry sends nobody what another group sent him, or is about to, though match parted the two only once") {
    enum class Other { held, queued, in_flight, delivered, failed };
    for (const Parted::By by : {Parted::By::sender, Parted::By::id}) {
        for (const bool failed_in_older : {false, true}) {
            for (const Other other : {Other::held, Other::queued, Other::in_flight, Other::delivered, Other::failed}) {
                CAPTURE(static_cast<int>(by));
                CAPTURE(failed_in_older);
                CAPTURE(static_cast<int>(other));
                Parted bench(by, failed_in_older);
                const auto [failed, serving] = bench.groups;
                REQUIRE(bench.offer(bench.copies[1]).group == serving);
                if (other == Other::queued) bench.send(What::deferred);
                if (other == Other::delivered) bench.send(What::delivered);
                if (other == Other::failed) bench.send(What::refused);
                std::vector<Due> in_flight;
                if (other == Other::in_flight) {
                    bench.pass(hours(1));
                    in_flight = bench.take_due();
                    REQUIRE(in_flight.size() == 1);
                }
                bench.spool().configure(bench.changed);
                CHECK(bench.change(Change::retry, {failed}).groups == (other == Other::failed ? 1 : 0));
                bench.change(Change::retry);
                bench.change(Change::release);
                for (const Due& due : in_flight) bench.settle_all(due, What::delivered);
                const std::ptrdiff_t to_a = bench.send(What::delivered) + std::ssize(in_flight);
                CHECK(to_a == (other == Other::delivered ? 0 : 1));
                CHECK(bench.change(Change::retry, {failed}).groups == 0);
                for (const Copy& copy : bench.copies) bench.offer(copy);
                CHECK(bench.send(What::delivered) == 0);
            }
        }
    }
}

TEST_CASE("of two groups that match parts no more, a copy after the history, or after forget, comes once") {
    enum class After { history, forget_of_the_one_that_served, forget_of_both };
    for (const Parted::By by : {Parted::By::sender, Parted::By::id}) {
        for (const bool failed_in_older : {false, true}) {
            for (const After after : {After::history, After::forget_of_the_one_that_served, After::forget_of_both}) {
                CAPTURE(static_cast<int>(by));
                CAPTURE(failed_in_older);
                CAPTURE(static_cast<int>(after));
                Parted bench(by, failed_in_older);
                const auto [failed, serving] = bench.groups;
                bench.offer(bench.copies[1]);
                bench.send(What::delivered);
                if (after == After::history) bench.changed.policy.history = hours(1);
                bench.spool().configure(bench.changed);
                bench.pass(hours(2));
                if (after != After::history) CHECK(bench.change(Change::forget, {serving}).groups == 1);
                if (after == After::forget_of_both) CHECK(bench.change(Change::forget, {failed}).groups == 1);
                for (const Copy& copy : bench.copies) bench.offer(copy);
                bench.change(Change::retry);
                CHECK(bench.send(What::delivered) == 1);
                bench.offer(bench.copies[0]);
                bench.change(Change::retry);
                CHECK(bench.send(What::delivered) == 0);
            }
        }
    }
}

TEST_CASE("who waits by two groups when match parts them no more gets what was accepted for him, each once") {
    Parted bench(Parted::By::id, true);
    bench.change(Change::retry, {bench.groups[0]});
    bench.offer(bench.copies[1]);
    bench.spool().configure(bench.changed);
    for (const Copy& copy : bench.copies) bench.offer(copy);
    CHECK(bench.send(What::delivered) == 2);
    for (const Copy& copy : bench.copies) bench.offer(copy);
    CHECK(bench.send(What::delivered) == 0);
}

TEST_CASE("match without content: nobody gets one more content than he must") {
    Bench bench;
    Spool::Settings settings = bench.settings;
    settings.policy.match_content = false;
    bench.spool().configure(settings);
    bench.offer(make_copy({"a@x", "b@x"}));
    bench.pass(std::chrono::minutes(1));
    Due first = bench.take_due().at(0);
    first.recipients.pop_back();
    bench.settle_all(first, What::delivered);
    const Acceptance other = bench.offer(make_copy({"a@x", "b@x", "c@x"}, "<1@x>", 2));
    CHECK(other.verdicts == std::vector{Verdict::added, Verdict::elsewhere, Verdict::added});
    CHECK(other.elsewhere == first.group);
    CHECK(other.other_content == first.group);
    const Acceptance third = bench.offer(make_copy({"b@x", "c@x", "d@x"}, "<1@x>", 3));
    const std::vector expected{Verdict::elsewhere, Verdict::merged, Verdict::added};
    CHECK_MESSAGE(third.verdicts == expected, "two groups wait: nobody gets it by both");
}

TEST_CASE("match without content: who gets the first content under another sender gets each content once") {
    for (const bool has_it : {false, true}) {
        for (const bool was_named : {false, true}) {
            Bench bench;
            Spool::Settings settings = bench.settings;
            settings.policy.match_content = false;
            bench.spool().configure(settings);
            Copy verp = make_copy({"a@x"});
            verp.arriving.sender = "bounce-2@s.example";
            const std::int64_t under_other = bench.offer(verp).group;
            if (has_it) {
                bench.pass(std::chrono::minutes(1));
                bench.settle_all(bench.take_due().at(0), What::delivered);
            }
            const std::int64_t first =
                bench.offer(make_copy(was_named ? std::vector<std::string>{"a@x", "b@x"} : std::vector<std::string>{"b@x"}))
                    .group;
            const Acceptance other = bench.offer(make_copy({"a@x", "b@x"}, "<1@x>", 2));
            CHECK(other.group != first);
            CHECK(other.verdicts == std::vector{Verdict::added, Verdict::elsewhere});
            CHECK(other.elsewhere == first);
            CHECK_MESSAGE(bench.offer(make_copy({"c@x"}, "<1@x>", 3)).verdicts == std::vector{Verdict::added},
                          "whom nobody serves joins one that waits");
            CHECK(bench.offer(make_copy({"a@x"})).verdicts == std::vector{Verdict::elsewhere});
            bench.pass(std::chrono::minutes(1));
            std::map<std::int64_t, std::vector<std::string>> sent;
            for (const Due& due : bench.take_due()) {
                for (const Due::Recipient& recipient : due.recipients) sent[due.group].push_back(recipient.address);
            }
            CHECK(sent.contains(under_other) != has_it);
            CHECK(sent.at(first) == std::vector<std::string>{"b@x"});
            CHECK(sent.at(other.group) == std::vector<std::string>{"a@x", "c@x"});
        }
    }
}

TEST_CASE("who joined while others were served is not told to be put off") {
    Bench bench;
    bench.offer(make_copy({"a@x"}));
    bench.pass(std::chrono::minutes(1));
    Due due = bench.take_due().at(0);
    bench.offer(make_copy({"b@x"}));
    CHECK(bench.settle_all(due, What::delivered).next == base::never);
    bench.pass(std::chrono::minutes(1));
    const Settled settled = bench.settle_all(bench.take_due().at(0), What::deferred);
    CHECK(settled.next == settled.now + std::chrono::minutes(1));
}

TEST_CASE("a header that is exchanged brings its own size and bytes beyond ASCII") {
    Bench bench;
    Copy shows_more = make_copy({"a@x"});
    shows_more.arriving.exposure = 1;
    bench.offer(shows_more);
    Copy shows_less = make_copy({"a@x"});
    shows_less.header = "X-Trace: \xc3\xa9\r\n" + shows_less.header;
    shows_less.eight_bit = true;
    bench.offer(shows_less);
    bench.pass(std::chrono::minutes(1));
    const std::vector<Due> due = bench.take_due();
    REQUIRE(due.size() == 1);
    CHECK(due[0].eight_bit);
}

TEST_CASE("a large body lies in a segment, comes back whole, and its segment goes with it") {
    Bench bench;
    std::string body;
    Copy copy = make_copy({"a@x"});
    copy.upload = 7;
    copy.body.clear();
    for (char c : {'x', 'y', 'z'}) {
        std::string piece(most_extent_bytes, c);
        CHECK(bench.spool().append(7, piece));
        body += piece;
    }
    CHECK(bench.offer(copy).status == Acceptance::Status::accepted);
    bench.die();
    bench.open();
    bench.pass(seconds(30));
    Due due = bench.take_due().at(0);
    CHECK(due.content->body_size == body.size());
    SegmentReader reader(bench.path());
    std::string read;
    for (const Extent& extent : due.content->extents) read += reader.read(extent);
    CHECK(read == body);
    bench.settle_all(due, What::delivered);
    bench.spool().keep_house(true, bench.moment);
    CHECK(fs::is_empty(bench.path() + "/segments"));
}

TEST_CASE("bytes of aborted uploads are dead weight that a sweep takes away, those under way are kept") {
    Bench bench;
    bench.spool().append(1, "gone");
    bench.spool().abandon(1);
    bench.spool().append(2, "under way");
    bench.spool().keep_house(true, bench.moment);
    CHECK_FALSE(fs::is_empty(bench.path() + "/segments"));
    bench.spool().abandon(2);
    bench.spool().keep_house(true, bench.moment);
    CHECK(fs::is_empty(bench.path() + "/segments"));
}

TEST_CASE("of a mostly dead segment the survivors move, byte for byte") {
    Bench bench;
    auto upload = [&](UploadId id, const std::string& message_id, char fill, int pieces) {
        for (int i = 0; i < pieces; ++i) bench.spool().append(id, std::string(most_extent_bytes, fill));
        Copy copy = make_copy({"a@x"}, message_id);
        copy.upload = id;
        copy.body.clear();
        return bench.offer(copy).group;
    };
    upload(1, "<large@x>", 'l', 20);
    std::int64_t survivor = upload(2, "<small@x>", 's', 1);
    bench.pass(seconds(30));
    std::vector<Due> due = bench.take_due();
    for (const Due& one : due) {
        if (one.group != survivor) bench.settle_all(one, What::delivered);
    }
    bench.spool().keep_house(true, bench.moment);
    bench.spool().keep_house(true, bench.moment);
    CHECK_MESSAGE(fs::exists(bench.path() + "/segments/1"), "the survivor is being read");
    bench.die();
    bench.open();
    bench.spool().keep_house(true, bench.moment);
    bench.spool().keep_house(true, bench.moment);
    CHECK_FALSE(fs::exists(bench.path() + "/segments/1"));
    Due moved = bench.take_due().at(0);
    REQUIRE(moved.content->extents.size() == 1);
    CHECK(SegmentReader(bench.path()).read(moved.content->extents[0]) == std::string(most_extent_bytes, 's'));
}

TEST_CASE("a damaged extent is met by its checksum") {
    Bench bench;
    bench.spool().append(1, std::string(1000, 'a'));
    Copy copy = make_copy({"a@x"});
    copy.upload = 1;
    bench.offer(copy);
    bench.pass(seconds(30));
    Extent extent = bench.take_due().at(0).content->extents.at(0);
    std::fstream(bench.path() + "/segments/" + std::to_string(extent.segment), std::ios::in | std::ios::out).seekp(500)
        << 'b';
    CHECK_THROWS_AS(SegmentReader(bench.path()).read(extent), SegmentReader::Damaged);
    extent.length = 2000;
    CHECK_THROWS_AS(SegmentReader(bench.path()).read(extent), SegmentReader::Damaged);
    extent.segment = 99;
    CHECK_THROWS_AS(SegmentReader(bench.path()).read(extent), SegmentReader::Damaged);
}

TEST_CASE("what is old is forgotten with all that belongs to it") {
    Bench bench;
    bench.offer(make_copy({"a@x"}));
    bench.pass(seconds(30));
    bench.settle_all(bench.take_due().at(0), What::delivered);
    CHECK(bench.spool().until_forgetting(bench.moment) == hours(24 * 7));
    bench.pass(hours(24 * 7) - seconds(1));
    bench.spool().keep_house(true, bench.moment);
    CHECK(Reader(bench.path()).list(Reader::Which::all, 10).size() == 1);
    bench.pass(seconds(1));
    bench.spool().keep_house(true, bench.moment);
    CHECK(Reader(bench.path()).list(Reader::Which::all, 10).empty());
    CHECK(bench.offer(make_copy({"a@x"})).verdicts == std::vector{Verdict::added});
}

TEST_CASE("numbers of groups are never used again") {
    Bench bench;
    std::int64_t first = bench.offer(make_copy({"a@x"})).group;
    bench.pass(seconds(30));
    bench.settle_all(bench.take_due().at(0), What::delivered);
    bench.pass(hours(24 * 8));
    bench.spool().keep_house(true, bench.moment);
    bench.close();
    bench.open();
    CHECK(bench.offer(make_copy({"a@x"})).group == first + 1);
}

TEST_CASE("one spool, one onecopyd") {
    Bench bench;
    CHECK_THROWS_WITH_AS(Spool(posix_files(), bench.path(), "", bench.settings, bench.moment),
                         doctest::Contains("another onecopyd holds the spool"), SpoolError);
}

TEST_CASE("a spool of another version, another program's file, and no database at all are refused, and left as they are") {
    struct Row {
        const char* sql;
        const char* words;
    };
    const Row rows[] = {{"PRAGMA user_version=5", "the spool is of version 5, this onecopyd knows version 4; install"},
                        {"PRAGMA user_version=0", "the spool is of version 0"},
                        {"PRAGMA user_version=-1", "the spool is of version -1"},
                        {"PRAGMA application_id=1", "not a spool of onecopy's"},
                        {nullptr, "not a database"}};
    for (const Row& row : rows) {
        Bench bench;
        bench.close();
        std::string file = bench.path() + "/ledger.db";
        if (row.sql) {
            Database(file, Database::Mode::read_write, "").exec(row.sql);
        } else {
            std::ofstream(file) << std::string(8192, 'x');
        }
        std::uintmax_t size = fs::file_size(file);
        CHECK_THROWS_WITH_AS(bench.open(), doctest::Contains(row.words), SpoolError);
        CHECK(fs::file_size(file) == size);
    }
}

TEST_CASE("a directory that can't be used is told in words") {
    Spool::Settings settings;
    CHECK_THROWS_WITH_AS(Spool(posix_files(), "/proc/nowhere", "", settings, {}),
                         doctest::Contains("spool.directory can't be used"), SpoolError);
}

TEST_CASE("one operation of a batch fails alone") {
    Bench bench;
    Acceptance first, third;
    std::vector<Spool::Operation> operations;
    operations.push_back(
        {[&](const Context& context) { first = bench.spool().offer(make_copy({"a@x"}, "<1@x>"), context); }});
    operations.push_back({[&](const Context& context) {
        bench.spool().offer(make_copy({"b@x"}, "<2@x>"), context);
        throw SqliteError("made up", SQLITE_IOERR);
    }});
    operations.push_back(
        {[&](const Context& context) { third = bench.spool().offer(make_copy({"c@x"}, "<3@x>"), context); }});
    bench.spool().transact(operations, bench.moment);
    CHECK(operations[0].done);
    CHECK_FALSE(operations[1].done);
    CHECK(operations[2].done);
    bench.die();
    bench.open();
    std::vector<GroupRecord> groups = Reader(bench.path()).list(Reader::Which::all, 10);
    REQUIRE(groups.size() == 2);
    CHECK(groups[0].message_id == "<1@x>");
    CHECK(groups[1].message_id == "<3@x>");
    CHECK(groups[1].id == third.group);
    CHECK(Reader(bench.path()).counts().totals.copies == 2);
}

TEST_CASE("what people ask: held, queued, failed, all, and why") {
    Bench bench;
    bench.offer(make_copy({"held@x"}, "<held@x>"));
    bench.pass(seconds(30));
    bench.settle_all(bench.take_due().at(0), What::rested, "connection refused");
    bench.offer(make_copy({"failed@x"}, "<failed@x>"));
    bench.pass(seconds(30));
    for (const Due& due : bench.take_due()) {
        if (due.message_id == "<failed@x>") bench.settle_all(due, What::refused, "550 5.1.1 no");
    }
    bench.offer(make_copy({"held@x"}, "<new@x>"));
    Reader reader(bench.path(), bench.spool().now(bench.moment.boot));
    auto ids = [&](Reader::Which which) {
        std::string text;
        for (const GroupRecord& group : reader.list(which, 10)) text += group.message_id;
        return text;
    };
    CHECK(ids(Reader::Which::held) == "<new@x>");
    CHECK(ids(Reader::Which::queued) == "<held@x>");
    CHECK(ids(Reader::Which::failed) == "<failed@x>");
    CHECK(ids(Reader::Which::all) == "<held@x><failed@x><new@x>");
    Counts counts = reader.counts();
    CHECK(counts.held == 1);
    CHECK(counts.queued == 1);
    CHECK(counts.failed == 1);
    CHECK(counts.totals.messages == 3);
    GroupRecord why = reader.why("failed@x").at(0);
    REQUIRE(why.copies.size() == 1);
    CHECK(why.copies[0].recipients[0].address == "failed@x");
    CHECK(why.copies[0].recipients[0].verdict == "added");
    REQUIRE(why.attempts.size() == 1);
    CHECK(why.attempts[0].server == "sink:25");
    CHECK(why.attempts[0].what == "refused");
    CHECK(reader.why("<nobody@x>").empty());
    CHECK(reader.why("<held@x>").at(0).members[0].reply == "connection refused");
}

TEST_CASE("what is due is queued, though nobody came to try it") {
    Bench bench;
    bench.offer(make_copy({"tried@x"}, "<tried@x>"));
    bench.pass(seconds(30));
    bench.settle_all(bench.take_due().at(0), What::deferred, "450 4.2.0 later");
    bench.offer(make_copy({"due@x"}, "<due@x>"));
    bench.pass(seconds(20));
    bench.offer(make_copy({"late@x"}, "<late@x>"));
    const auto told = [&bench] {
        Reader reader(bench.path(), bench.spool().now(bench.moment.boot));
        const Counts counts = reader.counts();
        std::string text = std::to_string(counts.held) + " held, " + std::to_string(counts.queued) + " queued;";
        for (const GroupRecord& group : reader.list(Reader::Which::held, 10)) text += " held " + group.message_id;
        for (const GroupRecord& group : reader.list(Reader::Which::queued, 10)) text += " queued " + group.message_id;
        for (const GroupRecord& group : reader.list(Reader::Which::all, 10)) text += group.held ? " held" : " queued";
        return text;
    };
    const std::string tried = "queued <tried@x>";
    CHECK(told() == "2 held, 1 queued; held <due@x> held <late@x> " + tried + " queued held held");
    bench.pass(base::Duration(9'999));
    CHECK(told() == "2 held, 1 queued; held <due@x> held <late@x> " + tried + " queued held held");
    bench.pass(base::Duration(1));
    CHECK_MESSAGE(told() == "1 held, 2 queued; held <late@x> " + tried + " queued <due@x> queued queued held",
                  "its window is over");
    bench.pass(seconds(20));
    CHECK(told() == "0 held, 3 queued; " + tried + " queued <due@x> queued <late@x> queued queued queued");
}

TEST_CASE("a message is found by who sent or gets it, and by words of its subject, the latest last") {
    Bench bench;
    const auto offer = [&bench](const char* recipient, const char* id, std::uint8_t content, const char* subject) {
        Copy copy = make_copy({recipient, "all@x"}, id, content);
        copy.arriving.identity.subject = subject;
        bench.offer(copy);
    };
    offer("A@x", "<1@x>", 1, "Invoice 1");
    offer("b@x", "<2@x>", 2, "=?utf-8?Q?Gr=C3=BC=C3=9Fe?= and invoice 2");
    offer("c@x", "<3@x>", 3, "");
    Reader reader(bench.path());
    const auto ids = [](const std::vector<GroupRecord>& groups) {
        std::string text;
        for (const GroupRecord& group : groups) text += group.message_id;
        return text;
    };
    CHECK(ids(reader.why_address("a@X", 9)) == "<1@x>");
    CHECK(ids(reader.why_address("all@x", 9)) == "<1@x><2@x><3@x>");
    CHECK(ids(reader.why_address("all@x", 2)) == "<2@x><3@x>");
    CHECK(ids(reader.why_address("sender@s.EXAMPLE", 9)) == "<1@x><2@x><3@x>");
    CHECK(reader.why_address("x", 9).empty());
    CHECK(ids(reader.why_subject("INVOICE", 9)) == "<1@x><2@x>");
    CHECK(ids(reader.why_subject("invoice", 1)) == "<2@x>");
    CHECK(ids(reader.why_subject("Gr\u00fc\u00dfe a", 9)) == "<2@x>");
    CHECK(reader.why_subject("utf-8", 9).empty());
    CHECK(reader.why_address("b@x", 9).at(0).copies.size() == 1);
    CHECK(reader.why("<1@x>").at(0).subject == "Invoice 1");
}

TEST_CASE("release makes one group, or all, due now") {
    Bench bench;
    std::int64_t one = bench.offer(make_copy({"a@x"}, "<1@x>")).group;
    bench.offer(make_copy({"a@x"}, "<2@x>"));
    auto release = [&](std::vector<std::int64_t> groups) { return bench.change(Change::release, std::move(groups)).groups; };
    CHECK(release({one}) == 1);
    CHECK(bench.take_due().size() == 1);
    CHECK(release({}) == 1);
    CHECK(bench.take_due().size() == 1);
    CHECK(release({99}) == 0);
}

TEST_CASE("what is being sent at three crashes in a row is set aside, and nothing else") {
    Bench bench;
    auto crash = [&](bool by_a_fault) {
        if (by_a_fault) std::ofstream(bench.path() + "/crashed") << "x";
        bench.die();
        bench.open();
    };
    auto send = [&] {
        std::vector<Due> due;
        for (const Due& one : bench.take_due()) {
            bench.spool().suspect({one.group}, bench.moment);
            due.push_back(one);
        }
        return due;
    };
    std::int64_t poison = bench.offer(make_copy({"a@x", "b@x"}, "<1@x>", 1)).group;
    std::int64_t innocent = bench.offer(make_copy({"a@x"}, "<2@x>", 2)).group;
    bench.pass(seconds(30));
    SUBCASE("by faults") {
        for (int i = 0; i < 2; ++i) {
            send();
            crash(true);
            CHECK(bench.spool().ledger().set_aside().empty());
            for (const Due& one : send()) {
                if (one.group == innocent) bench.settle_all(one, What::deferred, "450 later");
            }
        }
        crash(true);
        std::vector<Settlement> settlements = bench.spool().ledger().set_aside();
        REQUIRE(settlements.size() == 1);
        CHECK(settlements[0].group == poison);
        CHECK(bench.settle(settlements[0]).ended.size() == 2);
        CHECK(bench.spool().ledger().set_aside().empty());
        CHECK(bench.change(Change::retry, {poison}).groups == 1);
        crash(true);
        CHECK_MESSAGE(bench.spool().ledger().set_aside().empty(), "by hand it has all its lives again");
    }
    SUBCASE("a kill is none of the three") {
        crash(true);
        CHECK(send().size() == 2);
        crash(false);
        REQUIRE(send().size() == 1);
        crash(true);
        CHECK(bench.spool().ledger().set_aside().empty());
        REQUIRE(send().size() == 1);
        crash(true);
        CHECK(bench.spool().ledger().set_aside().size() == 1);
    }
    SUBCASE("after two, who was being sent goes alone and first") {
        crash(true);
        CHECK(send().size() == 2);
        crash(true);
        bench.offer(make_copy({"a@x"}, "<3@x>", 3));
        bench.pass(seconds(30));
        const base::Time now = bench.spool().now(bench.moment.boot);
        std::vector<Due> first = send();
        REQUIRE(first.size() == 1);
        CHECK(first[0].group == poison);
        CHECK(send().empty());
        CHECK(bench.spool().next_due(now) == base::never);
        SUBCASE("he crashes again, and is the only one to blame") {
            crash(true);
            std::vector<Settlement> settlements = bench.spool().ledger().set_aside();
            REQUIRE(settlements.size() == 1);
            CHECK(settlements[0].group == poison);
        }
        SUBCASE("a kill in between changes nothing") {
            crash(false);
            first = send();
            REQUIRE(first.size() == 1);
            CHECK(first[0].group == poison);
            bench.settle_all(first[0], What::deferred, "450 later");
            crash(true);
            CHECK(bench.spool().ledger().set_aside().empty());
        }
        SUBCASE("an end in between keeps him from coming back, and another one crashes") {
            crash(false);
            bench.change(Change::drop, {poison});
            std::vector<Due> next = send();
            REQUIRE(next.size() == 1);
            CHECK(next[0].group == innocent);
            crash(true);
            std::vector<Settlement> settlements = bench.spool().ledger().set_aside();
            REQUIRE(settlements.size() == 1);
            CHECK(settlements[0].group == innocent);
        }
        SUBCASE("he comes back, and the next one goes") {
            bench.settle_all(first[0], What::deferred, "450 later");
            std::vector<Due> next = send();
            REQUIRE(next.size() == 1);
            CHECK(next[0].group == innocent);
            bench.settle_all(next[0], What::deferred, "450 later");
            CHECK(bench.spool().next_due(now) <= now);
            CHECK_MESSAGE(send().size() == 1, "who came after it");
        }
    }
    SUBCASE("kills are no faults, however many") {
        for (int i = 0; i < 5; ++i) {
            send();
            crash(false);
            CHECK_FALSE(bench.spool().crashed());
        }
        crash(true);
        CHECK(bench.spool().ledger().set_aside().empty());
    }
    SUBCASE("what comes after the crash is no suspect") {
        crash(true);
        bench.offer(make_copy({"a@x"}, "<3@x>", 3));
        bench.pass(seconds(30));
        for (const Due& one : send()) bench.settle_all(one, What::deferred, "450 later");
        Database database(bench.path() + "/ledger.db", Database::Mode::read_only, "");
        CHECK(database.integer("SELECT sum(crashes) FROM groups") == 0);
    }
}

TEST_SUITE_END();
