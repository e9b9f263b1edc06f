#include <doctest/doctest.h>

#include "client_script.h"

TEST_SUITE_BEGIN("client_greeting");

namespace onecopy::smtp::client_test {

TEST_CASE("greeting, EHLO and HELO") {
    check({
        {"P080 many lines", {}, {{"220-mx\r\n220-be patient\r\n220 ESMTP\r\n", greeting.client}, {plain, ""}}, {}},
        {"a greeting that refuses", {one}, {{"554 5.7.1 not you\r\n", ""}}, {"ill: 554 5.7.1 not you"}},
        {"a greeting that defers", {one}, {{"421 4.3.2 later\r\n", ""}}, {"ill: 421 4.3.2 later"}},
        {"an unknown greeting code", {}, {{"259 mx\r\n", greeting.client}}, {}},
        {"354 as greeting", {}, {{"354 mx\r\n", ""}}, {"ill: 354 mx"}},
        {"P081 500", {one}, {greeting, {"500 what\r\n", "HELO proxy.example\r\n"}, {ok, mail}}, {}},
        {"P081 502", {one}, {greeting, {"502 what\r\n", "HELO proxy.example\r\n"}, {ok, mail}}, {}},
        {"P081 504", {one}, {greeting, {"504 what\r\n", "HELO proxy.example\r\n"}, {ok, mail}}, {}},
        {"EHLO refused otherwise", {one}, {greeting, {"550 5.7.1 no\r\n", ""}}, {"ill: 550 5.7.1 no"}},
        {"EHLO deferred", {one}, {greeting, {"451 later\r\n", ""}}, {"ill: 451 later"}},
        {"HELO refused",
         {one},
         {greeting, {"500 what\r\n", "HELO proxy.example\r\n"}, {"500 what\r\n", ""}},
         {"ill: 500 what"}},
        {"lost before the greeting", {one}, {}, {"ill: connection lost"}, true},
        {"P090 421 while idle", {}, {greeting, {plain, ""}, {"421 bye\r\n", ""}}, {"ill: 421 bye"}},
        {"a reply to nothing", {}, {greeting, {plain, ""}, {ok, ""}}, {"ill: reply to nothing that was asked: 250 ok"}},
        {"talk before EHLO was sent",
         {one},
         {{"220 mx\r\n250 mx\r\n", ""}},
         {"ill: reply to nothing that was asked: 250 mx"}},
    });
}

}  // namespace onecopy::smtp::client_test

TEST_SUITE_END();
