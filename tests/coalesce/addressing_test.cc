#include "coalesce/addressing.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace onecopy;
using namespace onecopy::coalesce;

namespace {

AddressPolicy policy() {
    AddressPolicy policy;
    policy.local_domains = {"corp.example", "xn--bcher-kva.example"};
    policy.postmaster = "postmaster@corp.example";
    policy.rewrite_domains = {{"localhost", "corp.example"}, {"", "corp.example"}};
    return policy;
}

AddressPolicy recovering(std::vector<AddressPolicy::Source> from) {
    auto result = policy();
    result.recover_from = std::move(from);
    result.fallback = {"fallback@corp.example"};
    return result;
}

// `a b +c -d`: plain, recovered (+) and ignored (-) recipients.
std::string listed(const Resolved& resolved) {
    std::string text;
    for (const auto& recipient : resolved.recipients) {
        if (!text.empty()) text += ' ';
        if (recipient.recovered) text += '+';
        if (recipient.ignored) text += '-';
        text += recipient.address;
    }
    return text;
}

// The envelope asks for nothing.
Resolved resolve_all(const std::vector<std::string>& addresses, std::string_view header, const AddressPolicy& policy) {
    std::vector<message::Envelope::Recipient> recipients;
    for (const auto& address : addresses) recipients.push_back({address, {}});
    return resolve(recipients, header, policy);
}

std::string rewritten(const std::string& address, const AddressPolicy& policy) {
    return rewrite(*message::parse_mailbox(address), policy);
}

}  // namespace

TEST_SUITE_BEGIN("addressing");

TEST_CASE("a domain is rewritten by its normal form, the local-part stays") {
    auto p = policy();
    p.rewrite_domains["xn--bcher-kva.example"] = "books.example";
    const std::vector<std::pair<std::string, std::string>> rows{
        {"User@localhost", "User@corp.example"},
        {"u@LocalHost.", "u@corp.example"},
        {"\"a b\"@localhost", "\"a b\"@corp.example"},
        {"Postmaster", "Postmaster@corp.example"},
        {"u@B\xc3\xbc"
         "cher.example",
         "u@books.example"},
        {"u@Other.Example.", "u@Other.Example."},
        {"@route:u@localhost", "u@corp.example"},
    };
    for (const auto& [from, to] : rows) {
        CAPTURE(from);
        CHECK(rewritten(from, p) == to);
    }
    CHECK(rewritten("postmaster", {}) == "postmaster");
}

TEST_CASE("local is what a local domain or none says, and all where none is set") {
    for (const std::string address : {"a@corp.example", "a@CORP.Example.", "postmaster",
                                      "a@b\xc3\xbc"
                                      "cher.example",
                                      "\"x@y\"@corp.example"}) {
        CAPTURE(address);
        CHECK(is_local(address, policy()));
    }
    for (const std::string address :
         {"a@\xc2\xad", "a@other.example", "a@sub.corp.example", "\"a@corp.example\"@other.example", "a@[192.0.2.1]"}) {
        CAPTURE(address);
        CHECK_FALSE(is_local(address, policy()));
        CHECK(is_local(address, {}));
    }
}

TEST_CASE("without anything to do the envelope stays as it is, repeated addresses too") {
    const auto resolved =
        resolve_all({"a@corp.example", "b@other.example", "A@corp.example"}, "Delivered-To: x@corp.example\r\n", policy());
    CHECK(listed(resolved) == "a@corp.example b@other.example A@corp.example");
    CHECK_FALSE(resolved.to_postmaster);
}

TEST_CASE("recipients are recovered from the topmost instance of each field") {
    const auto p = recovering({{"Delivered-To", "mbox-corp-"}, {"X-Envelope-To", ""}});
    struct Row {
        std::string header, expected;
    };
    const std::vector<Row> rows{
        {"", "a@corp.example"},
        {"Delivered-To: joe@corp.example\r\n", "a@corp.example +joe@corp.example"},
        {"delivered-to : <joe@corp.example>\r\n", "a@corp.example +joe@corp.example"},
        {"Delivered-To: mbox-corp-joe@corp.example\r\n", "a@corp.example +joe@corp.example"},
        {"Delivered-To: MBOX-Corp-Joe@corp.example\r\n", "a@corp.example +Joe@corp.example"},
        {"Delivered-To: mbox-corp-@corp.example\r\n", "a@corp.example"},
        {"Delivered-To: joe@localhost\r\n", "a@corp.example +joe@corp.example"},
        {"Delivered-To: mbox-corp-joe@localhost\r\n", "a@corp.example +joe@corp.example"},
        {"Delivered-To:\r\n joe@\r\n corp.example\r\n", "a@corp.example +joe@corp.example"},
        {"Delivered-To: joe@corp.example\r\nDelivered-To: kim@corp.example\r\n", "a@corp.example +joe@corp.example"},
        {"Delivered-To: joe@other.example\r\nDelivered-To: kim@corp.example\r\n", "a@corp.example"},
        {"Delivered-To:\r\nDelivered-To: kim@corp.example\r\n", "a@corp.example"},
        {"Delivered-To: joe@corp.example\r\nX-Envelope-To: kim@corp.example\r\n",
         "a@corp.example +joe@corp.example +kim@corp.example"},
        {"Delivered-To: joe@corp.example\r\nX-Envelope-To: JOE@corp.example\r\n", "a@corp.example +joe@corp.example"},
        {"X-Envelope-To: joe@corp.example, <kim@corp.example>, x@other.example\r\n",
         "a@corp.example +joe@corp.example +kim@corp.example"},
        {"X-Envelope-To: A@Corp.Example\r\n", "a@corp.example"},
        {"X-Envelope-To: joe\r\n", "a@corp.example"},
        {"X-Original-To: joe@corp.example\r\n", "a@corp.example"},
        {"Subject: x\r\n Delivered-To: joe@corp.example\r\n", "a@corp.example"},
        {"Subject: x\rDelivered-To: joe@corp.example\r\n", "a@corp.example"},
        {"X-Envelope-To: \xff@corp.example\r\n", "a@corp.example"},
    };
    for (const auto& [header, expected] : rows) {
        CAPTURE(header);
        CHECK(listed(resolve_all({"a@corp.example"}, header, p)) == expected);
    }
    CHECK(resolve_all({"a@corp.example"}, "X-Envelope-To: A@corp.example, b@corp.example\r\n", p).recovered ==
          std::vector<std::string>{"b@corp.example"});
}

TEST_CASE("without fold_case another case is another recipient") {
    auto p = recovering({{"Delivered-To", ""}});
    p.fold_case = false;
    CHECK(listed(resolve_all({"joe@corp.example"}, "Delivered-To: Joe@CORP.example\r\n", p)) ==
          "joe@corp.example +Joe@CORP.example");
    CHECK(listed(resolve_all({"joe@corp.example"}, "Delivered-To: joe@CORP.example\r\n", p)) == "joe@corp.example");
}

TEST_CASE("the fallback is left out once somebody was recovered") {
    const auto p = recovering({{"Delivered-To", ""}});
    struct Row {
        std::string header, expected;
    };
    const std::vector<Row> rows{
        {"", "Fallback@corp.example"},
        {"Delivered-To: joe@corp.example\r\n", "+joe@corp.example"},
        {"Delivered-To: joe@other.example\r\n", "Fallback@corp.example"},
        {"Delivered-To: fallback@corp.example\r\n", "Fallback@corp.example"},
        {"Delivered-To: fallback@corp.example, joe@corp.example\r\n", "Fallback@corp.example +joe@corp.example"},
        {"Delivered-To: joe@corp.example\r\nTo: x@y, <FALLBACK@corp.example>\r\n",
         "Fallback@corp.example +joe@corp.example"},
        {"Delivered-To: joe@corp.example\r\nCc: fallback@localhost\r\n", "Fallback@corp.example +joe@corp.example"},
        {"Delivered-To: joe@corp.example\r\nFrom: fallback@corp.example\r\n", "+joe@corp.example"},
    };
    for (const auto& [header, expected] : rows) {
        CAPTURE(header);
        CHECK(listed(resolve_all({"Fallback@corp.example"}, header, p)) == expected);
    }
    const auto resolved =
        resolve_all({"fallback@corp.example", "joe@corp.example"}, "Delivered-To: JOE@corp.example\r\n", p);
    CHECK(listed(resolved) == "joe@corp.example");  // recovered, though the envelope had it
    CHECK(resolved.left_out == std::vector<std::string>{"fallback@corp.example"});
    CHECK(resolved.recovered.empty());
}

TEST_CASE("foreign recipients are marked under ignore alone") {
    auto p = policy();
    const std::vector<std::string> envelope{"a@corp.example", "b@other.example", "postmaster"};
    for (auto foreign : {Foreign::accept, Foreign::reject}) {
        p.foreign = foreign;
        CHECK(listed(resolve_all(envelope, "", p)) == "a@corp.example b@other.example postmaster");
    }
    p.foreign = Foreign::ignore;
    CHECK(listed(resolve_all(envelope, "", p)) == "a@corp.example -b@other.example postmaster");
}

TEST_CASE("mail that is left with nobody local goes to postmaster") {
    auto p = policy();
    p.foreign = Foreign::ignore;
    const auto resolved = resolve_all({"a@other.example", "b@other.example"}, "", p);
    CHECK(listed(resolved) == "-a@other.example -b@other.example postmaster@corp.example");
    CHECK(resolved.to_postmaster);
    p.recover_from = {{"Delivered-To", ""}};
    const auto recovered = resolve_all({"a@other.example"}, "Delivered-To: joe@corp.example\r\n", p);
    CHECK(listed(recovered) == "-a@other.example +joe@corp.example");
    CHECK_FALSE(recovered.to_postmaster);
    p.postmaster.clear();
    CHECK(listed(resolve_all({"a@other.example"}, "", p)) == "a@other.example");
}

TEST_CASE("what RCPT asked for stays with its recipient, and nothing is asked for those whom the envelope did not name") {
    const message::RecipientOptions asked{message::RecipientOptions::never, "rfc822;Joe@old.example"};
    auto p = recovering({{"Delivered-To", ""}});
    p.foreign = Foreign::ignore;
    const auto resolved = resolve({{"fallback@corp.example", {}}, {"b@other.example", asked}, {"c@corp.example", asked}},
                                  "Delivered-To: joe@corp.example\r\n", p);
    CHECK(listed(resolved) == "-b@other.example c@corp.example +joe@corp.example");
    CHECK(resolved.recipients[0].options == asked);
    CHECK(resolved.recipients[1].options == asked);
    CHECK(resolved.recipients[2].options == message::RecipientOptions{});
    const auto to_postmaster = resolve({{"b@other.example", asked}}, "", p);
    CHECK(listed(to_postmaster) == "-b@other.example postmaster@corp.example");
    CHECK(to_postmaster.recipients[1].options == message::RecipientOptions{});
}

TEST_CASE("observe leaves every copy as it came") {
    auto p = recovering({{"Delivered-To", ""}});
    p.foreign = Foreign::ignore;
    p.observe = true;
    CHECK(listed(resolve_all({"fallback@corp.example", "b@other.example"}, "Delivered-To: joe@corp.example\r\n", p)) ==
          "fallback@corp.example b@other.example");
}

TEST_CASE("a header that names thousands adds as many as a transaction may have") {
    std::string header = "X-Envelope-To: ";
    for (int i = 0; i < 50'000; ++i) header += "u" + std::to_string(i) + "@corp.example, ";
    CHECK(resolve_all({"a@corp.example"}, header + "\r\n", recovering({{"X-Envelope-To", ""}})).recipients.size() == 1001);
}

TEST_SUITE_END();
