#pragma once

#include <string>
#include <string_view>

namespace onecopy::config {

/// The machine's name, fully qualified where /etc/hosts knows it so; `localhost` where it is no domain name. Nobody on the
/// network is asked: that takes long where nobody answers.
std::string machine_name();

/// `name` as `hosts` (hosts(5)) knows it: with a domain, from a line that has both; else as it is.
std::string fully_qualified(const std::string& name, std::string_view hosts);

}  // namespace onecopy::config
