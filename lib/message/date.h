#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace onecopy::message {

/// RFC 5322 3.3, in UTC and in no locale's words: `Fri, 27 Nov 2026 04:32:19 +0000`.
std::string date(base::WallTime time);

/// Reads one (RFC 5322 3.3 and 4.3: comments, no weekday, no seconds, two digits for the year, names of zones), or as
/// asctime() writes it, the zone before the year or behind it; without a zone that it knows it is UTC. What follows the
/// date does not matter. Nothing where it is no date since 1970.
std::optional<base::WallTime> parse_date(std::string_view text);

/// When the `From ` line of an mbox says that its message was delivered: `From SENDER Fri Nov 27 04:32:19 2026`. Nothing
/// where the line holds no such time: then it is none, whatever it begins with.
std::optional<base::WallTime> parse_from_line(std::string_view line);

}  // namespace onecopy::message
