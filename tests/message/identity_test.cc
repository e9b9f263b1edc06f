#include "message/identity.h"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/escape.h"

using namespace onecopy::message;

namespace {

Identity identity(std::string_view header, std::string_view body = "Hello\r\n") {
    IdentityBuilder builder;
    builder.header(header);
    builder.body(body);
    return builder.finish();
}

bool same_content(std::string_view a, std::string_view b) {
    return identity(a).content == identity(b).content;
}

bool same_body(std::string_view a, std::string_view b) {
    return identity("From: a@x\r\n", a).content == identity("From: a@x\r\n", b).content;
}

const std::string plain =
    "From: Ann <ann@x.example>\r\n"
    "To: bob@corp.example\r\n"
    "Subject: Hello\r\n"
    "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    "Message-ID: <1@x.example>\r\n";

std::string hex(const Digest& digest) {
    return onecopy::base::hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

double seconds(auto work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST_SUITE_BEGIN("identity");

TEST_CASE("exactly one well-formed Message-ID keys a message") {
    const std::string long_id = "<" + std::string(10'000, 'x') + "@y>";
    const std::vector<std::pair<std::string, std::string>> rows{
        {"Message-ID: <a@b>\r\n", "<a@b>"},
        {"Message-Id:<a@b>\r\n", "<a@b>"},
        {"MESSAGE-ID:\t<a@b> \t\r\n", "<a@b>"},
        {"Message-ID : <a@b>\r\n", "<a@b>"},
        {"message-id \t :<a@b>\r\n", "<a@b>"},
        {"Message-ID: <a@b>", "<a@b>"},
        {"Message-ID: (x) <a@b> (y)\r\n", "<a@b>"},
        {"Message-ID: (x (y) \\) <z>)<a@b>((z))\r\n", "<a@b>"},
        {"Message-ID:\r\n <a@b>\r\n", "<a@b>"},
        {"Message-ID:\r\n \r\n\t<a@b>\r\n (c\r\n d)\r\n", "<a@b>"},
        {"Message-ID: <a\r\n b@c>\r\n", "<a b@c>"},
        {"Message-ID: <\"a\r\n\t  b\"@c>\r\n", "<\"a b\"@c>"},
        {"Message-ID: <\"a b\"@c>\r\n", "<\"a b\"@c>"},
        {"Message-ID: <\"a  b\"@c>\r\n", "<\"a  b\"@c>"},
        {"Message-ID: <\"a>b\"@c>\r\n", "<\"a>b\"@c>"},
        {"Message-ID: <\"a\\\">b\"@c>\r\n", "<\"a\\\">b\"@c>"},
        {"Message-ID: <a@[192.0.2.1]>\r\n", "<a@[192.0.2.1]>"},
        {"Message-ID: <a@[b>c]>\r\n", "<a@[b>c]>"},
        {"Message-ID: <[1]a@b>\r\n", "<[1]a@b>"},
        {"Message-ID: <a(b)@c>\r\n", "<a(b)@c>"},
        {"Message-ID: <A@B.Example>\r\n", "<A@B.Example>"},
        {"Message-ID: <no-at-sign>\r\n", "<no-at-sign>"},
        {"Message-ID: <\xc3\xa9@b>\r\n", "<\xc3\xa9@b>"},
        {"Message-ID: <\xff\x80@b>\r\n", "<\xff\x80@b>"},
        {"Message-ID: " + long_id + "\r\n", long_id},
        {"X: y\r\nMessage-ID <c@d>\r\nMessage-ID: <a@b>\r\n Message-ID: \r\n", ""},
        {"X: y\r\nMessage-ID <c@d>\r\nMessage-ID: <a@b>\r\n", "<a@b>"},
        {"Subject: x\r\n Message-ID: <c@d>\r\nMessage-ID: <a@b>\r\n", "<a@b>"},
        {"X-Message-ID: <c@d>\r\nMessage-IDs: <c@d>\r\nMessage-ID: <a@b>\r\n", "<a@b>"},
    };
    for (const auto& [header, id] : rows) {
        CAPTURE(header.substr(0, 100));
        CHECK(identity(header).message_id == id);
        CHECK(message_id(header) == id);
    }
}

TEST_CASE("anything else does not") {
    const std::vector<std::string> rows{
        "",
        "Subject: x\r\n",
        "Message-ID:\r\n",
        "Message-ID: \r\n \r\n",
        "Message-ID: <>\r\n",
        "Message-ID: < >\r\n",
        "Message-ID: <\r\n >\r\n",
        "Message-ID: a@b\r\n",
        "Message-ID: (<a@b>)\r\n",
        "Message-ID: <a@b> x\r\n",
        "Message-ID: x <a@b>\r\n",
        "Message-ID: <a@b>, <c@d>\r\n",
        "Message-ID: <a@b><c@d>\r\n",
        "Message-ID: <<a@b>>\r\n",
        "Message-ID: <a@b>>\r\n",
        "Message-ID: <a@b\r\n",
        "Message-ID: a@b>\r\n",
        "Message-ID: <a<b@c>\r\n",
        "Message-ID: <\"a@b>\r\n",
        "Message-ID: <\"a\\\"@b>\r\n",
        "Message-ID: <a@[b>\r\n",
        "Message-ID: (x <a@b>\r\n",
        "Message-ID: <a@b> (x\r\n",
        "Message-ID: <a@b> (x\\)\r\n",
        "Message-ID: <a@b>)\r\n",
        "Message-ID: \"<a@b>\"\r\n",
        std::string("Message-ID: <a\0@b>\r\n", 20),
        std::string("Message-ID: <a@b>\0\r\n", 20),
        "Message-ID: <a\r@b>\r\n",
        "Message-ID: <a\n@b>\r\n",
        "Message-ID: <a\x01@b>\r\n",
        "Message-ID: <a\x7f@b>\r\n",
        "Subject: a\rMessage-ID: <inj@x>\r\n",
        "Subject: a\nMessage-ID: <inj@x>\r\n",
        "Message-ID <a@b>\r\n",
        "Message ID: <a@b>\r\n",
        " Message-ID: <a@b>\r\n",
        "Message-ID: <a@b>\r\nMessage-ID: <a@b>\r\n",
        "Message-ID: <a@b>\r\nMessage-ID : <c@d>\r\n",
        "Message-ID: <a@b>\r\nmessage-id:\r\n",
        "Message-ID:\r\nMessage-ID: <a@b>\r\n",
        "Message-ID: <a@b>\r\nMessage-ID: <a@b>\r\nMessage-ID: <a@b>\r\n",
    };
    for (const auto& header : rows) {
        CAPTURE(header);
        CHECK(identity(header).message_id == "");
        CHECK(message_id(header) == "");
    }
}

TEST_CASE("an id in the body or in an attached message is not the message's") {
    CHECK(identity("Subject: x\r\n", "Message-ID: <a@b>\r\n\r\nMessage-ID: <c@d>\r\n").message_id == "");
    CHECK(identity("Content-Type: message/rfc822\r\n", "Message-ID: <a@b>\r\n").message_id == "");
}

TEST_CASE("the content is the author's fields and the body") {
    for (const std::string field : {
             "From: b@x",
             "Sender: b@x",
             "Reply-To: b@x",
             "To: b@x",
             "Cc: b@x",
             "Date: now",
             "Subject: s",
             "In-Reply-To: <a@b>",
             "References: <a@b>",
             "Comments: c",
             "Keywords: k",
             "Resent-From: b@x",
             "Resent-To: b@x",
             "Resent-Message-ID: <r@x>",
             "Resent-Date: now",
             "MIME-Version: 1.0",
             "Content-Type: text/plain",
             "Content-Transfer-Encoding: 8bit",
             "Content-Anything: x",
             "List-Id: <l>",
             "List-Unsubscribe: <u>",
             "Feedback-ID: f",
             "X-Mailer-RecptId: 7",
             "Disposition-Notification-To: b@x",
             "Return-Receipt-To: b@x",
             "Importance: high",
             "Priority: urgent",
             "X-Priority: 1",
             "Auto-Submitted: auto-replied",
             "Precedence: bulk",
             "Autocrypt: addr=a",
         }) {
        CAPTURE(field);
        CHECK_FALSE(same_content(plain, plain + field + "\r\n"));
        CHECK_FALSE(same_content(plain + field + "\r\n", plain + field + "x\r\n"));
    }
}

TEST_CASE("trace and filter fields are not: copies that differ by them are one message") {
    for (const std::string field : {
             "Received: from a by b; now",
             "Delivered-To: b@x",
             "X-Original-To: b@x",
             "Envelope-To: b@x",
             "Return-Path: <b@x>",
             "X-UIDL: 1",
             "Status: RO",
             "X-Status: A",
             "Content-Length: 7",
             "content-length: 8",
             "Lines: 3",
             "X-Spam-Score: 1",
             "DKIM-Signature: v=1",
             "ARC-Seal: i=1",
             "Authentication-Results: x",
             "Received-SPF: pass",
             "Bcc: b@x",
             "bcc : b@x",
             "Resent-Bcc: b@x",
             "X-Loop: b@x",
             "Message-ID : <other@x>",
             "Delivery-date: now",
             "X-List: x",
         }) {
        CAPTURE(field);
        CHECK(same_content(plain, field + "\r\n" + plain));
        CHECK(same_content(plain, plain + field + "\r\n folded\r\n"));
    }
    CHECK(same_content(plain, "From ann Mon Jan  1\r\n" + plain));
}

TEST_CASE("folding, case of names and white space do not count; all else does") {
    CHECK(same_content("Subject: a b\r\n", "SUBJECT:a\r\n\t  b \r\n"));
    CHECK(same_content("Subject: a b\r\n", "Subject :\ta \t b"));
    CHECK_FALSE(same_content("Subject: a b\r\n", "Subject: ab\r\n"));
    CHECK_FALSE(same_content("Subject: a b\r\n", "Subject: A b\r\n"));
    CHECK_FALSE(same_content("Subject: a b\r\n", "Subject: a\rb\r\n"));
    CHECK_FALSE(same_content("Subject: a b\r\n", std::string("Subject: a\0b\r\n", 14)));
    CHECK_FALSE(same_content("Subject: a\r\n", "Comments: a\r\n"));
    CHECK_FALSE(same_content("Subject:\r\n", ""));
    CHECK_FALSE(same_content("To: a@x\r\nTo: b@x\r\n", "To: b@x\r\nTo: a@x\r\n"));
    CHECK_FALSE(same_content("To: a@x\r\n", "To: a@x\r\nTo: a@x\r\n"));
}

TEST_CASE("lines of the header that are no field are content: to others they are the body") {
    CHECK_FALSE(same_content("Disk 1 failed\r\n", "Disk 2 failed\r\n"));
    CHECK_FALSE(same_content(plain + "Disk 1 failed\r\n", plain + "Disk 2 failed\r\n"));
    CHECK_FALSE(same_content(plain + "Disk 1 failed\r\n", plain));
    CHECK_FALSE(same_content(plain + "From 1\r\n", plain + "From 2\r\n"));
    CHECK(same_content(plain + "Disk 1 failed\r\n", plain + "X-Trace: x\r\nDisk 1 failed\r\n"));
}

TEST_CASE("no field can pass for another one, or for the body") {
    CHECK_FALSE(same_content("To: a\r\nCc: b\r\n", "To: a\r\n Cc: b\r\n"));
    CHECK_FALSE(identity("To: a\r\n", "x").content == identity("To: a x\r\n", "").content);
    const std::string zeros(4, '\0');
    CHECK_FALSE(identity("To: a\r\n", zeros).content == identity("To: a" + zeros + "\r\n", "").content);
    CHECK_FALSE(identity("", "To: a\r\n").content == identity("To: a\r\n", "").content);
}

TEST_CASE("only the empty lines at the end of a body do not count") {
    CHECK(same_body("a\r\n", "a\r\n\r\n\r\n"));
    CHECK(same_body("a", "a\r\n"));
    CHECK(same_body("", "\r\n\r\n"));
    CHECK_FALSE(same_body("a\r\n", "\r\na\r\n"));
    CHECK_FALSE(same_body("a\r\nb\r\n", "a\r\n\r\nb\r\n"));
    CHECK_FALSE(same_body("a\r\n", "a \r\n"));
    CHECK_FALSE(same_body("a\r\n", "a\r\n.\r\n"));
    CHECK_FALSE(same_body("a\r\n", "a\r\n \r\n"));
    CHECK_FALSE(same_body("a\r", "a"));
    CHECK_FALSE(same_body("a\n", "a"));
    CHECK_FALSE(same_body("a\r\n\r", "a\r\n"));
    CHECK_FALSE(same_body("a\r\r\n", "a\r\n"));
    CHECK_FALSE(same_body("a", "b"));
}

TEST_CASE("a body in any two or three pieces is the same body") {
    const std::string body = "\r\n\r\na\r\r\n\n\r\nb\r\n\r\n.\r\n\r\n\r\rc\n\r\r\n\r\n\r\n";
    const auto whole = identity(plain, body).content;
    for (std::size_t first = 0; first <= body.size(); ++first) {
        for (std::size_t second = first; second <= body.size(); ++second) {
            IdentityBuilder builder;
            builder.header(plain);
            builder.body(std::string_view(body).substr(0, first));
            builder.body(std::string_view(body).substr(first, second - first));
            builder.body(std::string_view(body).substr(second));
            REQUIRE(builder.finish().content == whole);
        }
    }
    IdentityBuilder bytes;
    bytes.header(plain);
    for (char c : body) bytes.body({&c, 1});
    CHECK(bytes.finish().content == whole);
}

TEST_CASE("the digest is SHA-256 over counted names and values, an empty name, and the body: it stands in ledgers") {
    const auto digest = identity("Subject:  x \r\nReceived: y\r\n", "a\r\n\r\n").content;
    CHECK(hex(digest) == "3cba84726e48ac4efb595699077a836632057fb66591299133f6689feba48e8a");
}

TEST_CASE("SMTPUTF8, RET and ENVID count with the content, each by itself and as they came") {
    using Return = MailOptions::Return;
    const std::vector<MailOptions> ways{
        {},
        {true, Return::unset, ""},
        {false, Return::full, ""},
        {false, Return::headers, ""},
        {false, Return::unset, "QQ314159"},
        {false, Return::unset, "qq314159"},
        {true, Return::full, ""},
        {true, Return::full, "QQ314159"},
        {false, Return::unset, std::string(1, static_cast<char>(Return::full))},
    };
    const auto plainly = identity(plain);
    for (std::size_t one = 0; one < ways.size(); ++one) {
        for (std::size_t other = 0; other < ways.size(); ++other) {
            CAPTURE(one);
            CAPTURE(other);
            const bool equal = sent_with(ways[one], plainly).content == sent_with(ways[other], plainly).content;
            CHECK(equal == (one == other));
        }
        CHECK(sent_with(ways[one], plainly).message_id == "<1@x.example>");
        CHECK(sent_with(ways[one], plainly).has_date);
        CHECK_FALSE(sent_with(ways[one], plainly).content == sent_with(ways[one], identity("Subject: other\r\n")).content);
    }
}

TEST_CASE("a message that asks for none of them is the one it always was, and what they make of it stands in ledgers") {
    const auto plainly = identity("Subject:  x \r\nReceived: y\r\n", "a\r\n\r\n");
    CHECK(sent_with({}, plainly).content == plainly.content);
    const auto asked = sent_with({true, MailOptions::Return::headers, "QQ+2B"}, plainly).content;
    CHECK(hex(asked) == "e2b43881ed9523ee73e0b9ca892908ecc612a1bbbc0f40002c93c1e0fadfc459");
}

TEST_CASE("a message has a date when its Date says anything") {
    CHECK(identity(plain).has_date);
    CHECK(identity("DATE : x\r\n").has_date);
    CHECK_FALSE(identity("Subject: x\r\n").has_date);
    CHECK_FALSE(identity("Date:  \r\n \r\n").has_date);
    CHECK_FALSE(identity("Resent-Date: x\r\n").has_date);
}

TEST_CASE("trace fields on top shift no bound: the digest stays") {
    std::string content;
    for (int i = 0; i < 1100; ++i) content += "Comments: " + std::string(i % 90, 'c') + "\r\n  folded\r\n";
    content += "Subject: " + std::string(900'000, 's') + "\r\n\t end\r\n";
    content += "Message-ID:\r\n <late@x>\r\n";
    std::string trace;
    for (int i = 0; i < 3000; ++i) trace += "Received: from a by b; Mon\r\n";
    const auto expected = identity(content);
    const auto shifted = identity(trace + content);
    CHECK(expected.message_id == "<late@x>");
    CHECK(shifted.message_id == "<late@x>");
    CHECK(shifted.content == expected.content);
    auto unfolded = content;
    unfolded.replace(unfolded.find("\r\n  folded"), 10, " folded");
    CHECK(identity(trace + unfolded).content == expected.content);
    content[content.find("sss")] = 'S';
    CHECK_FALSE(identity(content).content == expected.content);
}

TEST_CASE("hostile headers take bounded time") {
    std::string many;
    for (int i = 0; i < 10'000; ++i) many += "Subject: " + std::to_string(i) + "\r\n";
    std::string folds = "Subject: x";
    while (folds.size() < 1'000'000) folds += "\r\n ";
    std::string brackets = "Message-ID: ";
    while (brackets.size() < 1'000'000) brackets += "(<\"";
    std::string received;
    while (received.size() < 1'000'000) received += "Received: x\r\n";
    for (const auto& header :
         {many, folds + "x", brackets, received, std::string(1 << 20, '\r'), std::string(1 << 20, ':')}) {
        CHECK(seconds([&] { identity(header); }) < 2.0);
    }
    CHECK(seconds([&] { identity("", std::string(1 << 22, '\n')); }) < 4.0);
}

TEST_CASE("the subject is kept for people, unfolded and bounded") {
    CHECK(identity("Subject: a\r\n  b\r\n", "").subject == "a b");
    CHECK(identity("X-Subject: a\r\n", "").subject.empty());
    CHECK(identity("Subject: " + std::string(1000, 'x') + "\r\n", "").subject.size() == most_subject);
}

TEST_SUITE_END();
