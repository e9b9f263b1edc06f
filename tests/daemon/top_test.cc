#include "top.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace onecopy;
using nlohmann::json;

TEST_SUITE_BEGIN("top");

TEST_CASE("rates are what was counted between two answers, and never less than nothing") {
    const json before = {{"counts", {{"copies", 10}, {"messages", 4}, {"delivered", 20}}}};
    const json now = {{"counts", {{"copies", 16}, {"messages", 5}, {"delivered", 20}}}};
    using Seconds = std::chrono::duration<double>;
    CHECK(top::rates(before, now, Seconds(2)) == "3.0 copies/s, 0.5 messages/s, 0.0 delivered/s");
    CHECK(top::rates(now, before, Seconds(2)) == "0.0 copies/s, 0.0 messages/s, 0.0 delivered/s");
    CHECK(top::rates(before, now, Seconds(0)) == "0.0 copies/s, 0.0 messages/s, 0.0 delivered/s");
    CHECK(top::rates(json::object(), json::object(), Seconds(1)) == "0.0 copies/s, 0.0 messages/s, 0.0 delivered/s");
}

TEST_SUITE_END();
