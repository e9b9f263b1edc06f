#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace onecopy::smtp {

/// One reply (RFC 5321 4.2): code, enhanced status (RFC 2034; empty where none belongs) and its lines of text.
struct Reply {
    int code = 0;
    std::string status;              // "2.1.5"; empty: none
    std::vector<std::string> lines;  // at least one, without code, status and CRLF

    Reply() = default;
    Reply(int code, std::string_view status, std::string_view text);

    bool positive() const { return code / 100 == 2; }
    bool intermediate() const { return code / 100 == 3; }
    bool transient() const { return code / 100 == 4; }
    bool permanent() const { return code / 100 == 5; }
    /// The server wants something of us that is not the message's matter: log-in, encryption (RFC 4954 6).
    bool wants_log_in() const;

    /// On the wire: `code-status text CRLF` a line, each at most 512 octets (RFC 5321 4.5.3.1.5); the status on every line.
    /// What is not printable ASCII goes as `?`: no text can start a line of its own.
    std::string wire() const;
    /// On one line, for logs and the ledger: `550 5.1.1 no such user`; lines joined by a space. Not escaped. Code 0 (no
    /// reply came) is left out.
    std::string text() const;
};

/// Reads a backend's replies from bytes cut anywhere. Tolerant of LF alone and of a missing text; all else that is no
/// reply (no code, 1xx, 6xx, NUL, codes that differ between lines, over 4096 octets a line or 100 lines) is broken.
class ReplyReader {
public:
    enum class Result { more, reply, broken };

    /// Takes bytes off the front of `bytes` until one reply is whole; the rest stays for the next call. Once broken,
    /// always broken.
    Result feed(std::string_view& bytes);
    Reply take();                                        // after Result::reply
    const std::string& fault() const { return fault_; }  // after Result::broken: what was wrong, bounded

private:
    std::string line_;
    Reply reply_;
    std::string fault_;

    Result add_line();
    void add_text(std::string_view text);
    Result broken(std::string_view why);
};

}  // namespace onecopy::smtp
