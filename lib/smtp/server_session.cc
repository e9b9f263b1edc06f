#include "smtp/server_session.h"

#include <algorithm>
#include <utility>

#include "smtp/content.h"

namespace onecopy::smtp {

namespace {

constexpr std::size_t most_piece = 64 << 10;
/// Decoding may double the bytes, and add two for a CR that waited.
constexpr std::size_t most_encoded = most_piece / 2 - 2;

}  // namespace

/// The data of the transaction under way: up to the final dot, or in chunks.
struct ServerSession::Incoming {
    explicit Incoming(DataDecoder::Framing framing) : decoder(framing) {}

    DataDecoder decoder;
    std::string piece;
    std::uint64_t received = 0;
    std::uint64_t chunk_left = 0;
    bool chunked = false;
    bool last_chunk = false;
    bool ended = false;  // all of this chunk, or of the data, has come
};

ServerSession::ServerSession(Options options, Handler& handler) : options_(std::move(options)), handler_(handler) {}

ServerSession::~ServerSession() = default;

void ServerSession::greet() {
    say({220, "", options_.hostname + (options_.lmtp ? " LMTP" : " ESMTP")});
}

Input ServerSession::feed(std::string_view& bytes) {
    while (phase_ != Phase::closed) {
        if (phase_ == Phase::answer || phase_ == Phase::credentials || paused_) return Input::pause;
        if (bytes.empty()) return Input::more;
        if (discarding_ > 0) {
            discard(bytes);
        } else if (phase_ == Phase::data) {
            take_content(bytes);
        } else {
            take_command(bytes);
        }
    }
    return starting_tls_ ? Input::start_tls : Input::closed;
}

void ServerSession::take_command(std::string_view& bytes) {
    constexpr char tls_handshake = 0x16;
    if (reader_.at_start() && bytes.front() == tls_handshake) {
        return say(hang_up({500, "5.5.1", "no TLS is spoken on this port"}));
    }
    const auto result = reader_.feed(bytes);
    const bool response = auth_.has_value();
    if (result == LineReader::Result::more) return;
    if (result == LineReader::Result::line) {
        return say(response ? respond(reader_.line()) : run(reader_.line(), !bytes.empty()));
    }
    if (response) reader_.wipe();
    auth_.reset();
    if (result == LineReader::Result::bare) {
        return say(bad(500, "5.5.2", "a line ends in CRLF; no CR or LF may stand alone"));
    }
    say(bad(500, response ? "5.5.6" : "5.5.2", "line too long"));
}

void ServerSession::take_content(std::string_view& bytes) {
    Incoming& in = *incoming_;
    auto piece = bytes.substr(0, most_encoded);
    if (in.chunked) piece = piece.substr(0, in.chunk_left);
    auto rest = piece;
    in.piece.clear();
    in.ended = in.decoder.feed(rest, in.piece);
    const auto taken = piece.size() - rest.size();
    bytes.remove_prefix(taken);
    if (in.chunked) {
        in.chunk_left -= taken;
        in.ended = in.chunk_left == 0;
    }
    tell_content();
}

/// What has been decoded goes to the handler, unless it is part of what may not be taken.
void ServerSession::tell_content() {
    Incoming& in = *incoming_;
    if (in.ended && in.last_chunk) in.decoder.finish(in.piece);
    in.received += in.piece.size();
    const bool wanted = in.received <= options_.message_size && !(options_.refuse_bare && in.decoder.saw_bare());
    if (wanted && !in.piece.empty()) paused_ = !handler_.content(in.piece);
    if (phase_ == Phase::data && in.ended && !paused_) take_end_of_piece();
}

void ServerSession::take_end_of_piece() {
    incoming_->ended = false;
    if (!incoming_->chunked || incoming_->last_chunk) return take_end_of_data();
    enter(Phase::chunks);
    say({250, "2.0.0", "Ok: chunk taken"});
}

void ServerSession::take_end_of_data() {
    const bool bare = options_.refuse_bare && incoming_->decoder.saw_bare();
    const bool large = incoming_->received > options_.message_size;
    incoming_.reset();
    enter(Phase::answer);
    handler_.end_of_data(large ? End::too_large : bare ? End::bare_line_end : End::complete);
}

/// LMTP answers for each recipient that was accepted (RFC 2033 4.2); what became of the message is the same for all.
void ServerSession::finish(const Reply& reply) {
    if (phase_ != Phase::answer) return;
    if (reply.positive()) errors_ = 0;
    enter(Phase::idle);
    const std::size_t more = options_.lmtp && reply.code != 421 ? std::exchange(recipients_, 0) : std::size_t{1};
    recipients_ = 0;
    for (std::size_t i = 0; i < more; ++i) say(reply);
}

void ServerSession::resume() {
    paused_ = false;
    if (phase_ == Phase::data && incoming_->ended) take_end_of_piece();
}

void ServerSession::abort(const Reply& reply) {
    if (phase_ == Phase::closed) return;
    if (phase_ != Phase::answer) output_ += reply.wire();
    close();
}

std::string ServerSession::take_output() {
    return std::exchange(output_, {});
}

std::string ServerSession::protocol() const {
    if (!extended_) return "SMTP";  // no other word is registered for HELO
    std::string name = smtputf8_ ? "UTF8" : options_.lmtp ? "" : "E";
    name += options_.lmtp ? "LMTP" : "SMTP";
    if (options_.tls == Tls::active) name += "S";
    if (!user_.empty()) name += "A";
    return name;
}

Reply ServerSession::refusal(End end) {
    if (end == End::too_large) return {552, "5.3.4", "message too large"};
    return {550, "5.5.2", "a bare CR or LF in the message; lines end in CRLF"};
}

/// A reply without a code is one that comes later.
void ServerSession::say(const Reply& reply) {
    if (reply.code == 0) return;
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
    if (phase_ != Phase::mail && phase_ != Phase::data && phase_ != Phase::chunks) return;
    incoming_.reset();
    recipients_ = 0;
    paused_ = false;
    enter(Phase::idle);
    handler_.reset();
}

Reply ServerSession::no_recipients() {
    return {options_.lmtp ? 503 : 554, "5.5.1", "no valid recipients"};  // RFC 2033 4.2, RFC 5321 3.3
}

Reply ServerSession::data(std::string_view) {
    if (recipients_ == 0) return no_recipients();
    if (auto refused = handler_.data()) return *std::move(refused);
    incoming_ = std::make_unique<Incoming>(DataDecoder::Framing::dots);
    enter(Phase::data);
    return {354, "", "end data with <CRLF>.<CRLF>"};
}

/// BDAT (RFC 3030 2). Its bytes are on their way whatever is thought of it, and are no commands.
Reply ServerSession::chunk(std::string_view argument) {
    const auto parsed = parse_chunk_argument(argument);
    if (!parsed) return hang_up({521, "5.5.4", "syntax: BDAT size [LAST]; what follows can't be told from commands"});
    if (auto objection = objection_to_chunk(parsed->size)) return pass_over(*parsed, *std::move(objection));
    incoming_->chunk_left = parsed->size;
    incoming_->last_chunk = parsed->last;
    enter(Phase::data);
    if (parsed->size > 0) return {};
    if (!parsed->last && ++errors_ >= options_.errors) return {421, "4.7.0", "too many chunks without a byte"};
    incoming_->piece.clear();
    incoming_->ended = true;
    tell_content();
    return {};
}

/// Why the chunk is not taken; otherwise all is ready for it.
std::optional<Reply> ServerSession::objection_to_chunk(std::uint64_t size) {
    if (options_.tls == Tls::required) return bad(530, "5.7.0", "STARTTLS comes first");
    if (passing_chunks_) return Reply(503, "5.5.1", "a chunk of this message was refused");
    if (phase_ != Phase::mail && phase_ != Phase::chunks) return out_of_order();
    if (recipients_ == 0) return no_recipients();
    const std::uint64_t before = incoming_ ? incoming_->received : 0;
    if (size > options_.message_size || before > options_.message_size - size) return refusal(End::too_large);
    if (incoming_) return std::nullopt;
    if (auto refused = handler_.data()) return refused;
    incoming_ = std::make_unique<Incoming>(DataDecoder::Framing::chunks);
    incoming_->chunked = true;
    return std::nullopt;
}

/// A refused chunk ends its transaction: no command that was sent along with the rest of the message may add to it, and the
/// rest is no message of its own. That is passed over up to LAST (RFC 3030 2).
Reply ServerSession::pass_over(const ChunkArgument& chunk, Reply refusal) {
    const bool of_message = passing_chunks_ || phase_ == Phase::mail || phase_ == Phase::chunks;
    passing_chunks_ = of_message && !chunk.last;
    end_transaction();
    if (chunk.size == 0) return refusal;
    discarding_ = chunk.size;
    after_discarding_ = std::move(refusal);
    return {};
}

void ServerSession::discard(std::string_view& bytes) {
    const auto most = std::min<std::uint64_t>(bytes.size(), discarding_);
    bytes.remove_prefix(most);
    discarding_ -= most;
    if (discarding_ == 0) say(std::exchange(after_discarding_, {}));
}

}  // namespace onecopy::smtp
