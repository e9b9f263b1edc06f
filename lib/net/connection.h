#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/address.h"
#include "net/loop.h"

struct bufferevent;

namespace onecopy::net {

/// One byte stream over a socket. One way to die: close() or the peer's end, then Handler::closed() once, after which no
/// callback comes; the owner may destroy it there and then or later (what libevent still holds goes at the end of the
/// turn). TCP_NODELAY. Bytes that the owner does not take stay in the input buffer and are offered again after resume().
class Connection {
public:
    enum class Reason { done, peer_closed, reset, timeout, refused, shutdown };

    class Handler {
    public:
        virtual ~Handler() = default;
        virtual void connected() {}
        /// Takes what it can off the front of `bytes`; called again while it takes some and is not paused.
        virtual void received(std::string_view& bytes) = 0;
        /// The output has drained below the low mark (256 KiB) after write() had passed it.
        virtual void writable() {}
        virtual void closed(Reason reason, const std::string& what) = 0;
    };

    /// An accepted socket (non-blocking).
    static std::unique_ptr<Connection> accepted(Loop& loop, int descriptor, Handler& handler);
    /// Connects; connected() or closed() follows. The time to connect is bounded by set_deadline().
    static std::unique_ptr<Connection> connect(Loop& loop, const SocketAddress& address, Handler& handler);
    ~Connection();

    void write(std::string_view bytes);
    std::size_t unwritten() const;
    void pause();   // no received() until resume()
    void resume();  // offers what is buffered, in a later callback
    bool paused() const;
    /// Closes once all output is written (bounded by 5 s), or now; closed() is called from the loop, never from within.
    void close_after_writing(Reason reason);
    void close(Reason reason);
    /// One deadline, absolute from now; set again to move it, zero clears it. When it passes: Handler::closed(timeout),
    /// unless a callback was given, which decides.
    void set_deadline(base::Duration from_now);
    void on_deadline(std::function<void()> callback);

private:
    struct State;
    explicit Connection(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace onecopy::net
