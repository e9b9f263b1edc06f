#include "smtp/running_transaction.h"

#include <algorithm>
#include <utility>

namespace onecopy::smtp {

namespace {

using Outcome = ClientTransaction::Outcome;

bool is_control(char c) {
    return (c >= '\0' && c < ' ') || c == 0x7f;
}

/// An address that would change the command it stands in. Our own parser lets none pass; this is the second lock.
bool is_unusable(std::string_view address) {
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

/// RFC 5321 4.5.3.1.10, where 552 is the code that older servers use.
bool is_recipient_limit(const Reply& reply) {
    return reply.code == 452 || (reply.code == 552 && (reply.status.empty() || reply.status == "5.5.3"));
}

Outcome outcome_of(const Reply& reply) {
    if (reply.positive()) return Outcome::delivered;
    return reply.permanent() ? Outcome::refused : Outcome::deferred;
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

RunningTransaction::RunningTransaction(ClientTransaction wanted, const Extensions& offered)
    : wanted_(std::move(wanted)), offered_(offered), settled_(wanted_.recipients.size()), undecided_(settled_.size()) {
    result_.recipients.resize(settled_.size(), {Outcome::deferred, {}});
    refuse_unusable();
    if (is_unusable(wanted_.sender)) settle_rest(Outcome::refused, {553, "5.1.7", "unusable sender address"});
    if (offered_.too_large(wanted_.size)) {
        settle_rest(Outcome::refused, {552, "5.3.4", "message too large for the server"});
    }
}

void RunningTransaction::refuse_unusable() {
    for (std::size_t i = 0; i < settled_.size(); ++i) {
        const auto& address = wanted_.recipients[i];
        if (address.empty() || is_unusable(address)) {
            settle(i, Outcome::refused, {553, "5.1.3", "unusable address"});
        } else {
            usable_.push_back(i);
        }
    }
}

std::string RunningTransaction::mail_command() {
    std::string line = "MAIL FROM:<" + wanted_.sender + ">";
    if (offered_.size) line += " SIZE=" + std::to_string(wanted_.size);
    if (offered_.eight_bit && wanted_.eight_bit) line += " BODY=8BITMIME";
    enter(Stage::recipients);
    return line + "\r\n";
}

std::string RunningTransaction::recipient_command() {
    const auto& recipient = wanted_.recipients[usable_[asked_++]];
    if (asked_ == usable_.size()) enter(Stage::data);
    return "RCPT TO:<" + recipient + ">\r\n";
}

void RunningTransaction::add_content(std::string_view piece, std::string& out) {
    encoder_.feed(piece, out);
}

void RunningTransaction::finish_content(std::string& out) {
    encoder_.finish(out);
    enter(Stage::ended);
}

void RunningTransaction::take_mail_reply(const Reply& reply) {
    if (!reply.positive()) settle_rest(outcome_of(reply), reply);
}

void RunningTransaction::take_recipient_reply(const Reply& reply) {
    const auto recipient = usable_[answered_++];
    if (settled_[recipient]) return;
    if (reply.positive()) {
        accepted_.push_back(recipient);
    } else if (is_recipient_limit(reply)) {
        settle(recipient, accepted_.empty() ? Outcome::deferred : Outcome::again, reply);
    } else {
        settle(recipient, outcome_of(reply), reply);
    }
}

void RunningTransaction::take_verdict(const Reply& reply) {
    const bool shared = !reply.positive() && accepted_.size() > 1;
    for (const auto recipient : accepted_) settle(recipient, outcome_of(reply), reply, shared);
}

void RunningTransaction::settle_rest(Outcome outcome, const Reply& reply) {
    for (std::size_t i = 0; i < settled_.size(); ++i) {
        if (!settled_[i]) settle(i, outcome, reply);
    }
}

void RunningTransaction::settle(std::size_t recipient, Outcome outcome, const Reply& reply, bool shared) {
    result_.recipients[recipient] = {outcome, excerpt(reply), shared};
    settled_[recipient] = true;
    --undecided_;
}

}  // namespace onecopy::smtp
