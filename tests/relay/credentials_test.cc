#include "relay/credentials.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "../net/tls_fixture.h"

using namespace onecopy;
using namespace onecopy::relay;
using net::testing::Files;
using net::testing::Identity;

namespace {

constexpr const char* a_user = "me:$5$k2XAnEHBqQ1Ct2aM$rnCuOqWo.paDhUxsmHP0RfEIDdETSMulnLCs8sxkDq/\n";

/// All that has a file.
config::Config with_everything(const Files& files) {
    const Identity identity({});
    config::Config config;
    config.listen.emplace_back().tls = config::ListenTls::starttls;
    config.listen.emplace_back().auth = config::Auth::optional;
    config.tls.certificate = files.certificate("cert.pem", identity);
    config.tls.key = files.key("key.pem", identity);
    config.users = files.text("users", a_user);
    config.backend.tls = config::BackendTls::verify;
    config.backend.ca_file = files.path("cert.pem");
    config.backend.username = "onecopy";
    config.backend.password_file = files.text("password", "secret \r\nmore\n");
    return config;
}

}  // namespace

TEST_SUITE_BEGIN("credentials");

TEST_CASE("all files are read, and the password is the first line of its file") {
    Files files;
    const CredentialsReading reading = read_credentials(with_everything(files));
    CHECK(reading.problems == std::vector<std::string>{});
    CHECK(reading.credentials.tls_server);
    CHECK(reading.credentials.tls_client);
    REQUIRE(reading.credentials.users);
    CHECK(reading.credentials.users->verify("me", "secret"));
    CHECK(reading.credentials.password == "secret ");
}

TEST_CASE("a certificate that has expired serves on, and is warned of") {
    Files files;
    config::Config config = with_everything(files);
    CHECK(read_credentials(config).warnings.empty());
    const Identity expired({.from = -7200, .until = -3600});
    config.tls.certificate = files.certificate("old.pem", expired);
    config.tls.key = files.key("old.key", expired);
    const CredentialsReading reading = read_credentials(config);
    CHECK(reading.problems.empty());
    CHECK(reading.credentials.tls_server);
    REQUIRE(reading.warnings.size() == 1);
    CHECK(reading.warnings[0].starts_with(config.tls.certificate + ": the certificate has expired"));
}

TEST_CASE("what nothing uses is not read") {
    Files files;
    config::Config config = with_everything(files);
    config.listen.resize(1);
    config.listen[0].tls = config::ListenTls::none;
    config.backend.tls = config::BackendTls::none;
    for (std::string* file : {&config.tls.certificate, &config.tls.key, &config.users, &config.backend.ca_file}) {
        *file = files.path("nowhere");
    }
    const CredentialsReading reading = read_credentials(config);
    CHECK(reading.problems.empty());
    CHECK_FALSE(reading.credentials.tls_server);
    CHECK_FALSE(reading.credentials.tls_client);
    CHECK_FALSE(reading.credentials.users);
}

TEST_CASE("all that is wrong is told at once, each with its file") {
    Files files;
    config::Config config = with_everything(files);
    config.tls.key = config.users = config.backend.ca_file = config.backend.password_file = files.path("nowhere");
    const std::vector<std::string> problems = read_credentials(config).problems;
    REQUIRE(problems.size() == 4);
    for (const std::string& problem : problems) {
        CHECK(problem.starts_with(files.path("nowhere") + ":"));
        CHECK(problem.find("No such file") != problem.npos);
    }
}

TEST_CASE("a file that can hold no password says why, and none of it") {
    Files files;
    config::Config config = with_everything(files);
    const std::pair<std::string, const char*> rows[] = {
        {"", "is empty"},
        {"\nsecret\n", "is empty"},
        {"\r\n", "is empty"},
        {std::string(most_password_file + 1, 's'), "larger than 4 KiB"},
    };
    for (const auto& [text, why] : rows) {
        config.backend.password_file = files.text("password", text);
        const std::vector<std::string> problems = read_credentials(config).problems;
        REQUIRE(problems.size() == 1);
        CHECK(problems[0].find(why) != std::string::npos);
        CHECK(problems[0].find("secret") == std::string::npos);
    }
    config.backend.password_file = files.path("");
    CHECK(read_credentials(config).problems.at(0).find("can't be read") != std::string::npos);
    config.backend.password_file = files.text("password", std::string(most_password_file, 's'));
    CHECK(read_credentials(config).problems.empty());
}

TEST_CASE("a credential lies in the directory that systemd names, and without one each that is of use is told") {
    Files files;
    config::Config config = with_everything(files);
    config.tls.certificate = "credential:cert.pem";
    config.tls.key = "credential:key.pem";
    config.users = "credential:users";
    config.backend.ca_file = "credential:cert.pem";
    config.backend.password_file = "credential:password";
    ::unsetenv("CREDENTIALS_DIRECTORY");
    const std::vector<std::string> problems = read_credentials(config).problems;
    CHECK(problems.size() == 4);
    for (const std::string& problem : problems) {
        CHECK(problem.starts_with("credential:"));
        CHECK(problem.find("$CREDENTIALS_DIRECTORY is not set") != problem.npos);
    }
    ::setenv("CREDENTIALS_DIRECTORY", files.path("").c_str(), 1);
    const CredentialsReading reading = read_credentials(config);
    ::unsetenv("CREDENTIALS_DIRECTORY");
    CHECK(reading.problems == std::vector<std::string>{});
    CHECK(reading.credentials.password == "secret ");
}

TEST_CASE("the backend's least TLS version is that of tls, unless its own is set") {
    Files files;
    config::Config config = with_everything(files);
    const auto version = [&] {
        net::TlsSession session = read_credentials(config).credentials.tls_client->session("mail.example");
        return SSL_get_min_proto_version(session.get());
    };
    CHECK(version() == TLS1_2_VERSION);
    config.tls.min_version = config::TlsVersion::v1_3;
    CHECK(version() == TLS1_3_VERSION);
    config.backend.tls_min_version = config::TlsVersion::v1_0;
    CHECK(version() == TLS1_VERSION);
}

TEST_SUITE_END();
