#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/server_session.h"

namespace onecopy::smtp {

/// A handler that takes everything and keeps record; a test changes what it says.
struct Recorder : ServerSession::Handler {
    ServerSession* session = nullptr;
    std::vector<std::string> events;
    std::string content_seen;
    std::size_t largest_piece = 0;
    std::optional<Reply> mail_reply, recipient_reply, data_reply;
    Reply verdict{250, "2.0.0", "taken"};
    ServerSession::Credentials credentials = ServerSession::Credentials::right;
    bool answers_at_once = true;
    bool takes_content = true;

    std::optional<Reply> mail(const std::string& sender, std::uint64_t size, const message::MailOptions& options) override {
        using Return = message::MailOptions::Return;
        std::string event = "mail <" + sender + ">" + (size == 0 ? "" : " " + std::to_string(size));
        if (options.smtputf8) event += " smtputf8";
        if (options.ret != Return::unset) event += options.ret == Return::full ? " full" : " headers";
        if (!options.envid.empty()) event += " envid=" + options.envid;
        events.push_back(event);
        return mail_reply;
    }
    std::optional<Reply> recipient(const message::Mailbox& mailbox, const message::RecipientOptions& options) override {
        std::string event = "recipient <" + mailbox.text() + ">";
        if (options.notify != 0) event += " notify=" + std::to_string(options.notify);
        if (!options.orcpt.empty()) event += " orcpt=" + options.orcpt;
        events.push_back(event);
        return recipient_reply;
    }
    std::optional<Reply> data() override {
        content_seen.clear();
        return data_reply;
    }
    bool content(std::string_view piece) override {
        content_seen += piece;
        largest_piece = std::max(largest_piece, piece.size());
        return takes_content;
    }
    void end_of_data(ServerSession::End end) override {
        const bool whole = end == ServerSession::End::complete;
        events.push_back(whole ? "message [" + content_seen + "]" : "message refused");
        if (answers_at_once) session->finish(whole ? verdict : ServerSession::refusal(end));
    }
    void reset() override { events.push_back("reset"); }
    void authenticate(std::string name, std::string password) override {
        events.push_back("authenticate " + name + " " + password);
        if (answers_at_once) session->authenticated(credentials);
    }
};

/// What came of a dialogue. A reply is told by its code and status: `250 2.1.0`.
struct Outcome {
    std::vector<std::string> replies;
    std::vector<std::string> events;
    bool closed = false;

    bool operator==(const Outcome&) const = default;
};

/// Segments: each is sent once the answers to the one before have come.
using Script = std::vector<std::string>;

struct Setting {
    ServerSession::Options options{.hostname = "proxy.example"};
    std::function<void(Recorder&)> prepare = [](Recorder&) {};
};

/// The replies in what was written, in order; checks that each is well-formed.
std::vector<std::string> replies_in(std::string_view written);

/// Plays the script with its segments whole.
Outcome play(const Script& script, const Setting& setting = {});
/// The same, and checks that nothing changes where the segments come byte by byte, and for each cut at one place.
Outcome play_cut(const Script& script, const Setting& setting = {});

/// What stands between EHLO and the end of the script.
Script after_ehlo(Script script);

}  // namespace onecopy::smtp
