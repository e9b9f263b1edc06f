#include "status_line.h"

#include <doctest/doctest.h>

using namespace onecopy;

TEST_SUITE_BEGIN("status line");

TEST_CASE("the line says where mail is taken, and how much of it waits") {
    ledger::Counts counts;
    counts.held = 3;
    counts.failed = 1;
    const StatusLine::Present present{{"127.0.0.1:2525", "/run/onecopy/smtp"}};
    CHECK(StatusLine::text(present, counts) == "listening on 127.0.0.1:2525, /run/onecopy/smtp; held 3, queued 0, failed 1");
}

TEST_CASE("that forwarding is paused comes first, and a spool that can't be read is said to be one") {
    const StatusLine::Present present{{"127.0.0.1:2525"}, true};
    CHECK(StatusLine::text(present, std::nullopt) == "paused, listening on 127.0.0.1:2525; the spool can't be read");
}

TEST_SUITE_END();
