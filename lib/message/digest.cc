#include "message/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <new>
#include <stdexcept>

namespace onecopy::message {
namespace {

void require(int done) {
    if (done != 1) throw std::runtime_error("SHA-256 is not to be had from OpenSSL");
}

}  // namespace

std::string openssl_version() {
    return OpenSSL_version(OPENSSL_VERSION);
}

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
    EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);  // slow: once
    if (!context_) throw std::bad_alloc();
    require(EVP_DigestInit_ex2(context_.get(), algorithm, nullptr));
}

void Sha256::add(std::string_view bytes) {
    require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
}

Digest Sha256::finish() {
    Digest digest;
    require(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr));
    return digest;
}

Digest digest(std::string_view bytes) {
    Sha256 sha256;
    sha256.add(bytes);
    return sha256.finish();
}

}  // namespace onecopy::message
