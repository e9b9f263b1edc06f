#include "base/escape.h"

#include <doctest/doctest.h>

#include <string>

using namespace onecopy::base;

TEST_SUITE_BEGIN("escape");

TEST_CASE("text that is harmless stays as it is") {
    CHECK(printable("").empty());
    CHECK(printable("250 2.0.0 Ok: queued \"x\" = y") == "250 2.0.0 Ok: queued \"x\" = y");
    CHECK(printable("Grüße, 世界 😀") == "Grüße, 世界 😀");
}

TEST_CASE("what drives a terminal, breaks a line or deceives the eye is escaped, one \\xNN a byte") {
    struct {
        std::string_view bytes, text;
    } table[] = {
        {std::string_view("a\0b", 3), "a\\x00b"},
        {"a\r\nb", "a\\x0d\\x0ab"},
        {"\x1b[2J", "\\x1b[2J"},
        {"\t", "\\x09"},
        {"\x7f", "\\x7f"},
        {"\\", "\\x5c"},
        {"\xc2\x9b", "\\xc2\\x9b"},                    // C1: CSI
        {"\xe2\x80\xa8", "\\xe2\\x80\\xa8"},           // line separator
        {"\xe2\x80\xae", "\\xe2\\x80\\xae"},           // right-to-left override
        {"\xe2\x81\xa6", "\\xe2\\x81\\xa6"},           // isolate
        {"\xff", "\\xff"},                             // never in UTF-8
        {"\xc3", "\\xc3"},                             // cut off
        {"\xc3(", "\\xc3("},                           // no continuation
        {"\xc0\xaf", "\\xc0\\xaf"},                    // overlong
        {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},           // overlong
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},           // surrogate
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // beyond U+10FFFF
    };
    for (const auto& [bytes, text] : table) CHECK(printable(bytes) == text);
}

TEST_CASE("every byte alone gives legible text") {
    for (int byte = 0; byte < 256; ++byte) {
        std::string text = printable(std::string(1, static_cast<char>(byte)));
        CAPTURE(byte);
        for (char c : text) CHECK((c >= 0x20 && c < 0x7f));
    }
}

TEST_CASE("long text is cut at a character") {
    CHECK(printable("abcdef", 6) == "abcdef");
    CHECK(printable("abcdef", 5) == "abcde...");
    CHECK(printable("aü", 2) == "a...");
    CHECK(printable("aü", 3) == "aü");
    CHECK(printable(std::string(1 << 20, '\n')).size() == 512 * 4 + 3);
}

TEST_CASE("a log value is quoted only where it must be") {
    CHECK(log_value("a@b.example") == "a@b.example");
    CHECK(log_value("") == "\"\"");
    CHECK(log_value("two words") == "\"two words\"");
    CHECK(log_value("a=b") == "\"a=b\"");
    CHECK(log_value("say \"x\"") == "\"say \\x22x\\x22\"");
    CHECK(log_value("x\nevent forged=1") == "\"x\\x0aevent forged=1\"");
    CHECK(log_value("a b c", 3) == "\"a b...\"");
}

TEST_CASE("the first byte that is not UTF-8 is found") {
    const std::string_view well_formed[] = {"", "a", "aü世😀", std::string_view("\0", 1), "\xf4\x8f\xbf\xbf"};
    for (std::string_view text : well_formed) CHECK(first_not_utf8(text) == text.npos);
    CHECK(first_not_utf8("\xff") == 0);
    CHECK(first_not_utf8("aü\xfc") == 3);
    CHECK(first_not_utf8("a\xc3") == 1);
    CHECK(first_not_utf8("ab\xed\xa0\x80") == 2);
}

TEST_CASE("only ASCII letters have a case") {
    CHECK(lower("MAIL From:<Ä@X>") == "mail from:<Ä@x>");
    CHECK(equal_ignoring_case("Message-ID", "message-id"));
    CHECK_FALSE(equal_ignoring_case("Message-ID", "message-i"));
    CHECK_FALSE(equal_ignoring_case("[", "{"));
    CHECK_FALSE(equal_ignoring_case("@", "`"));
}

TEST_CASE("hexadecimal") {
    CHECK(hex("").empty());
    CHECK(hex(std::string_view("\0\x0f\xff", 3)) == "000fff");
}

TEST_SUITE_END();
