// Holds a run against what was promised. It knows nothing of the product: SMTP and header fields are read here anew.

#include <algorithm>
#include <map>
#include <set>

#include "record.h"

namespace simulation {
namespace {

using Key = std::pair<std::string, std::string>;  // token, recipient

constexpr Microseconds settle_time = 500 * millisecond;  // from the backend's 250 to our record, on a disk that works
constexpr Microseconds stuck_time = 30 * second;         // the same after the disk works again
constexpr Microseconds tolerance = 5 * second;

struct Mail {
    std::vector<std::string> fields;
    std::string body;
};

Mail parse(const std::string& content) {
    Mail mail;
    std::size_t at = 0;
    while (at < content.size()) {
        const std::size_t end = std::min(content.size(), content.find("\r\n", at) + 2);
        const std::string line = content.substr(at, end - at);
        at = end;
        if (line == "\r\n") break;
        if (!mail.fields.empty() && (line[0] == ' ' || line[0] == '\t')) {
            mail.fields.back() += line;
        } else {
            mail.fields.push_back(line);
        }
    }
    mail.body = content.substr(at);
    return mail;
}

std::string value_of(const Mail& mail, const std::string& name) {
    for (const std::string& field : mail.fields) {
        if (field.starts_with(name + ": ")) return field.substr(name.size() + 2, field.size() - name.size() - 4);
    }
    return {};
}

std::string between(const std::string& text, const std::string& from, const std::string& to, std::size_t at = 0) {
    const std::size_t begin = text.find(from, at);
    if (begin == text.npos) return {};
    const std::size_t end = text.find(to, begin + from.size());
    return end == text.npos ? std::string() : text.substr(begin + from.size(), end - begin - from.size());
}

std::string sender_of(const Taken& taken) {
    return between(taken.mail, "FROM:<", ">");
}

/// A trace field without its `for` clause.
std::string without_for(std::string field) {
    const std::size_t begin = field.find("\r\n\tfor <");
    if (begin == field.npos) return field;
    const std::size_t end = field.find('>', begin) + 1;
    return field.erase(begin, end - begin);
}

bool goes(const std::string& field) {
    for (const char* name : {"Return-Path:", "Delivered-To:", "X-Envelope-To:"}) {
        if (field.starts_with(name)) return true;
    }
    return false;
}

class Check {
public:
    explicit Check(const Record& record) : record_(record) {}

    std::vector<std::string> run() {
        for (const std::string& why : record_.unusable) wrong("the spool can't be used: " + why);
        submissions();
        for (const Taken& taken : record_.taken) {
            sender_of(taken).empty() && taken.content.find("multipart/report") != std::string::npos ? notice(taken)
                                                                                                    : mail(taken);
        }
        duplicates();
        outcomes();
        if (record_.calm) good_weather();
        if (record_.left > 0) wrong(std::to_string(record_.left) + " groups still wait at the end");
        return std::move(problems_);
    }

private:
    void wrong(std::string what) {
        if (problems_.size() < 20) problems_.push_back(std::move(what));
    }

    const Message& message(const Submission& submission) const { return record_.messages[submission.message]; }

    void submissions() {
        for (const Submission& one : record_.submissions) {
            if (one.reply / 100 == 5) wrong("5xx for good mail: " + message(one).token);
            for (const std::string& recipient : one.recipients) {
                const Key key{message(one).token, recipient};
                if (one.reply == 250) acknowledged_.insert(key);
                if (one.reply == 250 || (one.reply == 0 && one.finished))
                    may_come_.insert({message(one).token, message(one).sender, recipient});
            }
        }
    }

    const Message* find(const std::string& token, const std::string& sender) const {
        for (const Message& one : record_.messages) {
            if (one.token == token && one.sender == sender) return &one;
        }
        return nullptr;
    }

    void mail(const Taken& taken) {
        const Mail got = parse(taken.content);
        const std::string token = value_of(got, "Subject"), sender = sender_of(taken);
        const Message* sent = find(token, sender);
        if (!sent) return wrong("mail that nobody sent: subject " + token + " from " + sender);
        envelope(taken, *sent);
        if (got.body != sent->body) wrong("another body: " + token);
        header(got, *sent);
        std::set<std::string> named;
        for (const std::string& recipient : taken.recipients) {
            if (!named.insert(recipient).second) wrong("named twice in a transaction: " + token + " " + recipient);
            if (!may_come_.contains({token, sender, recipient}))
                wrong("delivered though never accepted: " + token + " to " + recipient);
            deliveries_[{token, recipient}].push_back(&taken);
        }
    }

    void envelope(const Taken& taken, const Message& sent) {
        if (taken.recipients.size() > record_.most_recipients) wrong("too many recipients in a transaction: " + sent.token);
        if (!record_.dsn) return;
        if (taken.mail.find(sent.mail_parameters) == std::string::npos) wrong("RET or ENVID differ: " + taken.mail);
        if (sent.mail_parameters.empty() && taken.mail.find("ENVID") != std::string::npos) wrong("an ENVID: " + taken.mail);
        for (const std::string& parameters : taken.parameters) {
            if (between(parameters + "\r", "NOTIFY=", "\r") != sent.notify)
                wrong("NOTIFY differs: " + sent.token + parameters);
        }
    }

    /// Ours on top, then what one copy had but for what must go.
    void header(const Mail& got, const Message& sent) {
        std::vector<std::string> fields = got.fields;
        if (fields.empty() || !fields[0].starts_with("Received: from ") || fields[0].find("(onecopy)") == std::string::npos)
            return wrong("without our Received: " + sent.token);
        fields.erase(fields.begin());
        std::string all;
        for (const std::string& field : got.fields) all += field;
        for (const std::string& recipient : sent.recipients) {
            const bool shown = std::ranges::count(sent.shown, recipient) > 0;
            if (!shown && all.find(recipient) != std::string::npos)
                wrong("a blind recipient is shown: " + sent.token + " " + recipient);
        }
        if (std::ranges::any_of(fields, goes)) wrong("a field that should have gone: " + sent.token);
        const bool is_copy = std::ranges::any_of(record_.submissions, [&](const Submission& one) {
            return message(one).token == sent.token && is_header_of(fields, parse(one.header).fields, sent);
        });
        if (!is_copy) wrong("a header that no copy had: " + sent.token);
    }

    static bool is_header_of(const std::vector<std::string>& got, const std::vector<std::string>& had, const Message& sent) {
        std::size_t at = 0;
        for (const std::string& field : had) {
            if (at < got.size() && (got[at] == field || (field.starts_with("Received:") && got[at] == without_for(field)))) {
                ++at;
                continue;
            }
            const bool blind = std::ranges::any_of(sent.recipients, [&](const std::string& one) {
                return std::ranges::count(sent.shown, one) == 0 && field.find(one) != std::string::npos;
            });
            if (!goes(field) && !blind) return false;
        }
        return at == got.size();
    }

    void notice(const Taken& taken) {
        const Mail got = parse(taken.content);
        if (!notices_seen_.insert(value_of(got, "Message-ID")).second) return;  // the same one again
        const std::string token = between(got.body, "\r\nSubject: ", "\r\n");
        const std::string& body = got.body;
        returned(token, body);
        for (std::size_t at = body.find("\r\nFinal-Recipient: "); at != body.npos;
             at = body.find("\r\nFinal-Recipient: ", at + 1)) {
            const std::string recipient = between(body, "; ", "\r\n", at);
            const std::string action = between(body, "\r\nAction: ", "\r\n", at);
            if (action != "failed") continue;
            ++told_[{token, recipient}];
            addressee(token, recipient, taken);
        }
    }

    /// The header that comes back shows no more than the one that went out.
    void returned(const std::string& token, const std::string& body) {
        const std::size_t begin = body.find("(onecopy)", std::min(body.find("\r\nStatus: "), body.size()));
        if (begin == body.npos) return;
        for (const Message& one : record_.messages) {
            if (one.token != token) continue;
            for (const std::string& recipient : one.recipients) {
                if (std::ranges::count(one.shown, recipient) == 0 && body.find(recipient, begin) != body.npos)
                    wrong("a blind recipient is shown in a notice: " + token + " " + recipient);
            }
        }
    }

    void addressee(const std::string& token, const std::string& recipient, const Taken& taken) {
        const bool right = std::ranges::any_of(taken.recipients, [&](const std::string& to) {
            if (record_.notify == "postmaster" && to == record_.postmaster) return true;
            const Message* about = find(token, to);
            if (record_.notify != "sender" || !about) return to == record_.postmaster && find(token, "");
            return may_come_.contains({token, to, recipient});
        });
        if (!right) wrong("a notice about " + token + " for " + recipient + " went to somebody else");
    }

    /// The backend took it, and we may not know.
    bool uncertain(const Taken& taken) const {
        if (!taken.told) return true;
        Microseconds until = *taken.told + settle_time;
        for (const auto& [begin, end] : record_.bad_disk) {
            if (begin <= until && taken.at <= end) until = std::max(until, end + stuck_time);
        }
        return std::ranges::any_of(record_.deaths, [&](Microseconds death) { return taken.at <= death && death <= until; });
    }

    void duplicates() {
        for (const auto& [key, all] : deliveries_) {
            const auto allowed = 1 + std::ranges::count_if(all, [this](const Taken* one) { return uncertain(*one); });
            if (static_cast<std::ptrdiff_t>(all.size()) > allowed)
                wrong("delivered " + std::to_string(all.size()) + " times: " + key.first + " to " + key.second);
        }
    }

    bool wants_no_notice(const std::string& token) const {
        return std::ranges::any_of(record_.messages, [&](const Message& one) {
            return one.token == token && one.notify == "NEVER" && record_.notify == "sender" && !one.sender.empty();
        });
    }

    void outcomes() {
        for (const Key& key : acknowledged_) {
            const bool refused = record_.refused.contains(key.second) || record_.put_off.contains(key.second);
            const bool delivered = deliveries_.contains(key);
            const bool silent = refused && wants_no_notice(key.first);
            if (!delivered && !told_.contains(key) && !silent) wrong("lost: " + key.first + " to " + key.second);
        }
        for (const auto& [key, times] : told_) {
            // Under each sender it is a message of its own, of which he may be told.
            const auto senders = std::ranges::count(record_.messages, key.first, &Message::token);
            if (times > senders) wrong("told " + std::to_string(times) + " times: " + key.first + " to " + key.second);
            if (!record_.refused.contains(key.second) && !record_.put_off.contains(key.second))
                wrong("told of a failure that was none: " + key.first + " to " + key.second);
            if (deliveries_.contains(key)) wrong("told of a failure, but he got it: " + key.first + " to " + key.second);
            if (wants_no_notice(key.first)) wrong("told though NOTIFY=NEVER: " + key.first + " to " + key.second);
        }
    }

    /// Nothing went wrong: the window is kept, and all who were named in it go together.
    void good_weather() {
        std::uint64_t recipients = 0;
        for (const Taken& taken : record_.taken) recipients += taken.recipients.size();
        if (recipients != record_.counted_delivered)
            wrong("the ledger counts " + std::to_string(record_.counted_delivered) + " of " + std::to_string(recipients));
        for (std::size_t i = 0; i < record_.messages.size(); ++i) window_of(i);
    }

    void window_of(std::size_t number) {
        const Message& sent = record_.messages[number];
        std::vector<Submission> taken_in;
        for (const Submission& one : record_.submissions) {
            if (message(one).token == sent.token && one.reply == 250) taken_in.push_back(one);
        }
        if (taken_in.empty()) return;
        const Microseconds first = std::ranges::min(taken_in, {}, &Submission::replied).replied;
        std::set<std::string> early;
        for (const Submission& one : taken_in) {
            if (one.replied <= first + record_.window - second || one.replied == first)
                early.insert(one.recipients.begin(), one.recipients.end());
        }
        std::set<const Taken*> transactions;
        for (const std::string& recipient : early) {
            for (const Taken* taken : deliveries_[{sent.token, recipient}]) {
                transactions.insert(taken);
                if (taken->at < first + record_.window - second) wrong("before its window ends: " + sent.token);
                if (taken->at > first + record_.window + tolerance) wrong("long after its window: " + sent.token);
            }
        }
        // Those who came at its very end may go along.
        const std::size_t least = (early.size() + record_.most_recipients - 1) / record_.most_recipients;
        const std::size_t most = (sent.recipients.size() + record_.most_recipients - 1) / record_.most_recipients;
        if (transactions.size() < least || transactions.size() > most)
            wrong("in " + std::to_string(transactions.size()) + " transactions: " + sent.token);
    }

    const Record& record_;
    std::vector<std::string> problems_;
    std::set<Key> acknowledged_;
    std::set<std::tuple<std::string, std::string, std::string>> may_come_;  // token, sender, recipient
    std::map<Key, std::vector<const Taken*>> deliveries_;
    std::map<Key, unsigned> told_;
    std::set<std::string> notices_seen_;
};

}  // namespace

std::vector<std::string> check(const Record& record) {
    return Check(record).run();
}

}  // namespace simulation
