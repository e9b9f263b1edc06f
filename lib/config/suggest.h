#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace onecopy::config {

/// The word that was meant: at most two letters off, and half of the word is right, or one begins the other. Empty: none
/// of them. Case does not count.
std::string meant(std::string_view text, const std::vector<std::string>& words);

/// `; did you mean X?`, or nothing where nothing is like it.
std::string did_you_mean(std::string_view text, const std::vector<std::string>& words);

/// `a, b or c`.
std::string joined(const std::vector<std::string>& words);

}  // namespace onecopy::config
