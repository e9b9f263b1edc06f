#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/address.h"
#include "net/loop.h"
#include "net/tls.h"

namespace onecopy::net {

/// One byte stream over a socket, under TLS or not. One way to die: close() or the peer's end, then Handler::closed() once,
/// after which no callback comes; the owner may destroy it there and then, or earlier, from any callback (what libevent
/// still holds goes at the end of the turn). Bytes that the owner does not take stay in the input buffer and are offered
/// again with more, or after resume(). A peer that has ended its side still gets what is written until the owner has seen
/// all its bytes; the end of TLS is the end, whatever stands behind it on the wire.
class Connection {
public:
    enum class Reason {
        done,
        peer_closed,
        truncated,  // the peer's end, but TLS had not ended: bytes may be missing, and nothing can be said any more
        reset,
        timeout,
        refused,
        shutdown,
        tls,  // no handshake, or what came then is not TLS; the words tell why
    };

    class Handler {
    public:
        virtual ~Handler() = default;
        virtual void connected() {}
        /// The handshake is done, both ways: all that is received and written from here on is under TLS.
        virtual void secured() {}
        /// Takes what it can off the front of `bytes`; called again while it takes some and is not paused.
        virtual void received(std::string_view& bytes) = 0;
        /// The output has drained below `low_output` after write() had passed it.
        virtual void writable() {}
        virtual void closed(Reason reason, const std::string& what) = 0;
    };

    static constexpr std::size_t low_output = 256 << 10;

    /// An accepted socket (non-blocking). With `tls` its first bytes are the handshake (RFC 8314 3).
    static std::unique_ptr<Connection> accepted(Loop& loop, int descriptor, Handler& handler,
                                                const std::shared_ptr<const TlsServer>& tls = nullptr);
    /// Connects; connected() or closed() follows. The time to connect is bounded by set_deadline().
    static std::unique_ptr<Connection> connect(Loop& loop, const SocketAddress& address, Handler& handler);
    ~Connection();

    /// STARTTLS (RFC 3207 4), once the reply to it was written, or was received. At the end of the turn the owner must have
    /// taken all that came up to here: more is an injection (CVE-2011-0411) and ends the connection. The handshake begins
    /// when the output has left, with this descriptor; secured() or closed(tls) follows, in the time that set_deadline()
    /// gives. What is written meanwhile waits, and goes out under TLS alone. Once in a connection's life.
    void start_tls(const std::shared_ptr<const TlsServer>& tls);
    void start_tls(const std::shared_ptr<const TlsClient>& tls, const std::string& server_name);
    bool secure() const;
    /// `TLSv1.3 TLS_AES_256_GCM_SHA384`; empty until secured().
    std::string tls_description() const;

    /// Goes out at once where nothing waits before it.
    void write(std::string_view bytes);
    std::size_t unwritten() const;
    void pause();   // no received() until resume()
    void resume();  // offers what is buffered, at the end of the turn
    bool paused() const;
    /// Closes once all output is written and the peer has had time to read it (bounded), or now, as it does in a handshake.
    /// closed() is called at the end of a turn, never from within.
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
