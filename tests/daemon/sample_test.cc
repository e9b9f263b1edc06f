#include "sample.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "message/date.h"
#include "message/header.h"

using namespace onecopy;
using analysis::Sample;
using analysis::SampleReader;

namespace {

const base::WallTime stored = base::wall_time_of(1'700'000'000'000);

std::optional<Sample> read(SampleReader& reader, std::string_view text, std::size_t piece = std::string_view::npos) {
    for (std::size_t at = 0; at < text.size(); at += piece) {
        reader.add(text.substr(at, piece));
        if (piece == text.npos) break;
    }
    return reader.finish(stored, Sample::Clock::file);
}

Sample read(std::string_view text) {
    SampleReader reader;
    auto sample = read(reader, text);
    REQUIRE(sample);
    return *sample;
}

bool same(const Sample& a, const Sample& b) {
    return a.identity.message_id == b.identity.message_id && a.identity.content == b.identity.content && a.id == b.id &&
           a.alone == b.alone && a.sender == b.sender && a.fields == b.fields && a.recipients == b.recipients &&
           a.blind == b.blind && a.arrival == b.arrival && a.clock == b.clock;
}

std::string with_crlf(std::string text) {
    for (std::size_t at = 0; (at = text.find('\n', at)) != text.npos; at += 2) text.insert(at, 1, '\r');
    return text;
}

const std::string mail =
    "Return-Path: <alice@FAR.example>\n"
    "Delivered-To: anna@corp.example\n"
    "Received: from a (b; c) by d for <anna@corp.example>;\n\tFri, 27 Nov 2026 04:32:19 +0000 (UTC; really)\n"
    "Received: from x by y; Thu, 26 Nov 2026 00:00:00 +0000\n"
    "From: Alice <alice@far.example>\nTo: bert@corp.example\nSubject: hello\nMessage-ID: <1@far.example>\n\nbody\n";

std::string replaced(const std::string& what, const std::string& by) {
    std::string text = mail;
    const std::size_t at = text.find(what);
    REQUIRE(at != text.npos);
    return text.replace(at, what.size(), by);
}

}  // namespace

TEST_SUITE_BEGIN("sample");

TEST_CASE("a message says when it came, from whom, for whom and what it is") {
    const Sample sample = read(mail);
    CHECK(sample.identity.message_id == "<1@far.example>");
    CHECK(sample.identity.subject.empty());
    CHECK(sample.id == Sample::Id::one);
    CHECK(message::date(sample.arrival) == "Fri, 27 Nov 2026 04:32:19 +0000");
    CHECK(sample.clock == Sample::Clock::received);
    CHECK(sample.recipients[0] != 0);
    CHECK(sample.blind == 1);
    CHECK(read(replaced("bert@", "Anna@")).blind == 0);
}

TEST_CASE("neither line ends nor cuts nor empty lines at the end change anything") {
    const Sample whole = read(mail);
    for (const std::string& text : {mail, with_crlf(mail), mail + "\n\n\n"}) {
        for (std::size_t piece : {1, 2, 3, 7, 100}) {
            SampleReader reader;
            const auto sample = read(reader, text, piece);
            REQUIRE(sample);
            CHECK(same(*sample, whole));
        }
    }
}

TEST_CASE("one reader reads one message after the other") {
    SampleReader reader;
    const auto first = read(reader, mail);
    const auto other = read(reader, replaced("hello", "bye") + "\r");
    const auto again = read(reader, mail);
    REQUIRE((first && other && again));
    CHECK(same(*first, *again));
    CHECK(first->identity.content != other->identity.content);
}

TEST_CASE("no text is no message") {
    SampleReader reader;
    for (const char* text : {"", "\n", "\n\n", "\r\n\r\n"}) CHECK(!read(reader, text));
    CHECK(read(reader, "body\n"));
}

TEST_CASE("arrival is by Received, Delivery-date, and what the mailbox says, in this order") {
    const std::string later = "Delivery-date: Sat, 28 Nov 2026 01:02:03 +0000\n";
    CHECK(read(later + mail).clock == Sample::Clock::received);
    const Sample delivered = read(later + "Received: from nowhere\n\nx");
    CHECK(delivered.clock == Sample::Clock::delivery_date);
    CHECK(message::date(delivered.arrival) == "Sat, 28 Nov 2026 01:02:03 +0000");
    const Sample neither = read("Date: Sat, 28 Nov 2026 01:02:03 +0000\n\nx");
    CHECK(neither.clock == Sample::Clock::file);
    CHECK(neither.arrival == stored);
}

TEST_CASE("what differs is found by its kind") {
    struct Change {
        const char *what, *by;
        std::size_t kind;
    };
    for (const auto& [what, by, kind] :
         {Change{"04:32:19", "04:32:20", 0}, Change{"anna@corp.example\nRec", "carl@corp.example\nRec", 1},
          Change{"From:", "X-Spam-Score: 1\nFrom:", 2}, Change{"From:", "Status: RO\nFrom:", 3},
          Change{"From:", "X-Whatever: 1\nFrom:", 4}, Change{"hello", "[list] hello", 5}, Change{"Alice <", "Bob <", 6},
          Change{"To: bert", "To: carl", 7}, Change{"Subject", "Date: x\nSubject", 8},
          Change{"Subject", "List-Id: x\nSubject", 9}, Change{"Subject", "MIME-Version: 1.0\nSubject", 10},
          Change{"Subject", "References: x\nSubject", 11}}) {
        CAPTURE(by);
        const Sample one = read(mail), other = read(replaced(what, by));
        for (std::size_t i = 0; i < analysis::field_kinds.size(); ++i)
            CHECK((one.fields[i] != other.fields[i]) == (i == kind));
        CHECK((one.identity.content != other.identity.content) == (kind >= analysis::first_content_kind));
    }
}

TEST_CASE("the sender is that of Return-Path, else the author") {
    const std::uint64_t alice = read(mail).sender;
    for (const char* by : {"alice@far.example\n", "<alice@far.example>\n", " <@relay.example:alice@far.example> \n"}) {
        CAPTURE(by);
        CHECK(read(replaced("<alice@FAR.example>\n", by)).sender == alice);
    }
    CHECK(read(replaced("Return-Path: <alice@FAR.example>\n", "")).sender == alice);
    CHECK(read(replaced("<alice@FAR.example>\n", "<>\n")).sender != alice);
    CHECK(read(replaced("<alice@FAR.example>\n", "<list-bounces@far.example>\n")).sender != alice);
}

TEST_CASE("a Message-ID that does not count says why") {
    const std::string line = "Message-ID: <1@far.example>\n";
    CHECK(read(replaced(line, "")).id == Sample::Id::none);
    CHECK(read(replaced(line, "Message-ID: \n")).id == Sample::Id::malformed);
    CHECK(read(replaced(line, "Message-ID: 1@far.example\n")).id == Sample::Id::malformed);
    CHECK(read(replaced(line, line + line)).id == Sample::Id::several);
}

TEST_CASE("long Message-IDs are cut and differ yet") {
    const std::string front(5000, 'a');
    const Sample one = read("Message-ID: <" + front + "1@x>\n\n"), other = read("Message-ID: <" + front + "2@x>\n\n");
    CHECK(one.identity.message_id.size() == 120);
    CHECK(one.identity.message_id != other.identity.message_id);
    CHECK(one.identity.message_id == read("Message-ID: <" + front + "1@x>\n\nbody").identity.message_id);
}

TEST_CASE("a header that is too large goes alone") {
    std::string large = "Message-ID: <1@x>\n";
    while (large.size() <= message::most_header_bytes) large += "X-A: " + std::string(900, 'a') + "\n";
    const Sample sample = read(large + "\nbody");
    CHECK(sample.alone);
    CHECK(sample.arrival == stored);
    CHECK(read("X-A: 1\n" + std::string(3 << 20, 'x')).alone);
}

TEST_CASE("mail is told from other files by its first lines") {
    for (const char* text : {"From: a@b\n\n", "X-A: 1\r\nReceived: x\r\n\r\nbody", "Date: x", "Return-Path: <>\nX-B: 1\n"})
        CHECK(analysis::begins_as_message(text));
    for (const char* text : {"", "\n\nFrom: a@b\n", "#!/bin/sh\nFrom: a\n", "Note: this\n\nFrom: a@b\n",
                             "\x7f"
                             "ELF\n",
                             "key: 1\n"})
        CHECK(!analysis::begins_as_message(text));
}

TEST_SUITE_END();
