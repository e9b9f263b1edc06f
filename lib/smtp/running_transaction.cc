#include "smtp/running_transaction.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <string_view>
#include <utility>

#include "message/characters.h"

namespace onecopy::smtp {

namespace {

using Outcome = ClientTransaction::Outcome;

/// An address that would change the command it stands in. Our own parser lets none pass; this is the second lock.
bool is_unusable(std::string_view address) {
    if (std::ranges::any_of(address, message::is_control)) return true;
    bool quoted = false;
    for (std::size_t i = 0; i < address.size(); ++i) {
        const char c = address[i];
        if (c == '"') quoted = !quoted;
        if (quoted && c == '\\') ++i;
        if (!quoted && (c == ' ' || c == '<' || c == '>')) return true;
    }
    return quoted;
}

/// ` ENVID=value`; nothing where it is empty, or would end the parameter or its command: it was checked when it came, and
/// this is the second lock.
std::string parameter(std::string_view name, std::string_view value) {
    if (value.empty() || std::ranges::any_of(value, [](char c) { return c == ' ' || message::is_control(c); })) return "";
    return std::string(" ").append(name).append("=").append(value);
}

std::string return_parameter(message::MailOptions::Return ret) {
    using Return = message::MailOptions::Return;
    if (ret == Return::unset) return "";
    return ret == Return::full ? " RET=FULL" : " RET=HDRS";
}

/// RFC 3461 4.1; empty: it was not given.
std::string notify_value(unsigned notify) {
    using Options = message::RecipientOptions;
    constexpr std::array<std::pair<unsigned, std::string_view>, 4> words = {{{Options::never, "NEVER"},
                                                                             {Options::success, "SUCCESS"},
                                                                             {Options::failure, "FAILURE"},
                                                                             {Options::delay, "DELAY"}}};
    std::string value;
    for (const auto& [bit, word] : words) {
        if ((notify & bit) != 0) value.append(value.empty() ? "" : ",").append(word);
    }
    return value;
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
    : wanted_(std::move(wanted)),
      offered_(offered),
      settled_(wanted_.envelope.recipients.size()),
      undecided_(settled_.size()) {
    result_.recipients.resize(settled_.size(), {Outcome::deferred, {}});
    sort_out_recipients();
    if (is_unusable(wanted_.envelope.sender)) settle_rest(Outcome::refused, {553, "5.1.7", "unusable sender address"});
    if (offered_.too_large(wanted_.size)) {
        settle_rest(Outcome::refused, {552, "5.3.4", "message too large for the server"});
    }
}

void RunningTransaction::sort_out_recipients() {
    for (std::size_t i = 0; i < settled_.size(); ++i) {
        const auto& recipient = wanted_.envelope.recipients[i];
        const bool international = message::needs_smtputf8(wanted_.envelope, recipient);
        if (recipient.address.empty() || is_unusable(recipient.address)) {
            settle_one(i, Outcome::refused, {553, "5.1.3", "unusable address"});
        } else if (international && !offered_.smtputf8) {
            settle_one(i, Outcome::deferred, {0, "5.6.7", "the server does not offer SMTPUTF8"});
        } else {
            usable_.push_back(i);
            smtputf8_ = smtputf8_ || international;
        }
    }
}

std::string RunningTransaction::mail_command() {
    const auto& [sender, options, recipients] = wanted_.envelope;
    std::string line = "MAIL FROM:<" + sender + ">";
    if (offered_.size) line += " SIZE=" + std::to_string(wanted_.size);
    if (offered_.eight_bit && wanted_.eight_bit) line += " BODY=8BITMIME";
    if (smtputf8_) line += " SMTPUTF8";
    if (offered_.dsn) line += return_parameter(options.ret) + parameter("ENVID", options.envid);
    enter(Stage::recipients);
    return line + "\r\n";
}

std::string RunningTransaction::recipient_command() {
    const auto& [address, options] = wanted_.envelope.recipients[usable_[asked_++]];
    if (asked_ == usable_.size()) enter(Stage::data);
    std::string line = "RCPT TO:<" + address + ">";
    if (offered_.dsn) line += parameter("NOTIFY", notify_value(options.notify)) + parameter("ORCPT", options.orcpt);
    return line + "\r\n";
}

std::string RunningTransaction::chunk_command() const {
    return "BDAT " + std::to_string(wanted_.size) + " LAST\r\n";
}

/// Beyond the end of a chunk its bytes would be commands.
void RunningTransaction::add_content(std::string_view piece, std::string& out) {
    content_ += piece.size();
    assert(content_ <= wanted_.size);
    if (chunked()) {
        out += piece;
    } else {
        encoder_.feed(piece, out);
    }
}

void RunningTransaction::finish_content(std::string& out) {
    assert(content_ == wanted_.size);
    if (!chunked()) encoder_.finish(out);
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
        settle_one(recipient, accepted_.empty() ? Outcome::deferred : Outcome::again, reply);
    } else {
        settle_one(recipient, outcome_of(reply), reply);
    }
}

void RunningTransaction::take_verdict(const Reply& reply) {
    const bool shared = !reply.positive() && accepted_.size() > 1;
    for (const auto recipient : accepted_) settle(recipient, outcome_of(reply), reply, shared);
}

void RunningTransaction::take_next_verdict(const Reply& reply) {
    const std::size_t recipient = accepted_[verdicts_++];
    settle(recipient, reply.wants_log_in() ? Outcome::deferred : outcome_of(reply), reply);
}

void RunningTransaction::settle_rest(Outcome outcome, const Reply& reply) {
    for (std::size_t i = 0; i < settled_.size(); ++i) {
        if (!settled_[i]) settle(i, outcome, reply);
    }
}

/// What he alone is told.
void RunningTransaction::settle_one(std::size_t recipient, Outcome outcome, const Reply& reply) {
    settle(recipient, outcome, reply);
    result_.recipients[recipient].personal = true;
}

void RunningTransaction::settle(std::size_t recipient, Outcome outcome, const Reply& reply, bool shared) {
    result_.recipients[recipient] = {outcome, excerpt(reply), shared, false};
    settled_[recipient] = true;
    --undecided_;
}

}  // namespace onecopy::smtp
