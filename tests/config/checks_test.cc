#include "config/checks.h"

#include <doctest/doctest.h>

#include "fixture.h"

TEST_SUITE_BEGIN("checks");

namespace onecopy::config {

using Texts = std::vector<std::string>;

namespace {

const std::string local = "recipients:\n  local_domains: [corp.example]\n";

Texts warned(const std::string& more, const std::string& hostname = "proxy.corp.example") {
    const Reading reading = read(least + more + "hostname: '" + hostname + "'\n");
    REQUIRE(reading.problems.empty());
    return reading.warnings;
}

}  // namespace

TEST_CASE("messages are not told apart by the sender alone") {
    CHECK(told(with("grouping.match", "[sender]")) ==
          Texts{"6:10: grouping.match: must hold message-id or content: by the sender alone, all of his mail would be one "
                "message"});
    for (const std::string match : {"[message-id]", "[content]", "[sender, content]", "[message-id, sender]"}) {
        CAPTURE(match);
        CHECK(complaint("grouping.match", match) == "");
    }
    CHECK(complaint("grouping.match", "[sendr]") ==
          "`sendr` is not message-id, sender or content; did you mean sender?");  // and nothing on what it must hold
}

TEST_CASE("recipients are recovered for local domains only") {
    CHECK(complaint("recipients.recover_from", "[Delivered-To]") ==
          "needs recipients.local_domains: without them, whoever writes such a field names recipients in any domain");
    CHECK(told(least + local + "  recover_from: [Delivered-To]\n").empty());
    CHECK(told(least + "recipients:\n  local_domains: [-x]\n  recover_from: [Delivered-To]\n").size() == 1);
    CHECK(told(with("recipients.recover_from", "['a b']")).size() == 1);
}

TEST_CASE("mail for nobody here needs a postmaster") {
    CHECK(complaint("recipients.foreign", "ignore") ==
          "`ignore` needs delivery.postmaster (or recipients.local_domains): who gets mail that is for nobody here?");
    CHECK(complaint("recipients.foreign", "reject") == "");
    CHECK(told(least + local + "  foreign: ignore\n").empty());
    CHECK(told(with("recipients.foreign", "ignore") + "delivery:\n  postmaster: me@corp.example\n").empty());
    CHECK(told(with("recipients.foreign", "ignore") + "delivery:\n  postmaster: me\n").size() == 1);
}

TEST_CASE("the postmaster is local, in whichever spelling of the domain") {
    const auto postmaster = [](const std::string& domains, const std::string& address) {
        return told(least + "recipients:\n  local_domains: [" + domains + "]\ndelivery:\n  postmaster: " + address + "\n");
    };
    const std::string unicode =
        "b\xc3\xbc"
        "cher.example";
    CHECK(postmaster("a.example, corp.example", "me@Corp.Example").empty());
    CHECK(
        postmaster("corp.example", "me@other.example") ==
        Texts{"8:15: delivery.postmaster: must be a local address, and `other.example` is not in recipients.local_domains"});
    CHECK(postmaster("corp.example", "me@sub.corp.example").size() == 1);
    CHECK(told(with("delivery.postmaster", "me@other.example")).empty());
    CHECK(postmaster("xn--bcher-kva.example", "me@" + unicode).empty());
    CHECK(postmaster(unicode, "me@xn--bcher-kva.example").empty());
}

TEST_CASE("what needs another key says which") {
    CHECK(complaint("listen[].tls", "starttls") == "listen: `tls` needs tls.certificate and tls.key");
    CHECK(complaint("listen[].auth", "required") == "listen: `auth` needs users, the file that tells who may authenticate");
    CHECK(complaint("tls.certificate", "/c.pem") == "needs tls.key");
    CHECK(complaint("tls.key", "/k.pem") == "needs tls.certificate");
    CHECK(complaint("backend.username", "me") == "needs backend.password_file");
    CHECK(complaint("backend.password_file", "/p") == "needs backend.username");
    CHECK_MESSAGE(complaint("tls.certificate", "c.pem").find("needs") == std::string::npos, "one complaint a mistake");
}

TEST_CASE("mail is not sent to where it came in") {
    const auto refused = [](const std::string& listen, const std::string& server) {
        const Texts lines = told("listen: [{address: \"" + listen + "\"}]\nbackend:\n  servers: [a.example:25, \"" + server +
                                 "\"]\n" + local);
        const std::string wanted = "3:12: backend.servers: `" + server + "` is this onecopyd itself (listen)";
        CHECK((lines.empty() || lines == Texts{wanted}));
        return !lines.empty();
    };
    const Texts here = {"localhost", "LocalHost", "127.0.0.1", "0.0.0.0", "[::1]", "[::]"};
    const auto family = [](const std::string& host) {
        return host.starts_with('[') ? '6' : host[0] == 'l' || host[0] == 'L' ? 0 : '4';
    };
    for (const std::string& listen : here) {
        CAPTURE(listen);
        for (const std::string& server : here) {
            CAPTURE(server);
            const bool apart = family(listen) && family(server) && family(listen) != family(server);
            CHECK(refused(listen + ":25", server + ":25") != apart);
            CHECK_FALSE(refused(listen + ":25", server + ":26"));
        }
        CHECK_FALSE(refused(listen + ":25", "192.0.2.1:25"));
    }
    CHECK(refused("192.0.2.1:25", "192.0.2.1:25"));
    CHECK(refused("mx.example:25", "MX.example:25"));
    CHECK_FALSE(refused("192.0.2.1:25", "127.0.0.1:25"));
    CHECK_FALSE(refused("127.0.0.1:25", "127.0.0.2:25"));
    CHECK_FALSE(refused("unix:/run/onecopy/smtp", "127.0.0.1:25"));
    CHECK_FALSE(refused("systemd:smtp", "127.0.0.1:25"));
}

TEST_CASE("a name without a domain is warned of: many a server does not take it in EHLO") {
    for (const char* whole : {"a.b", "mail.corp.example", "[192.0.2.1]", "[IPv6:2001:db8::1]"})
        CHECK(warned(local, whole).empty());
    for (const char* bare : {"mail", "localhost"}) {
        const Texts warnings = warned(local, bare);
        REQUIRE(warnings.size() == 1);
        CHECK(warnings[0].starts_with("hostname, or the name of this machine in its place, has no domain"));
    }
}

TEST_CASE("what is allowed but hardly meant is warned of, and nothing else") {
    struct Row {
        std::string more;
        std::string_view begins;
    };
    const std::string grouping = local + "grouping:\n  ";
    const std::string limits = local + "limits:\n  ";
    const Row rows[] = {
        {"delivery: {postmaster: me@corp.example}\n", "recipients.local_domains is empty"},
        {grouping + "match: [message-id]\n", "grouping.match has no content"},
        {grouping + "observe: true\n", "grouping.observe is on"},
        {grouping + "observe: true\n  window: 0\n", "grouping.observe is on"},
        {grouping + "window: 0\n", "grouping.window is 0"},
        {grouping + "quiet: 30s\n", "grouping.quiet has no effect"},
        {local + "  recover_from: [to]\n", "recipients.recover_from names a field of the author"},
        {local + "  recover_from: [{field: Reply-To, strip: a}]\n", "recipients.recover_from names a field of the author"},
        {local + "  fallback: [postmaster@corp.example]\n", "recipients.fallback has no effect"},
        {"  max_recipients: 99\n" + local, "backend.max_recipients is below 100"},
        {limits + "connections: 10\n  connections_per_client: 11\n", "limits.connections_per_client has no effect"},
        {local + "delivery:\n  expire: 30m\n", "delivery.expire ends mail before"},
        {local + "tls: {certificate: /c.pem, key: /k.pem}\n", "tls.certificate has no effect"},
        {local + "users: /u\n", "users has no effect"},
        {"  ca_file: /ca.pem\n" + local, "backend.ca_file has no effect"},
        {"  tls: none\n  username: me\n  password_file: /p\n" + local, "backend.username is not said"},
        {"  username: me\n  password_file: /p\n" + local, "backend.username without backend.tls: verify"},
        {"  tls: required\n  username: me\n  password_file: /p\n" + local, "backend.username without backend.tls: verify"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.more);
        const Texts warnings = warned(row.more);
        REQUIRE(warnings.size() == 1);
        CHECK(warnings[0].starts_with(row.begins));
    }
    CHECK(warned("recipients:\n  foreign: reject\n").size() == 3);
    CHECK(warned("").back().starts_with("delivery.postmaster is not set"));
    CHECK(warned("delivery: {notify: none}\n").size() == 1);
    CHECK(warned("  tls: verify\n  username: me\n  password_file: /p\n" + local).empty());
    const auto behind = [](const std::string& server, const std::string& tls = "none") {
        const std::string backend =
            "  servers: [\"" + server + "\"]\n  tls: " + tls + "\n  username: me\n  password_file: /p\n";
        return read("hostname: a.example\nlisten: [{address: \"127.0.0.1:25\"}]\nbackend:\n" + backend + local).warnings;
    };
    for (const char* here : {"localhost:587", "127.0.0.1:587", "[::1]:587"}) {
        CHECK(behind(here).empty());
        CHECK(behind(here, "opportunistic").empty());
        CHECK(behind(here, "required").empty());
    }
    CHECK(behind("mail.corp.example:4650").size() == 1);
    REQUIRE(behind("127.0.0.1:465").size() == 1);
    CHECK(behind("127.0.0.1:465")[0].starts_with("backend.servers has port 465"));
}

TEST_CASE("who may connect in plain text from elsewhere can't authenticate, and that is warned of") {
    const auto warnings = [](const std::string& tls, const std::string& allow) {
        const Reading reading = read("listen: [{address: 127.0.0.1:25, auth: optional, tls: " + tls + ", allow: [" + allow +
                                     "]}]\nbackend: {servers: [a.example:25]}\nusers: /u\n"
                                     "tls: {certificate: /c.pem, key: /k.pem}\n" +
                                     local);
        REQUIRE(reading.problems.empty());
        return std::ranges::count_if(reading.warnings, [](const auto& one) { return one.starts_with("listen has `auth`"); });
    };
    CHECK(warnings("none", "10.0.0.0/8") == 1);
    CHECK(warnings("none", "127.0.0.0/8, \"::1\"") == 0);
    CHECK(warnings("starttls", "10.0.0.0/8") == 0);
}

TEST_CASE("what stays within its bounds is warned of nothing") {
    for (const std::string more :
         {"", "grouping:\n  quiet: 29s\n", "limits:\n  recipients: 100\n", "limits:\n  connections: 50\n",
          "limits:\n  connections: 50\n  connections_per_client: 50\n", "delivery:\n  expire: 31m\n"}) {
        CAPTURE(more);
        CHECK(warned(local + more).empty());
    }
    CHECK(warned("  max_recipients: 100\n" + local).empty());
}

TEST_CASE("a wrong configuration is warned of nothing") {
    CHECK_FALSE(read(least).warnings.empty());
    CHECK(read(least + "foo: 1\n").warnings.empty());
}

}  // namespace onecopy::config

TEST_SUITE_END();
