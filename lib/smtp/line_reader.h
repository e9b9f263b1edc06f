#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace onecopy::smtp {

/// Cuts a client's bytes into command lines. A line ends at CRLF alone: one that holds a bare CR or LF, or is too long,
/// is reported once, as soon as that shows, and dropped up to its CRLF. Any split of the input gives the same.
class LineReader {
public:
    /// With CRLF: 12288 octets of base64 (RFC 4954 4) fit, which is far above what else is asked for.
    static constexpr std::size_t most_line = (12 << 10) + 2;

    enum class Result { more, line, bare, too_long };

    /// Takes bytes off the front of `bytes` until there is something to report.
    Result feed(std::string_view& bytes);
    /// After Result::line, until the next feed(): the line without CRLF.
    std::string_view line() const;
    /// The line that was reported, whole or not, and what came before it, was a secret.
    void wipe();
    bool at_start() const { return !dropping_ && (line_.empty() || taken_); }

private:
    std::string line_;
    bool taken_ = false;     // line_ was reported
    bool dropping_ = false;  // up to the next CRLF
    bool after_cr_ = false;  // while dropping

    bool drop(std::string_view piece);
    bool holds_bare(std::size_t from) const;
};

}  // namespace onecopy::smtp
