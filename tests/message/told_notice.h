#pragma once

#include <string>
#include <vector>

#include "message/notice.h"

namespace onecopy::message::testing {

/// Who decides what a notice says: chance, or somebody who looks for the worst.
class Chooser {
public:
    virtual ~Chooser() = default;
    virtual std::size_t below(std::size_t bound) = 0;
    /// Any bytes.
    virtual std::string text() = 0;

    bool half() { return below(2) == 1; }
    template <typename T>
    const T& one_of(const std::vector<T>& all) {
        return all[below(all.size())];
    }
};

/// A notice, and what is to be read in it.
struct Told {
    struct Recipient {
        std::string original, final, status, server, diagnosis, attempted;
    };
    Notice notice;
    std::string action, message_id, envid, header, body, returned_type;  // of the header: as much as is returned alone
    std::vector<Recipient> recipients;
};

Told some_notice(Chooser& chooser);

/// What a reader that shares no code with the writer finds otherwise than it was to be told; empty: nothing.
std::vector<std::string> wrongs(const Told& told);

}  // namespace onecopy::message::testing
