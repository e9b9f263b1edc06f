#include "fetcher.h"

#include <utility>

#include "base/base64.h"

namespace simulation {

unsigned Fetcher::under_way = 0;

namespace {

constexpr unsigned most_tries = 40;

/// Behind STARTTLS, by somebody who can't read what comes under TLS but would have it begin with his own (CVE-2011-0411).
constexpr const char* injection =
    "EHLO intruder.example\r\nMAIL FROM:<intruder@outside.example>\r\nRCPT TO:<p0q@corp.example>\r\nDATA\r\n"
    "Subject: nobody sent this\r\n\r\nhello\r\n.\r\n";

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
    if (++tries_ > most_tries) {
        const Message& message = record_.messages[message_];
        const bool waits = message.international;  // what servers offer is known when other mail has gone
        if (record_.calm && !waits) record_.rebuffs.push_back("never taken: " + message.token);
        return end();
    }
    const std::uint64_t session = ++session_;
    wire_ = dial("127.0.0.1:2525", record_.from_afar);
    if (!wire_) return start(world->between(second, 20 * second));
    input_.clear();
    taken_.clear();
    tls_.reset();
    asked_.reset();
    step_ = 0;
    smtputf8_ = quitting_ = injected_ = logged_in_ = false;
    write_content();
    cut_at_ = world->chance(manner_.clumsy) ? 1 + world->below(steps() + pieces_.size()) : 0;
    auto self = shared_from_this();
    wire_->handler.received = [self, session](const std::string& bytes) {
        if (self->session_ == session) self->arrived(bytes);
    };
    wire_->handler.ended = [self, session] {
        if (self->session_ != session) return;
        self->quitting_ ? self->leave() : self->lost(world->between(second, 60 * second));
    };
    plan();
}

/// Whom the host lets choose chooses anew each time.
void Fetcher::plan() {
    before_mail_.clear();
    const bool must = record_.client_tls == "required" || (record_.client_auth == "required" && record_.from_afar);
    const bool by_tls = must ? record_.client_tls != "implicit" : record_.client_tls == "starttls" && world->chance(60);
    const bool implicit = record_.client_tls == "implicit";
    const bool secure = by_tls || implicit;
    if (record_.client_tls == "required" && world->chance(20)) before_mail_.push_back(Before::mail_too_early);
    const bool hidden = record_.client_auth != "none" && record_.from_afar && !implicit;
    if (hidden && world->chance(20)) before_mail_.push_back(Before::log_in_too_early);
    if (by_tls) before_mail_.insert(before_mail_.end(), {Before::start_tls, Before::hello});
    if (record_.client_auth == "required" && world->chance(20)) before_mail_.push_back(Before::mail_too_early);
    const bool may_log_in = record_.client_auth != "none" && (secure || !record_.from_afar);
    if (may_log_in && world->chance(10)) before_mail_.push_back(Before::wrong_password);
    if (may_log_in && (record_.client_auth == "required" || world->chance(60)))
        before_mail_.push_back(world->chance(50) ? Before::plain : Before::login);
    if (!implicit) return;
    tls_ = TlsEnd::client("", false);
    wire_->send(tls_->begin());
}

void Fetcher::arrived(const std::string& bytes) {
    if (!tls_) return received(bytes);
    const bool shaking = tls_->state() == TlsEnd::State::handshake;
    std::string plain;
    wire_->send(tls_->feed(bytes, plain));
    if (tls_->state() == TlsEnd::State::broken) return lost(world->between(second, 30 * second));
    const bool secure = shaking && tls_->state() == TlsEnd::State::secure;
    if (secure && world->chance(manner_.clumsy / 4)) return lost(world->between(second, 30 * second));
    if (secure && record_.client_tls != "implicit") go_on_before_mail(0);
    if (!plain.empty()) received(plain);
}

void Fetcher::say_hello() {
    smtputf8_ = false;
    say(record_.lmtp ? "LHLO fetcher.example\r\n" : "EHLO fetcher.example\r\n");
}

/// False: it is over, with the answer to EHLO or to the last of it.
bool Fetcher::go_on_before_mail(int code) {
    if (asked_ && !answered(*std::exchange(asked_, std::nullopt), code)) return true;
    if (before_mail_.empty()) return false;
    asked_ = before_mail_.front();
    before_mail_.pop_front();
    step_ = 1;  // and the next answer is one of EHLO's place
    ask(*asked_);
    return true;
}

void Fetcher::ask(Before what) {
    const std::string name = user, secret = password;
    const auto in_plain = [&](const std::string& word) {
        say("AUTH PLAIN " + onecopy::base::base64('\0' + name + '\0' + word) + "\r\n");
    };
    switch (what) {
        case Before::start_tls:
            injected_ = !record_.calm && world->chance(10);
            return say(std::string("STARTTLS\r\n") + (injected_ ? injection : ""));
        case Before::hello:
            return say_hello();
        case Before::mail_too_early:
            return say("MAIL FROM:<early@outside.example>\r\n");
        case Before::log_in_too_early:
            return in_plain("not the one");  // nobody says his own where it might be heard
        case Before::wrong_password:
            return in_plain(world->chance(50) ? "what it said" : "x");
        case Before::plain:
            return in_plain(secret);
        case Before::login:
            return say("AUTH LOGIN\r\n");
        case Before::login_name:
            return say(onecopy::base::base64(name) + "\r\n");
        case Before::login_password:
            return say(onecopy::base::base64(secret) + "\r\n");
    }
}

/// False: nothing more is said for now.
bool Fetcher::answered(Before what, int code) {
    switch (what) {
        case Before::start_tls:
            if (code / 100 == 5 && !injected_) record_.rebuffs.push_back("STARTTLS");
            if (code != 220 || world->chance(manner_.clumsy / 4)) return lost(world->between(second, 30 * second)), false;
            tls_ = TlsEnd::client("", false);
            wire_->send(tls_->begin());
            return false;
        case Before::hello:
            return code == 250 || (lost(world->between(second, 30 * second)), false);
        case Before::mail_too_early:
        case Before::log_in_too_early:
        case Before::wrong_password:
            record_.attempts.push_back({what == Before::mail_too_early     ? "mail too early"
                                        : what == Before::log_in_too_early ? "a log-in in the clear"
                                                                           : "a log-in by a wrong password",
                                        code});
            return code != 421 || (lost(world->between(second, 30 * second)), false);
        case Before::login:
        case Before::login_name:
            if (code != 334) break;
            before_mail_.push_front(what == Before::login ? Before::login_name : Before::login_password);
            return true;
        case Before::plain:
        case Before::login_password:
            logged_in_ = code == 235;
            if (logged_in_) return true;
            break;
    }
    if (code / 100 == 5) record_.rebuffs.push_back("a good log-in");
    lost(world->between(second, 30 * second));
    return false;
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
        const bool in_the_clear = record_.from_afar && !tls_;
        if (in_the_clear && line.substr(4).starts_with("AUTH "))
            record_.attempts.push_back({"to be asked for a password in the clear", 250});
        if (line.size() > 3 && line[3] == '-') continue;
        reply(std::atoi(line.c_str()));
    }
}

void Fetcher::say(const std::string& bytes) {
    wire_->send(tls_ ? TlsEnd::sealed(bytes) : bytes);
}

void Fetcher::reply(int code) {
    const Message& message = record_.messages[message_];
    const std::size_t rcpts = recipients_.size();
    if (quitting_) return code == 221 || code == 421 ? leave() : record_.submissions[submission_].replies.push_back(code);
    const std::size_t step = step_++;
    if (step == 1 && asked_) {
        if (go_on_before_mail(code)) return;
        code = 250;  // whatever it was, mail may come now
    }
    if (cut_at_ == step + 1) return lost(world->between(second, 30 * second));  // this answer was lost on the way
    if (step >= 2 + rcpts + pieces_.size()) return verdict(code);
    const bool of_rcpt = step >= 3 && step < rcpts + 3;
    if (of_rcpt && code / 100 == 2) taken_.push_back(recipients_[step - 3]);
    if (of_rcpt && code / 100 == 5) record_.turned_away.push_back(recipients_[step - 3]);
    if (!of_rcpt && code / 100 == 5) record_.rebuffs.push_back("step " + std::to_string(step) + " of " + message.token);
    if (code / 100 == 4 || (code / 100 == 5 && !of_rcpt)) return lost(world->between(second, 30 * second));
    if (step == 0) return say_hello();
    if (step == 1 && go_on_before_mail(code)) return;
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
        record_.submissions.push_back({message_, taken_, header_, {}, world->now(), 0, !half, tls_.has_value(), logged_in_});
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
