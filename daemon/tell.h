#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "ink.h"

/// The daemon's documents as people read them. Every text that came with mail is made safe for a terminal.
namespace onecopy::tell {

std::string status(const nlohmann::json& document, Ink ink = {});
/// A table of groups, each with its recipients below it.
std::string list(const nlohmann::json& document, Ink ink = {});
std::string why(const nlohmann::json& document, Ink ink = {});
std::string show(const nlohmann::json& document, Ink ink = {});
/// What a command did: `3 released`.
std::string changed(const nlohmann::json& document, Ink ink = {});

/// `23s`, `5m`, `3h`, `2d`.
std::string rough(double seconds);

}  // namespace onecopy::tell
