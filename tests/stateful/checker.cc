#include "checker.h"

#include <array>

namespace onecopy::stateful {
namespace {

Original make(int message) {
    // Two pairs share an id with other content; one has no id, one neither id nor date.
    static constexpr std::array ids = {
        "<a@far.example>",    "<b@far.example>", "<a@far.example>", "<c@far.example>", "<b@far.example>", "", "",
        "<large@far.example>"};
    Original made;
    made.id = ids[static_cast<std::size_t>(message)];
    made.dated = message != 6;
    for (int user = 0; user < users; ++user) {
        if ((user + message) % 3 != 0) made.named.insert(user);
    }
    std::string to;
    for (int user : made.named) to += (to.empty() ? "" : ",\r\n ") + address(user);
    made.header =
        "From: The Author <author@far.example>\r\nTo: " + to + "\r\nSubject: mail " + std::to_string(message) + "\r\n";
    if (made.dated) made.header += "Date: Mon, 02 Nov 2026 10:0" + std::to_string(message) + ":00 +0100\r\n";
    if (!made.id.empty()) made.header += "Message-ID: " + made.id + "\r\n";
    made.body = "\r\nThis is mail " + std::to_string(message) + ".\r\n";
    if (message == 7) {
        for (int line = 0; line < 600; ++line)
            made.body += "line " + std::to_string(line) + " of a large message, padded here\r\n";
    }
    return made;
}

std::string of(int message, int user) {
    return "mail " + std::to_string(message) + " for user " + std::to_string(user) + ": ";
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
}

}  // namespace

const Original& original(int message) {
    static const std::vector<Original> all = [] {
        std::vector<Original> made;
        for (int one = 0; one < messages; ++one) made.push_back(make(one));
        return made;
    }();
    return all[static_cast<std::size_t>(message)];
}

std::string address(int user) {
    return "user" + std::to_string(user) + "@corp.example";
}

void Checker::offered(int message, const std::vector<int>& to, const std::string& sender) {
    for (int user : to) {
        fates_[{message, user}].offered = true;
        fates_[{message, user}].senders.insert(sender);
    }
}

void Checker::promised(int message, const std::vector<int>& to) {
    for (int user : to) {
        Fate& fate = fates_[{message, user}];
        fate.promised = true;
        // With neither id nor date nothing is remembered of it once it is delivered.
        if (!original(message).id.empty() || original(message).dated) continue;
        ++fate.allowed;
        ++fate.tellings;
    }
}

void Checker::taken(int message, int user) {
    Fate& fate = fates_[{message, user}];
    ++fate.taken;
    if (!fate.offered) wrong(of(message, user) + "nobody sent it to him");
}

void Checker::struck(int message, int user) {
    Fate& fate = fates_[{message, user}];
    ++fate.allowed;
    ++fate.tellings;
    fate.given_up = true;
}

void Checker::sent(int message, const std::string& header, const std::string& body) {
    const Original& wanted = original(message);
    const std::string name = "mail " + std::to_string(message) + ": ";
    if (body != wanted.body) wrong(name + "another body");
    if (!header.ends_with(wanted.header)) wrong(name + "another header: " + header);
    for (int user = 0; user < users; ++user) {
        if (!wanted.named.contains(user) && holds(header, address(user))) wrong(name + "shows " + address(user));
    }
}

void Checker::told(const std::string& id, const std::string& text) {
    const std::size_t subject = text.find("\r\nSubject: mail ");
    if (subject == text.npos) return wrong("a notice that returns no header: " + text);
    const int message = text[subject + 16] - '0';
    for (int user = 0; user < users; ++user) {
        if (holds(text, "Final-Recipient: rfc822; " + address(user) + "\r\n")) fates_[{message, user}].notices.insert(id);
    }
}

std::vector<std::string> Checker::conclude() const {
    std::vector<std::string> found = wrongs_;
    for (const auto& [what, fate] : fates_) {
        const std::string name = of(what.first, what.second);
        const auto tellings = static_cast<int>(fate.notices.size());
        if (fate.promised && fate.taken == 0 && !fate.given_up) {
            if (!fate.refused) found.push_back(name + "LOST: promised, and nobody has it");
            if (fate.refused && tellings == 0) found.push_back(name + "LOST: refused, and nobody was told");
        }
        if (fate.taken > fate.allowed)
            found.push_back(name + "TWICE: taken " + std::to_string(fate.taken) + " times, " + std::to_string(fate.allowed) +
                            " can be explained");
        if (tellings > fate.tellings + static_cast<int>(fate.senders.size()))
            found.push_back(name + "told " + std::to_string(tellings) + " times");
        if (tellings > 0 && !fate.refused) found.push_back(name + "told of, and nobody refused it");
    }
    return found;
}

}  // namespace onecopy::stateful
