#pragma once

#include <string>
#include <vector>

namespace onecopy::message {

/// What MAIL asks for besides a sender, and the backend is told as it came; copies that differ in it are not merged
/// (RFC 3461 5.2.1).
struct MailOptions {
    enum class Return { unset, full, headers };  // RET= (RFC 3461 4.3)

    bool smtputf8 = false;  // RFC 6531 3.4
    Return ret = Return::unset;
    std::string envid;  // ENVID= (RFC 3461 4.4), xtext as it came; empty: none

    bool operator==(const MailOptions&) const = default;
};

/// What RCPT asks for one recipient.
struct RecipientOptions {
    enum Notify : unsigned { never = 1, success = 2, failure = 4, delay = 8 };

    unsigned notify = 0;  // NOTIFY= (RFC 3461 4.1), a set of Notify; 0: not given
    std::string orcpt;    // ORCPT= (RFC 3461 4.2), `type;xtext` as it came; empty: none

    bool operator==(const RecipientOptions&) const = default;
};

/// What one recipient is asked for who was named twice before he was served; `first` is the earlier naming. RFC 3461 is
/// silent on it: nobody who asked for a notice goes without. So SUCCESS, FAILURE and DELAY add up, NOTIFY that is not given
/// counts as FAILURE (4.1) beside one that is, NEVER holds where both say it, and ORCPT is that of the first that has one.
RecipientOptions combined(const RecipientOptions& first, const RecipientOptions& second);

/// RFC 5321 2.3.1. Addresses without `<>` and source route, as they came otherwise.
struct Envelope {
    struct Recipient {
        std::string address;  // forward-path
        RecipientOptions options{};
    };
    std::string sender;  // reverse-path; empty: the null sender `<>`
    MailOptions options{};
    std::vector<Recipient> recipients;
};

/// Whether he can be named to a server that has SMTPUTF8 alone (RFC 6531 3.2): for the mail as a whole, or for what RCPT
/// would say of him.
bool needs_smtputf8(const Envelope& envelope, const Envelope::Recipient& recipient);
/// Whether one of them can.
bool needs_smtputf8(const Envelope& envelope);

}  // namespace onecopy::message
