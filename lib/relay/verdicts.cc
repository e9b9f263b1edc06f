#include "relay/verdicts.h"

namespace onecopy::relay {
namespace {

using coalesce::Outcome;
using Answer = smtp::ClientTransaction::Outcome;
using Recipients = std::vector<ledger::Due::Recipient>;

Verdicts all(const Recipients& tried, Outcome::What what, const std::string& reply, bool of_message = false) {
    Verdicts verdicts;
    for (const ledger::Due::Recipient& recipient : tried)
        verdicts.outcomes.push_back({recipient.member, what, reply, false, true, of_message});
    return verdicts;
}

/// The message is too large for the server, or for a mailbox: no recipient makes a difference.
bool is_about_size(const smtp::Reply& reply) {
    return reply.status == "5.3.4" || reply.status == "5.2.3";
}

/// Said in answer to RCPT, too, it is of the message: there may be room for a smaller one.
bool is_about_room(const smtp::Reply& reply) {
    return is_about_size(reply) || reply.status.ends_with(".2.2");
}

/// A server that fell ill blames no mail; only who had a temporary refusal of his own before that keeps it.
Outcome::What putting_off(const smtp::Reply& reply, bool ill) {
    bool own = reply.transient() && reply.code != 421 && !is_about_server(reply);
    return ill && !own ? Outcome::What::rested : Outcome::What::deferred;
}

}  // namespace

bool is_about_server(const smtp::Reply& reply) {
    return reply.transient() && reply.status.starts_with("4.3.");
}

Verdicts judge(const Recipients& tried, const Report& report) {
    switch (report.fate) {
        case Report::Fate::no_server:
            return all(tried, Outcome::What::rested, report.words);
        case Report::Fate::damaged:
            return all(tried, Outcome::What::refused, "554 5.6.0 the message is damaged in the spool: " + report.words,
                       true);
        case Report::Fate::unreadable:
            return all(tried, Outcome::What::deferred, "the spool can't be read: " + report.words, true);
        case Report::Fate::answered:
            break;
    }
    Verdicts verdicts;
    const auto& answers = report.result.recipients;
    for (std::size_t i = 0; i < tried.size(); ++i) {
        const std::string text = answers[i].reply.text();
        const std::size_t before = verdicts.outcomes.size();
        switch (answers[i].outcome) {
            case Answer::delivered:
                verdicts.outcomes.push_back({tried[i].member, Outcome::What::delivered, text, false, report.dsn});
                break;
            case Answer::refused:
                if (answers[i].shared && !is_about_size(answers[i].reply)) {
                    verdicts.outcomes.push_back({tried[i].member, Outcome::What::apart, text});
                    verdicts.alone.push_back(tried[i]);
                } else {
                    verdicts.outcomes.push_back({tried[i].member, Outcome::What::refused, text});
                }
                break;
            case Answer::deferred:
                verdicts.outcomes.push_back({tried[i].member, putting_off(answers[i].reply, report.ill), text, report.ill});
                break;
            case Answer::unknown:
                verdicts.outcomes.push_back({tried[i].member, Outcome::What::deferred, "no answer to the message: " + text});
                verdicts.possible_duplicate = true;
                break;
            case Answer::again:
                verdicts.again.push_back(tried[i]);
                break;
        }
        if (verdicts.outcomes.size() == before || answers[i].outcome == Answer::delivered) continue;
        verdicts.outcomes.back().of_message = !answers[i].personal || is_about_room(answers[i].reply);
    }
    if (!verdicts.outcomes.empty()) return verdicts;
    return all(tried, Outcome::What::deferred, "the server takes no recipient");  // no progress: not at once again
}

}  // namespace onecopy::relay
