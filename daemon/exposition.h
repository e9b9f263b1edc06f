#pragma once

#include <string>

#include "page.h"

namespace onecopy {

/// What Prometheus reads: the figures of a snapshot and all of base/metrics.h.
std::string metrics_text(const page::Snapshot& snapshot);

}  // namespace onecopy
