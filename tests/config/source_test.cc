#include "config/source.h"

#include <doctest/doctest.h>

#include <string>

TEST_SUITE_BEGIN("source");

namespace onecopy::config {

TEST_CASE("text that can be no configuration is refused where it ceases to be text") {
    using namespace std::string_literals;
    const std::string control = "a control character (0x";
    const std::string no_place = ") has no place in a configuration; is it a text file?";
    struct Row {
        std::string text;
        int line, column;
        std::string what;
    };
    const Row rows[] = {
        {"a: b\0c\n"s, 1, 5, control + "00" + no_place},
        {"\x7f"
         "ELF",
         1, 1, control + "7f" + no_place},
        {"a: b\nc: \x1b[31m\n", 2, 4, control + "1b" + no_place},
        {"a: b\rc: d\r", 1, 5, control + "0d" + no_place},
        {"a: b\r\nc: \r\r\n", 2, 4, control + "0d" + no_place},
        {"a: b\xfc"
         "cher\n",
         1, 5, "a byte that is not UTF-8: save the file as UTF-8"},
        {"a: b\n# \xc3\n", 2, 3, "a byte that is not UTF-8: save the file as UTF-8"},
        {"a: \xed\xa0\x80\n", 1, 4, "a byte that is not UTF-8: save the file as UTF-8"},
        {"\xff\xfe"
         "a\0"s,
         1, 1, "this is UTF-16: save the file as UTF-8"},
        {"\xfe\xff\0a"s, 1, 1, "this is UTF-16: save the file as UTF-8"},
        {"a:\n\tb: c\n", 2, 1, "a tab indents this line: YAML wants blanks"},
        {"a:\n  \tb: c\n", 2, 3, "a tab indents this line: YAML wants blanks"},
        {std::string(most_bytes + 1, '#'), 1, 1, "larger than 1 MiB: is it a configuration?"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        const auto problem = wrong_text(row.text);
        REQUIRE(problem);
        CHECK(problem->line == row.line);
        CHECK(problem->column == row.column);
        CHECK(problem->what == row.what);
    }
}

TEST_CASE("line ends of either kind, tabs within lines and 1 MiB are text") {
    for (const std::string& text :
         {std::string(), std::string("a: b\r\nc: d\r\n"), std::string("a:\tb\t# c\n"), std::string("\t\n \t# comment\n\t"),
          std::string("a: \xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\n"), std::string(most_bytes, '#')}) {
        CAPTURE(text.substr(0, 40));
        CHECK_FALSE(wrong_text(text));
    }
}

TEST_CASE("a quote is open where its line does not close it") {
    const Lines lines("a: \"b\"\nc: \"d\ne: 'f''g'\nh: 'i''\nj: \"k\\\"\nl: \"m\\\\\"\nn: \"o' \nplain: it's\n");
    struct Row {
        int line, column;
        bool open;
    };
    const Row rows[] = {
        {1, 4, false},  {2, 4, true},  {3, 4, false},  {4, 4, true},
        {5, 4, true},   {6, 4, false}, {7, 4, true},   {8, 8, false},  // it does not begin with a quote
        {1, 99, false}, {0, 0, false}, {99, 1, false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.line);
        CHECK(lines.open_quote({row.line, row.column}) == row.open);
    }
}

}  // namespace onecopy::config

TEST_SUITE_END();
