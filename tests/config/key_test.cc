#include "config/key.h"

#include <doctest/doctest.h>

#include "fixture.h"

TEST_SUITE_BEGIN("key");

namespace onecopy::config {

using Texts = std::vector<std::string>;

TEST_CASE("an unknown key is told with the one that was meant, or its section, or all that may stand there") {
    struct Row {
        std::string text;
        Texts told;
    };
    const Row rows[] = {
        {least + "hostnam: x\n", {"5:1: hostnam: unknown key; did you mean hostname?"}},
        {least + "Grouping:\n  window: 3s\n", {"5:1: Grouping: unknown key; did you mean grouping?"}},
        {least + "  conections: 3\n", {"5:3: backend.conections: unknown key; did you mean connections?"}},
        {least + "window: 3s\n", {"5:1: window: unknown key here; it belongs below grouping:"}},
        {least + "  quiet: 3s\n", {"5:3: backend.quiet: unknown key here; it belongs below grouping:"}},
        {least + "  foo: 3s\n",
         {"5:3: backend.foo: unknown key; here may stand servers, protocol, tls, tls_min_version, ca_file, username, "
          "password_file, connections, messages_per_connection, connection_lifetime or max_recipients"}},
        {least + "grouping.window: 3s\n", {"5:1: grouping.window: unknown key here; write window: below grouping:"}},
        {least + "foo: 3s\n",
         {"5:1: foo: unknown key; here may stand hostname, listen, tls, users, backend, grouping, recipients, delivery, "
          "limits, spool, control, http or log"}},
        {least + "log: {leval: info}\n", {"5:7: log.leval: unknown key; did you mean level?"}},
        {least + "log: {foo: {bar: info}}\n", {"5:7: log.foo: unknown key; here may stand level"}},
        {with("listen[].window", "3s"),
         {"3:5: listen[].window: unknown key; here may stand address, protocol, tls, auth, allow, proxy_protocol or "
          "line_endings"}},
        {"listen:\n  - adress: a:25\nbackend:\n  servers: [b:25]\n",
         {"2:5: listen[].adress: unknown key; did you mean address?",
          "2:5: listen[].address: is missing and must be given"}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(told(row.text) == row.told);
    }
}

TEST_CASE("a key that stands there twice is an error, in every map") {
    CHECK(told(least + "log: {level: info}\nlog: {level: debug}\n") ==
          Texts{"6:1: log: the key stands there twice; it stood in line 5"});
    CHECK(told(least + "  servers: [b:25]\n") ==
          Texts{"5:3: backend.servers: the key stands there twice; it stood in line 4"});
    CHECK(told(with("listen[].address", "b:25")) ==
          Texts{"3:5: listen[].address: the key stands there twice; it stood in line 2"});
    CHECK(told(least + "recipients:\n  local_domains: [a]\n  recover_from: [{field: X, field: Y}]\n") ==
          Texts{"7:29: recipients.recover_from[].field: the key stands there twice; it stood in line 7"});
}

TEST_CASE("what must be given is missed where it should stand") {
    CHECK(told("listen:\nbackend:\n") ==
          Texts{"1:1: listen: has no value; a list of sockets, each as `- address: host:port`, is asked for",
                "2:1: backend.servers: is missing and must be given"});
    CHECK(told("listen:\n  - address: a:25\n  - tls: none\nbackend:\n  servers:\n") ==
          Texts{"3:5: listen[].address: is missing and must be given",
                "5:3: backend.servers: has no value; a list [...] of `host:port` is asked for"});
}

TEST_CASE("a key without a value is one that is not set, where its default is empty") {
    for (const std::string key : {"hostname", "tls.certificate", "users", "backend.tls_min_version",
                                  "recipients.local_domains", "recipients.rewrite_domains", "delivery.postmaster"}) {
        CAPTURE(key);
        CHECK(complaint(key, "") == "");
        CHECK(complaint(key, "~") == "");
    }
    CHECK(complaint("hostname", "''") == "");
    CHECK(complaint("grouping.window", "") ==
          "has no value; a duration from 0s to 1d is asked for, or leave the line out for 30s");
    CHECK(complaint("spool.directory", "") ==
          "has no value; an absolute path is asked for, or leave the line out for /var/lib/onecopy");
    CHECK(complaint("spool.directory", "''") == "`` is no absolute path: it must begin with /");
}

TEST_CASE("a section may be empty, all its keys commented out, but is no value") {
    CHECK(told(least + "tls:\ngrouping:\n  # window: 3s\nlog: {}\n").empty());
    CHECK(told(least + "log: debug\n") == Texts{"5:6: log: a section of `key: value` lines is asked for, not `debug`"});
    CHECK(told(least + "log: [debug]\n") == Texts{"5:6: log: a section of `key: value` lines is asked for, not a list"});
    CHECK(told(least + "log:\n  level:debug\n") ==
          Texts{"6:3: log: a section of `key: value` lines is asked for, not `level:debug`"});
}

TEST_CASE("a hostile key is told on one short line") {
    const std::string key = "\"\\e[31m" + std::string(500, 'x') + "\"";
    const Texts lines = told(least + key + ": 1\n" + key + ": 2\n");
    CHECK(lines.size() == 4);  // for each its control character, and that it is unknown or there twice
    for (const std::string& line : lines) {
        CAPTURE(line);
        CHECK(line.find('\x1b') == line.npos);
        CHECK(line.size() < 400);
    }
}

}  // namespace onecopy::config

TEST_SUITE_END();
