#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <stdexcept>

#include "net/tls_stream.h"

namespace onecopy::net {
namespace {

/// Forward secrecy first, as OpenSSL orders them; without RC4, DES, export and anonymous ones.
constexpr const char* ciphers = "HIGH:!aNULL:!PSK:!SRP";

constexpr int version_numbers[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};

[[noreturn]] void fail(const std::string& file, const std::string& why) {
    ERR_clear_error();
    throw std::runtime_error(file + ": " + why);
}

TlsContext make_context(const SSL_METHOD* method, TlsVersion least) {
    ERR_clear_error();
    TlsContext context(SSL_CTX_new(method));
    if (!context) fail("OpenSSL", take_tls_error());
    // The signatures of the old handshakes are SHA-1, which OpenSSL 3 takes at this level alone.
    if (least < TlsVersion::v1_2) SSL_CTX_set_security_level(context.get(), 0);
    if (SSL_CTX_set_min_proto_version(context.get(), version_numbers[static_cast<int>(least)]) != 1 ||
        SSL_CTX_set_cipher_list(context.get(), ciphers) != 1) {
        fail("OpenSSL", take_tls_error());
    }
    SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    return context;
}

using File = std::unique_ptr<BIO, int (*)(BIO*)>;

File open(const std::string& path) {
    File file(BIO_new_file(path.c_str(), "r"), BIO_free);
    if (!file) fail(path, std::strerror(errno));
    return file;
}

void load_certificate(SSL_CTX* context, const std::string& path) {
    open(path);
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, path.c_str()) == 1) return;
    fail(path, "no certificate in PEM form that can be used (" + take_tls_error() + ")");
}

/// OpenSSL would ask on the terminal.
int no_passphrase(char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

void load_key(SSL_CTX* context, const TlsServer::Settings& settings) {
    File file = open(settings.key);
    bool asked = false;
    ERR_clear_error();
    std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(PEM_read_bio_PrivateKey(file.get(), nullptr, no_passphrase, &asked),
                                                       EVP_PKEY_free);
    if (asked) fail(settings.key, "the key needs a passphrase, which nobody can be asked for");
    if (!key) fail(settings.key, "no private key in PEM form (" + take_tls_error() + ")");
    if (X509_check_private_key(SSL_CTX_get0_certificate(context), key.get()) != 1) {
        fail(settings.key, "the key does not belong to the certificate in " + settings.certificate);
    }
    if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) fail(settings.key, take_tls_error());
}

base::WallTime end_of(const X509* certificate) {
    std::tm end{};
    ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end);
    return base::WallTime(std::chrono::seconds(::timegm(&end)));
}

void load_trusted(SSL_CTX* context, const std::string& path) {
    if (path.empty()) {
        SSL_CTX_set_default_verify_paths(context);
        return;
    }
    open(path);
    ERR_clear_error();
    if (SSL_CTX_load_verify_file(context, path.c_str()) != 1) {
        fail(path, "no certificate in PEM form (" + take_tls_error() + ")");
    }
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
}

}  // namespace

void TlsDeleter::operator()(ssl_st* session) const {
    SSL_free(session);
}

void TlsDeleter::operator()(ssl_ctx_st* context) const {
    SSL_CTX_free(context);
}

TlsServer::TlsServer(const Settings& settings) : context_(make_context(TLS_server_method(), settings.min_version)) {
    load_certificate(context_.get(), settings.certificate);
    load_key(context_.get(), settings);
    expires_ = end_of(SSL_CTX_get0_certificate(context_.get()));
}

TlsSession TlsServer::session() const {
    TlsSession session(SSL_new(context_.get()));
    if (session) SSL_set_accept_state(session.get());
    return session;
}

TlsClient::TlsClient(const Settings& settings) : context_(make_context(TLS_client_method(), settings.min_version)) {
    load_trusted(context_.get(), settings.ca_file);
    SSL_CTX_set_verify(context_.get(), settings.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
}

TlsSession TlsClient::session(const std::string& server_name) const {
    TlsSession session(SSL_new(context_.get()));
    if (!session) return nullptr;
    SSL_set_connect_state(session.get());
    X509_VERIFY_PARAM* expected = SSL_get0_param(session.get());
    if (X509_VERIFY_PARAM_set1_ip_asc(expected, server_name.c_str()) == 1) return session;
    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    std::string name = server_name.ends_with('.') ? server_name.substr(0, server_name.size() - 1) : server_name;
    bool usable = !name.empty() && SSL_set_tlsext_host_name(session.get(), name.c_str()) == 1 &&
                  X509_VERIFY_PARAM_set1_host(expected, name.data(), name.size()) == 1;
    return usable ? std::move(session) : nullptr;
}

}  // namespace onecopy::net
