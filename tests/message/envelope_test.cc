#include "message/envelope.h"

#include <doctest/doctest.h>

using namespace onecopy::message;

namespace {

using Options = RecipientOptions;
constexpr unsigned none = 0, never = Options::never, success = Options::success, failure = Options::failure,
                   delay = Options::delay;

}  // namespace

TEST_SUITE_BEGIN("envelope");

TEST_CASE("nobody who asked for a notice goes without, in whichever order the copies name the recipient") {
    struct Row {
        unsigned one, other, both;
    };
    const Row rows[] = {
        {none, none, none},
        {never, never, never},
        {success, success, success},
        {none, never, failure},
        {none, failure, failure},
        {none, success, success | failure},
        {none, delay, delay | failure},
        {never, failure, failure},
        {never, success | delay, success | delay},
        {success, failure, success | failure},
        {success | failure, failure | delay, success | failure | delay},
    };
    for (const Row& row : rows) {
        CAPTURE(row.one);
        CAPTURE(row.other);
        CHECK(combined({row.one, ""}, {row.other, ""}).notify == row.both);
        CHECK(combined({row.other, ""}, {row.one, ""}).notify == row.both);
    }
}

TEST_CASE("of three namings it does not matter which two are put together first") {
    const unsigned all[] = {none, never, success, failure, delay, success | failure};
    for (unsigned a : all) {
        for (unsigned b : all) {
            for (unsigned c : all) {
                unsigned left = combined(combined({a, ""}, {b, ""}), {c, ""}).notify;
                unsigned right = combined({a, ""}, combined({b, ""}, {c, ""})).notify;
                CHECK(left == right);
            }
        }
    }
}

TEST_CASE("ORCPT is that of the first who has one") {
    CHECK(combined({none, ""}, {none, ""}).orcpt.empty());
    CHECK(combined({none, ""}, {none, "rfc822;b@x"}).orcpt == "rfc822;b@x");
    CHECK(combined({none, "rfc822;A+2B@x"}, {none, "rfc822;b@x"}).orcpt == "rfc822;A+2B@x");
}

TEST_CASE(
    "SMTPUTF8 is needed where it was asked for, and for what MAIL or RCPT would say beyond ASCII, not for those beside") {
    const Envelope plain{"s@x", {}, {{"a@x"}, {"b@x"}}};
    CHECK_FALSE(needs_smtputf8(plain));
    Envelope recipient = plain, orcpt = plain, sender = plain, mail = plain;
    recipient.recipients[1].address = "b@b\xc3\xbc\x63her.example";
    orcpt.recipients[1].options.orcpt = "utf-8;jos\xc3\xa9@x";
    sender.sender = "jos\xc3\xa9@x";
    mail.options.smtputf8 = true;
    for (const Envelope& envelope : {recipient, orcpt, sender, mail}) {
        CHECK(needs_smtputf8(envelope));
        CHECK(needs_smtputf8(envelope, envelope.recipients[1]));
    }
    for (const Envelope& envelope : {recipient, orcpt}) CHECK_FALSE(needs_smtputf8(envelope, envelope.recipients[0]));
    for (const Envelope& envelope : {sender, mail}) CHECK(needs_smtputf8(envelope, envelope.recipients[0]));
}

TEST_SUITE_END();
