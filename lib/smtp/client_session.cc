#include "smtp/client_session.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "base/escape.h"
#include "smtp/content.h"

namespace onecopy::smtp {

namespace {

using namespace std::chrono_literals;

/// Commands that may be unanswered at a time where the server takes several (RFC 2920 3.1).
constexpr std::size_t most_unanswered = 100;

/// An address that would change the command it stands in. Our own parser lets none pass; this is the second lock.
bool is_unusable(std::string_view address) {
    const auto is_control = [](char c) { return (c >= '\0' && c < ' ') || c == 0x7f; };
    if (std::ranges::any_of(address, is_control)) return true;
    bool quoted = false;
    for (std::size_t i = 0; i < address.size(); ++i) {
        const char c = address[i];
        if (c == '"') quoted = !quoted;
        if (quoted && c == '\\') ++i;
        if (!quoted && (c == ' ' || c == '<' || c == '>')) return true;
    }
    return quoted;
}

/// The server wants something of us that is not the message's matter: log-in, encryption.
bool blames_no_mail(const Reply& reply) {
    constexpr std::array codes = {530, 534, 535, 538};
    if (std::ranges::find(codes, reply.code) != codes.end()) return true;
    return base::lower(reply.text()).find("not authenticated") != std::string::npos;
}

/// RFC 5321 4.5.3.1.10, where 552 is the code that older servers use.
bool is_recipient_limit(const Reply& reply) {
    return reply.code == 452 || (reply.code == 552 && (reply.status.empty() || reply.status == "5.5.3"));
}

/// As much of a reply as is worth keeping for each of a thousand recipients.
Reply excerpt(const Reply& reply) {
    constexpr std::size_t most_text = 2048;
    Reply excerpt(reply.code, reply.status, "");
    excerpt.lines.clear();
    std::size_t left = most_text;
    for (const auto& line : reply.lines) {
        excerpt.lines.push_back(line.substr(0, left));
        left -= excerpt.lines.back().size();
        if (left == 0) break;
    }
    return excerpt;
}

}  // namespace

/// What may answer a step, and how long that may take (RFC 5321 4.5.3.2).
struct ClientSession::Rule {
    Step step;
    base::Duration timeout;
    void (ClientSession::*answered)(const Reply& reply);
};

/// The transaction under way.
struct ClientSession::Running {
    explicit Running(Transaction&& wanted)
        : transaction(std::move(wanted)), settled(transaction.recipients.size()), undecided(settled.size()) {
        result.recipients.resize(settled.size(), {Outcome::deferred, {}});
        if (is_unusable(transaction.sender)) settle_rest(Outcome::refused, {553, "5.1.7", "unusable sender address"});
        for (std::size_t i = 0; i < settled.size(); ++i) {
            const auto& address = transaction.recipients[i];
            if (!address.empty() && !is_unusable(address)) {
                usable.push_back(i);
            } else if (!settled[i]) {
                settle(i, Outcome::refused, {553, "5.1.3", "unusable address"});
            }
        }
    }

    void settle(std::size_t recipient, Outcome outcome, const Reply& reply) {
        result.recipients[recipient] = {outcome, excerpt(reply)};
        settled[recipient] = true;
        --undecided;
    }
    void settle_rest(Outcome outcome, const Reply& reply) {
        for (std::size_t i = 0; i < settled.size(); ++i) {
            if (!settled[i]) settle(i, outcome, reply);
        }
    }

    Transaction transaction;
    Result result;
    std::vector<bool> settled;  // the outcome is final
    std::size_t undecided;      // not settled; once all are answered: accepted
    std::size_t accepted = 0;
    std::vector<std::size_t> usable;  // the recipients whom RCPT may name
    std::size_t asked = 0;            // how many of them were named
    std::size_t answered = 0;
    bool mail_sent = false;
    bool data_sent = false;
    bool in_content = false;
    DataEncoder encoder;
};

const ClientSession::Rule& ClientSession::rule(Step step) {
    static constexpr std::array rules = {
        Rule{Step::greeting, 5min, &ClientSession::on_greeting},  Rule{Step::ehlo, 5min, &ClientSession::on_ehlo},
        Rule{Step::helo, 5min, &ClientSession::on_helo},          Rule{Step::reset, 5min, &ClientSession::on_reset},
        Rule{Step::mail, 5min, &ClientSession::on_mail},          Rule{Step::recipient, 5min, &ClientSession::on_recipient},
        Rule{Step::data, 2min, &ClientSession::on_data},          Rule{Step::verdict, 10min, &ClientSession::on_verdict},
        Rule{Step::lone_dot, 10min, &ClientSession::on_lone_dot}, Rule{Step::quit, 10s, &ClientSession::on_quit},
    };
    return *std::ranges::find(rules, step, &Rule::step);
}

ClientSession::ClientSession(std::string hostname, Handler& handler)
    : hostname_(std::move(hostname)), handler_(handler), awaited_{Step::greeting} {}

ClientSession::~ClientSession() = default;

void ClientSession::feed(std::string_view bytes) {
    while (!dead_ && !bytes.empty()) {
        switch (reader_.feed(bytes)) {
            case ReplyReader::Result::more:
                break;
            case ReplyReader::Result::reply:
                take(reader_.take());
                break;
            case ReplyReader::Result::broken:
                fail({0, "", "broken reply: " + reader_.fault()});
                break;
        }
    }
}

void ClientSession::lost(std::string_view why) {
    if (!dead_) fail({0, "", why});
}

void ClientSession::start(Transaction transaction) {
    assert(ready_ && !running_ && !dead_);
    ++progress_;
    running_ = std::make_unique<Running>(std::move(transaction));
    if (extensions_.too_large(running_->transaction.size)) {
        running_->settle_rest(Outcome::refused, {552, "5.3.4", "message too large for the server"});
    }
    advance();
}

void ClientSession::content(std::string_view piece) {
    if (!running_ || !running_->in_content) return;
    ++progress_;
    running_->encoder.feed(piece, output_);
}

void ClientSession::end_of_content() {
    if (!running_ || !running_->in_content) return;
    ++progress_;
    running_->in_content = false;
    running_->encoder.finish(output_);
    send(Step::verdict, "");
}

void ClientSession::abandon() {
    dead_ = true;
    running_.reset();
    awaited_.clear();
    output_.clear();
}

void ClientSession::quit() {
    if (dead_ || running_) return;
    if (!ready_) return abandon();
    ready_ = false;
    send(Step::quit, "QUIT\r\n");
}

std::string ClientSession::take_output() {
    unsent_ = 0;
    return std::exchange(output_, {});
}

base::Duration ClientSession::timeout() const {
    constexpr base::Duration content_block = 3min;
    constexpr base::Duration idle = 5min;
    if (running_ && running_->in_content) return content_block;
    return awaited_.empty() ? idle : rule(awaited_.front()).timeout;
}

bool ClientSession::awaiting_verdict() const {
    return !awaited_.empty() && awaited_.front() == Step::verdict && unsent_ == 0;
}

void ClientSession::send(Step step, std::string_view line) {
    output_ += line;
    awaited_.push_back(step);
    ++unsent_;
}

void ClientSession::take(const Reply& reply) {
    ++progress_;
    if (awaited_.size() == unsent_) {
        return fail(reply.code == 421 ? reply : Reply(0, "", "reply to nothing that was asked: " + reply.text()));
    }
    const Step step = awaited_.front();
    awaited_.pop_front();
    if (reply.code == 421 && step != Step::quit) return fail(reply);
    (this->*rule(step).answered)(reply);
    if (!dead_) advance();
}

/// Sends what may be sent now; tells the end of a transaction that has nothing left to send or to await.
void ClientSession::advance() {
    if (!running_ || running_->in_content) return;
    const std::size_t window = extensions_.pipelining ? most_unanswered : 1;
    while (awaited_.size() < window && send_next()) {
    }
    if (awaited_.empty()) conclude();
}

bool ClientSession::send_next() {
    Running& now = *running_;
    if (now.undecided == 0 || now.data_sent) return false;
    if (!now.mail_sent && std::exchange(left_open_, false)) {
        send(Step::reset, "RSET\r\n");
    } else if (!now.mail_sent) {
        send_mail();
    } else if (now.asked < now.usable.size()) {
        send(Step::recipient, "RCPT TO:<" + now.transaction.recipients[now.usable[now.asked++]] + ">\r\n");
    } else {
        now.data_sent = true;
        send(Step::data, "DATA\r\n");
    }
    return true;
}

void ClientSession::send_mail() {
    const auto& wanted = running_->transaction;
    std::string line = "MAIL FROM:<" + wanted.sender + ">";
    if (extensions_.size) line += " SIZE=" + std::to_string(wanted.size);
    if (extensions_.eight_bit && wanted.eight_bit) line += " BODY=8BITMIME";
    running_->mail_sent = true;
    send(Step::mail, line + "\r\n");
}

/// The handler may start the next transaction from within.
void ClientSession::conclude() {
    const auto ended = std::move(running_);
    handler_.done(ended->result);
}

void ClientSession::fail(const Reply& reply) {
    const bool unknown = awaiting_verdict();
    const bool quitting = !awaited_.empty() && awaited_.front() == Step::quit;
    dead_ = true;
    awaited_.clear();
    output_.clear();
    if (running_) {
        running_->settle_rest(unknown ? Outcome::unknown : Outcome::deferred, reply);
        conclude();
    }
    if (!quitting) handler_.ill(reply);
}

/// The reply is well-formed, but none that its command can get.
void ClientSession::fail_senseless(const Reply& reply) {
    fail({0, "", "senseless reply: " + reply.text()});
}

void ClientSession::on_greeting(const Reply& reply) {
    if (!reply.positive()) return fail(reply);
    send(Step::ehlo, "EHLO " + hostname_ + "\r\n");
}

void ClientSession::on_ehlo(const Reply& reply) {
    if (reply.positive()) {
        extensions_ = Extensions::read(reply);
        become_ready();
    } else if (reply.code == 500 || reply.code == 502 || reply.code == 504) {
        send(Step::helo, "HELO " + hostname_ + "\r\n");
    } else {
        fail(reply);
    }
}

void ClientSession::on_helo(const Reply& reply) {
    if (!reply.positive()) return fail(reply);
    become_ready();
}

void ClientSession::become_ready() {
    ready_ = true;
    handler_.ready();
}

void ClientSession::on_reset(const Reply& reply) {
    if (!reply.positive()) fail(reply);
}

void ClientSession::on_mail(const Reply& reply) {
    if (reply.intermediate()) return fail_senseless(reply);
    left_open_ = reply.positive();
    if (reply.positive()) return;
    if (blames_no_mail(reply)) return fail(reply);
    running_->settle_rest(reply.permanent() ? Outcome::refused : Outcome::deferred, reply);
}

void ClientSession::on_recipient(const Reply& reply) {
    if (reply.intermediate()) return fail_senseless(reply);
    Running& now = *running_;
    const auto recipient = now.usable[now.answered++];
    if (now.settled[recipient]) return;
    if (reply.positive()) {
        ++now.accepted;
    } else if (is_recipient_limit(reply)) {
        now.settle(recipient, now.accepted > 0 ? Outcome::again : Outcome::deferred, reply);
    } else {
        now.settle(recipient, reply.permanent() ? Outcome::refused : Outcome::deferred, reply);
    }
}

void ClientSession::on_data(const Reply& reply) {
    if (reply.positive()) return fail_senseless(reply);
    if (!reply.intermediate()) return settle_accepted(reply);
    left_open_ = false;
    if (running_->accepted == 0) return send(Step::lone_dot, ".\r\n");
    running_->in_content = true;
    handler_.send_content();
}

void ClientSession::on_verdict(const Reply& reply) {
    if (!reply.intermediate()) return settle_accepted(reply);
    running_->settle_rest(Outcome::unknown, reply);
    fail_senseless(reply);
}

/// One verdict for all whom RCPT had not settled.
void ClientSession::settle_accepted(const Reply& reply) {
    running_->result.at_data = !reply.positive() && running_->undecided > 0;
    running_->settle_rest(reply.positive()    ? Outcome::delivered
                          : reply.permanent() ? Outcome::refused
                                              : Outcome::deferred,
                          reply);
}

/// The server wanted data for nobody (RFC 2920 3.1): whatever it says of an empty message, nobody gets it.
void ClientSession::on_lone_dot(const Reply&) {}

void ClientSession::on_quit(const Reply&) {
    dead_ = true;
}

}  // namespace onecopy::smtp
