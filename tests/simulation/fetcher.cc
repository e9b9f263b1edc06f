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

}  // namespace

Fetcher::Fetcher(Record& record, std::size_t message, std::vector<std::string> recipients, std::string trace, Manner manner)
    : record_(record), message_(message), recipients_(std::move(recipients)), trace_(std::move(trace)), manner_(manner) {}

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
    cut_at_ = world->chance(manner_.clumsy) ? 1 + world->below(recipients_.size() + 6) : 0;
    auto self = shared_from_this();
    wire_->handler.received = [self, session](const std::string& bytes) {
        if (self->session_ == session) self->received(bytes);
    };
    wire_->handler.ended = [self, session] {
        if (self->session_ == session) self->lost(world->between(second, 60 * second));
    };
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
        if (line.size() > 3 && line[3] == '-') continue;
        reply(std::atoi(line.c_str()));
    }
}

void Fetcher::say(const std::string& bytes) {
    wire_->send(bytes);
}

/// Steps: 0 greeting, 1 EHLO, 2 MAIL, then each RCPT, DATA, the content.
void Fetcher::reply(int code) {
    const Message& message = record_.messages[message_];
    const std::size_t rcpts = recipients_.size();
    const std::size_t step = step_++;
    const bool verdict = step == rcpts + 4;
    if (cut_at_ == step + 1 && !verdict) return lost(world->between(second, 30 * second));
    if (verdict) {
        Submission& submission = record_.submissions[submission_];
        if (cut_at_ == step + 1) return lost(world->between(second, 30 * second));  // the answer was lost on the way
        submission.reply = code;
        submission.replied = world->now();
        world->trace("fetcher: " + message.token + " " + std::to_string(code));
        const bool refused = code / 100 != 2;
        if (refused && (manner_.gives_up || world->chance(50))) return end();  // then nobody must get it
        if (refused) return lost(world->between(second, 30 * second));
        wire_->send("QUIT\r\n");
        wire_->close();
        ++session_;
        if (world->chance(manner_.clumsy / 2))
            return start(world->between(0, 3 * minute));  // the mailbox was not cleaned up
        return end();
    }
    const bool of_rcpt = step >= 3 && step < rcpts + 3;
    if (of_rcpt && code / 100 == 2) taken_.push_back(recipients_[step - 3]);
    if (of_rcpt && code / 100 == 5) record_.turned_away.push_back(recipients_[step - 3]);
    if (code / 100 == 4 || (code / 100 == 5 && !of_rcpt)) return lost(world->between(second, 30 * second));
    if (step == 0) return say("EHLO fetcher.example\r\n");
    if (step == 1) return say("MAIL FROM:<" + message.sender + ">" + message.mail_parameters + "\r\n");
    if (step < rcpts + 2) {
        const std::string notify = message.notify.empty() ? "" : " NOTIFY=" + message.notify;
        return say("RCPT TO:<" + recipients_[step - 2] + ">" + notify + "\r\n");
    }
    if (taken_.empty()) return end();
    if (step == rcpts + 2) return say("DATA\r\n");
    Submission submission;
    submission.message = message_;
    submission.recipients = taken_;
    submission.header = trace_ + message.author_fields;
    submission.offered = world->now();
    submission_ = record_.submissions.size();
    const std::string content = stuffed(submission.header + "\r\n" + message.body) + ".\r\n";
    const bool half = cut_at_ == rcpts + 6;
    submission.finished = !half;
    record_.submissions.push_back(std::move(submission));
    if (half) {
        say(content.substr(0, world->below(content.size() - 3)));
        return lost(world->between(second, 30 * second));
    }
    say(content);
}

void Fetcher::end() {
    if (wire_) wire_->close();
    --under_way;
}

}  // namespace simulation
