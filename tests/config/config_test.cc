#include "config/config.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "fixture.h"

TEST_SUITE_BEGIN("config");

namespace onecopy::config {

namespace {

using Lines = std::vector<std::string>;

/// Every key at a value that is not its default, but for those whose feature is absent.
const std::string everything = R"(hostname: proxy.corp.example
listen:
  - address: 127.0.0.1:2525
    allow: [10.0.0.0/8, "fd00::/8"]
    line_endings: reject
    tls: required
    auth: optional
    proxy_protocol: true
  - address: "[::1]:2526"
    tls: implicit
  - address: unix:/run/onecopy/smtp
    protocol: lmtp
  - address: systemd:smtp
tls:
  certificate: /etc/onecopy/cert.pem
  key: /etc/onecopy/key.pem
  min_version: "1.3"
users: /etc/onecopy/users
backend:
  servers: [one.example:25, "[::1]:2525"]
  protocol: lmtp
  tls: verify
  tls_min_version: "1.0"
  ca_file: /etc/onecopy/ca.pem
  username: onecopy
  password_file: /etc/onecopy/password
  connections: 7
  messages_per_connection: 8
  connection_lifetime: 9m
  max_recipients: 200
grouping:
  window: 45s
  quiet: 1500ms
  match: [message-id, content]
  history: 14d
  observe: true
recipients:
  local_domains: [corp.example, corp.test]
  foreign: ignore
  recover_from: [X-Original-To, {field: Delivered-To, strip: "mbox-corp-"}]
  fallback: [postmaster@corp.example]
  fold_case: false
  rewrite_domains: {localhost: corp.example, "": corp.test}
delivery:
  retry: [10s, 2m, 2m]
  expire: 3d
  warn_after: 0s
  notify: none
  postmaster: admin@corp.test
  keep_failed: 30d
limits:
  message_size: 20M
  recipients: 500
  connections: 60
  connections_per_client: 50
  errors: 10
  hops: 40
  timeout: 2m
  shutdown: 20s
spool:
  directory: /srv/onecopy
  min_free: 1G
control:
  socket: /srv/onecopy/control
log:
  level: debug
)";

}  // namespace

TEST_CASE("every key is read") {
    const Reading reading = read(everything);
    REQUIRE(reading.problems.empty());
    const Config& config = reading.config;
    CHECK(config.hostname == "proxy.corp.example");
    REQUIRE(config.listen.size() == 4);
    CHECK(config.listen[0].allow == Lines{"10.0.0.0/8", "fd00::/8"});
    CHECK(config.listen[0].line_endings == LineEndings::reject);
    CHECK(config.listen[1].address == "[::1]:2526");
    CHECK(config.listen[1].allow == Lines{"127.0.0.0/8", "::1"});
    CHECK(config.listen[2].address == "unix:/run/onecopy/smtp");
    CHECK(config.listen[3].address == "systemd:smtp");
    CHECK(config.backend.servers == Lines{"one.example:25", "[::1]:2525"});
    CHECK(config.listen[0].tls == ListenTls::required);
    CHECK(config.listen[0].auth == Auth::optional);
    CHECK(config.listen[0].proxy_protocol);
    CHECK(config.listen[0].protocol == Protocol::smtp);
    CHECK(config.listen[1].tls == ListenTls::implicit);
    CHECK(config.listen[2].protocol == Protocol::lmtp);
    CHECK(config.tls.certificate == "/etc/onecopy/cert.pem");
    CHECK(config.tls.key == "/etc/onecopy/key.pem");
    CHECK(config.tls.min_version == TlsVersion::v1_3);
    CHECK(config.users == "/etc/onecopy/users");
    CHECK(config.backend.protocol == Protocol::lmtp);
    CHECK(config.backend.tls == BackendTls::verify);
    CHECK(config.backend.tls_min_version == TlsVersion::v1_0);
    CHECK(config.backend.ca_file == "/etc/onecopy/ca.pem");
    CHECK(config.backend.username == "onecopy");
    CHECK(config.backend.password_file == "/etc/onecopy/password");
    CHECK(config.backend.connections == 7);
    CHECK(config.backend.messages_per_connection == 8);
    CHECK(config.backend.connection_lifetime == minutes(9));
    CHECK(config.backend.max_recipients == 200);
    CHECK(config.grouping.window == seconds(45));
    CHECK(config.grouping.quiet == Duration(1500));
    CHECK(config.grouping.match == std::vector{Part::message_id, Part::content});
    CHECK(config.grouping.history == hours(24 * 14));
    CHECK(config.grouping.observe);
    CHECK(config.recipients.local_domains == Lines{"corp.example", "corp.test"});
    CHECK(config.recipients.foreign == Foreign::ignore);
    REQUIRE(config.recipients.recover_from.size() == 2);
    CHECK(config.recipients.recover_from[0].field == "X-Original-To");
    CHECK(config.recipients.recover_from[1].strip == "mbox-corp-");
    CHECK(config.recipients.fallback == Lines{"postmaster@corp.example"});
    CHECK_FALSE(config.recipients.fold_case);
    CHECK(config.recipients.rewrite_domains.at("localhost") == "corp.example");
    CHECK(config.recipients.rewrite_domains.at("") == "corp.test");
    CHECK(config.delivery.retry == std::vector<Duration>{seconds(10), minutes(2), minutes(2)});
    CHECK(config.delivery.expire == hours(24 * 3));
    CHECK(config.delivery.warn_after == seconds(0));
    CHECK(config.delivery.notify == Notify::none);
    CHECK(config.delivery.postmaster == "admin@corp.test");
    CHECK(config.delivery.keep_failed == hours(24 * 30));
    CHECK(config.limits.message_size == 20 << 20);
    CHECK(config.limits.recipients == 500);
    CHECK(config.limits.connections == 60);
    CHECK(config.limits.connections_per_client == 50);
    CHECK(config.limits.errors == 10);
    CHECK(config.limits.hops == 40);
    CHECK(config.limits.timeout == minutes(2));
    CHECK(config.limits.shutdown == seconds(20));
    CHECK(config.spool.directory == "/srv/onecopy");
    CHECK(config.spool.min_free == 1 << 30);
    CHECK(config.control_socket == "/srv/onecopy/control");
    CHECK(config.log_level == base::Level::debug);
}

TEST_CASE("what is not given has the default of the contract") {
    const Reading reading = read(least);
    REQUIRE(reading.problems.empty());
    const Lines wanted = {
        "tls: opportunistic",
        "connections: 4",
        "messages_per_connection: 100",
        "connection_lifetime: 5m",
        "max_recipients: 100",
        "window: 30s",
        "quiet: 0s",
        "match: [message-id, sender, content]",
        "history: 7d",
        "observe: false",
        "local_domains: []",
        "foreign: accept",
        "recover_from: []",
        "fallback: []",
        "fold_case: true",
        "rewrite_domains: {}",
        "expire: 5d",
        "warn_after: 4h",
        "notify: sender",
        "retry: [1m, 2m, 5m, 10m, 15m, 30m]",
        "keep_failed: 7d",
        "message_size: 50M",
        "recipients: 1000",
        "connections: 1000",
        "errors: 20",
        "hops: 50",
        "connections_per_client: 100",
        "timeout: 5m",
        "shutdown: 10s",
        "min_free: 256M",
        "directory: /var/lib/onecopy",
        "socket: /run/onecopy/control.sock",
        "level: info",
        "min_version: \"1.2\"",
        "allow: [127.0.0.0/8, \"::1\"]",
        "line_endings: normalize",
    };
    const std::string shown = show(reading.config);
    for (const std::string& line : wanted) {
        CAPTURE(line);
        const std::size_t at = shown.find(" " + line);
        REQUIRE(at != shown.npos);
        CHECK(std::string_view(" \n").find(shown[at + 1 + line.size()]) != std::string_view::npos);
    }
    CHECK_FALSE(reading.config.hostname.empty());
    CHECK(reading.config.delivery.postmaster.empty());
    CHECK(read(with("recipients.local_domains", "[a.example, b.example]")).config.delivery.postmaster ==
          "postmaster@a.example");
}

TEST_CASE("what is shown can be read again, and is the same then") {
    for (const std::string& text : {least, everything}) {
        const std::string shown = show(read(text).config);
        const Reading again = read(shown);
        CHECK(again.problems.empty());
        CHECK(show(again.config) == shown);
    }
    const std::string shown = show(read(everything).config);
    for (const std::string& key : keys()) {
        CAPTURE(key);
        CHECK(shown.find(key.substr(key.find_last_of(".") + 1) + ":") != shown.npos);
    }
    const Lines names = keys();
    CHECK(names.size() == std::set<std::string>(names.begin(), names.end()).size());
}

TEST_CASE("all that is wrong is told at once, in the order of the file, each at its place") {
    const std::string text =
        "listen:\n"
        "  - address: 127.0.0.1\n"
        "    tsl: none\n"
        "backend:\n"
        "  servers: [mail.example:25]\n"
        "  connections: 0\n"
        "  connections: 4\n"
        "grouping:\n"
        "  windw: 30s\n"
        "  history: 010s\n"
        "window: 1s\n"
        "limits:\n"
        "  recipients: lots\n";
    const Lines found = told(text);
    const Lines wanted = {
        "2:14: listen[].address: `127.0.0.1` has no port: add :2525",
        "3:5: listen[].tsl: unknown key; did you mean tls?",
        "6:16: backend.connections: `0` is not from 1 to 1000",
        "7:3: backend.connections: the key stands there twice; it stood in line 6",
        "9:3: grouping.windw: unknown key; did you mean window?",
        "10:12: grouping.history: ",
        "11:1: window: unknown key",
        "13:15: limits.recipients: ",
    };
    REQUIRE(found.size() == wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(found[i].substr(0, wanted[i].size()) == wanted[i]);
    CHECK(message("/etc/x.yaml", {2, 14, "what"}) == "/etc/x.yaml:2:14: what");
    CHECK(message("/etc/x.yaml", {0, 0, "what"}) == "/etc/x.yaml: what");
}

TEST_CASE("what must be given is asked for") {
    CHECK(told("log:\n  level: info\n") ==
          Lines{"1:1: listen: is missing and must be given", "1:1: backend.servers: is missing and must be given"});
    CHECK(told("") != Lines{});
    CHECK(told("- a\n- b\n") != Lines{});
    CHECK(told("listen: []\nbackend:\n  servers: []\n").size() == 2);
    CHECK(told("listen:\n  - tls: none\nbackend:\n  servers: [a.example:25]\n") ==
          Lines{"2:5: listen[].address: is missing and must be given"});
}

TEST_CASE("the status page is on loopback alone") {
    for (const char* taken :
         {"", "127.0.0.1:9925", "127.8.8.8:1", "localhost:9925", "\"[::1]:9925\"", "unix:/run/onecopy/web.sock"}) {
        CAPTURE(taken);
        CHECK(complaint("http.address", taken) == "");
    }
    for (const char* refused :
         {"0.0.0.0:9925", "\"[::]:9925\"", "192.0.2.1:9925", "127.example:9925", "proxy.corp.example:9925"}) {
        CAPTURE(refused);
        CHECK(complaint("http.address", refused).find("is not loopback") != std::string::npos);
    }
    CHECK(complaint("http.address", "systemd:web") != "");
}

TEST_CASE("values are checked against each other") {
    CHECK(complaint("grouping.match", "[sender]").starts_with("must hold message-id or content"));
    CHECK(complaint("grouping.match", "[content, sender]") == "");
    CHECK(complaint("recipients.recover_from", "[Delivered-To]").starts_with("needs recipients.local_domains"));
    CHECK(complaint("recipients.foreign", "ignore").starts_with("`ignore` needs delivery.postmaster"));
    CHECK(told(with("recipients.local_domains", "[a.example]") + "  foreign: ignore\n").empty());
    const Lines elsewhere =
        told(with("recipients.local_domains", "[a.example]") + "delivery:\n  postmaster: me@b.example\n");
    REQUIRE(elsewhere.size() == 1);
    CHECK(elsewhere[0].starts_with("8:15: delivery.postmaster: must be a local address"));
}

TEST_CASE("what is allowed but hardly meant is a warning") {
    auto warned = [](const std::string& text, std::string_view words) {
        const Reading reading = read(text);
        REQUIRE(reading.problems.empty());
        return std::ranges::any_of(reading.warnings, [&](const std::string& one) { return one.starts_with(words); });
    };
    CHECK(warned(least, "recipients.local_domains is empty"));
    CHECK(warned(with("grouping.match", "[message-id]"), "grouping.match has no content"));
    CHECK(warned(with("grouping.window", "0s"), "grouping.window is 0"));
    CHECK(warned(with("grouping.observe", "true"), "grouping.observe is on"));
    CHECK(warned(with("backend.max_recipients", "50"), "backend.max_recipients is below 100"));
    CHECK_FALSE(warned("hostname: a.example\n" + with("recipients.local_domains", "[a.example]"), ""));
}

TEST_CASE("hostile YAML is refused in bounded time and stack") {
    auto first = [](const std::string& text) {
        const Lines found = told(text);
        return found.empty() ? std::string() : found.front();
    };
    CHECK(first("listen: " + std::string(20'000, '[')) != "");
    CHECK(first("listen: " + std::string(20'000, '{')) != "");
    CHECK(first(std::string(20'000, '[') + std::string(20'000, ']')) != "");
    std::string deep;
    for (int i = 0; i < 20'000; ++i) deep += "- ";
    CHECK(first(deep) != "");
    CHECK(first("listen: &a [*a]\n").find("1:9: ") == 0);
    CHECK(first("listen: *a\n").find("1:") == 0);
    CHECK(first("<<: {listen: x}\n") != "");
    CHECK(first(least + "hostname: !!binary aGFsbG8=\n") != "");
    CHECK(first(least + "---\n" + least).find("5:1: ") == 0);
    std::string many = "listen: [";
    for (int i = 0; i < 150'000; ++i) many += "a,";
    CHECK(first(many + "]").find("more than 100000 values") != std::string::npos);
    CHECK(first(std::string(2 << 20, ' ')) == "1:1: larger than 1 MiB: is it a configuration?");
}

TEST_CASE("what is found last is told in its place, too") {
    CHECK(
        told("grouping:\n  match: [sender]\nfoo: 1\n") ==
        Lines{"1:1: listen: is missing and must be given", "1:1: backend.servers: is missing and must be given",
              "2:10: grouping.match: must hold message-id or content: by the sender alone, all of his mail would be one "
              "message",
              "3:1: foo: unknown key; here may stand hostname, listen, tls, users, backend, grouping, recipients, delivery, "
              "limits, spool, control, http or log"});
}

TEST_CASE("the name of a file drives no terminal") {
    CHECK(message("\x1b\n", {1, 1, "what"}) == "\\x1b\\x0a:1:1: what");
}

TEST_CASE("a file is read up to 1 MiB") {
    const std::string path = std::filesystem::temp_directory_path() / ("onecopy-config-" + std::to_string(::getpid()));
    const auto problems = [&](std::size_t size) {
        std::ofstream(path, std::ios::binary) << least << std::string(size - least.size(), '#');
        return read_file(path).problems;
    };
    CHECK(problems(1 << 20).empty());
    const auto larger = problems((1 << 20) + 1);
    REQUIRE(larger.size() == 1);
    CHECK(larger[0].what == "larger than 1 MiB: is it a configuration?");
    std::filesystem::remove(path);
    CHECK(read_file("/dev/zero").problems.size() == 1);  // one without an end
}

TEST_CASE("a file that can't be read is a problem, not an exception") {
    REQUIRE(read_file("/nonexistent/onecopyd.yaml").problems.size() == 1);
    CHECK(read_file("/nonexistent/onecopyd.yaml").problems[0].what == "can't be opened: No such file or directory");
    CHECK(read_file("/").problems[0].what == "can't be read: Is a directory");
}

}  // namespace onecopy::config

TEST_SUITE_END();
