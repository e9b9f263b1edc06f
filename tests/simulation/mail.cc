#include "mail.h"

#include <algorithm>
#include <memory>

namespace simulation {
namespace {

constexpr std::size_t people = 8, all_people = 10, strangers = 2;

bool is_akin(const Message& one, const Message& other) {
    return one.token == other.token || one.message_id == other.message_id;
}

}  // namespace

std::string Mail::person(std::uint64_t number) {
    return "p" + std::to_string(number) + (number < people ? "q" : "q\u00e9") + "@corp.example";
}

void Mail::come_all() {
    const std::size_t count = 1 + world->below(5);
    for (std::size_t i = 0; i < count; ++i) {
        Message message = write(Body::any);
        record_.messages.push_back(message);
        if (world->chance(15)) {  // the same content under another Message-ID
            Message again = message;
            again.message_id = "<again." + message.message_id.substr(1);
            write_header(again);
            record_.messages.push_back(std::move(again));
        }
        if (world->chance(25) && !message.sender.empty()) come_from_elsewhere(std::move(message), i);
    }
    Fetcher::Manner manner;
    if (!record_.calm && !world->chance(30)) manner.clumsy = world->chance(50) ? 15 : 40;
    Microseconds begin = 0;
    for (std::size_t number = 0; number < record_.messages.size(); ++number) {
        // What has something in common with the one before often comes along with it.
        const bool akin = number > 0 && is_akin(record_.messages[number - 1], record_.messages[number]);
        if (!akin || world->chance(30)) begin = world->between(0, 5 * minute);
        const bool later = record_.messages[number].one_copy;  // who is named under the first sender is known by then
        bring(number, later ? begin + world->between(20 * second, minute) : begin, manner);
    }
    if (!record_.match.contains("content") && world->chance(50)) comes_with_other_content();
}

/// VERP: the same mail under another sender, for some of the same people. Often as one copy for all of them that names in
/// its trace fields a blind one who has the mail already, but goes to somebody new.
void Mail::come_from_elsewhere(Message message, std::size_t number) {
    message.sender = "other" + std::to_string(number) + "@outside.example";
    std::erase_if(message.recipients, [](const std::string&) { return world->chance(40); });
    message.one_copy = world->chance(50);
    const auto is_blind = [&](const std::string& one) { return std::ranges::count(message.shown, one) == 0; };
    std::ranges::stable_partition(message.recipients, is_blind);
    const std::string further = person(world->below(people));
    if (message.recipients.empty() || (message.one_copy && std::ranges::count(message.recipients, further) == 0))
        message.recipients.push_back(further);
    record_.messages.push_back(std::move(message));
}

/// Where that makes no difference: a second content under the same Message-ID, for somebody who got the first one while
/// another, who was named later, still waits for it.
void Mail::comes_with_other_content() {
    Message one = write(Body::small), other = write(Body::small);
    const std::string served = person(0), waits = person(1);
    one.recipients = {served, waits};
    other.recipients = {served};
    other.sender = one.sender;
    other.message_id = one.message_id;
    for (Message* each : {&one, &other}) {
        each->shown.clear();
        each->foreign.clear();
        write_header(*each);
        record_.messages.push_back(*each);
    }
    const std::size_t number = record_.messages.size() - 2;
    const Microseconds begin = world->between(0, 4 * minute), again = begin + record_.window + 3 * second;
    bring_one(number, served, {served}, begin, {});
    bring_one(number, waits, {waits}, again, {});
    bring_one(number + 1, served, {served}, again + world->between(second, 20 * second), {});
}

void Mail::large_one_comes() {
    record_.messages.push_back(write(Body::large));
    bring(record_.messages.size() - 1, 0, {});
}

void Mail::international_one_comes() {
    record_.messages.push_back(write(Body::any, 100));
    bring(record_.messages.size() - 1, 0, {});
}

void Mail::poison_comes() {
    Message message = write(Body::small);
    message.sender = poisoner;
    record_.poison = message.token;
    record_.messages.push_back(std::move(message));
    bring(record_.messages.size() - 1, 0, {});
}

void Mail::unwelcome_comes() {
    Message message = write(Body::small);
    message.sender = world->chance(50) ? "" : "unwelcome@outside.example";
    message.body += std::string(unwelcome_words) + "\r\n";
    record_.unwelcome = message.token;
    record_.messages.push_back(std::move(message));
    bring(record_.messages.size() - 1, 0, {});
}

void Mail::one_comes_once() {
    Message message = write(Body::small);
    message.recipients.resize(1);
    record_.messages.push_back(std::move(message));
    bring(record_.messages.size() - 1, 0, {.gives_up = true});
}

void Mail::comes_again(const std::string& token, const std::string& sender) {
    for (std::size_t number = 0; number < record_.messages.size(); ++number) {
        const Message& message = record_.messages[number];
        if (message.token == token && message.sender == sender) bring(number, 0, {});
    }
}

Message Mail::write(Body body, unsigned international) {
    const std::string number = std::to_string(written_++);
    Message message;
    message.token = "tok" + number + "en";
    message.message_id = "<" + number + "@outside.example>";
    // What servers offer is known when the first mail has gone.
    message.international = record_.international && body == Body::any && written_ > 1 && world->chance(international);
    message.sender = world->chance(10) ? "" : "sender" + number + "@outside.example";
    if (message.international && !message.sender.empty() && world->chance(50)) message.sender = "\u00e9" + message.sender;
    if (!record_.plain && world->chance(15)) message.mail_parameters = " RET=HDRS ENVID=e" + number;
    if (!record_.plain && world->chance(20)) message.notify = world->chance(50) ? "NEVER" : "FAILURE";
    for (std::size_t n = 0; n < (message.international ? all_people : people); ++n) {
        if (!world->chance(50)) continue;
        message.recipients.push_back(person(n));
        if (world->chance(60)) message.shown.push_back(person(n));
    }
    if (message.recipients.empty()) message.recipients.push_back(person(0));
    for (std::size_t n = 0; n < strangers && record_.has_strangers; ++n) {
        if (!world->chance(30)) continue;
        message.foreign.push_back("f" + std::to_string(n) + "q@elsewhere.example");
        message.shown.push_back(message.foreign.back());
    }
    if (!record_.messages.empty() && world->chance(30)) {  // same Message-ID, other content
        const Message& last = record_.messages.back();
        message.message_id = last.message_id;
        const bool may_be = last.international == message.international && last.sender != poisoner;
        if (may_be && world->chance(70)) message.sender = last.sender;
    }
    write_header(message);
    write_body(message, body);
    return message;
}

void Mail::write_header(Message& message) {
    std::string to = message.shown.empty() ? "undisclosed-recipients:;" : "";
    for (const std::string& one : message.shown) to += (to.empty() ? "<" : ",\r\n <") + one + ">";
    message.author_fields = "From: <author@outside.example>\r\nTo: " + to + "\r\nSubject: " + message.token +
                            "\r\nDate: Mon, 2 Nov 2026 10:00:00 +0100\r\nMessage-ID: " + message.message_id +
                            "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n";
}

void Mail::write_body(Message& message, Body body) {
    message.body = "This is " + message.token + ".\r\n..a dot\r\n";
    const bool small = body == Body::small || (body == Body::any && world->chance(55));
    const std::size_t lines = small ? world->below(20) : world->chance(80) ? 400 + world->below(600) : 5000;
    for (std::size_t i = 0; i < lines; ++i)
        message.body += "line " + std::to_string(i) + " of a text that is long enough\r\n";
    message.body += "end\r\n";
}

/// Whoever has no domain of its own says another one, now and then.
std::string Mail::spelled(const std::string& recipient) const {
    if (!recipient.ends_with("@corp.example") || record_.rewritten.empty() || world->chance(40)) return recipient;
    const std::string& domain = world->chance(50) ? *record_.rewritten.begin() : *record_.rewritten.rbegin();
    return recipient.substr(0, recipient.find('@') + 1) + domain;
}

/// What the host of the mailbox writes on the copy for one recipient.
std::string Mail::trace_for(const std::string& owner) {
    const std::string recipient = spelled(owner);
    const std::string copy = std::to_string(++copies_);
    std::string trace;
    if (world->chance(50)) trace += "Return-Path: <bounce-" + copy + "@outside.example>\r\n";
    if (record_.recovers || world->chance(60)) trace += "Delivered-To: " + recipient + "\r\n";
    if (world->chance(30)) trace += "X-Envelope-To: <" + recipient + ">\r\n";
    trace += "Received: from mx.isp.example by pop.isp.example with ESMTP id q" + copy;
    if (world->chance(60)) trace += "\r\n\tfor <" + recipient + ">";
    trace += "; Mon, 2 Nov 2026 10:00:01 +0100\r\n";
    if (world->chance(30)) trace += "X-Pop-Account: " + recipient + "\r\n";
    return trace + "X-Filter-Score: " + copy + "\r\n";
}

void Mail::bring(std::size_t number, Microseconds begin, Fetcher::Manner manner) {
    const Message message = record_.messages[number];
    const unsigned along = world->chance(30) ? 0 : 40;  // chance that a copy names one more
    auto send = [&](const std::string& recipient, std::vector<std::string> named) {
        const Microseconds spread = begin > 0 && world->chance(20) ? 6 * minute : manner.gives_up ? 0 : 20 * second;
        bring_one(number, recipient, std::move(named), begin + world->between(0, spread), manner);
    };
    if (message.one_copy) return send(message.recipients[0], named_for(message, message.recipients[0], 100));
    for (const std::string& recipient : message.recipients) send(recipient, named_for(message, recipient, along));
    if (!message.foreign.empty() && world->chance(20)) send(message.foreign[0], message.foreign);
}

void Mail::bring_one(std::size_t number, const std::string& owner, std::vector<std::string> named, Microseconds when,
                     Fetcher::Manner manner) {
    manner.chunks = chunks_ && world->chance(80);
    std::make_shared<Fetcher>(record_, number, std::move(named), trace_for(owner), manner)->start(when);
}

/// Whom the fetcher names for the copy of one recipient. It knows him, or the header's people alone, or nobody.
std::vector<std::string> Mail::named_for(const Message& message, const std::string& recipient, unsigned along) {
    std::vector<std::string> named;
    const bool known = !record_.recovers || world->chance(30);
    if (known) named.push_back(recipient);
    for (const std::string& other : known ? message.recipients : message.shown) {
        if (other != recipient && world->chance(along)) named.push_back(other);
    }
    for (const std::string& other : message.foreign) {
        if (std::ranges::count(named, other) == 0 && world->chance(along)) named.push_back(other);
    }
    if (named.empty()) named.push_back(record_.fallback);
    if (world->chance(10)) named.push_back(named[0]);  // twice, maybe by two names
    for (std::string& one : named) one = spelled(one);
    return named;
}

}  // namespace simulation
