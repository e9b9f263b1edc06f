#include "smtp/server_session.h"

#include <utility>

#include "smtp/content.h"

namespace onecopy::smtp {

namespace {

constexpr std::size_t most_piece = 64 << 10;
/// Decoding may double the bytes, and add two for a CR that waited.
constexpr std::size_t most_encoded = most_piece / 2 - 2;

}  // namespace

/// The data of the transaction under way.
struct ServerSession::Incoming {
    DataDecoder decoder;
    std::string piece;
    std::uint64_t received = 0;
    bool ended = false;  // while paused
};

ServerSession::ServerSession(Options options, Handler& handler) : options_(std::move(options)), handler_(handler) {}

ServerSession::~ServerSession() = default;

void ServerSession::greet() {
    say({220, "", options_.hostname + " ESMTP"});
}

Input ServerSession::feed(std::string_view& bytes) {
    while (phase_ != Phase::closed) {
        if (phase_ == Phase::answer || paused_) return Input::pause;
        if (bytes.empty()) return Input::more;
        if (phase_ == Phase::data) {
            take_content(bytes);
        } else {
            take_command(bytes);
        }
    }
    return Input::closed;
}

void ServerSession::take_command(std::string_view& bytes) {
    constexpr char tls_handshake = 0x16;
    if (reader_.at_start() && bytes.front() == tls_handshake) {
        return say(hang_up({500, "5.5.1", "no TLS is spoken on this port"}));
    }
    switch (reader_.feed(bytes)) {
        case LineReader::Result::more:
            return;
        case LineReader::Result::line:
            return say(run(reader_.line(), !bytes.empty()));
        case LineReader::Result::bare:
            return say(bad(500, "5.5.2", "a line ends in CRLF; no CR or LF may stand alone"));
        case LineReader::Result::too_long:
            return say(bad(500, "5.5.2", "line too long"));
    }
}

Reply ServerSession::data(std::string_view) {
    if (recipients_ == 0) return {554, "5.5.1", "no valid recipients"};
    if (auto refused = handler_.data()) return *std::move(refused);
    incoming_ = std::make_unique<Incoming>();
    enter(Phase::data);
    return {354, "", "end data with <CRLF>.<CRLF>"};
}

void ServerSession::take_content(std::string_view& bytes) {
    Incoming& in = *incoming_;
    const auto chunk = bytes.substr(0, most_encoded);
    auto rest = chunk;
    in.piece.clear();
    in.ended = in.decoder.feed(rest, in.piece);
    bytes.remove_prefix(chunk.size() - rest.size());
    in.received += in.piece.size();
    const bool wanted = in.received <= options_.message_size && !(options_.refuse_bare && in.decoder.saw_bare());
    if (wanted && !in.piece.empty()) paused_ = !handler_.content(in.piece);
    if (phase_ == Phase::data && in.ended && !paused_) take_end_of_data();
}

void ServerSession::take_end_of_data() {
    const bool bare = options_.refuse_bare && incoming_->decoder.saw_bare();
    const bool large = incoming_->received > options_.message_size;
    incoming_.reset();
    recipients_ = 0;
    enter(Phase::answer);
    handler_.end_of_data(large ? End::too_large : bare ? End::bare_line_end : End::complete);
}

void ServerSession::finish(const Reply& reply) {
    if (phase_ != Phase::answer) return;
    if (reply.positive()) errors_ = 0;
    enter(Phase::idle);
    say(reply);
}

void ServerSession::resume() {
    paused_ = false;
    if (phase_ == Phase::data && incoming_->ended) take_end_of_data();
}

void ServerSession::abort(const Reply& reply) {
    if (phase_ == Phase::closed) return;
    if (phase_ != Phase::answer) output_ += reply.wire();
    close();
}

std::string ServerSession::take_output() {
    return std::exchange(output_, {});
}

Reply ServerSession::refusal(End end) {
    if (end == End::too_large) return {552, "5.3.4", "message too large"};
    return {550, "5.5.2", "a bare CR or LF in the message; lines end in CRLF"};
}

void ServerSession::say(const Reply& reply) {
    output_ += reply.wire();
    if (reply.code == 421) close();
}

/// A bad command; too many of them end the session.
Reply ServerSession::bad(int code, std::string_view status, std::string_view text) {
    if (++errors_ >= options_.errors) return {421, "4.7.0", "too many bad commands"};
    return {code, status, text};
}

Reply ServerSession::hang_up(const Reply& reply) {
    close();
    return reply;
}

void ServerSession::close() {
    end_transaction();
    enter(Phase::closed);
}

/// Ends a transaction that has got no answer to its data and will get none.
void ServerSession::end_transaction() {
    if (phase_ != Phase::mail && phase_ != Phase::data) return;
    incoming_.reset();
    recipients_ = 0;
    paused_ = false;
    enter(Phase::idle);
    handler_.reset();
}

}  // namespace onecopy::smtp
