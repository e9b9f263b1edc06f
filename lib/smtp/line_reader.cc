#include "smtp/line_reader.h"

#include "base/secret.h"

namespace onecopy::smtp {

LineReader::Result LineReader::feed(std::string_view& bytes) {
    if (taken_) line_.clear();
    taken_ = false;
    while (!bytes.empty()) {
        const auto line_feed = bytes.find('\n');
        const auto piece = bytes.substr(0, line_feed == bytes.npos ? line_feed : line_feed + 1);
        bytes.remove_prefix(piece.size());
        if (dropping_) {
            dropping_ = !drop(piece);
            continue;
        }
        const auto old = line_.size();
        const auto kept = piece.substr(0, most_line - old);
        line_ += kept;
        const bool bare = holds_bare(old);
        if (bare || kept.size() < piece.size()) {
            after_cr_ = old > 0 && line_[old - 1] == '\r';
            dropping_ = !drop(piece);
            line_.clear();
            return bare ? Result::bare : Result::too_long;
        }
        if (line_.back() == '\n') {
            taken_ = true;
            return Result::line;
        }
    }
    return Result::more;
}

std::string_view LineReader::line() const {
    return std::string_view(line_).substr(0, line_.size() - 2);
}

void LineReader::wipe() {
    base::wipe(line_);
    taken_ = false;
}

/// Whether the piece, which has an LF at its end or nowhere, ends the line that is dropped.
bool LineReader::drop(std::string_view piece) {
    const bool ended = piece.back() == '\n' && (piece.size() > 1 ? piece[piece.size() - 2] == '\r' : after_cr_);
    after_cr_ = piece.back() == '\r';
    return ended;
}

/// Looks at the bytes behind `from` and at the one before, which may be a CR that waits for its LF.
bool LineReader::holds_bare(std::size_t from) const {
    for (auto cr = line_.find('\r', from == 0 ? 0 : from - 1); cr != line_.npos; cr = line_.find('\r', cr + 1)) {
        if (cr + 1 < line_.size() && line_[cr + 1] != '\n') return true;
    }
    return line_.back() == '\n' && (line_.size() < 2 || line_[line_.size() - 2] != '\r');
}

}  // namespace onecopy::smtp
