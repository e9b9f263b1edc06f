#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "message/envelope.h"

namespace onecopy::message {

/// SHA-256.
using Digest = std::array<std::uint8_t, 32>;

constexpr std::size_t most_subject = 250;

/// Which message it is (CONTRACT.md "Copies, groups, history").
struct Identity {
    std::string message_id;  // `<...>` as compared; empty: none, malformed, or more than one
    Digest content{};        // the author's header fields and the body
    bool has_date = false;   // without Date and Message-ID the history does not apply
    std::string subject{};   // as it came, unfolded, the first most_subject bytes; for people, nothing is decided by it
};

/// Computes an identity while the message streams by: the header block first (once, whole), then the body in pieces
/// of any size. Both canonical (CRLF). Empty lines at the end of the body do not count.
class IdentityBuilder {
public:
    IdentityBuilder();
    ~IdentityBuilder();
    IdentityBuilder(IdentityBuilder&&) noexcept;
    IdentityBuilder& operator=(IdentityBuilder&&) noexcept;

    void header(std::string_view block);
    void body(std::string_view piece);
    Identity finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// The identity of a copy that was sent so: SMTPUTF8, RET and ENVID count with the content (CONTRACT.md "Same message"; RFC
/// 3461 5.2.1 forbids both to add and to drop one for a copy). Where none is set it is that of the message alone.
Identity sent_with(const MailOptions& options, Identity identity);

/// The one Message-ID as it is compared, from the header block; empty where there is none, or two, or it is malformed.
std::string message_id(std::string_view header_block);

}  // namespace onecopy::message
