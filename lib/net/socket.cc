#include "net/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "net/address.h"

namespace onecopy::net {
namespace {

constexpr int queue_length = 1024;

[[noreturn]] void fail(const std::string& address, const std::string& why) {
    throw std::runtime_error(address + ": " + why);
}
[[noreturn]] void fail_errno(const std::string& address) {
    fail(address, std::strerror(errno));
}

Descriptor open_socket(const std::string& address, int family) {
    Descriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (socket.get() < 0) fail_errno(address);
    return socket;
}

Descriptor listen_on(const std::string& address, const SocketAddress& where) {
    Descriptor socket = open_socket(address, where.get()->sa_family);
    int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (where.get()->sa_family == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(socket.get(), where.get(), where.length) != 0) fail_errno(address);
    if (::listen(socket.get(), queue_length) != 0) fail_errno(address);
    return socket;
}

sockaddr_un unix_address(const std::string& address, const std::string& path) {
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    if (path.size() >= sizeof where.sun_path) fail(address, "the path is too long for a socket");
    std::memcpy(where.sun_path, path.data(), path.size());
    return where;
}

/// A socket file that nobody listens on is left over from a process that died.
void remove_stale(const std::string& address, const std::string& path, const sockaddr_un& where) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return;
    if (!S_ISSOCK(status.st_mode)) fail(address, "there is a file that is no socket");
    Descriptor probe = open_socket(address, AF_UNIX);
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0 || errno != ECONNREFUSED) {
        fail(address, "in use by another process");
    }
    ::unlink(path.c_str());
}

std::vector<Descriptor> listen_on_path(const std::string& address, const std::string& path, mode_t mode) {
    sockaddr_un where = unix_address(address, path);
    remove_stale(address, path, where);
    SocketAddress socket_address;
    std::memcpy(&socket_address.storage, &where, sizeof where);
    socket_address.length = sizeof where;
    std::vector<Descriptor> sockets;
    sockets.push_back(listen_on(address, socket_address));
    if (::chmod(path.c_str(), mode) != 0) fail_errno(address);
    return sockets;
}

/// Duplicates, so that a later reload may ask for them again.
std::vector<Descriptor> from_systemd(const std::string& address, const std::string& name) {
    char** names = nullptr;
    int count = ::sd_listen_fds_with_names(0, &names);
    std::vector<Descriptor> sockets;
    for (int i = 0; i < count; ++i) {
        if (name == names[i]) sockets.emplace_back(::fcntl(SD_LISTEN_FDS_START + i, F_DUPFD_CLOEXEC, 3));
        std::free(names[i]);
    }
    std::free(names);
    if (sockets.empty()) fail(address, "systemd passed no socket of that name (FileDescriptorName= in the socket unit)");
    for (const Descriptor& socket : sockets) ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    return sockets;
}

std::vector<Descriptor> listen_on_port(const std::string& address) {
    std::optional<HostPort> where = parse_host_port(address);
    if (!where) fail(address, "is no host:port");
    LookUp found = look_up(where->host, where->port);
    if (found.addresses.empty()) fail(address, found.error);
    std::vector<Descriptor> sockets;
    for (const SocketAddress& one : found.addresses) sockets.push_back(listen_on(address, one));
    return sockets;
}

}  // namespace

Descriptor::~Descriptor() {
    if (number_ >= 0) ::close(number_);
}

std::vector<Descriptor> listening_sockets(const std::string& address, unsigned mode) {
    if (address.starts_with("unix:")) return listen_on_path(address, address.substr(5), static_cast<mode_t>(mode));
    if (address.starts_with("systemd:")) return from_systemd(address, address.substr(8));
    return listen_on_port(address);
}

}  // namespace onecopy::net
