#include "base/units.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>

using namespace onecopy::base;

TEST_SUITE_BEGIN("units");

TEST_CASE("a duration is a whole number and a unit") {
    const std::pair<std::string_view, std::int64_t> good[] = {{"0", 0},
                                                              {"0s", 0},
                                                              {"0ms", 0},
                                                              {"1ms", 1},
                                                              {"300ms", 300},
                                                              {"30s", 30'000},
                                                              {"5m", 300'000},
                                                              {"2h", 7'200'000},
                                                              {"7d", 604'800'000},
                                                              {"90s", 90'000},
                                                              {"1500ms", 1500},
                                                              {"100d", 8640000000},
                                                              {"3660d", 316224000000}};
    for (const auto& [text, milliseconds] : good) {
        CAPTURE(text);
        REQUIRE(parse_duration(text));
        CHECK(parse_duration(text)->count() == milliseconds);
    }
}

TEST_CASE("what is no duration is refused") {
    const std::string_view bad[] = {"",
                                    " ",
                                    "1",
                                    "30",
                                    "s",
                                    "ms",
                                    "-1s",
                                    "+1s",
                                    "1.5h",
                                    "1e3s",
                                    " 1s",
                                    "1s ",
                                    "1 s",
                                    "1S",
                                    "1sec",
                                    "1h5m",
                                    "0x1s",
                                    "010s",
                                    "00",
                                    "3661d",
                                    "1w",
                                    "1µs",
                                    "∞",
                                    "18446744073709551616ms",
                                    "18446744073709551615d",
                                    "9999999999999999999s",
                                    std::string_view("1s\0", 3),
                                    std::string_view("\0", 1)};
    for (std::string_view text : bad) {
        CAPTURE(text);
        CHECK_FALSE(parse_duration(text));
    }
}

TEST_CASE("a duration's text is the shortest that reads back as the same") {
    const std::pair<std::int64_t, std::string_view> texts[] = {
        {0, "0s"},       {1, "1ms"},        {1000, "1s"},       {1500, "1500ms"},    {60'000, "1m"},
        {90'000, "90s"}, {3'600'000, "1h"}, {86'400'000, "1d"}, {604'800'000, "7d"}, {90'000'000, "25h"}};
    for (const auto& [milliseconds, text] : texts) {
        CHECK(to_text(Duration(milliseconds)) == text);
        CHECK(parse_duration(text) == Duration(milliseconds));
    }
    CHECK(to_text(Duration(-1500)) == "-1500ms");
}

TEST_CASE("a size is a whole number, with a letter for powers of 1024") {
    const std::pair<std::string_view, std::uint64_t> good[] = {{"0", 0},
                                                               {"1", 1},
                                                               {"4096", 4096},
                                                               {"64K", 65536},
                                                               {"50M", 52428800},
                                                               {"1G", 1073741824},
                                                               {"4096G", std::uint64_t{1} << 42}};
    for (const auto& [text, bytes] : good) {
        CAPTURE(text);
        CHECK(parse_size(text) == bytes);
    }
    CHECK(size_to_text(0) == "0");
    CHECK(size_to_text(1000) == "1000");
    CHECK(size_to_text(65536) == "64K");
    CHECK(size_to_text(52428800) == "50M");
    CHECK(size_to_text(std::uint64_t{3} << 30) == "3G");
}

TEST_CASE("what is no size is refused") {
    const std::string_view bad[] = {"",
                                    "K",
                                    "-1",
                                    "+1",
                                    "1.5M",
                                    "50MB",
                                    "50m",
                                    "50 M",
                                    " 50M",
                                    "50M ",
                                    "010",
                                    "0x1f",
                                    "1e3",
                                    "1T",
                                    "18446744073709551616",
                                    "99999999999G"};
    for (std::string_view text : bad) {
        CAPTURE(text);
        CHECK_FALSE(parse_size(text));
    }
}

TEST_SUITE_END();
