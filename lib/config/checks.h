#pragma once

#include <string>
#include <vector>

#include "config/key.h"

namespace onecopy::config {

/// What a single key can't tell: values that only together are wrong, or hardly meant. Keys that could not be read are
/// left alone.
void check_together(const Config& config, const SeenKeys& seen, Report& report);
std::vector<std::string> warnings_of(const Config& config);

}  // namespace onecopy::config
