#include "base/metrics.h"

#include <doctest/doctest.h>

#include <array>

using namespace onecopy::base::metrics;

TEST_SUITE_BEGIN("metrics");

TEST_CASE("a bucket of the text holds those below it, and its own bound") {
    static constexpr std::array bounds = {1.0, 2.5};
    Histogram histogram(bounds);
    for (double value : {0.5, 1.0, 2.0, 9.0}) histogram.observe(value);
    Text text;
    text.histogram("x", histogram);
    CHECK(text.take() == "x_bucket{le=\"1\"} 2\nx_bucket{le=\"2.5\"} 3\nx_bucket{le=\"+Inf\"} 4\nx_sum 12.5\nx_count 4\n");
}

TEST_CASE("a label stays one, whatever it holds") {
    CHECK(label("server", "a\"b\n") == "server=\"a\\\"b\\\\x0a\"");
}

TEST_SUITE_END();
