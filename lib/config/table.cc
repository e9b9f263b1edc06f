#include "config/table.h"

#include "config/records.h"
#include "config/values.h"

namespace onecopy::config {
namespace {

using std::chrono::milliseconds;

constexpr Duration one_day = hours(24);
constexpr Duration one_year = hours(24 * 365);
constexpr std::uint64_t kibibyte = 1 << 10;
constexpr std::uint64_t gibibyte = 1 << 30;

template <typename Owner, typename Value>
Key<Owner> key(std::string_view name, Value Owner::*member, Kind<Value> kind, std::string_view help, bool required = false) {
    auto access = [member](auto& owner) -> auto& {
        return owner.*member;
    };
    return make_key<Owner>(name, access, kind, help, required);
}

template <typename Section, typename Value>
Key<Config> key(std::string_view name, Section Config::*section, Value Section::*member, Kind<Value> kind,
                std::string_view help, bool required = false) {
    auto access = [ section, member ](auto& config) -> auto& {
        return (config.*section).*member;
    };
    return make_key<Config>(name, access, kind, help, required);
}

Kind<Protocol> protocol() {
    return word<Protocol>({{"smtp", Protocol::smtp}, {"lmtp", Protocol::lmtp}});
}
Kind<ListenTls> listen_tls() {
    return word<ListenTls>({{"none", ListenTls::none},
                            {"starttls", ListenTls::starttls},
                            {"required", ListenTls::required},
                            {"implicit", ListenTls::implicit}});
}
Kind<Auth> auth() {
    return word<Auth>({{"none", Auth::none}, {"optional", Auth::optional}, {"required", Auth::required}});
}
Kind<LineEndings> line_endings() {
    return word<LineEndings>({{"normalize", LineEndings::normalize}, {"reject", LineEndings::reject}});
}
Kind<BackendTls> backend_tls() {
    return word<BackendTls>({{"none", BackendTls::none},
                             {"opportunistic", BackendTls::opportunistic},
                             {"required", BackendTls::required},
                             {"verify", BackendTls::verify}});
}
Kind<TlsVersion> tls_version() {
    return word<TlsVersion>(
        {{"1.0", TlsVersion::v1_0}, {"1.1", TlsVersion::v1_1}, {"1.2", TlsVersion::v1_2}, {"1.3", TlsVersion::v1_3}});
}
Kind<Part> part() {
    return word<Part>({{"message-id", Part::message_id}, {"sender", Part::sender}, {"content", Part::content}});
}
Kind<Foreign> foreign() {
    return word<Foreign>({{"accept", Foreign::accept}, {"ignore", Foreign::ignore}, {"reject", Foreign::reject}});
}
Kind<Notify> notify() {
    return word<Notify>({{"sender", Notify::sender}, {"postmaster", Notify::postmaster}, {"none", Notify::none}});
}
Kind<base::Level> level() {
    using base::Level;
    return word<Level>(
        {{"error", Level::error}, {"warning", Level::warning}, {"info", Level::info}, {"debug", Level::debug}});
}

Kind<std::string> path() {
    return text("an absolute path", values::path);
}
Kind<std::string> file() {
    return text("an absolute path or `credential:NAME`", values::file);
}
Kind<std::string> domain() {
    return text("a domain", values::domain);
}
Kind<std::string> address() {
    return text("an address", values::address);
}

template <typename Owner>
Table<Owner> joined_tables(std::initializer_list<Table<Owner>> parts) {
    Table<Owner> all;
    for (const Table<Owner>& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

Table<Config> front_keys() {
    return {
        key("hostname", &Config::hostname, text("a domain", values::hostname), "in greeting, EHLO and Received"),
        key("listen", &Config::listen, sockets(), "one entry for each socket", true),
        key("tls.certificate", &Config::tls, &Tls::certificate, file(), "PEM, with its chain"),
        key("tls.key", &Config::tls, &Tls::key, file(), "PEM"),
        key("tls.min_version", &Config::tls, &Tls::min_version, tls_version(), "for both sides"),
        key("users", &Config::users, file(), "lines `name:crypt(3) hash`"),
    };
}

Table<Config> backend_keys() {
    constexpr auto backend = &Config::backend;
    return {
        key("backend.servers", backend, &Backend::servers, list(text("`host:port`", values::server), 1),
            "tried in order; the first that answers serves", true),
        key("backend.protocol", backend, &Backend::protocol, protocol(), "smtp or lmtp"),
        key("backend.tls", backend, &Backend::tls, backend_tls(), "none, opportunistic, required or verify"),
        key("backend.tls_min_version", backend, &Backend::tls_min_version, optional(tls_version()),
            "empty: as tls.min_version"),
        key("backend.ca_file", backend, &Backend::ca_file, file(), "empty: the system's"),
        key("backend.username", backend, &Backend::username, text("a name", values::anything),
            "for AUTH, with password_file"),
        key("backend.password_file", backend, &Backend::password_file, file(), "its first line is the password"),
        key("backend.connections", backend, &Backend::connections, number(1, 1000), "at once"),
        key("backend.messages_per_connection", backend, &Backend::messages_per_connection, number(1, 1'000'000),
            "then a new connection"),
        key("backend.connection_lifetime", backend, &Backend::connection_lifetime, duration(seconds(1), one_day),
            "then a new connection"),
        key("backend.max_recipients", backend, &Backend::max_recipients, number(1, 100'000), "in one transaction"),
    };
}

Table<Config> grouping_keys() {
    constexpr auto grouping = &Config::grouping;
    return {
        key("grouping.window", grouping, &Grouping::window, duration(seconds(0), one_day),
            "held so long from the first copy; 0 forwards at once"),
        key("grouping.quiet", grouping, &Grouping::quiet, duration(seconds(0), one_day),
            "released when no copy came for so long; 0: off"),
        key("grouping.match", grouping, &Grouping::match, list(part(), 1), "what makes two messages copies of one"),
        key("grouping.history", grouping, &Grouping::history, duration(seconds(0), one_year),
            "how long it is remembered who got a message"),
        key("grouping.observe", grouping, &Grouping::observe, flag(), "log what would be merged, forward every copy"),
    };
}

Table<Config> recipients_keys() {
    constexpr auto recipients = &Config::recipients;
    return {
        key("recipients.local_domains", recipients, &Recipients::local_domains, list(domain(), 0),
            "yours; empty: every domain"),
        key("recipients.foreign", recipients, &Recipients::foreign, foreign(), "recipients in other domains"),
        key("recipients.recover_from", recipients, &Recipients::recover_from, list(recover_from(), 0),
            "fields that name blind recipients"),
        key("recipients.fallback", recipients, &Recipients::fallback, list(address(), 0),
            "whom the fetcher names when it knows nobody"),
        key("recipients.fold_case", recipients, &Recipients::fold_case, flag(), "User@x and user@x are one recipient"),
        key("recipients.rewrite_domains", recipients, &Recipients::rewrite_domains, domain_map(),
            "domains in place of others"),
    };
}

Table<Config> delivery_keys() {
    constexpr auto delivery = &Config::delivery;
    return {
        key("delivery.retry", delivery, &Delivery::retry, list(duration(milliseconds(100), one_day), 1, Repeats::allowed),
            "waits between attempts; the last repeats"),
        key("delivery.expire", delivery, &Delivery::expire, duration(seconds(1), one_year), "then a recipient has failed"),
        key("delivery.warn_after", delivery, &Delivery::warn_after, duration(seconds(0), one_year),
            "a delay notice to postmaster; 0: none"),
        key("delivery.notify", delivery, &Delivery::notify, notify(), "who gets the failure notice"),
        key("delivery.postmaster", delivery, &Delivery::postmaster, address(), "local address for what has no other"),
        key("delivery.keep_failed", delivery, &Delivery::keep_failed, duration(seconds(0), one_year),
            "how long failed mail stays in the spool"),
    };
}

Table<Config> limits_keys() {
    constexpr auto limits = &Config::limits;
    return {
        key("limits.message_size", limits, &Limits::message_size, size(64 * kibibyte, 2 * gibibyte), "of one message"),
        key("limits.recipients", limits, &Limits::recipients, number(100, 100'000), "in one inbound transaction"),
        key("limits.connections", limits, &Limits::connections, number(1, 65'535), "inbound, at once"),
        key("limits.connections_per_client", limits, &Limits::connections_per_client, number(1, 65'535),
            "inbound, at once, from one address"),
        key("limits.errors", limits, &Limits::errors, number(1, 1000), "bad commands before 421"),
        key("limits.hops", limits, &Limits::hops, number(1, 1000), "Received fields"),
        key("limits.timeout", limits, &Limits::timeout, duration(seconds(1), hours(1)), "for a command"),
        key("limits.shutdown", limits, &Limits::shutdown, duration(seconds(0), minutes(10)),
            "for inbound transactions at the end"),
    };
}

Table<Config> service_keys() {
    return {
        key("spool.directory", &Config::spool, &Spool::directory, path(), "the ledger and large messages"),
        key("spool.min_free", &Config::spool, &Spool::min_free, size(0, 1024 * gibibyte), "less free: 452 4.3.1"),
        key("control.socket", &Config::control_socket, text("an absolute path", values::socket_path), "for onecopyctl"),
        key("http.address", &Config::http_address, text("`host:port` of loopback", values::web_address),
            "empty: off; status page, /metrics, /healthz"),
        key("log.level", &Config::log_level, level(), "error, warning, info or debug"),
    };
}

}  // namespace

const Table<Config>& keys_of_config() {
    static const Table<Config> table = joined_tables(
        {front_keys(), backend_keys(), grouping_keys(), recipients_keys(), delivery_keys(), limits_keys(), service_keys()});
    return table;
}

const Table<Listen>& keys_of_listen() {
    static const Table<Listen> table = {
        key("listen[].address", &Listen::address,
            text("host:port, [v6]:port, unix:/path or systemd:NAME", values::listen_address), "where clients connect", true),
        key("listen[].protocol", &Listen::protocol, protocol(), "smtp or lmtp"),
        key("listen[].tls", &Listen::tls, listen_tls(), "none, starttls, required or implicit"),
        key("listen[].auth", &Listen::auth, auth(), "none, optional or required"),
        key("listen[].allow", &Listen::allow, list(text("networks", values::network), 1), "networks that may connect"),
        key("listen[].proxy_protocol", &Listen::proxy_protocol, flag(), "a PROXY header is expected"),
        key("listen[].line_endings", &Listen::line_endings, line_endings(), "what a bare CR or LF gets"),
    };
    return table;
}

const Table<RecoverFrom>& keys_of_recover_from() {
    static const Table<RecoverFrom> table = {
        key("recipients.recover_from[].field", &RecoverFrom::field, text("a field's name", values::field_name),
            "its topmost instance is read", true),
        key("recipients.recover_from[].strip", &RecoverFrom::strip, text("a prefix", values::anything),
            "taken off the front of the address"),
    };
    return table;
}

}  // namespace onecopy::config
