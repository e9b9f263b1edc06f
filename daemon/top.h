#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "ink.h"

/// `onecopyctl top`: status and the groups that wait, drawn anew each second until `q`.
namespace onecopy::top {

/// Copies that came and recipients who got mail, each second, between two answers to `status`.
std::string rates(const nlohmann::json& before, const nlohmann::json& now, std::chrono::duration<double> between);

/// Throws NoDaemon where there is none at the start, std::runtime_error where it can't tell; what goes wrong later is shown,
/// and it is asked again.
void run(const std::string& socket, Ink ink);

}  // namespace onecopy::top
