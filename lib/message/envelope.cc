#include "message/envelope.h"

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

}  // namespace onecopy::message
