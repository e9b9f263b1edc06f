#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "message/identity.h"

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace onecopy::message {

/// `OpenSSL 3.0.22 25 Aug 2026`.
std::string openssl_version();

/// SHA-256 of bytes that come in pieces. Throws std::runtime_error where OpenSSL can't.
class Sha256 {
public:
    Sha256();
    void add(std::string_view bytes);
    Digest finish();

private:
    struct Free {
        void operator()(evp_md_ctx_st* context) const;
    };
    std::unique_ptr<evp_md_ctx_st, Free> context_;
};

/// The same of bytes that are all there.
Digest digest(std::string_view bytes);

}  // namespace onecopy::message
