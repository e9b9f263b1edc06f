#include "config/document.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

TEST_SUITE_BEGIN("document");

namespace onecopy::config {

namespace {

struct Row {
    std::string text;
    int line, column;
    std::string what;
};

void check(const Row& row) {
    CAPTURE(row.text);
    const Document document = parse(row.text);
    REQUIRE_FALSE(document.problems.empty());
    CHECK(document.problems[0].line == row.line);
    CHECK(document.problems[0].column == row.column);
    CHECK(document.problems[0].what == row.what);
}

std::string repeated(std::string_view text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
}

const std::string bracket_as_key =
    "a key must be a word: close the bracket that opens here, or quote text that begins with it";

}  // namespace

TEST_CASE("values and keys know their places") {
    const Document document = parse(
        "first: one\n"
        "second:\n"
        "  - \"two\"\n"
        "  - {third: 'three', fourth: }\n"
        "fifth:\n");
    REQUIRE(document.problems.empty());
    CHECK(document.whole);
    const Node& root = document.root;
    REQUIRE(root.kind == Node::Kind::map);
    REQUIRE(root.items.size() == 3);

    const Node& first = root.items[0];
    CHECK(first.key == "first");
    CHECK(first.text == "one");
    CHECK_FALSE(first.quoted);
    CHECK((first.at.line == 1 && first.at.column == 8));

    const Node& second = root.items[1];
    REQUIRE(second.kind == Node::Kind::list);
    REQUIRE(second.items.size() == 2);
    CHECK(second.items[0].text == "two");
    CHECK(second.items[0].quoted);
    CHECK((second.items[0].at.line == 3 && second.items[0].at.column == 5));

    const Node& map = second.items[1];
    REQUIRE(map.kind == Node::Kind::map);
    REQUIRE(map.items.size() == 2);
    CHECK(map.items[0].key == "third");
    CHECK((map.items[0].key_at.line == 4 && map.items[0].key_at.column == 6));
    CHECK(map.items[1].kind == Node::Kind::nothing);

    CHECK(root.items[2].kind == Node::Kind::nothing);
    CHECK((root.items[2].key_at.line == 5 && root.items[2].key_at.column == 1));
}

TEST_CASE("columns count bytes, line ends of either kind end lines, and a byte order mark is no column") {
    const Document document = parse("\xef\xbb\xbf{\xc3\xbc: \xc3\xbc, a: b}\r\n");
    REQUIRE(document.problems.empty());
    REQUIRE(document.root.items.size() == 2);
    CHECK(document.root.items[1].key_at.column == 10);
    const Document lines = parse("a: b\r\nc: d\r\n");
    REQUIRE(lines.root.items.size() == 2);
    CHECK(lines.root.items[1].key_at.line == 2);
    CHECK(lines.root.items[1].text == "d");
}

TEST_CASE("a text without values is an empty map") {
    for (const std::string text : {"", "\n", "# all commented out\n", "---\n", "---\n...\n", "~\n"}) {
        CAPTURE(text);
        const Document document = parse(text);
        CHECK(document.problems.empty());
        CHECK(document.whole);
        CHECK(document.root.kind == Node::Kind::map);
        CHECK(document.root.items.empty());
    }
}

TEST_CASE("what YAML allows and no configuration needs is refused at its place") {
    const std::string one_line = "a text of one line without control characters is asked for here";
    const Row rows[] = {
        {"a: &x b\n", 1, 4, "anchors (&name) are not taken here"},
        {"&x a: b\n", 1, 1, "anchors (&name) are not taken here"},
        {"a: &x [b]\n", 1, 4, "anchors (&name) are not taken here"},
        {"a: &x b\nc: *x\n", 1, 4, "anchors (&name) are not taken here"},
        {"a: *x\n", 1, 4, "text that begins with * must stand in quotes"},
        {"a: !!str b\n", 1, 4, "tags (!name) are not taken here"},
        {"a: !x {}\n", 1, 4, "tags (!name) are not taken here"},
        {"a: b\n---\nc: d\n", 2, 1, "here begins a second document: all must stand in one"},
        {"[a]: b\n", 1, 1, bracket_as_key},
        {"? {a: b}\n: c\n", 1, 3, bracket_as_key},
        {"a: [[::1]:25]\n", 1, 5, bracket_as_key},
        {"~: b\n", 1, 1, "a key must be a word"},
        {"a: {: b}\n", 1, 5, "a key must be a word"},
        {"a: |\n  b\n  c\n", 1, 4, one_line},
        {"a: \"b\\nc\"\n", 1, 4, one_line},
        {"a: \"b\\0c\"\n", 1, 4, one_line},
        {"a: \"\\e[31m\"\n", 1, 4, one_line},
        {"\"a\\tb\": c\n", 1, 1, one_line},
        {"a: \"\\u2028\"\n", 1, 4, one_line},
        {"a: \"\\u202e\"\n", 1, 4, one_line},
    };
    for (const Row& row : rows) check(row);
}

TEST_CASE("a backslash is a character like others") {
    const Document document = parse("a: \"b\\\\c\"\nd: e\\f\n");
    REQUIRE(document.problems.empty());
    CHECK(document.root.items[0].text == "b\\c");
    CHECK(document.root.items[1].text == "e\\f");
}

TEST_CASE("an error of the syntax says what may be meant") {
    const std::string open_quote = "the quote that opens here is not closed on its line";
    const std::string open_bracket = "the bracket that opens here is not closed, or a comma is missing in it";
    const std::string no_value =
        "a `key: value` that can't stand here: look at the indentation and the colon of the lines above; quote text that "
        "holds `: `";
    const std::string no_key =
        "a `key: value` is asked for here, indented as its neighbours; quote text that begins with a bracket";
    const Row rows[] = {
        {"a: \"b\nc: d\n", 1, 4, open_quote},
        {"a: 'b\n", 1, 4, open_quote},
        {"a: \"b\nc: \"d\"\n", 1, 4, open_quote},  // the parser alone would complain of line 2
        {"\"a: b\n", 1, 1, open_quote},
        {"a: [b, c\nd: e\n", 1, 4, open_bracket},
        {"a: {b: c d: e}\n", 1, 4, open_bracket},
        {"a: [b, {c: d\n", 1, 8, bracket_as_key},
        {"a: [b, {c: d]\n", 1, 13, "a closing bracket that nothing opened"},
        {"a: ]\n", 1, 4, "a closing bracket that nothing opened"},
        {"a: @b\n", 1, 4, "text that begins with this character must stand in quotes"},
        {"a: %b\n", 1, 4, "text that begins with this character must stand in quotes"},
        {"a: b: c\n", 1, 5, no_value},
        {"a:\n  b: c\n   d: e\n", 3, 5, no_value},
        {"a:\n  b: c\n d: e\n", 3, 2, no_key},
        {"a: [b]:25\n", 1, 7, no_key},
        {"a:\n  - b\n  c: d\n", 3, 3, no_key},
        {"a: - b\n", 1, 4, "a `- value` can't stand here: look at the indentation of the lines above"},
    };
    for (const Row& row : rows) {
        check(row);
        CHECK_FALSE(parse(row.text).whole);
        CHECK(parse(row.text).problems.size() == 1);
    }
}

TEST_CASE("depth and number of values are bounded, whatever nests") {
    for (const std::string opening : {"[", "{a: ", "- ", "? ", "[{a: ", "{a: [", "- - a: "}) {
        for (const std::string closing : {"", "]", "}"}) {
            CAPTURE(opening);
            const Document document = parse(repeated(opening, 20'000) + repeated(closing, 20'000));
            CHECK_FALSE(document.whole);
            CHECK(document.problems.size() == 1);
        }
    }
    const auto depth = [](int levels) { return parse("a: " + repeated("[", levels - 1) + repeated("]", levels - 1)); };
    CHECK(depth(16).whole);
    CHECK_FALSE(depth(17).whole);
    CHECK(depth(17).problems.at(0).what == "nested more than 16 deep");
    CHECK(depth(17).problems.at(0).column == 19);

    CHECK(parse("[" + repeated("a,", 99'999) + "]").whole);
    const Document crowded = parse("[" + repeated("a,", 100'000) + "]");
    CHECK_FALSE(crowded.whole);
    CHECK(crowded.problems.at(0).what == "more than 100000 values: is it a configuration?");
}

}  // namespace onecopy::config

TEST_SUITE_END();
