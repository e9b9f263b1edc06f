#pragma once

#include "config/key.h"

namespace onecopy::config {

/// The kind of what is a map with a table of its own.
Kind<RecoverFrom> recover_from();
Kind<std::vector<Listen>> sockets();

}  // namespace onecopy::config
