#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/time.h"

namespace onecopy::config {

using base::Duration;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

enum class Protocol { smtp, lmtp };
enum class ListenTls { none, starttls, required, implicit };
enum class Auth { none, optional, required };
enum class LineEndings { normalize, reject };
enum class BackendTls { none, opportunistic, required, verify };
enum class TlsVersion { v1_0, v1_1, v1_2, v1_3 };
enum class Part { message_id, sender, content };
enum class Foreign { accept, ignore, reject };
enum class Notify { sender, postmaster, none };

struct Listen {
    std::string address;
    Protocol protocol = Protocol::smtp;
    ListenTls tls = ListenTls::none;
    Auth auth = Auth::none;
    std::vector<std::string> allow = {"127.0.0.0/8", "::1"};
    bool proxy_protocol = false;
    LineEndings line_endings = LineEndings::normalize;
};

struct Tls {
    std::string certificate;
    std::string key;
    TlsVersion min_version = TlsVersion::v1_2;
};

struct Backend {
    std::vector<std::string> servers;
    Protocol protocol = Protocol::smtp;
    BackendTls tls = BackendTls::opportunistic;
    std::optional<TlsVersion> tls_min_version;
    std::string ca_file;
    std::string username;
    std::string password_file;
    unsigned connections = 4;
    unsigned messages_per_connection = 100;
    Duration connection_lifetime = minutes(5);
    unsigned max_recipients = 100;
};

struct Grouping {
    Duration window = seconds(30);
    Duration quiet{0};
    std::vector<Part> match = {Part::message_id, Part::sender, Part::content};
    Duration history = hours(24 * 7);
    bool observe = false;
};

struct RecoverFrom {
    std::string field;
    std::string strip;
};

struct Recipients {
    std::vector<std::string> local_domains;
    Foreign foreign = Foreign::accept;
    std::vector<RecoverFrom> recover_from;
    std::vector<std::string> fallback;
    bool fold_case = true;
    std::map<std::string, std::string> rewrite_domains;
};

struct Delivery {
    std::vector<Duration> retry = {minutes(1), minutes(2), minutes(5), minutes(10), minutes(15), minutes(30)};
    Duration expire = hours(24 * 5);
    Duration warn_after = hours(4);
    Notify notify = Notify::sender;
    std::string postmaster;
    Duration keep_failed = hours(24 * 7);
};

struct Limits {
    std::uint64_t message_size = std::uint64_t{50} << 20;
    unsigned recipients = 1000;
    unsigned connections = 1000;
    unsigned connections_per_client = 100;
    unsigned errors = 20;
    unsigned hops = 50;
    Duration timeout = minutes(5);
    Duration shutdown = seconds(10);
};

struct Spool {
    std::string directory = "/var/lib/onecopy";
    std::uint64_t min_free = std::uint64_t{256} << 20;
};

/// The configuration of CONTRACT, plain values with the defaults that stand there. What is empty was not given.
struct Config {
    std::string hostname;  // filled in by read() where it was not given
    std::vector<Listen> listen;
    Tls tls;
    std::string users;
    Backend backend;
    Grouping grouping;
    Recipients recipients;
    Delivery delivery;
    Limits limits;
    Spool spool;
    std::string control_socket = "/run/onecopy/control.sock";
    std::string http_address;
    base::Level log_level = base::Level::info;
};

/// One thing that is wrong, 1-based; line 0: the file as a whole.
struct Problem {
    int line = 0;
    int column = 0;
    std::string what;
};

struct Reading {
    Config config;
    std::vector<Problem> problems;      // in the order of the file; none: the config may be used
    std::vector<std::string> warnings;  // what is allowed but hardly meant
};

/// Reads YAML text: every key checked, every problem told. Hostile text (depth, size, anchors, repeated keys) is a problem
/// too.
Reading read(const std::string& text);
/// The same for a file; one that can't be opened, or is larger than 1 MiB, is a problem.
Reading read_file(const std::string& path);

/// `FILE:LINE:COLUMN: what`.
std::string message(const std::string& file, const Problem& problem);

/// The configuration as YAML with every key; read() of it gives the same values.
std::string show(const Config& config);

/// Every key, as `listen[].address` or `grouping.window`.
std::vector<std::string> keys();

}  // namespace onecopy::config
