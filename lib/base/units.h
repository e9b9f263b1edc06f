#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace onecopy::base {

/// `300ms`, `30s`, `5m`, `2h`, `7d`, and a bare `0`. Whole numbers only; nothing where the text is something else or
/// the value is beyond ten years.
std::optional<Duration> parse_duration(std::string_view text);
/// The shortest text that parse_duration() reads back as the same value.
std::string to_text(Duration duration);

/// `4096`, `64K`, `50M`, `1G`: powers of 1024, bytes without a letter.
std::optional<std::uint64_t> parse_size(std::string_view text);
std::string size_to_text(std::uint64_t bytes);

}  // namespace onecopy::base
