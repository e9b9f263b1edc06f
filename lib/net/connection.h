#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/address.h"
#include "net/loop.h"

namespace onecopy::net {

/// One byte stream over a socket. One way to die: close() or the peer's end, then Handler::closed() once, after which no
/// callback comes; the owner may destroy it there and then, or earlier, from any callback (what libevent still holds goes
/// at the end of the turn). Bytes that the owner does not take stay in the input buffer and are offered again with more, or
/// after resume(). A peer that has ended its side still gets what is written until the owner has seen all its bytes.
class Connection {
public:
    enum class Reason { done, peer_closed, reset, timeout, refused, shutdown };

    class Handler {
    public:
        virtual ~Handler() = default;
        virtual void connected() {}
        /// Takes what it can off the front of `bytes`; called again while it takes some and is not paused.
        virtual void received(std::string_view& bytes) = 0;
        /// The output has drained below `low_output` after write() had passed it.
        virtual void writable() {}
        virtual void closed(Reason reason, const std::string& what) = 0;
    };

    static constexpr std::size_t low_output = 256 << 10;

    /// An accepted socket (non-blocking).
    static std::unique_ptr<Connection> accepted(Loop& loop, int descriptor, Handler& handler);
    /// Connects; connected() or closed() follows. The time to connect is bounded by set_deadline().
    static std::unique_ptr<Connection> connect(Loop& loop, const SocketAddress& address, Handler& handler);
    ~Connection();

    /// Goes out at once where nothing waits before it.
    void write(std::string_view bytes);
    std::size_t unwritten() const;
    void pause();   // no received() until resume()
    void resume();  // offers what is buffered, at the end of the turn
    bool paused() const;
    /// Closes once all output is written and the peer has had time to read it (bounded), or now. closed() is called at the
    /// end of a turn, never from within.
    void close_after_writing(Reason reason);
    void close(Reason reason);
    /// One deadline, absolute from now; set again to move it, zero clears it. When it passes: Handler::closed(timeout),
    /// unless a callback was given, which decides.
    void set_deadline(base::Duration from_now);
    void on_deadline(std::function<void()> callback);

private:
    struct State;
    explicit Connection(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace onecopy::net
