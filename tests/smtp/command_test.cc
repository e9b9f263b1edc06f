#include "smtp/command.h"

#include <doctest/doctest.h>

TEST_SUITE_BEGIN("command");

namespace onecopy::smtp {

TEST_CASE("a line is a verb in any case and its argument") {
    struct Row {
        std::string_view line, verb, argument;
    };
    const Row rows[] = {
        {"NOOP", "NOOP", ""},
        {"noop x y", "NOOP", "x y"},
        {"EhLo  host \t ", "EHLO", "host"},
        {"RSET ", "RSET", ""},
        {"", "", ""},
        {" NOOP", "", "NOOP"},
        {"MAIL\tFROM:<>", "MAIL", "FROM:<>"},
        {"no\xc3\xa9p", "NO\xc3\xa9P", ""},
    };
    for (const auto& row : rows) {
        CAPTURE(row.line);
        const auto command = parse_command(row.line);
        CHECK(command.verb == row.verb);
        CHECK(command.argument == row.argument);
    }
}

TEST_CASE("the path ends at the > outside quotes") {
    struct Row {
        std::string_view argument, path;
    };
    const Row rows[] = {
        {"TO:<a@b>", "a@b"},
        {"to:<a@b>", "a@b"},
        {"TO: \t<a@b>  ", "a@b"},
        {"TO:<>", ""},
        {R"(TO:<"a b"@d>)", R"("a b"@d)"},
        {R"(TO:<"a\"b"@d>)", R"("a\"b"@d)"},
        {R"(TO:<"a>b"@d>)", R"("a>b"@d)"},
        {R"(TO:<"a\">b"@d>)", R"("a\">b"@d)"},
        {R"(TO:<"a\\"@d>)", R"("a\\"@d)"},
        {R"(TO:<a\>)", R"(a\)"},
        {"TO:<@r1,@r2:u@d>", "@r1,@r2:u@d"},
        {"TO:<u@[IPv6:2001:db8::1]>", "u@[IPv6:2001:db8::1]"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.argument);
        const auto parsed = parse_path_argument(row.argument, "TO:");
        REQUIRE(parsed);
        CHECK(parsed->path == row.path);
        CHECK(parsed->parameters.empty());
    }
}

TEST_CASE("parameters are names with values") {
    const auto parsed = parse_path_argument("FROM:<a@b> size=10 BODY=8BITMIME  X-y", "FROM:");
    REQUIRE(parsed);
    REQUIRE(parsed->parameters.size() == 3);
    CHECK(parsed->parameters[0].name == "SIZE");
    CHECK(parsed->parameters[0].value == "10");
    CHECK(parsed->parameters[1].name == "BODY");
    CHECK(parsed->parameters[1].value == "8BITMIME");
    CHECK(parsed->parameters[2].name == "X-Y");
    CHECK(!parsed->parameters[2].value);
}

TEST_CASE("a value beyond ASCII is for its extension to judge (RFC 6533 3)") {
    const auto parsed = parse_path_argument("FROM:<a@b> X=\xc3\xa9", "FROM:");
    REQUIRE(parsed);
    CHECK(parsed->parameters.at(0).value == "\xc3\xa9");
}

TEST_CASE("chunks and first words") {
    CHECK(parse_chunk_argument("12")->size == 12);
    CHECK_FALSE(parse_chunk_argument("12")->last);
    CHECK(parse_chunk_argument("0 last")->last);
    for (const std::string_view row : {"", "LAST", "-1", "+1", "1x", "0x1", "1 2", "1 LAST x", "18446744073709551616"}) {
        CHECK_FALSE(parse_chunk_argument(row));
    }
    CHECK(first_word("PLAIN  abc d").first == "PLAIN");
    CHECK(first_word("PLAIN  abc d").second == "abc d");
    CHECK(first_word("PLAIN").second.empty());
}

TEST_CASE("bad arguments of MAIL are refused") {
    const std::string_view rows[] = {
        "",
        "FROM",
        "FROM:",
        "FROM <a@b>",
        "FROM :<a@b>",
        "FROM:a@b",
        "FROM:<a@b",
        "FROM:<\"a@b>",
        "FROM:<\"a\\\">",
        "TO:<a@b>",
        "FROM:<a@b>x",
        "FROM:<a@b>SIZE=1",
        "FROM:<a@b> SIZE=",
        "FROM:<a@b> =1",
        "FROM:<a@b> SI ZE=1 =",
        "FROM:<a@b> -X=1",
        "FROM:<a@b> X=1=2",
        "FROM:<a@b> X=\x01",
        "FROM:<a@b> X_Y",
        "FROM:<a@b> <c@d>",
        "FROM:<\"\\",
    };
    for (const auto row : rows) {
        CAPTURE(row);
        CHECK(!parse_path_argument(row, "FROM:"));
    }
}

TEST_CASE("SIZE is one to twenty digits that fit") {
    CHECK(parse_size_value("0") == 0);
    CHECK(parse_size_value("18446744073709551615") == 18446744073709551615U);
    for (const std::string_view bad :
         {"", "-1", "+1", "1x", " 1", "0x10", "18446744073709551616", "99999999999999999999", "000000000000000000001"}) {
        CAPTURE(bad);
        CHECK(!parse_size_value(bad));
    }
}

}  // namespace onecopy::smtp

TEST_SUITE_END();
