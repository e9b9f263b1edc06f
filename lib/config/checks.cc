#include "config/checks.h"

#include <algorithm>

#include "base/escape.h"

namespace onecopy::config {
namespace {

bool sound(const SeenKeys& seen, std::string_view key) {
    auto found = seen.find(key);
    return found == seen.end() || found->second.sound;
}

Place place(const SeenKeys& seen, std::string_view key) {
    auto found = seen.find(key);
    return found == seen.end() ? Place{1, 1} : found->second.at;
}

bool has(const std::vector<Part>& parts, Part part) {
    return std::ranges::find(parts, part) != parts.end();
}

bool is_ascii_alone(std::string_view domain) {
    return std::ranges::all_of(domain, [](char c) { return static_cast<unsigned char>(c) < 0x80; }) &&
           base::lower(domain).find("xn--") == std::string::npos;
}

/// Where U-labels and A-labels meet, the comparison is not ours; such a domain may be local.
bool surely_foreign(std::string_view domain, const std::vector<std::string>& local_domains) {
    return is_ascii_alone(domain) && std::ranges::none_of(local_domains, [domain](const std::string& local) {
               return base::equal_ignoring_case(domain, local);
           });
}

void check_match(const Config& config, const SeenKeys& seen, Report& report) {
    const auto& match = config.grouping.match;
    if (has(match, Part::message_id) || has(match, Part::content)) return;
    report.wrong("grouping.match", place(seen, "grouping.match"),
                 "must hold message-id or content: by the sender alone, all of his mail would be one message");
}

void check_recover_from(const Config& config, const SeenKeys& seen, Report& report) {
    bool unbounded = !config.recipients.recover_from.empty() && config.recipients.local_domains.empty();
    if (!unbounded || !sound(seen, "recipients.local_domains")) return;
    report.wrong("recipients.recover_from", place(seen, "recipients.recover_from"),
                 "needs recipients.local_domains: without them, whoever writes such a field names recipients in any domain");
}

void check_postmaster(const Config& config, const SeenKeys& seen, Report& report) {
    const std::string& postmaster = config.delivery.postmaster;
    if (!sound(seen, "recipients.local_domains") || !sound(seen, "delivery.postmaster")) return;
    if (postmaster.empty() && config.recipients.foreign == Foreign::ignore) {
        report.wrong(
            "recipients.foreign", place(seen, "recipients.foreign"),
            "`ignore` needs delivery.postmaster (or recipients.local_domains): who gets mail that is for nobody here?");
    }
    std::string domain = postmaster.substr(postmaster.rfind('@') + 1);
    if (postmaster.empty() || config.recipients.local_domains.empty()) return;
    if (!surely_foreign(domain, config.recipients.local_domains)) return;
    report.wrong("delivery.postmaster", place(seen, "delivery.postmaster"),
                 "must be a local address, and " + quote(domain) + " is not in recipients.local_domains");
}

/// `host:port` in every spelling of what it leads to, on this host: a socket for all addresses is one of loopback too.
std::vector<std::string> ends_of(const std::string& address) {
    struct Row {
        std::string_view host;
        std::vector<std::string> ends;
    };
    static const Row rows[] = {{"localhost", {"127.0.0.1", "[::1]"}}, {"0.0.0.0", {"127.0.0.1"}}, {"[::]", {"[::1]"}}};
    const std::string lower = base::lower(address);
    const std::size_t colon = std::min(lower.rfind(':'), lower.size());
    const auto row = std::ranges::find(rows, std::string_view(lower).substr(0, colon), &Row::host);
    if (row == std::end(rows)) return {lower};
    std::vector<std::string> ends = row->ends;
    for (std::string& end : ends) end += lower.substr(colon);
    return ends;
}

bool lead_to_one(const std::string& address, const std::string& other) {
    const std::vector<std::string> ends = ends_of(other);
    return std::ranges::any_of(ends_of(address),
                               [&](const std::string& end) { return std::ranges::find(ends, end) != ends.end(); });
}

/// What leaves would come in again, until it has hops enough to be refused.
void check_servers(const Config& config, const SeenKeys& seen, Report& report) {
    for (const std::string& server : config.backend.servers) {
        const auto is_it = [&](const Listen& listen) { return lead_to_one(listen.address, server); };
        if (std::ranges::none_of(config.listen, is_it)) continue;
        report.wrong("backend.servers", place(seen, "backend.servers"), quote(server) + " is this onecopyd itself (listen)");
    }
}

/// Two keys that mean something together alone.
struct Pair {
    std::string_view key;
    std::string_view other;
    bool (*lacks_other)(const Config&);
    std::string_view words;
};

bool listens(const Config& config, bool (*so)(const Listen&)) {
    return std::ranges::any_of(config.listen, so);
}

bool over_tls(const Listen& listen) {
    return listen.tls != ListenTls::none;
}

bool authenticates(const Listen& listen) {
    return listen.auth != Auth::none;
}

constexpr Pair all_pairs[] = {
    {"listen", "tls.certificate", [](const Config& c) { return listens(c, over_tls) && c.tls.certificate.empty(); },
     "`tls` needs tls.certificate and tls.key"},
    {"tls.certificate", "tls.key", [](const Config& c) { return !c.tls.certificate.empty() && c.tls.key.empty(); },
     "needs tls.key"},
    {"tls.key", "tls.certificate", [](const Config& c) { return !c.tls.key.empty() && c.tls.certificate.empty(); },
     "needs tls.certificate"},
    {"listen", "users", [](const Config& c) { return listens(c, authenticates) && c.users.empty(); },
     "`auth` needs users, the file that tells who may authenticate"},
    {"backend.username", "backend.password_file",
     [](const Config& c) { return !c.backend.username.empty() && c.backend.password_file.empty(); },
     "needs backend.password_file"},
    {"backend.password_file", "backend.username",
     [](const Config& c) { return !c.backend.password_file.empty() && c.backend.username.empty(); },
     "needs backend.username"},
};

void check_pairs(const Config& config, const SeenKeys& seen, Report& report) {
    for (const Pair& pair : all_pairs) {
        if (!sound(seen, pair.key) || !sound(seen, pair.other) || !pair.lacks_other(config)) continue;
        report.wrong(pair.key, place(seen, pair.key), std::string(pair.words));
    }
}

bool is_loopback(std::string_view network) {
    return network.starts_with("127.") || network == "::1" || network == "::1/128";
}

/// Somebody who may connect can't authenticate: in plain text only loopback may.
bool lets_nobody_authenticate(const Listen& listen) {
    return authenticates(listen) && !over_tls(listen) && !std::ranges::all_of(listen.allow, is_loopback);
}

bool names_everybody(const RecoverFrom& source) {
    constexpr std::string_view names[] = {"To", "Cc", "From", "Sender", "Reply-To"};
    return std::ranges::any_of(names, [&](std::string_view name) { return base::equal_ignoring_case(name, source.field); });
}

bool is_elsewhere(const std::string& server) {
    return !is_loopback(server) && !server.starts_with("localhost:") && !server.starts_with("[::1]:");
}

/// Neither a domain below another nor an address literal.
bool has_no_domain(const std::string& hostname) {
    return hostname.find('.') == hostname.npos && !hostname.starts_with('[');
}

struct Warning {
    bool (*applies)(const Config&);
    std::string_view words;
};

constexpr Warning all_warnings[] = {
    {[](const Config& c) { return has_no_domain(c.hostname); },
     "hostname, or the name of this machine in its place, has no domain: a server that wants a whole name in EHLO refuses "
     "every recipient (Postfix: 504 5.5.2)"},
    {[](const Config& c) { return !c.tls.certificate.empty() && !listens(c, over_tls); },
     "tls.certificate has no effect: no socket of listen has `tls`"},
    {[](const Config& c) { return !c.users.empty() && !listens(c, authenticates); },
     "users has no effect: no socket of listen has `auth`"},
    {[](const Config& c) { return listens(c, lets_nobody_authenticate); },
     "listen has `auth` on a socket without `tls` that more than loopback may use: AUTH is offered under TLS and to "
     "loopback "
     "alone"},
    {[](const Config& c) { return !c.backend.ca_file.empty() && c.backend.tls != BackendTls::verify; },
     "backend.ca_file has no effect without backend.tls: verify"},
    {[](const Config& c) {
         return !c.backend.username.empty() && c.backend.tls == BackendTls::none &&
                std::ranges::any_of(c.backend.servers, is_elsewhere);
     },
     "backend.username is not said to another host without TLS: with backend.tls: none no mail leaves"},
    {[](const Config& c) {
         return !c.backend.username.empty() && c.backend.tls != BackendTls::none && c.backend.tls != BackendTls::verify &&
                std::ranges::any_of(c.backend.servers, is_elsewhere);
     },
     "backend.username without backend.tls: verify: whoever answers in the place of a server on another host gets the "
     "password"},
    {[](const Config& c) {
         return std::ranges::any_of(c.backend.servers, [](const std::string& server) { return server.ends_with(":465"); });
     },
     "backend.servers has port 465, where TLS comes before the greeting, which is not what backend.tls does: 587 has "
     "STARTTLS"},
    {[](const Config& c) { return c.recipients.local_domains.empty(); },
     "recipients.local_domains is empty: every domain counts as local, and recipients elsewhere whom a header names would "
     "be "
     "mailed again"},
    {[](const Config& c) { return c.recipients.local_domains.empty() && c.recipients.foreign != Foreign::accept; },
     "recipients.foreign has no effect while recipients.local_domains is empty"},
    {[](const Config& c) { return !has(c.grouping.match, Part::content); },
     "grouping.match has no content: messages that share a Message-ID and differ are merged while they are held, and all "
     "get the first one"},
    {[](const Config& c) { return c.grouping.observe; },
     "grouping.observe is on: every copy is forwarded as it came, nothing is merged"},
    {[](const Config& c) { return !c.grouping.observe && c.grouping.window.count() == 0; },
     "grouping.window is 0: mail is not held, so copies merge only while an earlier one waits for the backend"},
    {[](const Config& c) { return c.grouping.quiet.count() > 0 && c.grouping.quiet >= c.grouping.window; },
     "grouping.quiet has no effect, since it is not shorter than grouping.window"},
    {[](const Config& c) { return std::ranges::any_of(c.recipients.recover_from, names_everybody); },
     "recipients.recover_from names a field of the author (To, Cc, ...): it says whom he wrote to, not whose copy it is"},
    {[](const Config& c) { return !c.recipients.fallback.empty() && c.recipients.recover_from.empty(); },
     "recipients.fallback has no effect without recipients.recover_from"},
    {[](const Config& c) { return c.backend.max_recipients < 100; },
     "backend.max_recipients is below 100, which every server takes (RFC 5321 4.5.3.1.8): mail goes out in more "
     "transactions"},
    {[](const Config& c) {
         return c.limits.connections_per_client > c.limits.connections &&
                c.limits.connections_per_client != Limits().connections_per_client;
     },
     "limits.connections_per_client has no effect above limits.connections"},
    {[](const Config& c) { return c.delivery.notify != Notify::none && c.delivery.postmaster.empty(); },
     "delivery.postmaster is not set: of mail that fails and has no sender to be told, nobody is"},
    {[](const Config& c) { return c.delivery.retry.back() >= c.delivery.expire; },
     "delivery.expire ends mail before delivery.retry has come to its last step"},
};

}  // namespace

void check_together(const Config& config, const SeenKeys& seen, Report& report) {
    if (sound(seen, "grouping.match")) check_match(config, seen, report);
    if (sound(seen, "recipients.recover_from")) check_recover_from(config, seen, report);
    check_postmaster(config, seen, report);
    if (sound(seen, "backend.servers") && sound(seen, "listen")) check_servers(config, seen, report);
    check_pairs(config, seen, report);
}

std::vector<std::string> warnings_of(const Config& config) {
    std::vector<std::string> words;
    for (const Warning& warning : all_warnings) {
        if (warning.applies(config)) words.emplace_back(warning.words);
    }
    return words;
}

}  // namespace onecopy::config
