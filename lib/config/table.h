#pragma once

#include "config/key.h"

namespace onecopy::config {

/// Every key there is, with its type, default, range and place in Config: drives reading, what is shown, and the check of
/// the manual page. In the order in which they are shown.
const Table<Config>& keys_of_config();
const Table<Listen>& keys_of_listen();
const Table<RecoverFrom>& keys_of_recover_from();

}  // namespace onecopy::config
