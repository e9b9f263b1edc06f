#include "message/encoded_words.h"

#include <doctest/doctest.h>

using onecopy::message::decode_words;

TEST_SUITE_BEGIN("encoded words");

TEST_CASE("text without encoded-words stays as it is") {
    for (const char* text : {"", "hello", "a =? b", "=?", "=?utf-8?Q?no end", "100 =? 5"}) CHECK(decode_words(text) == text);
}

TEST_CASE("words are decoded by Q and B, in the charsets that mail is written in") {
    CHECK(decode_words("=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus?= Bonn") == "Grüße aus Bonn");
    CHECK(decode_words("=?UTF-8?b?R3LDvMOfZQ==?=") == "Grüße");
    CHECK(decode_words("Re: =?iso-8859-1?q?Gr=fc=dfe?=") == "Re: Grüße");
    CHECK(decode_words("=?windows-1252?Q?=80_5?=") == "€ 5");
    CHECK(decode_words("=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=") == "日本");
    CHECK(decode_words("=?KOI8-R?B?8NLJ18XU?=") == "Привет");
    CHECK(decode_words("=?utf-8*de?Q?=C3=BC?=") == "ü");
}

TEST_CASE("blanks between two words go, others stay (RFC 2047 6.2)") {
    CHECK(decode_words("=?utf-8?Q?a?= =?utf-8?Q?b?=") == "ab");
    CHECK(decode_words("=?utf-8?Q?a?=  \t=?utf-8?Q?b?= c") == "ab c");
    CHECK(decode_words("=?utf-8?Q?a?= c =?utf-8?Q?b?=") == "a c b");
    CHECK(decode_words(" =?utf-8?Q?a?=") == " a");
}

TEST_CASE("what is no word stays as it stands") {
    for (const char* text : {"=?no-such-charset?Q?a?=", "=?utf-8//TRANSLIT?Q?a?=", "=?iso-8859-1//IGNORE?Q?a?=",
                             "=?IBM1364?Q?a?=", "=?UTF-7?Q?a?=", "=?utf-8?X?a?=", "=?utf-8?Q?=G0?=", "=?utf-8?Q?=C3?=",
                             "=?utf-8?B?***?=", "=?utf-8?Q?a b?=", "=?utf-8?Q?=?=", "=?\n?Q?a?="})
        CHECK(decode_words(text) == text);
    const std::string beyond = "=?utf-8?Q?" + std::string(80, 'a') + "?=";
    CHECK(decode_words(beyond) == beyond);
}

TEST_SUITE_END();
