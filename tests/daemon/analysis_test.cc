#include "analysis.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "analysis_view.h"

using namespace onecopy;
using analysis::Analysis;
using analysis::Report;
using analysis::Sample;

namespace {

struct Mail {
    std::string id = "<1@x>";
    std::string subject = "hello";
    std::string body = "body\n";
    std::string sender = "s@far.example";
    int second = 0;
    std::string recipient = "anna@corp.example";
    std::string extra = "";
};

Sample sample(const Mail& mail) {
    analysis::SampleReader reader;
    reader.add(mail.extra + "Return-Path: <" + mail.sender + ">\nDelivered-To: " + mail.recipient +
               "\nTo: anna@corp.example\nDate: Fri, 27 Nov 2026 04:00:00 +0000\nSubject: " + mail.subject + "\n" +
               (mail.id.empty() ? "" : "Message-ID: " + mail.id + "\n") + "\n" + mail.body);
    return *reader.finish(base::wall_time_of(1'700'000'000'000) + std::chrono::seconds(mail.second),
                          Sample::Clock::from_line);
}

Report report_of(const std::vector<Mail>& mails) {
    Analysis analysis;
    const std::uint32_t source = analysis.add_source("mbox");
    std::uint32_t number = 0;
    for (const Mail& mail : mails) {
        Sample one = sample(mail);
        one.source = source;
        one.number = ++number;
        analysis.add(std::move(one));
    }
    return analysis.conclude();
}

std::string text_of(const Report& report) {
    return analysis::tell(analysis::document(report, {}, true));
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
}

}  // namespace

TEST_SUITE_BEGIN("analysis");

TEST_CASE("copies of one message are a group, however they lie") {
    const Report report = report_of({{.second = 12, .recipient = "carl@corp.example"},
                                     {.id = "<2@x>"},
                                     {.second = 0},
                                     {.second = 3, .recipient = "bert@corp.example"}});
    CHECK(report.messages == 4);
    CHECK(report.groups == 1);
    CHECK(report.copies == 3);
    CHECK(report.sizes[1] == 1);
    REQUIRE(report.largest.size() == 1);
    CHECK(report.largest[0].message_id == "<1@x>");
    CHECK(report.largest[0].copies == 3);
    CHECK(report.largest[0].spread == std::chrono::seconds(12));
    CHECK(report.largest[0].number == 3);
    CHECK(report.named[0].groups == 1);
    CHECK(report.named[0].recipients == 3);
    CHECK(report.named[0].blind == 2);
    CHECK(report.differ[1] == 1);
    CHECK(report.differ[0] == 0);
}

TEST_CASE("a window catches what comes before its end") {
    const Report report = report_of({{.second = 0}, {.second = 0}, {.second = 5}, {.second = 29}, {.second = 4000}});
    const auto caught = [&](std::size_t i) { return report.caught[i].copies; };
    CHECK(caught(0) == 0);  // 0
    CHECK(caught(1) == 1);  // 5s
    CHECK(caught(2) == 2);  // 10s
    CHECK(caught(3) == 3);  // 30s
    CHECK(caught(8) == 3);  // 1h
    CHECK(report.caught[8].groups == 0);
    CHECK(report.catches_most == std::chrono::seconds(4001));
    CHECK(report.delays[0] == 1);
    CHECK(report.delays[1] == 1);
    CHECK(report.delays[3] == 1);
    CHECK(report.delays[9] == 1);
}

TEST_CASE("the smallest window for most of the copies leaves the latest out") {
    std::vector<Mail> mails;
    for (int i = 0; i < 40; ++i) mails.push_back({.second = i < 39 ? i : 999'999});
    const Report report = report_of(mails);
    CHECK(report.catches_most == std::chrono::seconds(39));  // 38 of 39
    CHECK(report.catches_all == std::chrono::seconds(1'000'000));
    CHECK(report.delays[11] == 1);
}

TEST_CASE("what is not merged has its reason") {
    SUBCASE("other content") {
        const Report report =
            report_of({{}, {.subject = "[list] hello"}, {.id = "<2@x>"}, {.id = "<2@x>", .body = "other\n"}});
        CHECK(report.groups == 0);
        CHECK(report.other_content.count == 2);
        CHECK(report.other_content_fields[0] == 1);
        CHECK(report.other_content_body == 1);
    }
    SUBCASE("other sender") {
        const Report report = report_of({{}, {.sender = "bounces+1@far.example"}});
        CHECK(report.groups == 0);
        CHECK(report.other_sender.count == 1);
        CHECK(report.other_content.count == 0);
    }
    SUBCASE("other Message-ID") {
        const Report report = report_of({{}, {.id = "<2@x>"}, {.id = ""}});
        CHECK(report.groups == 0);
        CHECK(report.other_id.count == 1);
        CHECK(report.other_id.examples[0].copies == 3);
    }
    SUBCASE("too large") {
        const std::string large = "X-A: " + std::string(1100000, 'a') + "\n";
        const Report report = report_of({{.extra = large}, {.extra = large}});
        CHECK(report.groups == 0);
        CHECK(report.too_large.count == 2);
        CHECK(report.other_content.count == 0);
    }
}

TEST_CASE("without a Message-ID that counts, equal content is a group") {
    const Report report = report_of({{.id = ""}, {.id = "", .second = 1}, {.id = "no brackets", .subject = "x"}});
    CHECK(report.groups == 1);
    CHECK(report.merged_by_content == 1);
    CHECK(report.no_id.count == 2);
    CHECK(report.malformed_id.count == 1);
    CHECK(report_of({{.id = ""}, {.id = "", .sender = "t@far.example"}}).other_sender.count == 1);
}

TEST_CASE("of many examples some are kept") {
    std::vector<Mail> mails;
    for (int i = 0; i < 200; ++i) {
        const std::string id = "<" + std::to_string(i) + "@x>";
        for (int copy = 0; copy < 2 + i / 100; ++copy) mails.push_back({.id = id, .subject = id});
        mails.push_back({.id = id, .subject = "other"});
    }
    const Report report = report_of(mails);
    CHECK(report.groups == 200);
    CHECK(report.largest.size() == analysis::most_groups);
    CHECK(report.largest.back().copies == 3);
    CHECK(report.other_content.count == 200);
    CHECK(report.other_content.examples.size() == analysis::most_examples);
}

TEST_CASE("what is told has the figures and the advice") {
    const std::string text = text_of(report_of(
        {{.second = 0}, {.second = 7, .recipient = "bert@corp.example"}, {.id = "<2@x>"}, {.id = "<2@x>", .body = "y"}}));
    for (const char* part : {"4 messages", "1 message came in 2 copies: 1 more", "Delivered-To", "1 in no To or Cc", "10s",
                             "1 of 1 copy, 100 %", "grouping.window: 10s", "recover_from: [Delivered-To]",
                             "<1@x>  2 copies within 7s", "the body alone 1"}) {
        CAPTURE(text);
        CAPTURE(part);
        CHECK(holds(text, part));
    }
    CHECK(holds(text_of(report_of({{}})), "none: no message came"));
    CHECK(holds(text_of(report_of({{}, {.second = 9000}})), "No window of up to 1h"));
    CHECK(holds(text_of(Report()), "0 messages"));
}

TEST_CASE("nothing from mail reaches the terminal as it is") {
    const std::string text = text_of(report_of({{.id = "<\xc2\x9b[2J\xff@x>"}, {.id = "<\xc2\x9b[2J\xff@x>"}}));
    CHECK(holds(text, R"(<\xc2\x9b[2J\xff@x>)"));
    CHECK(!holds(text, "\xc2\x9b"));
    analysis::document(report_of({{.id = "<\xff@x>"}, {.id = "<\xff@x>"}}), {}, true)
        .dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

TEST_SUITE_END();
