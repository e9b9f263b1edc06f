#pragma once

#include <string>

#include "net/tls.h"

struct bufferevent;
struct event_base;

namespace onecopy::net {

/// For Connection: libevent's side of TLS. The buffer event owns the descriptor and the session, which shakes hands at once;
/// its callbacks come from the loop, what was read before an end. Null: out of memory, the descriptor stays with the caller.
bufferevent* tls_stream(event_base* base, int descriptor, TlsSession session);

/// `TLSv1.3 TLS_AES_256_GCM_SHA384`.
std::string tls_description(bufferevent* stream);

/// The end of what we say (RFC 8446 6.1). False: the socket is full, to be called again when it is not; else never again.
bool send_close_notify(bufferevent* stream);

/// What libevent reported as an error of a stream.
struct TlsFailure {
    enum class Kind {
        ended,   // the peer closed the socket without close_notify
        reset,   // the socket failed
        broken,  // TLS itself: a refused certificate, an alert, bytes that are no TLS
    };
    Kind kind;
    std::string words;
};
TlsFailure tls_failure(bufferevent* stream, int socket_error);

/// Why a call of OpenSSL failed, in its words; empties its queue of errors.
std::string take_tls_error();

}  // namespace onecopy::net
