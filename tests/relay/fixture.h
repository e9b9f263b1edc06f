#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../ledger/fixture.h"
#include "../net/fixture.h"
#include "base/log.h"
#include "ledger/ledger_thread.h"
#include "ledger/reader.h"
#include "sink.h"

namespace onecopy::relay::testing {

using ledger::testing::make_copy;
using net::testing::Peer;
using net::testing::TcpPair;

/// A loop and a ledger's thread on a spool of the test's own. What the ledger says can be held back.
class House : public net::testing::Bench {
public:
    House() {
        base::log::set_level(base::Level::error);
        policy.window = base::Duration(0);
        policy.retry = {std::chrono::hours(1)};
        open();
    }
    void open() {
        ledger::LedgerThread::Handler handler;
        handler.due = [this](std::vector<ledger::Due> groups) { when_due(std::move(groups)); };
        handler.settled = [this](const ledger::Settled& one) { when_settled(one); };
        handler.told = [this](const ledger::Told& one) { when_told(one); };
        handler.broken = [this](const std::string& why) { broken = why; };
        handler.damaged = [](const std::string&) {};
        handler.notice = [](base::Level, const std::string&, const std::string&) {};
        auto post = [this](std::function<void()> task) {
            loop.post([this, task = std::move(task)] { holding ? held.push_back(task) : task(); });
        };
        ledger.emplace(ledger::LedgerThread::Options{directory.path(), "proxy.example", 0, policy, ""}, post,
                       std::move(handler));
    }
    void configure(std::uint64_t min_free = 0) { ledger->configure(policy, min_free, "proxy.example"); }
    void let_go() {
        holding = false;
        for (const auto& task : std::exchange(held, {})) task();
    }
    /// Everything that the ledger was told so far has been done, and its answers were heard.
    void settle_down() {
        bool answered = false;
        ledger->append(~ledger::UploadId{0}, "x", [&answered](bool) { answered = true; });
        until([&] { return answered || !held.empty(); });
        ledger->abandon(~ledger::UploadId{0});
        turn();
    }
    ledger::Acceptance offer(ledger::Copy copy) {
        std::optional<ledger::Acceptance> answer;
        ledger->offer(std::move(copy), [&](const ledger::Acceptance& acceptance) { answer = acceptance; });
        until([&] { return answer.has_value(); });
        return answer.value();
    }
    std::uint64_t copies() { return ledger::Reader(directory.path()).counts().totals.copies; }
    ledger::GroupRecord record(const std::string& message_id) {
        return ledger::Reader(directory.path()).why(message_id).at(0);
    }
    /// Of a message, by address.
    std::map<std::string, coalesce::State> states(const std::string& message_id) {
        std::map<std::string, coalesce::State> states;
        for (const coalesce::Member& member : record(message_id).members) states[member.address] = member.state;
        return states;
    }

    ledger::testing::TemporaryDirectory directory;
    coalesce::Policy policy;
    std::vector<ledger::Due> due;
    std::vector<ledger::Settled> settled;
    std::function<void(std::vector<ledger::Due>)> when_due = [this](std::vector<ledger::Due> groups) {
        std::ranges::move(groups, std::back_inserter(due));
    };
    std::function<void(const ledger::Settled&)> when_settled = [this](const ledger::Settled& one) {
        settled.push_back(one);
    };
    std::function<void(const ledger::Told&)> when_told = [](const ledger::Told&) {};
    std::string broken;
    bool holding = false;
    std::vector<std::function<void()>> held;
    std::optional<ledger::LedgerThread> ledger;
};

/// An SMTP client over a connection of its own.
struct Client : Peer {
    void say(std::string_view text) { connection->write(text); }
    /// Code and status of each reply so far: `250 2.1.0`.
    std::vector<std::string> replies() const {
        std::vector<std::string> all;
        for (std::size_t at = 0, end; (end = bytes.find("\r\n", at)) != bytes.npos; at = end + 2) {
            std::string line = bytes.substr(at, end - at);
            if (line.size() < 4 || line[3] == '-') continue;
            std::string word = line.substr(4, line.find(' ', 4) - 4);
            bool status = word.size() >= 5 && word[1] == '.' && word[0] == line[0];
            all.push_back(status ? line.substr(0, 4 + word.size()) : line.substr(0, 3));
        }
        return all;
    }
    std::string last() const {
        std::vector<std::string> all = replies();
        return all.empty() ? "" : all.back();
    }
};

/// MAIL, RCPT ... and DATA in one go.
inline std::string envelope(const std::vector<std::string>& recipients, const std::string& sender = "s@x") {
    std::string text = "MAIL FROM:<" + sender + ">\r\n";
    for (const std::string& recipient : recipients) text += "RCPT TO:<" + recipient + ">\r\n";
    return text + "DATA\r\n";
}

inline std::string mail(const std::string& id, const std::string& body = "hello\r\n") {
    return "From: s@x\r\nMessage-ID: " + id + "\r\nDate: Tue, 24 Nov 2026 15:04:05 +0000\r\n\r\n" + body + ".\r\n";
}

/// Lines of text, `size` bytes in all.
inline std::string lines_of_text(std::size_t size) {
    std::string text;
    for (std::size_t i = 0; text.size() + 2 < size; ++i) {
        std::string line = (i % 50 == 0 ? ".dot " : "line ") + std::to_string(i) + " " + std::string(i % 60, 'x');
        text += line.substr(0, size - 2 - text.size()) + "\r\n";
    }
    return text + std::string(size - text.size(), 'y');
}

inline std::string stuffed(const std::string& text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '.' && (i == 0 || text[i - 1] == '\n')) result += '.';
        result += text[i];
    }
    return result;
}

}  // namespace onecopy::relay::testing
