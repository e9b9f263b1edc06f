#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace onecopy::smtp {

/// Undoes dot-stuffing and finds the end of the data (RFC 5321 4.5.2): CRLF.CRLF alone. What comes out is canonical:
/// a bare CR or LF has become CRLF, and is counted. Three states (after CRLF, in a line, after CR), any split of the input.
class DataDecoder {
public:
    /// Appends the decoded bytes to `out` and takes them off the front of `bytes`. True at the end of the data; what
    /// follows it stays in `bytes`.
    bool feed(std::string_view& bytes, std::string& out);
    bool saw_bare() const { return saw_bare_; }

private:
    enum class State { line_start, dot, dot_cr, text, cr };
    State state_ = State::line_start;
    bool saw_bare_ = false;
};

/// Adds dot-stuffing to canonical text in pieces of any size; finish() appends the final dot, with a CRLF before it
/// where the text did not end with one (never in canonical text but for an empty one).
class DataEncoder {
public:
    void feed(std::string_view piece, std::string& out);
    void finish(std::string& out);

private:
    bool line_start_ = true;
    bool after_cr_ = false;
};

}  // namespace onecopy::smtp
