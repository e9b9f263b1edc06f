#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "message/envelope.h"
#include "smtp/reply.h"

namespace onecopy::smtp {

/// One mail transaction (RFC 5321 3.3) that a client session is to carry out, and what may become of it.
struct ClientTransaction {
    /// What became of one recipient. `again`: not tried for a limit of the backend's (452, 552 after others were
    /// accepted): belongs into the next transaction at once. `unknown`: the answer to the data was lost. `deferred` with
    /// 5.6.7 and no code: not tried, since this server has no SMTPUTF8 (RFC 6531 3.2); another one may have it.
    enum class Outcome { delivered, deferred, refused, again, unknown };

    struct Result {
        struct Recipient {
            Outcome outcome;
            Reply reply;  // the backend's last word on it; code 0: none came, the text says why
            /// Put off or refused by one verdict on the data for all of several who had been accepted, none on this one.
            bool shared = false;
            /// Said of him, in answer to RCPT, or before it was asked; else it was said of the message.
            bool personal = false;
        };
        std::vector<Recipient> recipients;  // in the order of the envelope
    };

    message::Envelope envelope;
    std::uint64_t size = 0;  // octets of the content, to the byte: a chunk must be as long as it said
    bool eight_bit = false;
};

}  // namespace onecopy::smtp
