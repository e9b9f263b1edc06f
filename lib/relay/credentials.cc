#include "relay/credentials.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace onecopy::relay {
namespace {

net::TlsVersion version_of(config::TlsVersion version) {
    return static_cast<net::TlsVersion>(version);  // the same four, in the same order
}
static_assert(static_cast<int>(config::TlsVersion::v1_0) == static_cast<int>(net::TlsVersion::v1_0));
static_assert(static_cast<int>(config::TlsVersion::v1_3) == static_cast<int>(net::TlsVersion::v1_3));

std::string read_password(const std::string& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::string text(most_password_file + 1, '\0');
    if (!file || (file.read(text.data(), static_cast<std::streamsize>(text.size())), file.bad())) {
        throw std::runtime_error(path + ": can't be read: " + std::generic_category().message(errno ? errno : EIO));
    }
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > most_password_file) throw std::runtime_error(path + ": larger than 4 KiB: is it a password's file?");
    text.resize(std::min(text.find('\n'), text.size()));
    if (text.ends_with('\r')) text.pop_back();
    if (text.empty()) throw std::runtime_error(path + ": its first line, which should be the password, is empty");
    if (text.find('\0') != text.npos) throw std::runtime_error(path + ": its first line holds a NUL");
    return text;
}

net::TlsClient::Settings client_settings(const config::Config& config) {
    return {config.backend.tls == config::BackendTls::verify, config.backend.ca_file,
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

CredentialsReading read_credentials(const config::Config& config) {
    CredentialsReading reading;
    auto& [credentials, problems] = reading;
    const auto any_socket = [&](auto has) { return std::ranges::any_of(config.listen, has); };
    if (any_socket([](const config::Listen& listen) { return listen.tls != config::ListenTls::none; })) {
        attempt(problems, [&] {
            const net::TlsServer::Settings settings{config.tls.certificate, config.tls.key,
                                                    version_of(config.tls.min_version)};
            credentials.tls_server = std::make_shared<const net::TlsServer>(settings);
        });
    }
    if (config.backend.tls != config::BackendTls::none) {
        attempt(problems, [&] { credentials.tls_client = std::make_shared<const net::TlsClient>(client_settings(config)); });
    }
    if (any_socket([](const config::Listen& listen) { return listen.auth != config::Auth::none; })) {
        UsersReading users = read_users(config.users);
        credentials.users = std::move(users.users);
        problems.insert(problems.end(), users.problems.begin(), users.problems.end());
    }
    if (!config.backend.password_file.empty()) {
        attempt(problems, [&] { credentials.password = read_password(config.backend.password_file); });
    }
    return reading;
}

}  // namespace onecopy::relay
