#include "base/time.h"

#include <doctest/doctest.h>

using namespace onecopy::base;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("time");

TEST_CASE("a time is stored as milliseconds and comes back the same") {
    for (std::int64_t milliseconds : {std::int64_t{0}, std::int64_t{1}, std::int64_t{-5}, std::int64_t{253402300799999}}) {
        CHECK(to_integer(time_of(milliseconds)) == milliseconds);
        CHECK(to_integer(wall_time_of(milliseconds)) == milliseconds);
    }
    CHECK(time_of(1000) + 5s == time_of(6000));
    CHECK(time_of(to_integer(never)) == never);
}

TEST_CASE("the boot clock never goes back") {
    Duration before = boot_clock();
    CHECK(before > 0ms);
    for (int i = 0; i < 1000; ++i) {
        Duration now = boot_clock();
        CHECK(now >= before);
        before = now;
    }
}

TEST_CASE("the wall clock counts from 1970") {
    CHECK(wall_clock() > wall_time_of(1'600'000'000'000));
    CHECK(wall_clock() < wall_time_of(32'000'000'000'000));
}

TEST_SUITE_END();
