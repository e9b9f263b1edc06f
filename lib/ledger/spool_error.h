#pragma once

#include <stdexcept>

namespace onecopy::ledger {

/// The spool can't be used; what() is for people.
class SpoolError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace onecopy::ledger
