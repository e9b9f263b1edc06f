#pragma once

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "../ledger/fixture.h"
#include "fixture.h"
#include "net/tls.h"

namespace onecopy::net::testing {

/// A certificate and its key, made on the spot.
struct Identity {
    struct Wanted {
        std::string names = "DNS:mail.example";  // subjectAltName
        long from = -3600;                       // seconds from now
        long until = 3600;
        bool authority = false;
        const char* digest = "SHA256";
    };

    explicit Identity(const Wanted& wanted, const Identity* issuer = nullptr)
        : key(EVP_EC_gen("P-256"), EVP_PKEY_free), certificate(X509_new(), X509_free) {
        static long serial = 0;
        ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
        X509_set_version(certificate.get(), 2);
        X509_gmtime_adj(X509_getm_notBefore(certificate.get()), wanted.from);
        X509_gmtime_adj(X509_getm_notAfter(certificate.get()), wanted.until);
        X509_set_pubkey(certificate.get(), key.get());
        std::string name = "test " + std::to_string(serial);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
        const Identity& signer = issuer ? *issuer : *this;
        X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer.certificate.get()));
        extend(NID_basic_constraints, wanted.authority ? "critical,CA:TRUE" : "CA:FALSE");
        if (!wanted.names.empty()) extend(NID_subject_alt_name, wanted.names);
        if (X509_sign(certificate.get(), signer.key.get(), EVP_get_digestbyname(wanted.digest)) == 0) {
            throw std::runtime_error("X509_sign");
        }
    }

    void extend(int kind, const std::string& value) {
        std::unique_ptr<X509_EXTENSION, void (*)(X509_EXTENSION*)> extension(
            X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str()), X509_EXTENSION_free);
        X509_add_ext(certificate.get(), extension.get(), -1);
    }

    std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key;
    std::unique_ptr<X509, void (*)(X509*)> certificate;
};

/// Files of certificates and keys, which go with it.
class Files {
public:
    std::string path(const std::string& name) const { return directory_.path() + "/" + name; }
    std::string certificate(const std::string& name, const Identity& identity) const {
        File file = open(name);
        PEM_write_X509(file.get(), identity.certificate.get());
        return path(name);
    }
    std::string key(const std::string& name, const Identity& identity, const char* passphrase = nullptr) const {
        File file = open(name);
        PEM_write_PrivateKey(file.get(), identity.key.get(), passphrase ? EVP_aes_128_cbc() : nullptr,
                             reinterpret_cast<const unsigned char*>(passphrase),
                             passphrase ? static_cast<int>(std::strlen(passphrase)) : 0, nullptr, nullptr);
        return path(name);
    }
    std::string text(const std::string& name, const std::string& content) const {
        File file = open(name);
        std::fputs(content.c_str(), file.get());
        return path(name);
    }
    std::shared_ptr<const TlsServer> server(const Identity& identity, TlsVersion least = TlsVersion::v1_2) const {
        return std::make_shared<TlsServer>(
            TlsServer::Settings{certificate("cert.pem", identity), key("key.pem", identity), least});
    }

private:
    using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
    File open(const std::string& name) const { return {std::fopen(path(name).c_str(), "w"), std::fclose}; }

    ledger::testing::TemporaryDirectory directory_;
};

/// The other end, by OpenSSL over memory.
class TlsEnd {
public:
    /// A client; with an identity, a server.
    explicit TlsEnd(int descriptor, const Identity* identity = nullptr) : descriptor_(descriptor) {
        context_.reset(SSL_CTX_new(identity ? TLS_server_method() : TLS_client_method()));
        SSL_CTX_set_security_level(context_.get(), 0);
        SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
        SSL_CTX_set_cipher_list(context_.get(), "ALL");
        if (identity) {
            SSL_CTX_use_certificate(context_.get(), identity->certificate.get());
            SSL_CTX_use_PrivateKey(context_.get(), identity->key.get());
        }
        session_.reset(SSL_new(context_.get()));
        SSL_set_bio(session_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        identity ? SSL_set_accept_state(session_.get()) : SSL_set_connect_state(session_.get());
    }

    SSL* native() { return session_.get(); }
    void only(int version) {
        SSL_set_min_proto_version(session_.get(), version);
        SSL_set_max_proto_version(session_.get(), version);
    }

    /// Takes what came, goes on, sends what that gave.
    void step() {
        std::string came;
        drain(descriptor_, came);
        BIO_write(SSL_get_rbio(session_.get()), came.data(), static_cast<int>(came.size()));
        ERR_clear_error();
        if (!shaken) shaken = SSL_do_handshake(session_.get()) == 1;
        if (shaken) read();
        ERR_clear_error();
        flush();
    }
    void say(std::string_view bytes) {
        SSL_write(session_.get(), bytes.data(), static_cast<int>(bytes.size()));
        flush();
    }

    std::string heard;
    bool shaken = false;

private:
    void read() {
        char buffer[16 << 10];
        int got = 0;
        while ((got = SSL_read(session_.get(), buffer, sizeof buffer)) > 0)
            heard.append(buffer, static_cast<std::size_t>(got));
    }
    void flush() {
        char buffer[16 << 10];
        int got = 0;
        while ((got = BIO_read(SSL_get_wbio(session_.get()), buffer, sizeof buffer)) > 0) {
            wire_.append(buffer, static_cast<std::size_t>(got));
        }
        if (wire_.empty()) return;
        ssize_t sent = ::send(descriptor_, wire_.data(), wire_.size(), MSG_NOSIGNAL);
        if (sent > 0) wire_.erase(0, static_cast<std::size_t>(sent));
    }

    TlsContext context_;
    TlsSession session_;
    int descriptor_;
    std::string wire_;  // still to be sent
};

}  // namespace onecopy::net::testing
