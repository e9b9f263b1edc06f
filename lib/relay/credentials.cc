#include "relay/credentials.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "base/file.h"
#include "config/values.h"

namespace onecopy::relay {
namespace {

net::TlsVersion version_of(config::TlsVersion version) {
    return static_cast<net::TlsVersion>(version);  // the same four, in the same order
}
static_assert(static_cast<int>(config::TlsVersion::v1_0) == static_cast<int>(net::TlsVersion::v1_0));
static_assert(static_cast<int>(config::TlsVersion::v1_3) == static_cast<int>(net::TlsVersion::v1_3));

std::string password_of(base::FileText file) {
    std::string& text = file.text;
    if (!file.wrong.empty()) throw std::runtime_error(file.wrong);
    if (text.size() > most_password_file) throw std::runtime_error("larger than 4 KiB: is it a password's file?");
    text.resize(std::min(text.find('\n'), text.size()));
    if (text.ends_with('\r')) text.pop_back();
    if (text.empty()) throw std::runtime_error("its first line, which should be the password, is empty");
    if (text.find('\0') != text.npos) throw std::runtime_error("its first line holds a NUL");
    return std::move(text);
}

std::string read_password(const std::string& path) try {
    return password_of(base::read_file(path, most_password_file));
} catch (const std::runtime_error& error) {
    throw std::runtime_error(path + ": " + error.what());
}

net::TlsServer::Settings server_settings(const config::Config& config) {
    return {place_of(config.tls.certificate), place_of(config.tls.key), version_of(config.tls.min_version)};
}

net::TlsClient::Settings client_settings(const config::Config& config) {
    return {config.backend.tls == config::BackendTls::verify, place_of(config.backend.ca_file),
            version_of(config.backend.tls_min_version.value_or(config.tls.min_version))};
}

/// Gathers what is wrong, so that all is told at once.
template <typename Read>
void attempt(std::vector<std::string>& problems, Read read) {
    try {
        read();
    } catch (const std::runtime_error& error) {
        problems.emplace_back(error.what());
    }
}

}  // namespace

std::string place_of(const std::string& file) {
    using config::values::credential_prefix;
    if (!file.starts_with(credential_prefix)) return file;
    const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
    if (!directory || *directory == '\0')
        throw std::runtime_error(file + ": no credentials were passed ($CREDENTIALS_DIRECTORY is not set)");
    return std::string(directory) + "/" + file.substr(credential_prefix.size());
}

CredentialsReading read_credentials(const config::Config& config) {
    CredentialsReading reading;
    auto& [credentials, problems, warnings] = reading;
    const auto any_socket = [&](auto has) { return std::ranges::any_of(config.listen, has); };
    if (any_socket([](const config::Listen& listen) { return listen.tls != config::ListenTls::none; })) {
        attempt(problems, [&] {
            const net::TlsServer::Settings settings = server_settings(config);
            credentials.tls_server = std::make_shared<const net::TlsServer>(settings);
            if (credentials.tls_server->expires() > base::wall_clock()) return;
            warnings.push_back(settings.certificate + ": the certificate has expired; clients that look refuse it");
        });
    }
    if (config.backend.tls != config::BackendTls::none) {
        attempt(problems, [&] { credentials.tls_client = std::make_shared<const net::TlsClient>(client_settings(config)); });
    }
    if (any_socket([](const config::Listen& listen) { return listen.auth != config::Auth::none; })) {
        attempt(problems, [&] {
            UsersReading users = read_users(place_of(config.users));
            credentials.users = std::move(users.users);
            problems.insert(problems.end(), users.problems.begin(), users.problems.end());
        });
    }
    if (!config.backend.password_file.empty()) {
        attempt(problems, [&] { credentials.password = read_password(place_of(config.backend.password_file)); });
    }
    return reading;
}

}  // namespace onecopy::relay
