#include "smtp/content.h"

#include <cstring>

namespace onecopy::smtp {

namespace {

/// Where `c` stands, or `end`.
const char* find(const char* at, const char* end, char c) {
    const void* found = at == end ? nullptr : std::memchr(at, c, static_cast<std::size_t>(end - at));
    return found == nullptr ? end : static_cast<const char*>(found);
}

}  // namespace

bool DataDecoder::feed(std::string_view& bytes, std::string& out) {
    const char* at = bytes.data();
    const char* const end = at + bytes.size();
    looked_at_ = out.size();
    bool ended = false;
    while (at != end && !ended) {
        switch (state_) {
            case State::line_start:
                state_ = *at == '.' && framing_ == Framing::dots ? State::dot : State::text;
                if (state_ == State::dot) ++at;
                break;
            case State::dot:
                state_ = *at == '\r' ? State::dot_cr : State::text;
                if (*at == '\r') ++at;
                break;
            case State::dot_cr:
            case State::cr:
                if (*at != '\n') {
                    add_bare_return(out);
                    break;
                }
                ++at;
                ended = state_ == State::dot_cr;
                if (!ended) out += "\r\n";
                state_ = State::line_start;
                break;
            case State::text:
                at = copy_text(at, end, out);
                break;
        }
    }
    bytes.remove_prefix(static_cast<std::size_t>(at - bytes.data()));
    look_for_body(out);
    return ended;
}

void DataDecoder::finish(std::string& out) {
    looked_at_ = out.size();
    if (state_ == State::cr) add_bare_return(out);
}

/// Copies in runs that reach over as many lines as need no change. `line_feed` is kept from one turn to the next, so
/// that a run of bare CRs far before an LF takes linear time.
const char* DataDecoder::copy_text(const char* at, const char* end, std::string& out) {
    const char* run = at;
    const char* line_feed = nullptr;
    while (at != end) {
        if (line_feed == nullptr || line_feed < at) line_feed = find(at, end, '\n');
        const char* const stop = find(at, line_feed, '\r');
        if (stop == end) break;
        if (stop + 1 == end && *stop == '\r') {
            out.append(run, stop);
            state_ = State::cr;
            return end;
        }
        if (*stop == '\n' || stop + 1 != line_feed) {
            out.append(run, stop);
            if (*stop == '\n') {
                add_bare_line_feed(out);
            } else {
                add_bare_return(out);
            }
            run = at = stop + 1;
            continue;
        }
        at = line_feed + 1;
        if (at == end || *at == '.') {
            state_ = State::line_start;
            break;
        }
    }
    const char* const copied = state_ == State::line_start ? at : end;
    out.append(run, copied);
    return copied;
}

void DataDecoder::add_bare_line_feed(std::string& out) {
    out += "\r\n";
    saw_bare_ = true;
    state_ = State::text;
}

void DataDecoder::add_bare_return(std::string& out) {
    look_for_body(out);
    out += in_header_ ? " " : "\r\n";
    saw_bare_ = true;
    state_ = State::text;
}

/// Only what came out since the last look, and the few bytes before it.
void DataDecoder::look_for_body(const std::string& out) {
    if (!in_header_ || looked_at_ == out.size()) return;
    std::string seam = tail_ + out.substr(looked_at_, 3);
    in_header_ = seam.find("\r\n\r\n") == seam.npos && out.find("\r\n\r\n", looked_at_) == out.npos;
    std::size_t fresh = out.size() - looked_at_;
    tail_ = fresh < 3 ? (tail_ + out.substr(looked_at_)) : out.substr(out.size() - 3);
    if (tail_.size() > 3) tail_.erase(0, tail_.size() - 3);
    looked_at_ = out.size();
}

void DataEncoder::feed(std::string_view piece, std::string& out) {
    const char* run = piece.data();
    const char* const end = run + piece.size();
    for (const char* at = run; at != end; line_start_ = at[-1] == '\n') {
        if (line_start_ && *at == '.') {
            out.append(run, at);
            out += '.';
            run = at;
        }
        const char* const line_feed = find(at, end, '\n');
        at = line_feed == end ? end : line_feed + 1;
    }
    out.append(run, end);
}

void DataEncoder::finish(std::string& out) {
    out += line_start_ ? ".\r\n" : "\r\n.\r\n";
    line_start_ = true;
}

}  // namespace onecopy::smtp
