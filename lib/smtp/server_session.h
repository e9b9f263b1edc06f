#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "message/envelope.h"
#include "message/mailbox.h"
#include "smtp/line_reader.h"
#include "smtp/reply.h"

namespace onecopy::smtp {

/// What the caller does after feed(): give more when it comes, hold all input until finish() or resume() was called,
/// or write the output and close.
enum class Input { more, pause, closed };

/// The server's side of one SMTP connection (RFC 5321, 1870, 2034, 2920, 6152). Passive: bytes in, bytes out; it owns no
/// socket and no clock. The handler must outlive it. One transaction at a time is told to the handler:
/// mail, recipient ..., data, content ..., end_of_data -> finish(). reset() ends one that did not come so far.
class ServerSession {
public:
    struct Options {
        std::string hostname;
        std::uint64_t message_size = 50 << 20;
        std::size_t recipients = 1000;  // in one transaction; more: 452 4.5.3
        unsigned errors = 20;           // bad commands before 421
        bool refuse_bare = false;       // a bare CR or LF in the data: 550 5.5.2 after the dot (else normalised)
    };

    /// How the data ended.
    enum class End { complete, too_large, bare_line_end };

    class Handler {
    public:
        virtual ~Handler() = default;
        /// A reply refuses the command. `size`: as declared by SIZE=, 0 where it was not.
        virtual std::optional<Reply> mail(const std::string& sender, std::uint64_t size) = 0;
        virtual std::optional<Reply> recipient(const message::Mailbox& mailbox) = 0;
        /// DATA was said and will be answered by 354, or by the reply that is returned.
        virtual std::optional<Reply> data() = 0;
        /// A piece of the decoded message, canonical line ends. False: pause, resume() will be called.
        virtual bool content(std::string_view piece) = 0;
        /// The data is whole (or was, but may not be taken: then finish() must get a 5xx, which refusal() makes).
        /// finish() is called now or later, once, unless the connection dies first.
        virtual void end_of_data(End end) = 0;
        /// The transaction is over without an answer to the data: RSET, EHLO, QUIT.
        virtual void reset() = 0;
    };

    ServerSession(Options options, Handler& handler);
    ~ServerSession();

    /// The greeting; call once, first.
    void greet();
    /// Takes what it can off the front of `bytes`. After `pause` the caller keeps the rest and calls again with it once
    /// finish() or resume() was called; input that comes meanwhile waits behind it. After `closed`: write the output, close.
    Input feed(std::string_view& bytes);
    /// The answer to the data, from the handler's owner; also from within end_of_data(). 421 closes. Without effect where
    /// no answer is owed.
    void finish(const Reply& reply);
    /// After content() said false. Calls end_of_data() itself where the data had ended: take_output() afterwards.
    void resume();
    /// Ends the session with 421: time-out, shutdown. Nothing is fed afterwards. While an answer to the data is owed nothing
    /// is written: what became of that message can't be told.
    void abort(const Reply& reply);

    /// What is to be written now; empties it.
    std::string take_output();

    enum class Phase { start, idle, mail, data, answer, closed };
    Phase phase() const { return phase_; }
    bool extended() const { return extended_; }  // EHLO rather than HELO
    const std::string& helo() const { return helo_; }
    static Reply refusal(End end);

private:
    struct Command;
    struct Incoming;

    Options options_;
    Handler& handler_;
    Phase phase_ = Phase::start;
    bool extended_ = false;
    bool paused_ = false;
    bool data_refused_ = false;
    std::string helo_;
    std::size_t recipients_ = 0;  // accepted in this transaction
    unsigned errors_ = 0;
    LineReader reader_;
    std::unique_ptr<Incoming> incoming_;  // in Phase::data
    std::string output_;

    void enter(Phase next) { phase_ = next; }
    void say(const Reply& reply);
    Reply bad(int code, std::string_view status, std::string_view text);
    Reply hang_up(const Reply& reply);
    void close();
    void end_transaction();

    void take_command(std::string_view& bytes);
    void take_content(std::string_view& bytes);
    void take_end_of_data();

    static const Command* find_command(std::string_view verb);
    Reply run(std::string_view line, bool more_behind);
    Reply out_of_order();
    bool ends_refused_data(std::string_view verb);
    Reply hello(std::string_view argument);
    Reply extended_hello(std::string_view argument);
    bool take_name(std::string_view name);
    Reply mail(std::string_view argument);
    Reply recipient(std::string_view argument);
    Reply data(std::string_view argument);
    Reply rset(std::string_view argument);
    Reply noop(std::string_view argument);
    Reply help(std::string_view argument);
    Reply verify(std::string_view argument);
    Reply quit(std::string_view argument);
    Reply not_implemented(std::string_view argument);
    Reply other_protocol(std::string_view argument);
};

}  // namespace onecopy::smtp
