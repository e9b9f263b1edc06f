// Holds a run against what was promised. It knows nothing of the product: SMTP and header fields are read here anew.

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <set>

#include "record.h"

namespace simulation {
namespace {

using Key = std::pair<std::string, std::string>;  // identity of a message, recipient

constexpr Microseconds settle_time = 500 * millisecond;  // from the backend's 250 to our record, on a disk that works
constexpr Microseconds stuck_time = 30 * second;         // the same after the disk works again
constexpr Microseconds tolerance = 5 * second;
constexpr Microseconds longest_answer = 5 * second;  // to the data, whatever the window and the backend are like
constexpr Microseconds under_way_time = 3 * minute;  // a group with the backend at its slowest

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

/// In whatever domain.
bool shows(const std::string& text, const std::string& recipient) {
    return text.find(recipient.substr(0, recipient.find('@') + 1)) != text.npos;
}

struct Delivery {
    const Taken* taken;
    const Message* sent;  // by its content and sender
};

class Check {
public:
    explicit Check(const Record& record) : record_(record) {}

    std::vector<std::string> run() {
        for (Submission& one : record_.submissions) {
            for (std::string& recipient : one.recipients) recipient = rewritten(recipient);
        }
        for (const std::string& why : record_.unusable) wrong("the spool can't be used: " + why);
        submissions();
        turned_away();
        attempts();
        heard();
        sizes();
        answers();
        for (const Taken& taken : record_.taken) {
            sender_of(taken).empty() && taken.content.find("multipart/report") != std::string::npos ? notice(taken)
                                                                                                    : mail(taken);
        }
        record_.observe ? observed() : merged();
        told();
        pauses();
        crashes();
        for (const Meeting& one : record_.meetings) one.grown ? older_version(one) : newer_version(one);
        if (record_.calm && !record_.observe) good_weather();
        if (record_.left > 0) wrong(std::to_string(record_.left) + " groups still wait at the end");
        return std::move(problems_);
    }

private:
    void merged() {
        duplicates();
        outcomes();
        commands();
    }

    void wrong(std::string what) {
        if (problems_.size() < 20) problems_.push_back(std::move(what));
    }

    bool matches(const char* part) const { return record_.match.contains(part); }

    /// What copies of one message have in common in this run, but for the sender.
    std::string identity(const std::string& token, const std::string& message_id) const {
        return (matches("content") ? token : "") + (matches("message-id") ? message_id : "");
    }
    std::string identity(const Message& one) const { return identity(one.token, one.message_id); }
    std::string identity(const Command& one) const { return identity(one.token, one.message_id); }

    /// All those messages.
    std::vector<const Message*> messages(const std::string& id) const {
        std::vector<const Message*> all;
        for (const Message& one : record_.messages) {
            if (identity(one) == id) all.push_back(&one);
        }
        return all;
    }

    /// Whose transactions those of this sender are.
    std::string apart(const std::string& sender) const { return matches("sender") ? sender : "anybody"; }

    const Message& message(const Submission& submission) const { return record_.messages[submission.message]; }

    void submissions() {
        for (const Submission& one : record_.submissions) {
            replies(one);
            note_named(one);
            meant_.push_back(meant(one));
            if (meant_.back().contains(record_.postmaster)) note_named(message(one), record_.postmaster);
            for (const std::string& recipient : meant_.back()) {
                const Key key{identity(message(one)), recipient};
                if (one.acknowledged()) acknowledged_.emplace_back(&one, recipient);
                if (one.may_come()) may_come_.insert({key.first, apart(message(one).sender), recipient});
            }
        }
    }

    /// One, or one for each recipient (RFC 2033), and the same for all: there is one commit.
    void replies(const Submission& one) {
        const std::size_t most = record_.lmtp ? one.recipients.size() : 1;
        if (one.replies.size() > most) wrong("an answer too much: " + message(one).token);
        for (int code : one.replies) {
            if (code / 100 == 5) wrong("5xx for good mail: " + message(one).token);
            if (code != one.replies.front()) wrong("other answers for other recipients: " + message(one).token);
        }
        if (one.acknowledged() && one.replied - one.offered > longest_answer && !on_bad_disk(one.offered))
            wrong("an answer that somebody waited for: " + message(one).token);
    }

    bool on_bad_disk(Microseconds at) const {
        return std::ranges::any_of(record_.bad_disk, [&](const auto& time) {
            return time.first <= at + stuck_time && at <= time.second + stuck_time;
        });
    }

    void note_named(const Message& one, const std::string& recipient) {
        named_.insert({identity(one), one.sender, recipient});
        named_.insert({identity(one), apart(one.sender), recipient});
    }

    /// Whom the fetcher itself named, and whom a field did.
    void note_named(const Submission& one) {
        for (const std::string& recipient : one.recipients) {
            note_named(message(one), recipient);
            if (record_.foreign == "reject" && is_foreign(recipient)) wrong("taken though foreign: " + recipient);
        }
        const std::string found = recovered(one);
        if (!found.empty() && std::ranges::count(one.recipients, found) == 0)
            recovered_.insert({identity(message(one)), found});
    }

    /// As an address stands for one of ours.
    std::string rewritten(const std::string& address) const {
        const std::size_t domain = address.find('@') + 1;
        return record_.rewritten.contains(address.substr(domain)) ? address.substr(0, domain) + "corp.example" : address;
    }

    static bool is_foreign(const std::string& recipient) { return recipient.ends_with("@elsewhere.example"); }

    std::string recovered(const Submission& one) const {
        const std::string found = record_.recovers ? rewritten(value_of(parse(one.header), "Delivered-To")) : "";
        return is_foreign(found) ? "" : found;
    }

    /// Who must get it.
    std::set<std::string> meant(const Submission& one) const {
        std::set<std::string> all(one.recipients.begin(), one.recipients.end());
        const std::string found = recovered(one);
        if (!found.empty()) all.insert(found);
        if (!found.empty()) all.erase(record_.fallback);
        if (record_.foreign != "ignore") return all;
        std::erase_if(all, is_foreign);
        if (all.empty()) all.insert(record_.postmaster);
        return all;
    }

    void turned_away() {
        for (const std::string& recipient : record_.turned_away) {
            if (record_.foreign != "reject" || !is_foreign(recipient)) wrong("5xx for a good recipient: " + recipient);
        }
        for (const std::string& what : record_.rebuffs) wrong("5xx for " + what);
    }

    void attempts() {
        for (const Attempt& one : record_.attempts) {
            if (one.code / 100 == 2 || one.code / 100 == 3) wrong("could be had: " + one.what);
        }
    }

    /// Mail and password as backend.tls and backend.username say: the latter to this host alone without TLS.
    void heard() {
        const std::string& tls = record_.backend_tls;
        for (const Heard& one : record_.heard) {
            const bool password = one.what == Heard::What::password;
            const std::string what = password ? "a password" : "mail";
            const bool hidden = tls == "required" || tls == "verify" || (password && record_.backend_afar);
            if (hidden && !one.secure) wrong(what + " in the clear");
            if (tls == "verify" && !one.genuine) wrong(what + " for a server with another name");
            if (!one.greeted) wrong(what + " without a greeting");
            if (!password && record_.backend_log_in && !one.logged_in) wrong("mail without a log-in");
        }
    }

    void sizes() {
        std::map<std::size_t, std::size_t> recipients;
        for (const Taken& taken : record_.taken) recipients[taken.transaction] += taken.recipients.size();
        for (const auto& [transaction, size] : recipients) {
            if (size > record_.most_recipients)
                wrong("too many recipients in a transaction: " + record_.taken[transaction].mail);
        }
    }

    /// Who has sent the content waits for what is said of it, when he is to end, too. (What he sent before he died may be
    /// on its way.)
    void answers() {
        for (const Taken& taken : record_.taken) {
            if (taken.hung_up && !died_within(taken.at - tolerance, *taken.hung_up))
                wrong("the answer was not awaited: " + taken.mail);
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
        const std::string id = identity(token, value_of(got, "Message-ID"));
        envelope(taken, *sent, id);
        if (got.body != sent->body) wrong("another body: " + token);
        record_.observe ? as_it_came(taken, got) : header(got, *sent);
        std::set<std::string> named;
        for (const std::string& recipient : taken.recipients) {
            if (!named.insert(recipient).second) wrong("named twice in a transaction: " + token + " " + recipient);
            if (!may_come_.contains({id, apart(sender), recipient}))
                wrong("delivered though never accepted: " + token + " to " + recipient);
            deliveries_[{id, recipient}].push_back({&taken, sent});
        }
    }

    void envelope(const Taken& taken, const Message& sent, const std::string& id) {
        const bool international = taken.mail.find(" SMTPUTF8") != std::string::npos;
        const bool is_right = std::ranges::any_of(messages(id), [&](const Message* one) {
            return (one->token == sent.token || !matches("content")) && one->international == international;
        });
        if (!is_right) wrong("SMTPUTF8 differs: " + taken.mail);
        if (!record_.dsn) return;
        if (taken.mail.find(sent.mail_parameters) == std::string::npos) wrong("RET or ENVID differ: " + taken.mail);
        if (sent.mail_parameters.empty() && taken.mail.find("ENVID") != std::string::npos) wrong("an ENVID: " + taken.mail);
        for (std::size_t i = 0; i < taken.recipients.size(); ++i) notify(taken.recipients[i], taken.parameters[i], sent, id);
    }

    /// Whom a field alone has named so far, nobody has asked anything for. Whoever is named by two messages that are one
    /// here gets what both asked for.
    void notify(const std::string& recipient, const std::string& parameters, const Message& sent, const std::string& id) {
        const std::string got = between(parameters + "\r", "NOTIFY=", "\r");
        const bool by_field = recovered_.contains({id, recipient}) || recipient == record_.postmaster;
        const bool named = named_.contains({id, apart(sent.sender), recipient});
        std::set<std::string> asked;
        for (const Message* one : messages(id)) asked.insert(one->notify);
        if (asked.size() > 1) asked.insert("FAILURE");
        const bool right = (named && asked.contains(got)) || (by_field && got.empty());
        if (!right && may_come_.contains({id, apart(sent.sender), recipient}))
            wrong("NOTIFY differs: " + sent.token + parameters);
    }

    /// Ours on top, then what one copy had but for what must go.
    void header(const Mail& got, const Message& sent) {
        std::vector<std::string> fields = got.fields;
        if (fields.empty() || !fields[0].starts_with("Received: from ") || fields[0].find("(onecopy)") == std::string::npos)
            return wrong("without our Received: " + sent.token);
        if (!tells_protocol(fields[0], sent)) wrong("our Received tells of another protocol: " + fields[0]);
        fields.erase(fields.begin());
        std::string all;
        for (const std::string& field : got.fields) all += field;
        for (const std::string& recipient : blind(sent.token)) {
            if (shows(all, recipient)) wrong("a blind recipient is shown: " + sent.token + " " + recipient);
        }
        if (std::ranges::any_of(fields, goes)) wrong("a field that should have gone: " + sent.token);
        const bool is_copy = std::ranges::any_of(record_.submissions, [&](const Submission& one) {
            return message(one).token == sent.token && is_header_of(fields, parse(one.header).fields, blind(sent.token));
        });
        if (!is_copy) wrong("a header that no copy had: " + sent.token);
    }

    /// As one of its copies came (RFC 3848).
    bool tells_protocol(const std::string& received, const Message& sent) const {
        const std::string name = record_.lmtp ? "LMTP" : sent.international ? "SMTP" : "ESMTP";
        return std::ranges::any_of(record_.submissions, [&](const Submission& one) {
            const std::string how = name + (one.secure ? "S" : "") + (one.logged_in ? "A" : "");
            return message(one).token == sent.token &&
                   received.find("with " + (sent.international ? "UTF8" + how : how) + " ") != std::string::npos;
        });
    }

    using Copy = std::pair<std::string, std::string>;  // its header, a recipient

    /// Under `observe` only our Received is new.
    void as_it_came(const Taken& taken, const Mail& got) {
        std::string header;
        for (std::size_t i = 1; i < got.fields.size(); ++i) header += got.fields[i];
        for (const std::string& recipient : taken.recipients) came_[{header, recipient}].push_back(&taken);
    }

    struct Offered {
        std::string id;
        std::ptrdiff_t taken = 0, most = 0;  // times it was acknowledged, and those when it may have been
    };

    std::map<Copy, Offered> offered() const {
        std::map<Copy, Offered> all;
        for (const Submission& one : record_.submissions) {
            for (const std::string& recipient : meant(one)) {
                Offered& copy = all[{one.header, recipient}];
                copy.id = identity(message(one));
                copy.taken += one.acknowledged();
                copy.most += one.may_come();
            }
        }
        return all;
    }

    void observed() {
        std::map<Copy, Offered> all = offered();
        for (const auto& [copy, times] : all) {
            const Key key{times.id, copy.second};
            const auto came = static_cast<std::ptrdiff_t>(came_[copy].size());
            if (came < times.taken && !told_.contains(key) && !may_be_missing(key))
                wrong("lost: " + key.first + " to " + key.second);
        }
        for (const auto& [copy, takes] : came_) {
            if (takes.empty()) continue;
            if (!all.contains(copy)) return wrong("a header that no copy had: " + copy.second);
            const auto unsure = std::ranges::count_if(takes, [this](const Taken* one) { return uncertain(*one); });
            if (static_cast<std::ptrdiff_t>(takes.size()) > all[copy].most + unsure)
                wrong("a copy went " + std::to_string(takes.size()) + " times: " + all[copy].id + " to " + copy.second);
        }
    }

    /// Recipients of this content, under whatever sender or Message-ID, who are in no To or Cc.
    std::set<std::string> blind(const std::string& token) const {
        std::set<std::string> all;
        for (const Message& one : record_.messages) {
            if (one.token != token) continue;
            for (const std::string& recipient : one.recipients) {
                if (std::ranges::count(one.shown, recipient) == 0) all.insert(recipient);
            }
        }
        return all;
    }

    static bool is_header_of(const std::vector<std::string>& got, const std::vector<std::string>& had,
                             const std::set<std::string>& blind) {
        std::size_t at = 0;
        for (const std::string& field : had) {
            if (at < got.size() && (got[at] == field || (field.starts_with("Received:") && got[at] == without_for(field)))) {
                ++at;
                continue;
            }
            const bool tells = std::ranges::any_of(blind, [&](const std::string& one) { return shows(field, one); });
            if (!goes(field) && !tells) return false;
        }
        return at == got.size();
    }

    void notice(const Taken& taken) {
        const Mail got = parse(taken.content);
        if (!notices_seen_.insert(value_of(got, "Message-ID")).second) return;  // the same one again
        const std::string& body = got.body;
        const std::string token = between(body, "\r\nSubject: ", "\r\n");
        const std::string id = identity(token, between(body, "\r\nMessage-ID: ", "\r\n"));
        if (messages(id).empty() && record_.last_crash) return;
        returned(token, body);
        for (std::size_t at = body.find("\r\nFinal-Recipient: "); at != body.npos;
             at = body.find("\r\nFinal-Recipient: ", at + 1)) {
            const std::string recipient = between(body, "; ", "\r\n", at);
            const std::string action = between(body, "\r\nAction: ", "\r\n", at);
            if (action != "failed") continue;
            ++told_[{id, recipient}];
            addressee(id, recipient, taken);
        }
    }

    /// The header that comes back shows no more than the one that went out.
    void returned(const std::string& token, const std::string& body) {
        const std::size_t begin = body.find("(onecopy)", std::min(body.find("\r\nStatus: "), body.size()));
        if (begin == body.npos || record_.observe) return;
        for (const std::string& recipient : blind(token)) {
            if (shows(body.substr(begin), recipient))
                wrong("a blind recipient is shown in a notice: " + token + " " + recipient);
        }
    }

    void addressee(const std::string& id, const std::string& recipient, const Taken& taken) {
        auto is_of = [&](const std::string& sender) {
            return std::ranges::count(messages(id), sender, &Message::sender) > 0;
        };
        const bool right = std::ranges::any_of(taken.recipients, [&](const std::string& to) {
            if (record_.notify == "postmaster" && to == record_.postmaster) return true;
            if (to == record_.postmaster && recovered_.contains({id, recipient})) return true;
            if (record_.notify != "sender" || !is_of(to)) return to == record_.postmaster && is_of("");
            return named_.contains({id, to, recipient});
        });
        if (!right) wrong("a notice about " + id + " for " + recipient + " went to somebody else");
    }

    /// When it is recorded that the backend took it, at the latest.
    Microseconds known_by(const Taken& taken) const {
        if (!taken.told) return std::numeric_limits<Microseconds>::max();
        Microseconds until = std::max(*taken.told, taken.ended) + settle_time;
        for (const auto& [begin, end] : record_.bad_disk) {
            if (begin <= until && taken.at <= end) until = std::max(until, end + stuck_time);
        }
        return until;
    }

    /// The backend took it, and we may not know.
    bool uncertain(const Taken& taken) const {
        if (!taken.told) return true;
        return died_within(taken.at, known_by(taken));
    }

    bool died_within(Microseconds begin, Microseconds end) const {
        return std::ranges::any_of(record_.deaths, [&](Microseconds death) { return begin <= death && death <= end; });
    }

    const std::vector<Delivery>& deliveries(const Key& key) const {
        static const std::vector<Delivery> none;
        const auto found = deliveries_.find(key);
        return found == deliveries_.end() ? none : found->second;
    }

    /// Each content that he was named for, once.
    void duplicates() {
        for (const auto& [key, all] : deliveries_) {
            std::set<std::string> contents;
            for (const Message* one : messages(key.first)) contents.insert(one->token);
            const auto unsure = std::ranges::count_if(all, [this](const Delivery& one) { return uncertain(*one.taken); });
            const auto allowed = static_cast<std::ptrdiff_t>(contents.size()) + unsure + forgotten(key.first);
            if (static_cast<std::ptrdiff_t>(all.size()) > allowed)
                wrong("delivered " + std::to_string(all.size()) + " times: " + key.first + " to " + key.second);
        }
    }

    bool may_be_silent(const std::string& id) const {
        return std::ranges::any_of(messages(id), [this](const Message* one) { return is_silent(*one); });
    }

    bool is_silent(const Message& one) const {
        return one.notify == "NEVER" && record_.notify == "sender" && !one.sender.empty();
    }

    void outcomes() {
        for (const auto& [copy, recipient] : acknowledged_) {
            const Key key{identity(message(*copy)), recipient};
            const bool came =
                std::ranges::any_of(deliveries(key), [&](const Delivery& one) { return stands_for(one, *copy); });
            if (!came && !told_.contains(key) && !may_be_missing(key)) wrong("lost: " + key.first + " to " + key.second);
        }
    }

    /// The same content; or that of the first copy, where it still waited for him.
    bool stands_for(const Delivery& came, const Submission& copy) const {
        const Message& sent = message(copy);
        if (came.sent->token == sent.token) return true;
        return apart(came.sent->sender) == apart(sent.sender) && known_by(*came.taken) >= copy.offered;
    }

    /// By the admin, or nobody wanted to be told.
    bool may_be_missing(const Key& key) const {
        const bool refused = record_.refused.contains(key.second) || record_.put_off.contains(key.second);
        const bool failed = refused || set_aside(key.first) || unwelcome(key.first);
        return dropped(key) || (failed && may_be_silent(key.first));
    }

    /// Under each sender it is a message of its own, of which he may be told; under `observe` each copy is.
    std::ptrdiff_t most_told(const Key& key) const {
        if (!record_.observe) return std::ssize(messages(key.first));
        return std::ranges::count_if(record_.submissions,
                                     [&](const Submission& one) { return identity(message(one)) == key.first; });
    }

    void told() {
        for (const auto& [key, times] : told_) {
            if (set_aside(key.first)) continue;
            if (times > most_told(key))
                wrong("told " + std::to_string(times) + " times: " + key.first + " to " + key.second);
            if (unwelcome(key.first)) continue;
            if (!record_.refused.contains(key.second) && !record_.put_off.contains(key.second))
                wrong("told of a failure that was none: " + key.first + " to " + key.second);
            if (deliveries_.contains(key)) wrong("told of a failure, but he got it: " + key.first + " to " + key.second);
            const bool silent =
                std::ranges::all_of(messages(key.first), [this](const Message* one) { return is_silent(*one); });
            if (silent && !recovered_.contains(key)) wrong("told though NOTIFY=NEVER: " + key.first + " to " + key.second);
        }
    }

    bool commanded(const Command& one, Command::What what, const std::string& id) const {
        return one.what == what && identity(one) == id;
    }

    /// How often it may come once more.
    std::ptrdiff_t forgotten(const std::string& id) const {
        return std::ranges::count_if(record_.commands,
                                     [&](const Command& one) { return commanded(one, Command::What::forget, id); });
    }

    /// Named before it was dropped, under whatever sender: then nobody is owed anything.
    bool dropped(const Key& key) const {
        return std::ranges::any_of(record_.commands, [&](const Command& command) {
            const Microseconds until = command.done.value_or(command.asked + minute);
            return commanded(command, Command::What::drop, key.first) &&
                   names(key, [&](const Submission& one) { return one.offered <= until; });
        });
    }

    /// One of those submissions is meant for him.
    template <typename Which>
    bool names(const Key& key, Which which) const {
        for (std::size_t i = 0; i < record_.submissions.size(); ++i) {
            const Submission& one = record_.submissions[i];
            if (identity(message(one)) == key.first && which(one) && meant_[i].contains(key.second)) return true;
        }
        return false;
    }

    bool commanded_later(Command::What what, const std::string& id, Microseconds since) const {
        return std::ranges::any_of(record_.commands,
                                   [&](const Command& one) { return commanded(one, what, id) && one.asked >= since; });
    }

    /// Who crashes it, and nobody who was under way along with him.
    bool set_aside(const std::string& id) const {
        return std::ranges::count(messages(id), record_.poison, &Message::token) > 0;
    }

    /// Its content is refused, or that of another one is that is the same message here.
    bool unwelcome(const std::string& id) const {
        return std::ranges::count(messages(id), record_.unwelcome, &Message::token) > 0;
    }

    /// Three times in a row with what a copy brought; where the backend sends it back in between the count begins anew, so
    /// only those are looked at that came when all was well.
    void crashes() {
        const auto rounds = std::ranges::count_if(record_.submissions, [this](const Submission& one) {
            return set_aside(identity(message(one))) && one.may_come();
        });
        if (record_.late_crashes > 3 * static_cast<std::size_t>(rounds))
            wrong("crashed " + std::to_string(record_.late_crashes) + " times with " + record_.poison);
    }

    /// In what the two differ, the parts of these names left out; empty: nothing.
    static std::string difference(const SpoolImage& one, const SpoolImage& other, const std::vector<std::string>& without) {
        if (one.version != other.version) return "version " + std::to_string(other.version);
        if (one.schema != other.schema) return "columns or indexes";
        std::map<std::string, std::uint64_t> all = one.content;
        all.insert(other.content.begin(), other.content.end());
        for (const auto& [name, sum] : all) {
            const bool counts =
                std::ranges::none_of(without, [&](const std::string& part) { return name.starts_with(part); });
            if (counts && (!one.content.contains(name) || !other.content.contains(name))) return name + ", there or not";
            if (counts && one.content.at(name) != other.content.at(name)) return name;
        }
        return {};
    }

    /// A start brings it to its own version with all that was in it; one that is cut short, or fails, does so or changes
    /// nothing.
    void older_version(const Meeting& one) {
        const std::string version = "a spool of version " + std::to_string(one.met.version);
        if (!one.unreadable.empty()) wrong(version + " can't be read afterwards: " + one.unreadable);
        if (!one.found) return;
        const std::string grown = difference(*one.grown, *one.found, {"start", "files"});
        if (one.opened || one.found->version != one.met.version) {
            if (!grown.empty()) wrong(version + " has become another one: " + grown);
            return;
        }
        const std::string changed = difference(one.met, *one.found, {"files"});
        if (!changed.empty()) wrong(version + " was changed and is still of that: " + changed);
    }

    void newer_version(const Meeting& one) {
        const std::string number = "version " + std::to_string(one.met.version), version = "a spool of " + number;
        if (one.opened) return wrong(version + ", a newer one, was opened");
        if (!one.words.empty() && one.words.find(number) == std::string::npos)
            wrong(version + " was refused in other words: " + one.words);
        if (!one.unreadable.empty()) wrong(version + " can't be read afterwards: " + one.unreadable);
        if (!one.found) return;
        const bool lived = !one.words.empty();
        const std::string changed =
            difference(one.met, *one.found, lived ? std::vector<std::string>() : std::vector<std::string>{"files"});
        if (!changed.empty()) wrong(version + " was refused and is another one: " + changed);
    }

    /// What was said to be done is.
    void commands() {
        for (const Command& command : record_.commands) {
            denied(command);
            if (!command.done) continue;
            for (const std::string& recipient : command.recipients) {
                command.what == Command::What::drop ? stays_dropped(command, recipient) : comes_again(command, recipient);
            }
        }
    }

    /// Who has it can be forgotten, where that can be stored and nobody else just did it. (Who waits may be on his way.)
    void denied(const Command& command) {
        if (!command.denied || command.what != Command::What::forget) return;
        const auto times = std::ranges::count_if(record_.commands, [&](const Command& one) {
            return commanded(one, command.what, identity(command)) && std::abs(one.asked - command.asked) < stuck_time;
        });
        if (!on_bad_disk(command.asked) && times == 1) wrong("who has it is not forgotten: " + command.token);
    }

    void stays_dropped(const Command& command, const std::string& recipient) {
        if (commanded_later(Command::What::forget, identity(command), *command.done)) return;
        for (const auto& [taken, sent] : deliveries({identity(command), recipient})) {
            if (taken->at > *command.done && sent->token == command.token && sent->sender == command.sender)
                wrong("delivered though dropped: " + command.token + " to " + recipient);
        }
    }

    void comes_again(const Command& command, const std::string& recipient) {
        const Key key{identity(command), recipient};
        if (set_aside(key.first) || unwelcome(key.first)) return;
        if (record_.refused.contains(recipient) || record_.put_off.contains(recipient)) return;
        if (commanded_later(Command::What::drop, key.first, command.asked)) return;
        if (messages(key.first).size() > 1) return;  // served elsewhere, maybe
        const bool named =
            names(key, [&](const Submission& one) { return one.offered > *command.done && one.acknowledged(); });
        const bool came =
            std::ranges::any_of(deliveries(key), [&](const Delivery& one) { return one.taken->at > *command.done; });
        if (named && !came) wrong("forgotten, and yet it did not come again: " + command.token + " to " + recipient);
    }

    /// What was handed out before may still go; after a start there is no such thing.
    void pauses() {
        for (const Pause& pause : record_.pauses) {
            if (!pause.begun) continue;
            Microseconds still = *pause.begun + under_way_time;
            for (Microseconds start : record_.starts) {
                if (start >= *pause.begun) still = std::min(still, start);
            }
            for (const Taken& taken : record_.taken) {
                if (taken.at > still && (!pause.over || taken.at < *pause.over))
                    wrong("forwarded while paused: " + taken.mail);
            }
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
        const std::string id = identity(sent);
        for (const Message* one : messages(id)) {
            if (apart(one->sender) != apart(sent.sender)) return;  // of other content: groups apart
        }
        std::vector<std::size_t> taken_in;
        for (std::size_t i = 0; i < record_.submissions.size(); ++i) {
            const Submission& one = record_.submissions[i];
            if (identity(message(one)) == id && one.acknowledged()) taken_in.push_back(i);
        }
        if (taken_in.empty()) return;
        auto replied = [this](std::size_t i) { return record_.submissions[i].replied; };
        const Microseconds first = replied(std::ranges::min(taken_in, {}, replied));
        std::set<std::string> early, all;
        for (std::size_t i : taken_in) {
            const Submission& one = record_.submissions[i];
            all.insert(meant_[i].begin(), meant_[i].end());
            if (one.replied <= first + record_.window - second || one.replied == first)
                early.insert(meant_[i].begin(), meant_[i].end());
        }
        const Microseconds last = first + record_.window + tolerance;
        std::set<std::size_t> transactions;
        std::set<std::string> contents;
        for (const std::string& recipient : early) {
            for (const auto& [taken, came] : deliveries({id, recipient})) {
                if (taken->at < first + record_.window - second) wrong("before its window ends: " + id);
                if (taken->at > last && matches("content")) wrong("long after its window: " + id);
                if (taken->at > last) continue;
                transactions.insert(taken->transaction);
                contents.insert(came->token);
            }
        }
        if (record_.window == 0) return;  // nobody waits for anybody
        if (contents.size() > 1) wrong("copies that merge got other contents: " + id);
        // Those who came at its very end may go along.
        const std::size_t least = (early.size() + record_.most_recipients - 1) / record_.most_recipients;
        const std::size_t most = (all.size() + record_.most_recipients - 1) / record_.most_recipients;
        if (transactions.size() < least || transactions.size() > most)
            wrong("in " + std::to_string(transactions.size()) + " transactions: " + id);
    }

    Record record_;
    std::vector<std::string> problems_;
    std::vector<std::pair<const Submission*, std::string>> acknowledged_;
    std::set<std::tuple<std::string, std::string, std::string>> may_come_;  // identity, sender, recipient
    std::set<std::tuple<std::string, std::string, std::string>> named_;     // the same of those whom fetchers named
    std::set<Key> recovered_;                                               // whom a field named, and the fetcher did not
    std::vector<std::set<std::string>> meant_;                              // for whom each submission is
    std::map<Copy, std::vector<const Taken*>> came_;                        // under `observe`
    std::map<Key, std::vector<Delivery>> deliveries_;
    std::map<Key, std::ptrdiff_t> told_;
    std::set<std::string> notices_seen_;
};

}  // namespace

std::vector<std::string> check(const Record& record) {
    return Check(record).run();
}

}  // namespace simulation
