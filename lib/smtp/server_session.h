#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "message/envelope.h"
#include "message/mailbox.h"
#include "smtp/auth_exchange.h"
#include "smtp/command.h"
#include "smtp/line_reader.h"
#include "smtp/reply.h"

namespace onecopy::smtp {

/// What the caller does after feed(): give more when it comes; hold all input until finish(), authenticated() or resume()
/// was called; write the output and start TLS, with a new session behind it; or write the output and close.
enum class Input { more, pause, start_tls, closed };

/// The server's side of one SMTP or LMTP connection (RFC 5321, 1870, 2033, 2034, 2920, 3030, 3207, 3461, 4954, 6152, 6531).
/// Passive: bytes in, bytes out; it owns no socket, no clock and no TLS. The handler must outlive it. One transaction at a
/// time is told to the handler: mail, recipient ..., data, content ..., end_of_data -> finish(). reset() ends one that did
/// not come so far.
class ServerSession {
public:
    enum class Tls { none, offered, required, active };  // required: nothing is to be had before STARTTLS
    enum class Auth { none, optional, required };

    struct Options {
        std::string hostname;
        std::uint64_t message_size = 50 << 20;
        std::size_t recipients = 1000;  // in one transaction; more: 452 4.5.3
        unsigned errors = 20;           // bad commands before 421
        bool refuse_bare = false;       // a bare CR or LF in the data: 550 5.5.2 at its end (else normalised)
        bool lmtp = false;              // RFC 2033: LHLO, and a reply for each recipient at the end of the data
        Tls tls = Tls::none;
        Auth auth = Auth::none;
        bool may_authenticate = false;  // under TLS, or from loopback
        bool smtputf8 = false;          // is offered
    };

    /// How the data ended.
    enum class End { complete, too_large, bare_line_end };

    class Handler {
    public:
        virtual ~Handler() = default;
        /// A reply refuses the command. `size`: as declared by SIZE=, 0 where it was not.
        virtual std::optional<Reply> mail(const std::string& sender, std::uint64_t size,
                                          const message::MailOptions& options) = 0;
        virtual std::optional<Reply> recipient(const message::Mailbox& mailbox,
                                               const message::RecipientOptions& options) = 0;
        /// The data begins, unless a reply is returned, which refuses it.
        virtual std::optional<Reply> data() = 0;
        /// A piece of the decoded message, canonical line ends. False: pause, resume() will be called.
        virtual bool content(std::string_view piece) = 0;
        /// The data is whole (or was, but may not be taken: then finish() must get a 5xx, which refusal() makes).
        /// finish() is called now or later, once, unless the connection dies first.
        virtual void end_of_data(End end) = 0;
        /// The transaction is over without an answer to the data: RSET, EHLO, QUIT, a refused chunk.
        virtual void reset() = 0;
        /// Somebody says who he is; authenticated() is called now or later, once, unless the connection dies first.
        virtual void authenticate(std::string name, std::string password) = 0;
    };

    ServerSession(Options options, Handler& handler);
    ~ServerSession();

    /// The greeting; call once, first, but not where the session follows STARTTLS.
    void greet();
    /// Takes what it can off the front of `bytes`. After `pause` the caller keeps the rest and calls again with it later;
    /// input that comes meanwhile waits behind it. After `start_tls` and `closed` nothing more is fed.
    Input feed(std::string_view& bytes);
    /// The answer to the data, from the handler's owner; also from within end_of_data(). 421 closes. Without effect where
    /// no answer is owed.
    void finish(const Reply& reply);
    /// After content() said false. Calls end_of_data() itself where the data had ended: take_output() afterwards.
    void resume();
    /// What became of authenticate(); unavailable: nobody can tell now.
    enum class Credentials { right, wrong, unavailable };
    void authenticated(Credentials credentials);
    /// Ends the session with 421: time-out, shutdown. Nothing is fed afterwards. While an answer to the data is owed nothing
    /// is written: what became of that message can't be told.
    void abort(const Reply& reply);

    /// What is to be written now; empties it.
    std::string take_output();

    enum class Phase { start, idle, mail, chunks, data, answer, credentials, closed };
    Phase phase() const { return phase_; }
    const std::string& helo() const { return helo_; }
    const std::string& user() const { return user_; }  // who has authenticated; empty: nobody
    /// How Received calls it: `ESMTPSA`, `UTF8LMTP` (RFC 3848, 6531 4.3).
    std::string protocol() const;
    static Reply refusal(End end);

private:
    struct Command;
    struct Incoming;

    Options options_;
    Handler& handler_;
    Phase phase_ = Phase::start;
    bool extended_ = false;  // EHLO rather than HELO
    bool paused_ = false;
    bool data_refused_ = false;
    bool passing_chunks_ = false;  // of a message that was refused, up to LAST
    bool starting_tls_ = false;
    bool smtputf8_ = false;  // of this transaction
    std::string helo_;
    std::string claimed_;  // who it is said to be, while the password is checked
    std::string user_;
    std::size_t recipients_ = 0;  // accepted in this transaction
    unsigned errors_ = 0;
    unsigned wrong_credentials_ = 0;
    LineReader reader_;
    std::optional<AuthExchange> auth_;    // between 334 and its response
    std::unique_ptr<Incoming> incoming_;  // from the first byte of the data to the last
    std::uint64_t discarding_ = 0;        // bytes of a refused chunk
    Reply after_discarding_;
    std::string output_;

    void enter(Phase next) { phase_ = next; }
    void say(const Reply& reply);
    Reply bad(int code, std::string_view status, std::string_view text);
    Reply hang_up(const Reply& reply);
    void close();
    void end_transaction();

    void take_command(std::string_view& bytes);
    void take_content(std::string_view& bytes);
    void tell_content();
    void take_end_of_piece();
    void take_end_of_data();
    void discard(std::string_view& bytes);

    static const Command* find_command(std::string_view verb);
    Reply run(std::string_view line, bool more_behind);
    Reply out_of_order();
    bool ends_refused_data(std::string_view verb);
    Reply hello(std::string_view argument);
    Reply extended_hello(std::string_view argument);
    Reply lmtp_hello(std::string_view argument);
    Reply offer(std::string_view name);
    bool take_name(std::string_view name);
    Reply mail(std::string_view argument);
    Reply recipient(std::string_view argument);
    Reply data(std::string_view argument);
    Reply chunk(std::string_view argument);
    Reply no_recipients();
    std::optional<Reply> objection_to_chunk(std::uint64_t size);
    Reply pass_over(const ChunkArgument& chunk, Reply refusal);
    Reply rset(std::string_view argument);
    Reply noop(std::string_view argument);
    Reply help(std::string_view argument);
    Reply verify(std::string_view argument);
    Reply quit(std::string_view argument);
    Reply start_tls(std::string_view argument);
    Reply auth(std::string_view argument);
    Reply respond(std::string_view response);
    Reply not_implemented(std::string_view argument);
    Reply other_protocol(std::string_view argument);
};

}  // namespace onecopy::smtp
