#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "net/tls.h"
#include "relay/users.h"

namespace onecopy::relay {

/// What the files say that the configuration names: read at a start and at each reload. Connections that are open keep
/// theirs.
struct Credentials {
    std::shared_ptr<const net::TlsServer> tls_server;  // null: no socket has TLS
    std::shared_ptr<const net::TlsClient> tls_client;  // null: `backend.tls: none`
    std::shared_ptr<const Users> users;                // null: no socket has AUTH
    std::string password;                              // of backend.username
};

struct CredentialsReading {
    Credentials credentials;            // to be used where there is no problem
    std::vector<std::string> problems;  // `FILE: what`, all of them; nothing secret is quoted
    std::vector<std::string> warnings;  // what is allowed but hardly meant
};

constexpr std::size_t most_password_file = 4096;

/// Where a file of the configuration lies: `credential:NAME` is NAME in the directory that systemd passes by
/// $CREDENTIALS_DIRECTORY. Throws std::runtime_error where it passes none.
std::string place_of(const std::string& file);

/// Reads those files alone that are of use. The password is the first line of its file, without its line end.
CredentialsReading read_credentials(const config::Config& config);

}  // namespace onecopy::relay
