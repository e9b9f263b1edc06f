#include "message/notice.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/escape.h"
#include "holds.h"
#include "message/header.h"

using namespace onecopy;
using namespace onecopy::message;

namespace {

Notice some_notice() {
    Notice notice;
    notice.hostname = "proxy.example";
    notice.number = 7;
    notice.now = base::wall_time_of(1'800'000'000'000);
    notice.to = notice.sender = "s@far.example";
    notice.recipients.push_back({"a@x.example", "", "550 5.1.1 no such user", false, "mail.example:25", notice.now});
    notice.message_id = "<1@far.example>";
    notice.arrived = base::wall_time_of(1'799'999'000'000);
    notice.header = "Subject: hello\r\nMessage-ID: <1@far.example>\r\n";
    return notice;
}

std::string whole(const NoticeText& text, std::string_view body = "") {
    return text.header + text.opening + std::string(body) + text.closing;
}

bool has_line(const std::string& text, std::string_view line) {
    return ("\r\n" + text).find("\r\n" + std::string(line) + "\r\n") != std::string::npos;
}

std::string boundary_of(const NoticeText& text) {
    std::size_t begin = text.header.find("boundary=\"") + 10;
    return text.header.substr(begin, text.header.find('"', begin) - begin);
}

std::size_t count(std::string_view text, std::string_view what) {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = text.find(what, at)) != text.npos; at += what.size()) ++found;
    return found;
}

}  // namespace

TEST_SUITE_BEGIN("notice");

TEST_CASE("it says who it is from, what it is, and can't start a loop") {
    NoticeText text = write(some_notice());
    CHECK(has_line(text.header, "From: Mail Delivery System <MAILER-DAEMON@proxy.example>"));
    CHECK(has_line(text.header, "To: <s@far.example>"));
    CHECK(has_line(text.header, "Message-ID: <7.1800000000000@proxy.example>"));
    CHECK(text.message_id == "<7.1800000000000@proxy.example>");
    CHECK(has_line(text.header, "Auto-Submitted: auto-replied"));
    CHECK(has_line(text.header, "In-Reply-To: <1@far.example>"));
    CHECK(has_line(text.header, "Date: Fri, 15 Jan 2027 08:00:00 +0000"));
    CHECK(has_line(text.header, "Content-Type: multipart/report; report-type=delivery-status;"));
    CHECK_FALSE(text.eight_bit);
}

TEST_CASE("the machine's part says what RFC 3464 asks for") {
    Notice notice = some_notice();
    notice.envid = "QQ+2B314";
    notice.recipients[0].orcpt = "rfc822;A+2Bb@x.example";
    std::string text = whole(write(notice));
    for (const char* line :
         {"Reporting-MTA: dns; proxy.example", "Original-Envelope-Id: QQ+314",
          "Arrival-Date: Fri, 15 Jan 2027 07:43:20 +0000", "Original-Recipient: rfc822; A+b@x.example",
          "Final-Recipient: rfc822; a@x.example", "Action: failed", "Status: 5.1.1", "Remote-MTA: dns; mail.example",
          "Diagnostic-Code: smtp; 550 5.1.1 no such user", "Last-Attempt-Date: Fri, 15 Jan 2027 08:00:00 +0000"}) {
        CAPTURE(line);
        CHECK(has_line(text, line));
    }
}

TEST_CASE("the status is the server's own, if it fits the news, and else what is known") {
    struct Row {
        Notice::What what;
        const char* reply;
        bool expired;
        const char *status, *diagnostic;
    };
    using What = Notice::What;
    const Row rows[] = {
        {What::failed, "550 5.7.1 no", false, "5.7.1", "smtp; 550 5.7.1 no"},
        {What::failed, "550 no such user", false, "5.0.0", "smtp; 550 no such user"},
        {What::failed, "550", false, "5.0.0", "smtp; 550"},
        {What::failed, "550 5.1 x", false, "5.0.0", "smtp; 550 5.1 x"},
        {What::failed, "550 5..1 x", false, "5.0.0", "smtp; 550 5..1 x"},
        {What::failed, "550 5.7.1000 x", false, "5.0.0", "smtp; 550 5.7.1000 x"},
        {What::failed, "550 5.1000.1 x", false, "5.0.0", "smtp; 550 5.1000.1 x"},
        {What::failed, "550 2.1.1 odd", false, "5.0.0", "smtp; 550 2.1.1 odd"},
        {What::failed, "450 4.2.1 full", true, "4.4.7", "smtp; 450 4.2.1 full"},
        {What::failed, "connection refused", true, "4.4.7", "x-onecopy; connection refused"},
        {What::failed, "5500 people", false, "5.0.0", "x-onecopy; 5500 people"},
        {What::delayed, "450 4.2.1 full", false, "4.2.1", "smtp; 450 4.2.1 full"},
        {What::delayed, "connection refused", false, "4.0.0", "x-onecopy; connection refused"},
        {What::relayed, "250 2.6.0 queued", false, "2.6.0", "smtp; 250 2.6.0 queued"},
        {What::relayed, "250 ok", false, "2.0.0", "smtp; 250 ok"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.reply);
        Notice notice = some_notice();
        notice.what = row.what;
        notice.recipients[0].reply = row.reply;
        notice.recipients[0].expired = row.expired;
        std::string text = whole(write(notice));
        CHECK(has_line(text, std::string("Status: ") + row.status));
        CHECK(has_line(text, std::string("Diagnostic-Code: ") + row.diagnostic));
        CHECK(has_line(text, std::string("Action: ") + (row.what == What::failed    ? "failed"
                                                        : row.what == What::delayed ? "delayed"
                                                                                    : "relayed")));
    }
}

TEST_CASE("what strangers wrote starts no line and no part, and is printable") {
    const std::string hostile[] = {"550 5.1.1 x\r\nAction: delivered",
                                   "550 \r\n--=_boundary\r\n",
                                   std::string("550 a\0b", 7),
                                   "550 \x1b]0;title\x07",
                                   "550 \xe2\x80\xae reversed",
                                   "550 " + std::string(5000, 'x'),
                                   "550 " + std::string(3000, ' ') + "end",
                                   "550 \xff\xfe"};
    for (const std::string& reply : hostile) {
        CAPTURE(base::printable(reply));
        Notice notice = some_notice();
        notice.recipients[0].reply = reply;
        notice.recipients[0].server = "evil\r\nX: y:25";
        notice.recipients[0].orcpt = "rfc822;" + reply.substr(4);
        notice.envid = reply.substr(4);
        NoticeText text = write(notice);
        CHECK_FALSE(has_line(whole(text), "Action: delivered"));
        CHECK(count(whole(text), "--" + boundary_of(text)) == 4);
        std::string_view rest = text.opening;
        while (!rest.empty()) {
            std::string_view line = rest.substr(0, rest.find("\r\n"));
            CHECK(line.size() <= 998);
            CHECK(std::ranges::all_of(line, [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; }));
            rest.remove_prefix(std::min(rest.size(), line.size() + 2));
        }
    }
}

TEST_CASE("long replies are folded, none of their words is lost") {
    Notice notice = some_notice();
    notice.recipients[0].reply = "550 5.7.1";
    for (int i = 0; i < 60; ++i) notice.recipients[0].reply += " word" + std::to_string(i);
    std::string text = whole(write(notice));
    for (int i = 0; i < 60; ++i)
        CHECK(count(text, " word" + std::to_string(i)) + count(text, "\tword" + std::to_string(i)) >= 2);
    std::string_view rest = text;
    while (!rest.empty()) {
        std::string_view line = rest.substr(0, rest.find("\r\n"));
        CHECK(line.size() <= 100);
        rest.remove_prefix(std::min(rest.size(), line.size() + 2));
    }
}

TEST_CASE("blanks of a reply are no line of their own: some readers would take it for the end of the fields") {
    Notice notice = some_notice();
    for (std::size_t blanks : {60u, 200u, 1500u}) {
        notice.recipients[0].reply = "550 5.7.1 spam" + std::string(blanks, ' ') + "score" + std::string(blanks, ' ');
        std::string text = whole(write(notice));
        CHECK(count(text, " score") + count(text, "\tscore") == 2);
        CHECK(text.find("\t\r\n") == std::string::npos);
        CHECK(text.find(" \r\n") == std::string::npos);
    }
}

TEST_CASE("the header goes back, or all of the message, and the parts are closed behind it") {
    Notice notice = some_notice();
    NoticeText header_alone = write(notice);
    CHECK(header_alone.opening.ends_with("Content-Type: text/rfc822-headers\r\n\r\n" + notice.header));
    CHECK(header_alone.closing == "\r\n--" + boundary_of(header_alone) + "--\r\n");
    notice.whole = true;
    NoticeText all = write(notice);
    CHECK(all.opening.ends_with("Content-Type: message/rfc822\r\n\r\n" + notice.header));
    CHECK(whole(all, "\r\nbody\r\n").find(notice.header + "\r\nbody\r\n\r\n--") != std::string::npos);
    notice.eight_bit = true;
    all = write(notice);
    CHECK(all.eight_bit);
    CHECK(has_line(all.header, "Content-Transfer-Encoding: 8bit"));
}

TEST_CASE("of a long header whole fields go back") {
    Notice notice = some_notice();
    notice.header.clear();
    for (int i = 0; i < 3000; ++i) notice.header += "X-" + std::to_string(i) + ": " + std::string(40, 'x') + "\r\n";
    NoticeText text = write(notice);
    CHECK(text.opening.size() < most_returned_header + 4000);
    CHECK(text.opening.ends_with(std::string(40, 'x') + "\r\n"));
    CHECK(Header(text.opening.substr(text.opening.rfind("\r\n\r\n") + 4)).fields().size() > 1000);
}

TEST_CASE("addresses beyond ASCII have parts of their own type") {
    Notice notice = some_notice();
    notice.recipients[0].address = "jos\xc3\xa9@x.example";
    notice.header = "Subject: \xc3\xa9\r\n";
    NoticeText text = write(notice);
    CHECK(text.eight_bit);
    CHECK(has_line(whole(text), "Final-Recipient: utf-8; jos\xc3\xa9@x.example"));
    CHECK(has_line(whole(text), "Content-Type: message/global-delivery-status"));
    CHECK(has_line(whole(text), "Content-Type: message/global-headers"));
    CHECK(has_line(whole(text), "Content-Type: text/plain; charset=utf-8"));
    notice.header = "Subject: \xe9\r\n";
    CHECK_MESSAGE(has_line(whole(write(notice)), "Content-Type: text/rfc822-headers"), "Latin-1 is no UTF-8");
}

TEST_CASE("the boundary is another one for every message, so that none can hold it") {
    Notice one = some_notice(), other = some_notice();
    other.content[0] = 1;
    CHECK(boundary_of(write(one)) != boundary_of(write(other)));
    other = some_notice();
    other.header += "X: y\r\n";
    CHECK(boundary_of(write(one)) != boundary_of(write(other)));
}

TEST_CASE("a Message-ID that would not stand in a header is not referred to") {
    for (const std::string& id : {std::string(), std::string("<a\r\nb@x>"), "<" + std::string(2000, 'x') + ">"}) {
        Notice notice = some_notice();
        notice.message_id = id;
        CHECK(write(notice).header.find("In-Reply-To") == std::string::npos);
    }
}

TEST_CASE("postmaster reads whose message it was") {
    Notice notice = some_notice();
    notice.to = "postmaster@x.example";
    CHECK(whole(write(notice)).find("The message is from <s@far.example>.") != std::string::npos);
    notice.sender.clear();
    CHECK(whole(write(notice)).find("The message is from <>, the sender of notices") != std::string::npos);
}

TEST_SUITE_END();
