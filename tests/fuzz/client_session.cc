// A mail server's bytes: each recipient gets one outcome, none is delivered without content and a positive verdict, and a
// dead session says nothing more.

#include "smtp/client_session.h"

#include <utility>

#include "input.h"

using namespace onecopy;
using namespace onecopy::smtp;
using fuzz::must;
using Outcome = ClientTransaction::Outcome;

namespace {

struct Caller : ClientSession::Handler {
    explicit Caller(ClientSession::Options options, unsigned recipients, std::string text)
        : session(std::move(options), *this), recipients_(recipients), text_(std::move(text)) {}

    void ready() override {
        must(!ready_, "ready comes once");
        ready_ = true;
        start();
    }
    void start_tls() override { secures = true; }
    void send_content() override {
        must(open_ && !content_sent_, "content is asked for once");
        content_sent_ = true;
        session.content(text_);
        session.end_of_content();
    }
    void done(const ClientTransaction::Result& result) override {
        must(std::exchange(open_, false), "a transaction ends once");
        must(result.recipients.size() == recipients_, "an outcome for each");
        for (const auto& recipient : result.recipients) {
            switch (recipient.outcome) {
                case Outcome::delivered:
                    must(content_sent_ && recipient.reply.positive(), "delivered by content and a positive verdict");
                    break;
                case Outcome::refused:
                    must(recipient.reply.permanent(), "refused by 5xx");
                    break;
                case Outcome::unknown:
                    must(content_sent_, "unknown after the content alone");
                    break;
                case Outcome::deferred:
                case Outcome::again:
                    must(!recipient.reply.positive(), "put off by no 2xx");
                    break;
            }
            must(recipient.reply.text().size() < 10'000, "what is kept of a reply is bounded");
        }
        if (!session.dead() && transactions_ < 3) start();
    }
    void ill(const Reply&) override {
        must(!std::exchange(ill_, true), "ill comes once");
        must(session.dead() && !open_, "an ill session is dead, and its transaction told");
    }
    void start() {
        ClientTransaction transaction;
        transaction.envelope.sender = "s@x.example";
        for (unsigned i = 0; i < recipients_; ++i)
            transaction.envelope.recipients.push_back({std::string(1, static_cast<char>('a' + i)) + "@x.example"});
        transaction.size = text_.size();
        transaction.eight_bit = transactions_ % 2 == 1;
        ++transactions_;
        open_ = true;
        content_sent_ = false;
        session.start(std::move(transaction));
    }

    ClientSession session;
    bool secures = false;

private:
    unsigned recipients_, transactions_ = 0;
    std::string text_;
    bool ready_ = false, open_ = false, content_sent_ = false, ill_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const unsigned choices = input.byte(), more = input.byte(), cuts = input.byte();
    ClientSession::Options options{.hostname = "proxy.example"};
    options.lmtp = input.bit(choices, 0);
    options.may_authenticate = input.bit(choices, 1);
    if (input.bit(choices, 2)) options.username = options.password = "user";
    options.tls = static_cast<ClientSession::Tls>((choices >> 3) % 3);
    Caller caller(options, 1 + more % 4, std::string(more % 7, '.') + "\r\n");
    // A line or less at a time: a server that speaks before it is asked is broken.
    for (std::string_view piece : fuzz::pieces_of_lines(input.rest(), cuts)) {
        const std::string_view left = caller.session.feed(piece);
        must(left.empty() || caller.secures, "all is taken but what stands before TLS");
        if (std::exchange(caller.secures, false)) caller.session.secured();
        const std::string out = caller.session.take_output();
        must(!caller.session.dead() || out.empty(), "the dead say nothing");
        must(caller.session.timeout().count() > 0, "no wait is endless");
    }
    if (!caller.session.dead()) caller.session.lost("the end");
    must(caller.session.dead() && caller.session.take_output().empty(), "a lost connection is the end");
    return 0;
}
