#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "message/identity.h"

namespace onecopy::message {

/// A delivery status notification (RFC 3464) to be written: what became of a message for some of its recipients. All texts
/// of strangers (replies, addresses, parameters) are made safe when it is written.
struct Notice {
    enum class What { failed, delayed, relayed };
    struct Recipient {
        std::string address;
        std::string orcpt;              // ORCPT= as it came, `type;xtext`; empty: none
        std::string reply;              // `550 5.1.1 no such user`; with no code where nobody said it by SMTP
        bool expired = false;           // it is the last of many
        std::string server;             // that said it, `host:port`; empty: none was reached
        base::WallTime last_attempt{};  // 1970: there was none
    };
    What what = What::failed;
    std::string hostname;
    std::int64_t number = 0;  // of the notice, for its Message-ID
    base::WallTime now{};
    std::string to;
    std::vector<Recipient> recipients;

    // The message that it tells of.
    std::string sender;      // empty: the null sender
    std::string message_id;  // with brackets; empty: none
    std::string envid;       // ENVID= as it came, xtext
    base::WallTime arrived{};
    Digest content{};        // of which the boundary is made: no message can hold it
    std::string header;      // as it was forwarded
    bool whole = false;      // it is returned with its body, not its header alone (RET=FULL)
    bool eight_bit = false;  // the body is
    std::int64_t kept = 0;   // the group of the spool that it can be seen in, and sent again from; 0: there is none
    base::Duration kept_for{};
};

/// A notice as a message: the header block, and the body around the body that is returned.
struct NoticeText {
    std::string message_id;
    std::string header;
    std::string opening;  // with the blank line on top; ends where the returned body begins
    std::string closing;
    bool eight_bit = false;
};

/// Of a returned header no more than this is returned, in whole fields.
constexpr std::size_t most_returned_header = 64 << 10;

NoticeText write(const Notice& notice);

/// Where what a notice of ours returns begins in its body, behind all that it says itself; npos: it returns nothing, or
/// that is not in this much of it.
std::size_t returned_at(std::string_view header, std::string_view body);

/// The next shorter form of such a notice, which says so: where it returns all of the message, it returns the header; where
/// it returns that, nothing. None: it returns nothing. `body`: all of it, or twice most_returned_header behind
/// returned_at().
std::optional<NoticeText> shortened(std::string_view header, std::string_view body);

}  // namespace onecopy::message
