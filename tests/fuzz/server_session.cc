// A client's bytes at the SMTP or LMTP door: every reply is well-formed, what is taken is canonical and within its limits,
// and no cut of the input changes anything.

#include "smtp/server_session.h"

#include <algorithm>
#include <utility>

#include "input.h"

using namespace onecopy;
using namespace onecopy::smtp;
using fuzz::must;

namespace {

constexpr std::uint64_t most_content = 1000;
constexpr std::size_t most_recipients = 3;

/// Takes what comes, at once or later, and writes down what it was told.
struct Keeper : ServerSession::Handler {
    ServerSession* session = nullptr;
    bool at_once = true;
    bool refuses = false;
    std::string seen;  // the transcript of what was told
    std::string content_;
    std::size_t recipients = 0;
    bool open = false, in_data = false, owes_answer = false, owes_credentials = false, paused = false;
    std::size_t pieces = 0;

    std::optional<Reply> mail(const std::string& sender, std::uint64_t, const message::MailOptions&) override {
        must(!open, "one transaction at a time");
        must(sender.find_first_of("\r\n") == sender.npos, "a sender is one line");
        open = true;
        recipients = 0;
        seen += "mail " + sender + "\n";
        return std::nullopt;
    }
    std::optional<Reply> recipient(const message::Mailbox& mailbox, const message::RecipientOptions& options) override {
        must(open, "recipients belong to a transaction");
        must(mailbox.text().find_first_of("\r\n<>") == std::string::npos || mailbox.text().find('"') != std::string::npos,
             "a recipient does not end his command");
        must(options.orcpt.find_first_of("\r\n ") == std::string::npos, "ORCPT is one word");
        seen += "recipient " + mailbox.text() + "\n";
        if (refuses && recipients > 0) return Reply(550, "5.1.1", "no");
        must(++recipients <= most_recipients, "no more recipients than may be");
        return std::nullopt;
    }
    std::optional<Reply> data() override {
        must(open && !in_data && recipients > 0, "data for somebody");
        in_data = true;
        content_.clear();
        return std::nullopt;
    }
    bool content(std::string_view piece) override {
        must(in_data, "content belongs to data");
        content_ += piece;
        must(content_.size() <= 4 * most_content, "content is bounded");
        paused = !at_once && ++pieces % 3 == 0;
        return !paused;
    }
    void end_of_data(ServerSession::End end) override {
        must(in_data, "an end of data that has begun");
        open = in_data = false;
        if (end == ServerSession::End::complete) {
            for (std::size_t i = 0; i < content_.size(); ++i) {
                must(content_[i] != '\n' || (i > 0 && content_[i - 1] == '\r'), "no bare LF is taken");
                must(content_[i] != '\r' || (i + 1 < content_.size() && content_[i + 1] == '\n'), "no bare CR is taken");
            }
        }
        seen += "message " + std::to_string(static_cast<int>(end)) + " " +
                (end == ServerSession::End::complete ? content_ : "") + "\n";
        refusal = end == ServerSession::End::complete ? Reply(250, "2.0.0", "ok") : ServerSession::refusal(end);
        owes_answer = !at_once;
        if (at_once) session->finish(refusal);
    }
    void reset() override {
        must(open, "what is reset was open");
        open = in_data = false;
        seen += "reset\n";
    }
    void authenticate(std::string name, std::string password) override {
        seen += "authenticate " + name + "\n";
        right = password == "right";
        owes_credentials = !at_once;
        if (at_once) tell();
    }
    void tell() { session->authenticated(right ? ServerSession::Credentials::right : ServerSession::Credentials::wrong); }
    Reply refusal;
    bool right = false;
};

void check_replies(std::string_view written) {
    while (!written.empty()) {
        const std::size_t end = written.find("\r\n");
        must(end != written.npos, "a reply ends in CRLF");
        const std::string_view line = written.substr(0, end);
        must(line.size() >= 4 && line.size() <= 510, "a reply is of its length (RFC 5321 4.5.3.1.5)");
        must(line[0] >= '2' && line[0] <= '5' && (line[3] == ' ' || line[3] == '-'), "a reply begins with its code");
        must(std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; }), "a reply is printable ASCII");
        written.remove_prefix(end + 2);
    }
}

struct Transcript {
    std::string written, seen;
    bool operator==(const Transcript&) const = default;
};

Transcript play(const ServerSession::Options& options, bool at_once, bool refuses,
                const std::vector<std::string_view>& pieces) {
    Keeper keeper;
    keeper.at_once = at_once;
    keeper.refuses = refuses;
    ServerSession session(options, keeper);
    keeper.session = &session;
    session.greet();
    std::string held;
    std::string written = session.take_output();
    Input input = Input::more;
    for (std::string_view piece : pieces) {
        held += piece;
        for (bool again = true; again && input != Input::closed && input != Input::start_tls;) {
            std::string_view rest = held;
            input = session.feed(rest);
            held.erase(0, held.size() - rest.size());
            if (std::exchange(keeper.owes_answer, false)) session.finish(keeper.refusal);
            if (std::exchange(keeper.owes_credentials, false)) keeper.tell();
            if (std::exchange(keeper.paused, false)) {
                session.resume();
                if (std::exchange(keeper.owes_answer, false)) session.finish(keeper.refusal);
            }
            written += session.take_output();
            again = input == Input::pause && !held.empty();
        }
        must(held.size() < 100'000, "what waits is bounded");
    }
    if (input != Input::closed && input != Input::start_tls) session.abort({421, "4.4.2", "time"});
    written += session.take_output();
    check_replies(written);
    return {written, keeper.seen};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const unsigned choices = input.byte(), more = input.byte(), cuts = input.byte();
    ServerSession::Options options{.hostname = "proxy.example"};
    options.message_size = most_content;
    options.recipients = most_recipients;
    options.errors = 5;
    options.lmtp = input.bit(choices, 0);
    options.refuse_bare = input.bit(choices, 1);
    options.smtputf8 = input.bit(choices, 2);
    options.may_authenticate = input.bit(choices, 3);
    options.auth = static_cast<ServerSession::Auth>((choices >> 4) % 3);
    options.tls = static_cast<ServerSession::Tls>((more >> 2) % 4);
    const bool at_once = input.bit(more, 0), refuses = input.bit(more, 1);
    // Some commands must be the last of their group (RFC 2920 3.1, RFC 3207 4.2), so that it matters what stands behind
    // them.
    play(options, at_once, refuses, fuzz::pieces(input.rest(), cuts));
    const Transcript lines = play(options, at_once, refuses, fuzz::pieces_of_lines(input.rest(), 0));
    const Transcript cut = play(options, at_once, refuses, fuzz::pieces_of_lines(input.rest(), cuts));
    must(lines == cut, "no cut within a line changes anything");
    return 0;
}
