#pragma once

#include <string>
#include <vector>

namespace onecopy::message {

/// RFC 5321 2.3.1. Addresses without `<>` and source route, as they came otherwise.
struct Envelope {
    std::string sender;  // reverse-path; empty: the null sender `<>`
    std::vector<std::string> recipients;
};

}  // namespace onecopy::message
