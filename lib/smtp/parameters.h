#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "message/envelope.h"
#include "smtp/command.h"

namespace onecopy::smtp {

/// Which parameters of MAIL are known, besides those of extensions that are always offered.
struct KnownParameters {
    bool smtputf8 = false;  // RFC 6531
    bool auth = false;      // RFC 4954 5
};

/// What the parameters of MAIL say: SIZE (RFC 1870), BODY (RFC 6152), RET and ENVID (RFC 3461), SMTPUTF8, AUTH (checked, and
/// left at that: nobody is trusted to vouch for another one).
struct MailParameters {
    std::uint64_t size = 0;
    message::MailOptions options;
    int fault = 0;  // code of a refusal: 501 or 555; 0: all is well
    std::string words;
};
MailParameters read_mail_parameters(const std::vector<Parameter>& parameters, const KnownParameters& known);

/// What the parameters of RCPT say: NOTIFY and ORCPT (RFC 3461; of type utf-8: RFC 6533 3, beyond ASCII where MAIL said
/// SMTPUTF8).
struct RecipientParameters {
    message::RecipientOptions options;
    int fault = 0;
    std::string words;
};
RecipientParameters read_recipient_parameters(const std::vector<Parameter>& parameters, bool smtputf8);

}  // namespace onecopy::smtp
