#include "config/suggest.h"

#include <doctest/doctest.h>

TEST_SUITE_BEGIN("suggest");

namespace onecopy::config {

TEST_CASE("the word that was meant is at most two letters off, and mostly right") {
    const std::vector<std::string> words = {"window", "quiet", "match", "log", "history", "1.0", "1.2"};
    struct Row {
        std::string_view text, word;
    };
    const Row rows[] = {
        {"window", "window"},
        {"windw", "window"},
        {"wimdwo", "window"},
        {"wimdvo", ""},
        {"wnidow", "window"},
        {"wnidwo", "window"},
        {"lgo", "log"},
        {"WINDOW", "window"},
        {"windows", "window"},
        {"win", "window"},
        {"hist", "history"},
        {"hi", ""},
        {"match_", "match"},
        {"lag", "log"},
        {"foo", ""},
        {"logging", "log"},
        {"1.20", "1.2"},
        {"1.1", "1.0"},
        {"", ""},
        {"completely different", ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(meant(row.text, words) == row.word);
    }
    CHECK(meant("window", {}) == "");
    CHECK(did_you_mean("windw", words) == "; did you mean window?");
    CHECK(did_you_mean("foo", words) == "");
}

TEST_CASE("words are joined as in a sentence") {
    CHECK(joined({}) == "");
    CHECK(joined({"a"}) == "a");
    CHECK(joined({"a", "b"}) == "a or b");
    CHECK(joined({"a", "b", "c"}) == "a, b or c");
}

}  // namespace onecopy::config

TEST_SUITE_END();
