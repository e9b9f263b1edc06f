#include "config/table.h"

#include <doctest/doctest.h>

#include <iterator>
#include <map>
#include <random>
#include <set>

#include "fixture.h"

TEST_SUITE_BEGIN("table");

namespace onecopy::config {

namespace {

/// Each key as it is shown, those of the first socket included.
std::map<std::string, std::string> shown(const Config& config) {
    std::map<std::string, std::string> values;
    for (const auto& key : keys_of_config()) values.emplace(key.name, key.show(config));
    for (const auto& key : keys_of_listen()) values.emplace(key.name, key.show(config.listen.at(0)));
    values.erase("listen");
    return values;
}

/// A value other than the default for every key that takes one, as it is shown.
const std::map<std::string, std::string> others = {
    {"http.address", "127.0.0.1:9925"},
    {"hostname", "proxy.corp.example"},
    {"listen[].address", "\"[::1]:25\""},
    {"listen[].protocol", "lmtp"},
    {"listen[].tls", "starttls"},
    {"listen[].auth", "optional"},
    {"listen[].allow", "[192.0.2.0/24]"},
    {"listen[].proxy_protocol", "true"},
    {"listen[].line_endings", "reject"},
    {"backend.servers", "[a.example:25, b.example:26]"},
    {"tls.certificate", "/cert.pem"},
    {"tls.key", "/key.pem"},
    {"tls.min_version", "\"1.3\""},
    {"users", "/users"},
    {"backend.protocol", "lmtp"},
    {"backend.tls", "verify"},
    {"backend.tls_min_version", "\"1.0\""},
    {"backend.ca_file", "/ca.pem"},
    {"backend.username", "onecopy"},
    {"backend.password_file", "/password"},
    {"backend.connections", "5"},
    {"backend.messages_per_connection", "101"},
    {"backend.connection_lifetime", "6m"},
    {"backend.max_recipients", "101"},
    {"grouping.window", "31s"},
    {"grouping.quiet", "1s"},
    {"grouping.match", "[content, message-id]"},
    {"grouping.history", "8d"},
    {"grouping.observe", "true"},
    {"recipients.local_domains", "[corp.example, b.example]"},
    {"recipients.foreign", "reject"},
    {"recipients.recover_from", "[Delivered-To, {field: X-Rcpt-To, strip: mbox-}]"},
    {"recipients.fallback", "[postmaster@corp.example]"},
    {"recipients.fold_case", "false"},
    {"recipients.rewrite_domains", "{\"\": corp.example, localhost: corp.example}"},
    {"delivery.retry", "[1s, 1s, 300ms]"},
    {"delivery.expire", "6d"},
    {"delivery.warn_after", "0s"},
    {"delivery.notify", "none"},
    {"delivery.postmaster", "me@corp.example"},
    {"delivery.keep_failed", "9d"},
    {"limits.message_size", "51M"},
    {"limits.recipients", "1001"},
    {"limits.connections", "1002"},
    {"limits.connections_per_client", "102"},
    {"limits.errors", "21"},
    {"limits.hops", "51"},
    {"limits.timeout", "7m"},
    {"limits.shutdown", "11s"},
    {"spool.directory", "/spool"},
    {"spool.min_free", "257M"},
    {"control.socket", "/control.sock"},
    {"log.level", "debug"},
};

/// What a key can't stand without.
const std::map<std::string, std::map<std::string, std::string>> companions = {
    {"listen[].tls", {{"tls.certificate", "/cert.pem"}, {"tls.key", "/key.pem"}}},
    {"listen[].auth", {{"users", "/users"}}},
    {"tls.certificate", {{"tls.key", "/key.pem"}}},
    {"tls.key", {{"tls.certificate", "/cert.pem"}}},
    {"backend.username", {{"backend.password_file", "/password"}}},
    {"backend.password_file", {{"backend.username", "onecopy"}}},
    {"recipients.recover_from", {{"recipients.local_domains", "[corp.example]"}}},
};

std::map<std::string, std::string> companions_of(const std::string& key) {
    const auto found = companions.find(key);
    return found == companions.end() ? std::map<std::string, std::string>() : found->second;
}

/// `with()`, where the two keys of `least` are replaced, and with the key's companions.
std::string changed(const std::string& key, const std::string& value) {
    if (key == "listen[].address") return "listen: [{address: " + value + "}]\nbackend: {servers: [mail.example:25]}\n";
    if (key == "backend.servers") return "listen: [{address: 127.0.0.1:2525}]\nbackend: {servers: " + value + "}\n";
    std::string text = with(key, value);
    const std::string section = key.substr(0, key.find('.'));
    std::string open = section;
    for (const auto& [name, companion] : companions_of(key)) {
        const auto dot = name.find('.');
        if (dot != name.npos && name.substr(0, dot) != open) text += (open = name.substr(0, dot)) + ":\n";
        const std::string line = (dot == name.npos ? name : "  " + name.substr(dot + 1)) + ": " + companion + "\n";
        section == "backend" ? text.insert(text.find("  servers"), line) : text += line;
    }
    return text;
}

}  // namespace

TEST_CASE("each key is read into a place of its own") {
    const auto defaults = shown(read(least).config);
    for (const auto& [key, by_default] : defaults) {
        CAPTURE(key);
        const auto other = others.find(key);
        REQUIRE(other != others.end());
        CHECK(other->second != by_default);
        const Reading reading = read(changed(key, other->second));
        CHECK(reading.problems.empty());
        auto expected = defaults;
        expected[key] = other->second;
        for (const auto& [name, companion] : companions_of(key)) expected[name] = companion;
        if (expected["recipients.local_domains"] != "[]") expected["delivery.postmaster"] = "postmaster@corp.example";
        CHECK(shown(reading.config) == expected);
    }
}

TEST_CASE("each bound is the last value that is taken") {
    struct Row {
        std::string key, below, least, most, above;
    };
    const Row rows[] = {
        {"backend.connections", "0", "1", "1000", "1001"},
        {"backend.messages_per_connection", "0", "1", "1000000", "1000001"},
        {"backend.connection_lifetime", "999ms", "1s", "1d", "86401s"},
        {"backend.max_recipients", "0", "1", "100000", "100001"},
        {"grouping.window", "", "0", "1d", "86401s"},
        {"grouping.quiet", "", "0", "1d", "86401s"},
        {"grouping.history", "", "0", "365d", "366d"},
        {"delivery.expire", "999ms", "1s", "365d", "366d"},
        {"delivery.keep_failed", "", "0", "365d", "366d"},
        {"limits.message_size", "65535", "64K", "2G", "3G"},
        {"limits.recipients", "99", "100", "100000", "100001"},
        {"limits.connections", "0", "1", "65535", "65536"},
        {"limits.connections_per_client", "0", "1", "65535", "65536"},
        {"limits.errors", "0", "1", "1000", "1001"},
        {"limits.hops", "0", "1", "1000", "1001"},
        {"limits.timeout", "999ms", "1s", "1h", "3601s"},
        {"limits.shutdown", "", "0", "10m", "601s"},
        {"spool.min_free", "", "0", "1024G", "1025G"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.key);
        CHECK(complaint(row.key, row.least) == "");
        CHECK(complaint(row.key, row.most) == "");
        for (const std::string& outside : {row.below, row.above}) {
            if (!outside.empty()) CHECK(complaint(row.key, outside).starts_with("`" + outside + "` is not from "));
        }
    }
    CHECK(complaint("delivery.retry", "[100ms, 1d]") == "");
    CHECK(complaint("delivery.retry", "[99ms, 25h]") == "`99ms` is not from 100ms to 1d\n`25h` is not from 100ms to 1d");
}

TEST_CASE("a damaged configuration is told of, or shows what can be loaded again") {
    std::mt19937 random(264249);
    const auto below = [&](std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(random); };
    const std::string_view pieces[] = {":",  ": ", "- ", "[",   "]",  "{", "}", "\"",   "'",     "#",   "&a ",    "*a",
                                       "!x", "|",  ">",  "\\0", "\n", " ", ",", "\xc3", "---\n", "~\n", "window", "9"};
    const std::string whole = least +
                              "grouping:\n  window: 31s\n  match: [content, message-id]\n"
                              "recipients:\n  local_domains: [a.example]\n"
                              "  recover_from: [Delivered-To, {field: X-Rcpt-To, strip: \"mbox \\\"-\"}]\n"
                              "delivery:\n  retry: [1s, 300ms]\n"
                              "limits:\n  message_size: 51M\n";
    REQUIRE(read(whole).problems.empty());
    int good = 0;
    for (int turn = 0; turn < 3000; ++turn) {
        std::string text = whole;
        for (std::size_t damages = 1 + below(2); damages > 0; --damages) {
            const std::size_t at = below(text.size());
            if (below(2) == 0) text.erase(at, 1 + below(8));
            text.insert(std::min(at, text.size()), pieces[below(std::size(pieces))]);
        }
        const Reading reading = read(text);
        if (!reading.problems.empty()) continue;
        CAPTURE(text);
        ++good;
        const std::string first = show(reading.config);
        const Reading again = read(first);
        REQUIRE(again.problems.empty());
        REQUIRE(show(again.config) == first);
    }
    CHECK(good > 30);
}

}  // namespace onecopy::config

TEST_SUITE_END();
