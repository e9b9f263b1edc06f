#include "message/envelope.h"

#include <algorithm>

#include "message/characters.h"

namespace onecopy::message {

namespace {

using Options = RecipientOptions;

// What NOTIFY asks for, as a set that may be added to another one.
unsigned asked(unsigned notify) {
    return notify == 0 ? unsigned{Options::failure} : notify & ~unsigned{Options::never};
}

unsigned combined(unsigned first, unsigned second) {
    if (first == second) return first;  // none given twice stays none given
    return asked(first) | asked(second);
}

}  // namespace

RecipientOptions combined(const RecipientOptions& first, const RecipientOptions& second) {
    return {combined(first.notify, second.notify), first.orcpt.empty() ? second.orcpt : first.orcpt};
}

bool needs_smtputf8(const Envelope& envelope, const Envelope::Recipient& recipient) {
    return envelope.options.smtputf8 || !is_ascii(envelope.sender) || !is_ascii(recipient.address) ||
           !is_ascii(recipient.options.orcpt);
}

bool needs_smtputf8(const Envelope& envelope) {
    return std::ranges::any_of(envelope.recipients,
                               [&](const auto& recipient) { return needs_smtputf8(envelope, recipient); });
}

}  // namespace onecopy::message
