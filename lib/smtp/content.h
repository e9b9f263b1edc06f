#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace onecopy::smtp {

/// Undoes dot-stuffing and finds the end of the data (RFC 5321 4.5.2): CRLF.CRLF alone. Chunks (RFC 3030) have neither, and
/// their bytes need not end in a line end. What comes out is canonical:
/// a bare LF has become CRLF, a bare CR too but within the header, where it is a space (it must not begin a field that
/// others do not see). Both are remembered. A dot is special behind a CRLF of the client's only, never behind
/// one that we made. Any split of the input gives the same.
class DataDecoder {
public:
    enum class Framing { dots, chunks };
    explicit DataDecoder(Framing framing = Framing::dots) : framing_(framing) {}

    /// Appends the decoded bytes to `out` and takes them off the front of `bytes`. True at the end of the data; what
    /// follows it stays in `bytes`. At most 2 bytes come out for one that goes in, and 2 more.
    bool feed(std::string_view& bytes, std::string& out);
    /// The last chunk is over: appends what a CR at its end has become.
    void finish(std::string& out);
    bool saw_bare() const { return saw_bare_; }

private:
    enum class State { line_start, dot, dot_cr, text, cr };
    Framing framing_;
    State state_ = State::line_start;
    bool saw_bare_ = false;
    bool in_header_ = true;
    std::string tail_ = "\r\n";  // of what came out in earlier turns: as much as a blank line may begin with
    std::size_t looked_at_ = 0;  // of this turn's output, for the blank line

    const char* copy_text(const char* at, const char* end, std::string& out);
    void add_bare_line_feed(std::string& out);
    void add_bare_return(std::string& out);
    void look_for_body(const std::string& out);
};

/// Adds dot-stuffing to canonical text in pieces of any size; finish() appends the final dot, with a CRLF before it
/// where the text did not end with one (canonical text does, or is empty).
class DataEncoder {
public:
    void feed(std::string_view piece, std::string& out);
    void finish(std::string& out);

private:
    bool line_start_ = true;
};

}  // namespace onecopy::smtp
