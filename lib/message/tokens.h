#pragma once

#include <string>
#include <vector>

#include "message/header.h"

namespace onecopy::message {

/// `0.9.8`.
std::string mimetic_version();

/// The values of these fields, folding undone as join_folds() does it, one for each.
///
/// mimetic reads them from a bounded and clean copy of the fields (its tokenizer alone: no typed field, no body). A
/// field beyond the bounds, or with a NUL or a bare CR or LF, which mimetic takes for a line end, and every field where
/// mimetic saw other names than our scanner, is read by join_folds(): so no value depends on the bounds.
std::vector<std::string> field_values(const std::vector<Field>& fields);

/// What of the fields mimetic is given, and what it made of that: nothing where it saw other fields than ours.
struct MimeticReading {
    std::vector<std::size_t> fields;  // indices of those in the copy
    std::vector<std::string> values;  // of these, in order; empty: not to be used
};
MimeticReading read_by_mimetic(const std::vector<Field>& fields);

}  // namespace onecopy::message
