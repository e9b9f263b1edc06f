#include "net/proxy_reader.h"

#include <event2/event.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace onecopy::net {

ProxyReader::ProxyReader(Loop& loop, int descriptor, base::Duration most, Handler handler)
    : descriptor_(descriptor),
      handler_(std::move(handler)),
      late_(loop, [this] { fail(header_.begun() ? "the PROXY header did not end in time" : "no PROXY header came"); }),
      readable_(event_new(
          loop.native(), descriptor, EV_READ | EV_PERSIST,
          [](evutil_socket_t, short, void* self) { static_cast<ProxyReader*>(self)->read(); }, this)) {
    event_add(readable_, nullptr);
    late_.set(most);
}

ProxyReader::~ProxyReader() {
    event_free(readable_);
}

/// Looks first, then takes what belongs to the header: all of what is there, while the header has not ended.
void ProxyReader::read() {
    std::array<char, ProxyHeader::most_bytes> buffer;
    const ssize_t seen = ::recv(descriptor_.get(), buffer.data(), buffer.size(), MSG_PEEK | MSG_DONTWAIT);
    if (seen < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (seen <= 0) {
        if (!header_.begun()) return fail("");
        return fail(seen == 0 ? "the connection ended within the PROXY header" : std::generic_category().message(errno));
    }
    std::string_view rest(buffer.data(), static_cast<std::size_t>(seen));
    const auto result = header_.feed(rest);
    const auto taken = static_cast<std::size_t>(seen) - rest.size();
    if (result == ProxyHeader::Result::malformed) return fail("no PROXY header, or a malformed one");
    if (::recv(descriptor_.get(), buffer.data(), taken, MSG_DONTWAIT) != static_cast<ssize_t>(taken)) {
        return fail("the PROXY header can't be read");
    }
    if (result == ProxyHeader::Result::more) return;
    stop();
    const auto complete = std::move(handler_.complete);
    const auto source = header_.source();
    complete(descriptor_.release(), source);
}

void ProxyReader::stop() {
    event_del(readable_);
    late_.clear();
}

void ProxyReader::fail(const std::string& why) {
    stop();
    const auto failed = std::move(handler_.failed);
    ::shutdown(descriptor_.get(), SHUT_RDWR);
    failed(why);
}

}  // namespace onecopy::net
