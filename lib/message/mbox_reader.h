#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace onecopy::message {

/// An mbox (RFC 4155) taken apart into its messages, while it streams by: feed() it bytes in pieces of any size, then
/// finish(). Line ends stay as they are. A message begins at a line `From SENDER DATE`, whether or not a blank line stands
/// before it: what is no such line by its date is text, as for Dovecot and mutt. One `>` goes from each `>From `, `>>From `
/// ... (mboxrd; mboxo quoted the first alone). Text in front of the first such line is no message and is counted. Holds not
/// more than the beginning of one line.
class MboxReader {
public:
    struct Handler {
        virtual ~Handler() = default;
        virtual void message_begins(base::WallTime delivered) = 0;
        virtual void message_text(std::string_view piece) = 0;
        virtual void message_ends() = 0;
    };

    /// The handler must outlive this.
    explicit MboxReader(Handler& handler) : handler_(handler) {}

    void feed(std::string_view bytes);
    void finish();

    /// Bytes that belong to no message.
    std::size_t stray() const { return stray_; }

private:
    std::size_t begin_line(std::string_view bytes);
    void decide();
    void begin_message(base::WallTime delivered);
    void pass_on(std::string_view text);

    Handler& handler_;
    bool in_line_ = false;    // what comes next continues a line that is text
    std::string line_start_;  // of a line that may be a `From ` line, or a quoted one
    bool in_message_ = false;
    std::size_t stray_ = 0;
};

/// Whether a file that begins so is an mbox: with a `From ` line, whatever its date.
bool begins_as_mbox(std::string_view bytes);

}  // namespace onecopy::message
