#pragma once

#include <stdexcept>
#include <string>

namespace onecopy {

/// No daemon answers at the socket; what() is for people.
class NoDaemon : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct HttpAnswer {
    int status = 0;
    std::string body;
};

/// One request over a Unix socket (HTTP/1.0), blocking, at most 30 s and 64 MiB. Throws NoDaemon.
HttpAnswer ask(const std::string& socket, const std::string& method, const std::string& target);

/// For a value in a query.
std::string percent_encoded(const std::string& text);

}  // namespace onecopy
