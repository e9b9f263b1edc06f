#include "message/mbox_reader.h"

#include <algorithm>

#include "message/date.h"

namespace onecopy::message {
namespace {

constexpr std::string_view mark = "From ";

/// More of it is text: no sender is that long, and nobody quotes that deep.
constexpr std::size_t most_from_line = 1024;
constexpr std::size_t most_quotes = 16;

/// What the beginning of a line may still become.
enum class Start {
    open,      // too short to tell
    from,      // a `From ` line, or text; its end tells
    quoted,    // `>From `: text behind its first byte
    ordinary,  // text
};

Start kind_of(std::string_view start) {
    const std::size_t quotes = std::min(start.find_first_not_of('>'), start.size());
    if (quotes > most_quotes) return Start::ordinary;
    const std::string_view word = start.substr(quotes, mark.size());
    if (!mark.starts_with(word)) return Start::ordinary;
    if (word.size() < mark.size()) return Start::open;
    return quotes == 0 ? Start::from : Start::quoted;
}

bool undecided(std::string_view start) {
    const Start kind = kind_of(start);
    return (kind == Start::open || (kind == Start::from && !start.ends_with('\n'))) && start.size() < most_from_line;
}

}  // namespace

void MboxReader::feed(std::string_view bytes) {
    std::size_t text = 0;  // from here on not passed on yet
    for (std::size_t at = 0; at < bytes.size();) {
        const bool ordinary = !in_line_ && line_start_.empty() && bytes[at] != '>' && bytes[at] != mark[0];
        if (in_line_ || ordinary) {
            const std::size_t end = bytes.find('\n', at);
            in_line_ = end == bytes.npos;
            at = in_line_ ? bytes.size() : end + 1;
            continue;
        }
        pass_on(bytes.substr(text, at - text));
        at += begin_line(bytes.substr(at));
        text = at;
    }
    pass_on(bytes.substr(text));
}

/// Collects what a line begins with until it is clear what it is; how many bytes it took.
std::size_t MboxReader::begin_line(std::string_view bytes) {
    std::size_t taken = 0;
    while (taken < bytes.size() && undecided(line_start_)) line_start_ += bytes[taken++];
    if (!undecided(line_start_)) decide();
    return taken;
}

/// What was collected is what it is: nothing will be added.
void MboxReader::decide() {
    const Start kind = kind_of(line_start_);
    const bool from_line = kind == Start::from && line_start_.size() < most_from_line;
    const auto delivered = from_line ? parse_from_line(line_start_) : std::nullopt;
    in_line_ = !line_start_.ends_with('\n');
    if (delivered) {
        begin_message(*delivered);
    } else {
        pass_on(std::string_view(line_start_).substr(kind == Start::quoted ? 1 : 0));
    }
    line_start_.clear();
}

void MboxReader::begin_message(base::WallTime delivered) {
    if (in_message_) handler_.message_ends();
    in_message_ = true;
    handler_.message_begins(delivered);
}

void MboxReader::pass_on(std::string_view text) {
    if (text.empty()) return;
    if (in_message_) {
        handler_.message_text(text);
    } else {
        stray_ += text.size();
    }
}

void MboxReader::finish() {
    if (!line_start_.empty()) decide();
    in_line_ = false;
    if (in_message_) handler_.message_ends();
    in_message_ = false;
}

bool begins_as_mbox(std::string_view bytes) {
    return bytes.starts_with(mark);
}

}  // namespace onecopy::message
