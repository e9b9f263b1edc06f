#include "smtp/reply.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/escape.h"

namespace onecopy::smtp {

namespace {

constexpr std::size_t most_written_line = 512;  // with CRLF
constexpr std::size_t most_read_line = 4096;
constexpr std::size_t most_read_lines = 100;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::string safe(std::string_view text) {
    std::string safe(text);
    for (char& c : safe) {
        if (c < ' ' || c > '~') c = '?';
    }
    return safe;
}

/// How many digits stand at `at`.
std::size_t digits(std::string_view text, std::size_t at) {
    std::size_t end = at;
    while (end < text.size() && is_digit(text[end])) ++end;
    return end - at;
}

/// The enhanced status at the front of a line whose code is of class `kind` (RFC 3463 2); empty where there is none.
std::string_view leading_status(std::string_view text, char kind) {
    if (text.size() < 5 || text[0] != kind || text[1] != '.' || kind == '3') return {};
    const auto subject = digits(text, 2);
    const auto dot = 2 + subject;
    if (subject < 1 || subject > 3 || dot >= text.size() || text[dot] != '.') return {};
    const auto detail = digits(text, dot + 1);
    const auto end = dot + 1 + detail;
    if (detail < 1 || detail > 3 || (end < text.size() && text[end] != ' ')) return {};
    return text.substr(0, end);
}

bool is_reply_code(std::string_view line) {
    return line.size() >= 3 && line[0] >= '2' && line[0] <= '5' && is_digit(line[1]) && is_digit(line[2]) &&
           (line.size() == 3 || line[3] == ' ' || line[3] == '-');
}

}  // namespace

Reply::Reply(int code, std::string_view status, std::string_view text)
    : code(code), status(status), lines{std::string(text)} {}

std::string Reply::wire() const {
    std::string wire;
    for (std::size_t i = 0; i < std::max<std::size_t>(lines.size(), 1); ++i) {
        std::string line = std::to_string(code) + (i + 1 < lines.size() ? '-' : ' ');
        if (!status.empty()) line += status + ' ';
        if (i < lines.size()) line += safe(lines[i]);
        line.resize(std::min(line.size(), most_written_line - 2));
        wire += line + "\r\n";
    }
    return wire;
}

bool Reply::wants_log_in() const {
    constexpr std::array codes = {530, 534, 535, 538};
    return std::ranges::find(codes, code) != codes.end();
}

std::string Reply::text() const {
    std::string text = code == 0 ? std::string() : std::to_string(code);
    const auto add = [&text](std::string_view word) {
        if (word.empty()) return;
        if (!text.empty()) text += ' ';
        text += word;
    };
    add(status);
    for (const auto& line : lines) add(line);
    return text;
}

ReplyReader::Result ReplyReader::feed(std::string_view& bytes) {
    while (fault_.empty() && !bytes.empty()) {
        const auto end = bytes.find('\n');
        const auto piece = bytes.substr(0, end == bytes.npos ? end : end + 1);
        bytes.remove_prefix(piece.size());
        if (line_.size() + piece.size() > most_read_line) return broken("a line of more than 4096 octets");
        line_ += piece;
        if (end == bytes.npos) break;
        if (const auto result = add_line(); result != Result::more) return result;
    }
    return fault_.empty() ? Result::more : Result::broken;
}

ReplyReader::Result ReplyReader::add_line() {
    const std::string whole = std::exchange(line_, {});
    std::string_view line = whole;
    line.remove_suffix(1);
    while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.find('\0') != line.npos) return broken("a NUL in a reply");
    if (!is_reply_code(line)) return broken("no reply code: " + base::printable(line, 80));
    const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    if (!reply_.lines.empty() && code != reply_.code) return broken("the code changes within a reply");
    if (reply_.lines.size() == most_read_lines) return broken("a reply of more than 100 lines");
    reply_.code = code;
    add_text(line.substr(std::min<std::size_t>(line.size(), 4)));
    return line.size() > 3 && line[3] == '-' ? Result::more : Result::reply;
}

void ReplyReader::add_text(std::string_view text) {
    const auto status = leading_status(text, static_cast<char>('0' + reply_.code / 100));
    if (reply_.lines.empty()) reply_.status = status;
    if (!status.empty() && status == reply_.status) {
        text.remove_prefix(std::min(text.size(), status.size() + 1));
    }
    reply_.lines.emplace_back(text);
}

ReplyReader::Result ReplyReader::broken(std::string_view why) {
    fault_ = why;
    line_.clear();
    return Result::broken;
}

Reply ReplyReader::take() {
    return std::exchange(reply_, {});
}

}  // namespace onecopy::smtp
