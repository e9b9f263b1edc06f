#pragma once

#include <string>
#include <string_view>

#include "message/identity.h"

namespace onecopy::message {

/// `OpenSSL 3.0.22 25 Aug 2026`.
std::string openssl_version();

/// SHA-256 of some bytes.
Digest digest(std::string_view bytes);

}  // namespace onecopy::message
