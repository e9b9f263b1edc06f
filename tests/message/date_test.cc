#include "message/date.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>

using namespace onecopy;

namespace {

/// As date() writes it; empty: none.
std::string read(std::string_view text) {
    const auto time = message::parse_date(text);
    return time ? message::date(*time) : std::string();
}

std::string read_from_line(std::string_view line) {
    const auto time = message::parse_from_line(line);
    return time ? message::date(*time) : std::string();
}

const std::string moment = "Fri, 27 Nov 2026 04:32:19 +0000";

}  // namespace

TEST_SUITE_BEGIN("date");

TEST_CASE("what is written is read again") {
    CHECK(read(moment) == moment);
    CHECK(read("Thu, 1 Jan 1970 00:00:00 +0000") == "Thu, 1 Jan 1970 00:00:00 +0000");
    CHECK(read("Thu, 29 Feb 2024 23:59:60 +0000") == "Fri, 1 Mar 2024 00:00:00 +0000");
}

TEST_CASE("a date is read however it is written") {
    for (const char* text :
         {"27 Nov 2026 04:32:19 +0000", "  Fri,27 nov 2026 04:32:19 GMT", "Fri, 27 Nov 2026 05:32:19 +0100 (CET)",
          "Fri, 27 Nov 2026 05:32:19 CET", "Fri, 27 Nov 26 04:32:19 UT", "(a (b) \\) c) Fri, 27 (x)Nov 2026\r\n 04:32:19",
          "Thu, 26 Nov 2026 23:02:19 -0530", "Fri Nov 27 04:32:19 2026", "Fri Nov 27 04:32:19 +0000 2026",
          "Fri Nov 27 05:32:19 CET 2026", "Fri Nov 27 05:32:19 2026 +0100",
          "Fri, 27 Nov 2026 04:32:19 LOCAL and more words"}) {
        CAPTURE(text);
        CHECK(read(text) == moment);
    }
    CHECK(read("27 Nov 95 04:32 EST") == "Mon, 27 Nov 1995 09:32:00 +0000");
    CHECK(read("27 Nov 102 4:32") == "Wed, 27 Nov 2002 04:32:00 +0000");
}

TEST_CASE("what is no date since 1970 is none") {
    for (const std::string& text : {std::string(),
                                    std::string("Fri,"),
                                    std::string("27 Nov 2026"),
                                    std::string("31 Feb 2026 04:32:19"),
                                    std::string("27 Nov 1969 04:32:19"),
                                    std::string("27 Nov 20266 04:32:19"),
                                    std::string("0 Nov 2026 04:32:19"),
                                    std::string("27 Nov 2026 24:00:00"),
                                    std::string("27 Nov 2026 04:60:00"),
                                    std::string("27 Nov 2026 04"),
                                    std::string("27 Nov 2026 04:32:"),
                                    std::string("27 Nov 2026 -4:32:19"),
                                    std::string("27 Nov -026 04:32:19"),
                                    std::string("99999999999999999999 Nov 2026 04:32:19"),
                                    std::string("Nov 27 04:32:19"),
                                    std::string("Nov 27 04:32:19 CET"),
                                    std::string(100'000, '('),
                                    std::string(100'000, ','),
                                    std::string("(\\"),
                                    std::string("\0 \xff\x80", 4)}) {
        CAPTURE(text.substr(0, 40));
        CHECK(read(text).empty());
    }
}

TEST_CASE("the line of an mbox tells when its message was delivered") {
    for (const char* line :
         {"From alice@far.example Fri Nov 27 04:32:19 2026\n", "From MAILER-DAEMON Fri Nov 27 04:32:19 2026\r\n",
          "From - Fri Nov 27 04:32:19 2026", "From 17@xxx Fri Nov 27 04:32:19 +0000 2026", "From  Fri Nov 27 04:32:19 2026",
          "From John Fri Doe Fri, 27 Nov 2026 05:32:19 +0100", "From a@b  Fri Nov 27 05:32:19 2026 +0100 remote from x"}) {
        CAPTURE(line);
        CHECK(read_from_line(line) == moment);
    }
}

TEST_CASE("a line that holds no such time is text") {
    for (const char* line :
         {"From here on Friday", "From ", "From", "from a Fri Nov 27 04:32:19 2026", ">From a Fri Nov 27 04:32:19 2026",
          "From a Nov 27 04:32:19 2026", "From a@b Fri Nov 2026", "From: a@b Fri Nov 27 04:32:19 2026"}) {
        CAPTURE(line);
        CHECK(read_from_line(line).empty());
    }
}

TEST_SUITE_END();
