#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/loop.h"

namespace onecopy::net {

/// A small HTTP server (evhttp) on a Unix socket or a loopback address: headers up to 16 KiB, bodies up to 64 KiB, 30 s.
class HttpServer {
public:
    struct Request {
        std::string method;                             // "GET" (HEAD too), "POST"; any other: empty
        std::string path;                               // decoded, without query
        std::map<std::string, std::string> query;       // decoded
        std::string host;                               // of the Host field, lower case, without port; may be empty
        unsigned peer_uid = static_cast<unsigned>(-1);  // SO_PEERCRED of a Unix socket
        unsigned peer_gid = static_cast<unsigned>(-1);
    };
    struct Response {
        int status = 200;
        std::string type = "application/json";
        std::string body;
        std::vector<std::pair<std::string, std::string>> headers{};  // more of them
    };
    /// Answers now or later, in the loop's thread, once; a client that has gone is no error.
    using Respond = std::function<void(Response)>;
    using Handle = std::function<void(const Request&, Respond)>;

    /// `unix:/path` (mode 0660) or `host:port` (loopback only). Throws std::runtime_error.
    HttpServer(Loop& loop, const std::string& address, Handle handle);
    ~HttpServer();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace onecopy::net
