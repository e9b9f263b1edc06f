#pragma once

#include <string>

#include "base/time.h"

namespace onecopy::message {

/// RFC 5322 3.3, in UTC and in no locale's words: `Fri, 27 Nov 2026 04:32:19 +0000`.
std::string date(base::WallTime time);

}  // namespace onecopy::message
