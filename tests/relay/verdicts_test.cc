#include "relay/verdicts.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace onecopy;
using namespace onecopy::relay;
using Answer = smtp::ClientTransaction::Outcome;
using What = coalesce::Outcome::What;
using Recipients = std::vector<ledger::Due::Recipient>;

namespace {

struct Answered {
    Answer outcome;
    smtp::Reply reply;
    bool shared = false;
    bool personal = false;
};

const smtp::Reply ok(250, "2.0.0", "ok");
const smtp::Reply unknown_user(550, "5.1.1", "no such user");
const smtp::Reply greylisted(451, "4.7.1", "later");
const smtp::Reply too_many(452, "4.5.3", "too many recipients");

/// The recipients' members are 1, 2, ... in order.
Recipients recipients(std::size_t count) {
    Recipients all;
    for (std::size_t i = 0; i < count; ++i) all.push_back({static_cast<std::int64_t>(i + 1), "r@x", false});
    return all;
}

Report answered(const std::vector<Answered>& answers, bool ill = false) {
    Report report;
    report.fate = Report::Fate::answered;
    for (const Answered& one : answers)
        report.result.recipients.push_back({one.outcome, one.reply, one.shared, one.personal});
    report.ill = ill;
    return report;
}

/// `1 delivered 250 2.0.0 ok`.
std::vector<std::string> told(const Verdicts& verdicts) {
    const char* names[] = {"delivered", "refused", "deferred", "rested", "apart"};
    std::vector<std::string> lines;
    for (const coalesce::Outcome& one : verdicts.outcomes) {
        lines.push_back(std::to_string(one.member) + " " + names[static_cast<int>(one.what)] + " " + one.reply);
    }
    return lines;
}

std::vector<std::int64_t> members(const Recipients& some) {
    std::vector<std::int64_t> numbers;
    for (const auto& one : some) numbers.push_back(one.member);
    return numbers;
}

using Lines = std::vector<std::string>;
using Members = std::vector<std::int64_t>;

}  // namespace

TEST_SUITE_BEGIN("verdicts");

TEST_CASE("each recipient has the outcome that the server gave him") {
    Verdicts verdicts = judge(recipients(4), answered({{Answer::delivered, ok},
                                                       {Answer::refused, unknown_user},
                                                       {Answer::deferred, greylisted},
                                                       {Answer::again, too_many}}));
    CHECK(told(verdicts) ==
          Lines{"1 delivered 250 2.0.0 ok", "2 refused 550 5.1.1 no such user", "3 deferred 451 4.7.1 later"});
    CHECK(members(verdicts.again) == Members{4});
    CHECK(verdicts.alone.empty());
    CHECK_FALSE(verdicts.possible_duplicate);
}

TEST_CASE("a 5xx to the data of several is no verdict on any: each is tried alone") {
    const smtp::Reply policy(554, "5.7.1", "not wanted");
    Verdicts several = judge(recipients(2), answered({{Answer::refused, policy, true}, {Answer::refused, policy, true}}));
    CHECK(told(several) == Lines{"1 apart 554 5.7.1 not wanted", "2 apart 554 5.7.1 not wanted"});
    CHECK(members(several.alone) == Members{1, 2});

    Verdicts one = judge(recipients(1), answered({{Answer::refused, policy}}));
    CHECK(told(one) == Lines{"1 refused 554 5.7.1 not wanted"});
}

TEST_CASE("who was refused at RCPT, or alone with the data, is not tried alone for a refusal that others share") {
    const smtp::Reply policy(554, "5.7.1", "not wanted");
    Verdicts verdicts = judge(recipients(4), answered({{Answer::refused, policy, true},
                                                       {Answer::refused, unknown_user},
                                                       {Answer::refused, policy, true},
                                                       {Answer::refused, policy}}));
    CHECK(told(verdicts) == Lines{"1 apart 554 5.7.1 not wanted", "2 refused 550 5.1.1 no such user",
                                  "3 apart 554 5.7.1 not wanted", "4 refused 554 5.7.1 not wanted"});
    CHECK(members(verdicts.alone) == Members{1, 3});
}

TEST_CASE("several refused at RCPT fail as they are") {
    Verdicts verdicts = judge(recipients(2), answered({{Answer::refused, unknown_user}, {Answer::refused, unknown_user}}));
    CHECK(verdicts.outcomes.size() == 2);
    CHECK(verdicts.alone.empty());
}

TEST_CASE("a message that is too large is so for everyone") {
    for (const char* status : {"5.3.4", "5.2.3"}) {
        CAPTURE(status);
        const smtp::Reply large(552, status, "too large");
        Verdicts verdicts = judge(recipients(2), answered({{Answer::refused, large, true}, {Answer::refused, large, true}}));
        CHECK(verdicts.alone.empty());
        CHECK(std::ranges::count(verdicts.outcomes, What::refused, &coalesce::Outcome::what) == 2);
    }
}

TEST_CASE("a verdict is of the message but where it was said of him alone, or of room that a smaller one may have") {
    struct Row {
        Answered answer;
        bool of_message;
    };
    const Row rows[] = {
        {{Answer::refused, {554, "5.7.1", "virus"}}, true},
        {{Answer::deferred, {451, "4.7.1", "later"}}, true},
        {{Answer::unknown, {0, "", "connection lost"}}, true},
        {{Answer::refused, unknown_user, false, true}, false},
        {{Answer::deferred, greylisted, false, true}, false},
        {{Answer::refused, {552, "5.3.4", "too large"}, false, true}, true},
        {{Answer::refused, {552, "5.2.2", "mailbox full"}, false, true}, true},
        {{Answer::deferred, {452, "4.2.2", "mailbox full"}, false, true}, true},
        {{Answer::delivered, ok}, false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.answer.reply.text());
        CHECK(judge(recipients(1), answered({row.answer})).outcomes.at(0).of_message == row.of_message);
    }
    Report report;
    report.fate = Report::Fate::damaged;
    CHECK(judge(recipients(1), report).outcomes.at(0).of_message);
    report.fate = Report::Fate::no_server;
    CHECK_FALSE(judge(recipients(1), report).outcomes.at(0).of_message);
}

TEST_CASE("a server that falls ill costs nobody a step, but for who was put off on his own before") {
    const smtp::Reply lost(0, "", "connection lost");
    const smtp::Reply closing(421, "4.3.2", "closing");
    Verdicts verdicts =
        judge(recipients(3),
              answered({{Answer::deferred, greylisted}, {Answer::deferred, closing}, {Answer::deferred, lost}}, true));
    CHECK(told(verdicts) == Lines{"1 deferred 451 4.7.1 later", "2 rested 421 4.3.2 closing", "3 rested connection lost"});
}

TEST_CASE("a lost answer to the data is tried again, and told as a possible duplicate") {
    Verdicts verdicts = judge(
        recipients(2), answered({{Answer::refused, unknown_user}, {Answer::unknown, {0, "", "connection lost"}}}, true));
    CHECK(told(verdicts) ==
          Lines{"1 refused 550 5.1.1 no such user", "2 deferred no answer to the message: connection lost"});
    CHECK(verdicts.possible_duplicate);
}

TEST_CASE("a server that takes no recipient in a transaction is not asked at once again") {
    Verdicts verdicts = judge(recipients(2), answered({{Answer::again, too_many}, {Answer::again, too_many}}));
    CHECK(verdicts.again.empty());
    CHECK(told(verdicts) == Lines{"1 deferred the server takes no recipient", "2 deferred the server takes no recipient"});
}

TEST_CASE("without an answer all have the same outcome") {
    struct Row {
        Report::Fate fate;
        std::string line;
    };
    const Row table[] = {
        {Report::Fate::no_server, "1 rested why"},
        {Report::Fate::damaged, "1 refused 554 5.6.0 the message is damaged in the spool: why"},
        {Report::Fate::unreadable, "1 deferred the spool can't be read: why"},
    };
    for (const Row& row : table) {
        CAPTURE(row.line);
        Report report;
        report.fate = row.fate;
        report.words = "why";
        Verdicts verdicts = judge(recipients(2), report);
        REQUIRE(verdicts.outcomes.size() == 2);
        CHECK(told(verdicts)[0] == row.line);
        CHECK(verdicts.outcomes[1].what == verdicts.outcomes[0].what);
    }
}

TEST_SUITE_END();
