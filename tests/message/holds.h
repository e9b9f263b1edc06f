#pragma once

#include <string_view>

#include "message/addresses.h"

namespace onecopy::message::testing {

inline bool holds_address(std::string_view text, std::string_view address) {
    AddressSet set;
    set.add(address);
    return set.held_or_tagged_by(text);
}

}  // namespace onecopy::message::testing
