#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/time.h"

struct ssl_st;
struct ssl_ctx_st;

namespace onecopy::net {

enum class TlsVersion : std::uint8_t { v1_0, v1_1, v1_2, v1_3 };

struct TlsDeleter {
    void operator()(ssl_st* session) const;
    void operator()(ssl_ctx_st* context) const;
};
/// One connection's TLS before its handshake, for Connection. It keeps alive what it needs of the object that made it.
using TlsSession = std::unique_ptr<ssl_st, TlsDeleter>;
using TlsContext = std::unique_ptr<ssl_ctx_st, TlsDeleter>;

/// Our certificate, and how we speak TLS to clients. Immutable: a reload makes another one, and sessions under way stay
/// with theirs. No compression, no renegotiation; the order of our ciphers counts; tickets resume sessions, no memory does.
/// Below TLS 1.2, which needs OpenSSL's security level 0, old digests and short keys are taken too.
class TlsServer {
public:
    struct Settings {
        std::string certificate;  // PEM file: ours first, then the chain
        std::string key;          // PEM file, without passphrase
        TlsVersion min_version = TlsVersion::v1_2;
    };

    /// Throws std::runtime_error: which file, and what is wrong with it. A certificate that has expired serves on.
    explicit TlsServer(const Settings& settings);

    base::WallTime expires() const { return expires_; }
    TlsSession session() const;

private:
    TlsContext context_;
    base::WallTime expires_;
};

/// How we speak TLS to servers.
class TlsClient {
public:
    struct Settings {
        bool verify = false;       // false: any certificate will do, since the next best thing is no TLS
        std::string ca_file = {};  // PEM; what it holds is trusted, be it a root or not. Empty: the system's store
        TlsVersion min_version = TlsVersion::v1_2;
    };

    /// Throws std::runtime_error as TlsServer does.
    explicit TlsClient(const Settings& settings);

    /// `server_name`: of the configuration, a domain (sent as SNI, RFC 6066 3) or an address literal. With `verify` the
    /// certificate must carry it (RFC 6125; no partial wildcards). Nothing where no certificate can carry such a name.
    TlsSession session(const std::string& server_name) const;

private:
    TlsContext context_;
};

}  // namespace onecopy::net
