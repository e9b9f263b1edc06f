#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/client_transaction.h"
#include "smtp/content.h"
#include "smtp/extensions.h"

namespace onecopy::smtp {

/// Where a transaction stands: which command is the next, who was accepted, what is settled. It knows no connection; the
/// session sends its commands and tells it the replies, in the order of the commands.
class RunningTransaction {
public:
    using Outcome = ClientTransaction::Outcome;
    /// What is to be sent next.
    enum class Stage { mail, recipients, data, content, ended };

    /// Settles at once what can't be sent to a server with these extensions at all.
    RunningTransaction(ClientTransaction wanted, const Extensions& offered);

    Stage stage() const { return stage_; }
    bool decided() const { return undecided_ == 0; }
    /// Somebody was accepted by RCPT and has no verdict yet.
    bool wants_content() const { return !accepted_.empty() && !decided(); }
    const ClientTransaction::Result& result() const { return result_; }

    std::string mail_command();       // in Stage::mail
    std::string recipient_command();  // in Stage::recipients
    /// The content goes as one chunk (RFC 3030 2), without DATA, dots and line end of its own.
    bool chunked() const { return offered_.chunking; }
    std::string chunk_command() const;
    void enter(Stage stage) { stage_ = stage; }
    void add_content(std::string_view piece, std::string& out);  // in Stage::content
    void finish_content(std::string& out);

    void take_mail_reply(const Reply& reply);
    void take_recipient_reply(const Reply& reply);
    /// What was said to DATA, or of the content: one verdict for all who were accepted.
    void take_verdict(const Reply& reply);
    /// LMTP (RFC 2033 4.2): one for each who was accepted, in their order.
    std::size_t accepted() const { return accepted_.size(); }
    void take_next_verdict(const Reply& reply);
    void settle_rest(Outcome outcome, const Reply& reply);

private:
    ClientTransaction wanted_;
    Extensions offered_;
    Stage stage_ = Stage::mail;
    ClientTransaction::Result result_;
    std::vector<bool> settled_;          // the outcome is final
    std::size_t undecided_;              // how many are not settled
    std::vector<std::size_t> usable_;    // the recipients whom RCPT may name
    bool smtputf8_ = false;              // MAIL asks for it
    std::size_t asked_ = 0;              // how many of them were named
    std::size_t answered_ = 0;           // and answered
    std::vector<std::size_t> accepted_;  // by RCPT
    std::size_t verdicts_ = 0;           // taken one by one
    DataEncoder encoder_;
    std::uint64_t content_ = 0;  // octets so far

    void sort_out_recipients();
    void settle_one(std::size_t recipient, Outcome outcome, const Reply& reply);
    void settle(std::size_t recipient, Outcome outcome, const Reply& reply, bool shared = false);
};

}  // namespace onecopy::smtp
