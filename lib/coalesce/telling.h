#pragma once

#include <functional>
#include <string>
#include <vector>

#include "coalesce/group.h"
#include "coalesce/rules.h"

namespace onecopy::coalesce {

/// One notice: what is told, to whom, of which members of the group.
struct Telling {
    Tell what = tell_failed;
    std::string to;                    // empty: nobody is to be had who could be told
    bool last = true;                  // of its own failure nobody is told
    bool whole = false;                // with the whole message, for who has to deal with it
    std::vector<std::size_t> members;  // indices into Group::members
};

/// What is owed, as notices: one for each sender and for postmaster. A failure is told to the sender of the copy that named
/// the recipient, unless NOTIFY speaks against it (RFC 3461 5.2.6); to postmaster where `notify` wants it, where a field
/// alone named him, where the sender is null (RFC 5321 6.1) or no address, and where a notice of ours was refused. A delay
/// is told to postmaster. Whoever is owed something and stands in no notice needs no telling.
std::vector<Telling> tellings(const Group& group, const std::function<std::string(std::int64_t copy)>& sender_of,
                              const TellingPolicy& policy);

}  // namespace onecopy::coalesce
