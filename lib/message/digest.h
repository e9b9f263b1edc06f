#pragma once

#include <string_view>

#include "message/identity.h"

namespace onecopy::message {

/// SHA-256 of some bytes.
Digest digest(std::string_view bytes);

}  // namespace onecopy::message
