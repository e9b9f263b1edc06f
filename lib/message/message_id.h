#pragma once

#include <string>
#include <string_view>

namespace onecopy::message {

/// The `<...>` of a Message-ID's value (folds joined), byte by byte, without what may stand around it: white space and
/// comments. Empty where the value is anything else. Inside the brackets a quoted string and a domain literal may hold
/// `>`; spaces and bytes from 0x80 are taken as they are: for an identity it is enough that both copies say the same,
/// and a message that is keyed by its odd id is better off than one that is not keyed. Controls are not.
std::string parse_message_id(std::string_view value);

}  // namespace onecopy::message
