#include "fetcher.h"

namespace simulation {

unsigned Fetcher::under_way = 0;

namespace {

constexpr unsigned most_tries = 40;

std::string stuffed(const std::string& text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.size(), text.find("\r\n", at) + 2);
        if (text[at] == '.') out += '.';
        out.append(text, at, end - at);
        at = end;
    }
    return out;
}

/// BDAT commands with what belongs to them (RFC 3030), cut anywhere, often within a line end; the last may be empty.
std::vector<std::string> chunks_of(const std::string& content) {
    std::vector<std::string> chunks;
    const bool empty_end = world->chance(30);
    for (std::size_t at = 0; at < content.size();) {
        std::size_t end = world->chance(30) ? content.size() : at + world->below(content.size() - at + 1);
        if (world->chance(40)) end = std::min(content.find('\n', end), content.size());
        const std::string last = end == content.size() && !empty_end ? " LAST" : "";
        chunks.push_back("BDAT " + std::to_string(end - at) + last + "\r\n" + content.substr(at, end - at));
        at = end;
    }
    if (empty_end) chunks.push_back("BDAT 0 LAST\r\n");
    return chunks;
}

}  // namespace

Fetcher::Fetcher(Record& record, std::size_t message, std::vector<std::string> recipients, std::string trace, Manner manner)
    : record_(record),
      message_(message),
      recipients_(std::move(recipients)),
      header_(std::move(trace) + record.messages[message].author_fields),
      manner_(manner) {}

void Fetcher::start(Microseconds delay) {
    if (tries_ == 0) ++under_way;
    world->after(delay, [self = shared_from_this()] { self->connect(); });
}

void Fetcher::connect() {
    if (++tries_ > most_tries) return end();
    const std::uint64_t session = ++session_;
    wire_ = dial("127.0.0.1:2525");
    if (!wire_) return start(world->between(second, 20 * second));
    input_.clear();
    taken_.clear();
    step_ = 0;
    smtputf8_ = quitting_ = false;
    write_content();
    cut_at_ = world->chance(manner_.clumsy) ? 1 + world->below(steps() + pieces_.size()) : 0;
    auto self = shared_from_this();
    wire_->handler.received = [self, session](const std::string& bytes) {
        if (self->session_ == session) self->received(bytes);
    };
    wire_->handler.ended = [self, session] {
        if (self->session_ != session) return;
        self->quitting_ ? self->leave() : self->lost(world->between(second, 60 * second));
    };
}

void Fetcher::write_content() {
    const std::string content = header_ + "\r\n" + record_.messages[message_].body;
    pieces_ = manner_.chunks ? chunks_of(content) : std::vector{std::string("DATA\r\n"), stuffed(content) + ".\r\n"};
    hasty_ = manner_.chunks && world->chance(50);
}

/// 0 greeting, 1 EHLO, 2 MAIL, then each RCPT, each piece; by LMTP the last of them is answered for each recipient.
std::size_t Fetcher::steps() const {
    return 2 + recipients_.size() + pieces_.size() + (record_.lmtp ? recipients_.size() : 1);
}

void Fetcher::lost(Microseconds delay) {
    ++session_;
    if (wire_) wire_->reset();
    start(delay);
}

void Fetcher::received(const std::string& bytes) {
    input_ += bytes;
    const std::uint64_t session = session_;
    for (std::size_t end; session == session_ && (end = input_.find("\r\n")) != input_.npos;) {
        const std::string line = input_.substr(0, end);
        input_.erase(0, end + 2);
        smtputf8_ = smtputf8_ || line.substr(4) == "SMTPUTF8";
        if (line.size() > 3 && line[3] == '-') continue;
        reply(std::atoi(line.c_str()));
    }
}

void Fetcher::say(const std::string& bytes) {
    wire_->send(bytes);
}

void Fetcher::reply(int code) {
    const Message& message = record_.messages[message_];
    const std::size_t rcpts = recipients_.size();
    if (quitting_) return code == 221 || code == 421 ? leave() : record_.submissions[submission_].replies.push_back(code);
    const std::size_t step = step_++;
    if (cut_at_ == step + 1) return lost(world->between(second, 30 * second));  // this answer was lost on the way
    if (step >= 2 + rcpts + pieces_.size()) return verdict(code);
    const bool of_rcpt = step >= 3 && step < rcpts + 3;
    if (of_rcpt && code / 100 == 2) taken_.push_back(recipients_[step - 3]);
    if (of_rcpt && code / 100 == 5) record_.turned_away.push_back(recipients_[step - 3]);
    if (!of_rcpt && code / 100 == 5) record_.rebuffs.push_back("step " + std::to_string(step) + " of " + message.token);
    if (code / 100 == 4 || (code / 100 == 5 && !of_rcpt)) return lost(world->between(second, 30 * second));
    if (step == 0) return say(record_.lmtp ? "LHLO fetcher.example\r\n" : "EHLO fetcher.example\r\n");
    if (step == 1 && message.international && !smtputf8_) return lost(world->between(second, 60 * second));
    if (step == 1) {
        const std::string smtputf8 = message.international ? " SMTPUTF8" : "";
        return say("MAIL FROM:<" + message.sender + ">" + smtputf8 + message.mail_parameters + "\r\n");
    }
    if (step < rcpts + 2) {
        const std::string notify = message.notify.empty() ? "" : " NOTIFY=" + message.notify;
        return say("RCPT TO:<" + recipients_[step - 2] + ">" + notify + "\r\n");
    }
    if (taken_.empty()) return end();
    const std::size_t piece = step - rcpts - 2;
    if (!hasty_) return send_piece(piece);
    const std::uint64_t session = session_;
    for (std::size_t i = piece; piece == 0 && i < pieces_.size() && session == session_; ++i) send_piece(i);
}

void Fetcher::send_piece(std::size_t number) {
    const std::string& bytes = pieces_[number];
    const bool half = cut_at_ == steps() + number + 1;
    if (number + 1 == pieces_.size()) {
        submission_ = record_.submissions.size();
        record_.submissions.push_back({message_, taken_, header_, {}, world->now(), 0, !half});
    }
    if (!half) return say(bytes);
    say(bytes.substr(0, world->below(bytes.size() - 3)));
    if (world->chance(50)) return lost(world->between(second, 30 * second));
    wire_->close();  // what was said arrives before
    ++session_;
    start(world->between(second, 30 * second));
}

void Fetcher::verdict(int code) {
    Submission& submission = record_.submissions[submission_];
    submission.replies.push_back(code);
    submission.replied = world->now();
    if (record_.lmtp && submission.replies.size() < taken_.size()) return;
    world->trace("fetcher: " + record_.messages[message_].token + " " + std::to_string(code));
    const bool refused = code / 100 != 2;
    if (refused && (manner_.gives_up || world->chance(50))) return end();  // then nobody must get it
    if (refused) return lost(world->between(second, 30 * second));
    quitting_ = true;
    say("QUIT\r\n");
}

void Fetcher::leave() {
    wire_->close();
    ++session_;
    if (world->chance(manner_.clumsy / 2)) return start(world->between(0, 3 * minute));  // the mailbox was not cleaned up
    end();
}

/// The connection and this hold each other.
void Fetcher::end() {
    if (wire_) {
        wire_->close();
        world->after(0, [wire = wire_] { wire->handler = {}; });
    }
    ++session_;
    --under_way;
}

}  // namespace simulation
