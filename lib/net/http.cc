#include "net/http.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <stdexcept>

#include "base/escape.h"
#include "net/socket.h"

namespace onecopy::net {
namespace {

constexpr ev_uint16_t every_method = EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
                                     EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT |
                                     EVHTTP_REQ_PATCH;

/// With its size: a NUL in it ends nothing.
std::string decoded(const char* text) {
    std::size_t size = 0;
    std::unique_ptr<char, void (*)(void*)> plain(evhttp_uridecode(text, 0, &size), std::free);
    return plain ? std::string(plain.get(), size) : "";
}

std::map<std::string, std::string> parse_query(const char* text) {
    std::map<std::string, std::string> values;
    evkeyvalq pairs{};
    if (!text || evhttp_parse_query_str(text, &pairs) != 0) return values;
    for (evkeyval* pair = pairs.tqh_first; pair; pair = pair->next.tqe_next) values[pair->key] = pair->value;
    evhttp_clear_headers(&pairs);
    return values;
}

const char* method_of(evhttp_cmd_type command) {
    if (command == EVHTTP_REQ_POST) return "POST";
    return command == EVHTTP_REQ_GET || command == EVHTTP_REQ_HEAD ? "GET" : "";
}

HttpServer::Request read_request(evhttp_request* raw) {
    HttpServer::Request request;
    request.method = method_of(evhttp_request_get_command(raw));
    const evhttp_uri* uri = evhttp_request_get_evhttp_uri(raw);
    if (uri && evhttp_uri_get_path(uri)) request.path = decoded(evhttp_uri_get_path(uri));
    if (uri) request.query = parse_query(evhttp_uri_get_query(uri));
    if (const char* host = evhttp_request_get_host(raw)) request.host = base::lower(host);
    int descriptor = bufferevent_getfd(evhttp_connection_get_bufferevent(evhttp_request_get_connection(raw)));
    ucred peer{};
    socklen_t length = sizeof peer;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && length == sizeof peer) {
        request.peer_uid = peer.uid;
        request.peer_gid = peer.gid;
    }
    return request;
}

void send(evhttp_request* raw, const HttpServer::Response& response) {
    evkeyvalq* headers = evhttp_request_get_output_headers(raw);
    evhttp_add_header(headers, "Content-Type", response.type.c_str());
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : response.headers) evhttp_add_header(headers, name.c_str(), value.c_str());
    evbuffer* body = evbuffer_new();
    evbuffer_add(body, response.body.data(), response.body.size());
    evhttp_send_reply(raw, response.status, nullptr, body);
    evbuffer_free(body);
}

}  // namespace

/// A request that waits for its answer; libevent frees it with its connection, whenever that ends.
struct Pending {
    evhttp_request* request;
};

struct HttpServer::State {
    State(Loop& loop, const std::string& address, Handle callback)
        : handle(std::move(callback)), server(evhttp_new(loop.native()), evhttp_free) {
        if (!server) throw std::runtime_error("libevent: no HTTP server");
        evhttp_set_max_headers_size(server.get(), 16 << 10);
        evhttp_set_max_body_size(server.get(), 64 << 10);
        evhttp_set_timeout(server.get(), 30);
        evhttp_set_allowed_methods(server.get(), every_method);
        evhttp_set_gencb(
            server.get(), [](evhttp_request* raw, void* self) { static_cast<State*>(self)->received(raw); }, this);
        if (address.starts_with("unix:")) path = address.substr(5);
        for (Descriptor& socket : listening_sockets(address, 0660)) {
            if (!evhttp_accept_socket_with_handle(server.get(), socket.get()))
                throw std::runtime_error("libevent: no listener");
            socket.release();
        }
    }

    ~State() {
        for (auto& [connection, pending] : open) pending->request = nullptr;
        open.clear();
        server.reset();
        if (!path.empty()) ::unlink(path.c_str());
    }

    static void connection_closed(evhttp_connection* connection, void* self) {
        auto& open = static_cast<State*>(self)->open;
        auto found = open.find(connection);
        if (found == open.end()) return;
        found->second->request = nullptr;
        open.erase(found);
    }

    void received(evhttp_request* raw) {
        evhttp_connection* connection = evhttp_request_get_connection(raw);
        evhttp_connection_set_closecb(connection, connection_closed, this);
        auto pending = std::make_shared<Pending>(Pending{raw});
        open[connection] = pending;
        handle(read_request(raw), [this, connection, pending](const Response& response) {
            evhttp_request* request = std::exchange(pending->request, nullptr);
            if (!request) return;
            open.erase(connection);
            send(request, response);
        });
    }

    Handle handle;
    std::map<evhttp_connection*, std::shared_ptr<Pending>> open;
    std::unique_ptr<evhttp, void (*)(evhttp*)> server;
    std::string path;
};

HttpServer::HttpServer(Loop& loop, const std::string& address, Handle handle)
    : state_(std::make_unique<State>(loop, address, std::move(handle))) {}

HttpServer::~HttpServer() = default;

}  // namespace onecopy::net
