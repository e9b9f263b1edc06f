#include "message/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <stdexcept>

namespace onecopy::message {

std::string openssl_version() {
    return OpenSSL_version(OPENSSL_VERSION);
}

Digest digest(std::string_view bytes) {
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);  // slow: once
    Digest result;
    if (EVP_Digest(bytes.data(), bytes.size(), result.data(), nullptr, algorithm, nullptr) != 1) {
        throw std::runtime_error("SHA-256 is not to be had from OpenSSL");
    }
    return result;
}

}  // namespace onecopy::message
