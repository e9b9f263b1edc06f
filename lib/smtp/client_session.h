#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "smtp/client_transaction.h"
#include "smtp/extensions.h"
#include "smtp/reply.h"
#include "smtp/running_transaction.h"

namespace onecopy::smtp {

/// The client's side of one SMTP or LMTP connection to the backend (RFC 5321, 1870, 2033, 2920, 3030, 3207, 3461, 4954,
/// 6152, 6531). Passive; of TLS it knows when it begins. It pipelines where that is offered, sends the content in one chunk
/// where it may, falls back to HELO, and keeps a queue of the replies that it awaits; every reply is hostile. Order of
/// calls: feed() until Handler::ready(); start(); content() ... end_of_content() after Handler::send_content();
/// Handler::done(); then start() again, or quit().
class ClientSession {
public:
    enum class Tls { none, opportunistic, required };
    struct Options {
        std::string hostname;  // for EHLO
        bool lmtp = false;
        Tls tls = Tls::none;
        bool may_authenticate = false;  // without TLS: the server is on this host
        std::string username = {};      // empty: it is not said
        std::string password = {};
    };

    class Handler {
    public:
        virtual ~Handler() = default;
        virtual void ready() = 0;
        /// The server awaits the handshake: start TLS, then call secured().
        virtual void start_tls() = 0;
        /// Somebody was accepted and the server takes it: content() is wanted now, ClientTransaction::size octets in all.
        virtual void send_content() = 0;
        /// start() or quit() may be called from within, unless dead(): a refusal that came before the content was out ends
        /// the connection, since the server may go on to take the rest for commands.
        virtual void done(const ClientTransaction::Result& result) = 0;
        /// The server is ill() or wrongly set up, at any stage where that blames no mail: 421, refused greeting or EHLO,
        /// 530/534/535/538 to whatever of a transaction, a broken reply, a lost connection. Where a transaction was open,
        /// done() came before it (its recipients deferred, or unknown after the final dot). The session is dead then.
        virtual void ill(const Reply& reply) = 0;
    };

    ClientSession(Options options, Handler& handler);
    ~ClientSession();

    /// What is not taken is given back: what stands behind the reply that lets TLS begin was not sent under it, and may be
    /// anybody's.
    std::string_view feed(std::string_view bytes);
    /// All is under TLS from here on. What the server said before is forgotten (RFC 3207 4.2).
    void secured();
    /// The connection is gone (`why` for people: "connection lost", "timed out after 300 s"). ill() follows.
    void lost(std::string_view why);

    /// Only after ready() or done(), while not dead(). A message that can't be sent at all (too large for the server, no
    /// usable address) is told by done() from within.
    void start(ClientTransaction transaction);
    void content(std::string_view piece);
    void end_of_content();
    /// The content can't be had (a damaged spool): nothing more may be sent, the owner closes the connection. No event
    /// follows.
    void abandon();
    /// Says QUIT where no transaction is open; no event follows, dead() turns true with the answer.
    void quit();

    /// What is to be written now; empties it. A reply that comes before its command was taken from here is broken.
    std::string take_output();
    /// How long to wait for what is awaited now (RFC 5321 4.5.3.2): counted anew by the owner when progress() changes.
    /// In content: for a block to leave. Idle: how long a connection may rest, 5 min.
    base::Duration timeout() const;
    std::uint64_t progress() const { return progress_; }
    bool dead() const { return dead_; }
    /// Dead because of the server; true already while done() tells what became of the transaction.
    bool ill() const { return ill_; }
    /// The final dot is out and its answer is not here.
    bool awaiting_verdict() const;
    /// After ready().
    const Extensions& extensions() const { return extensions_; }

private:
    enum class Step { greeting, ehlo, helo, start_tls, auth, reset, mail, recipient, data, verdict, lone_dot, quit };
    struct Rule;

    Options options_;
    Handler& handler_;
    ReplyReader reader_;
    Extensions extensions_;
    std::deque<Step> awaited_;
    std::size_t unsent_ = 0;  // how many at the end of awaited_ are not taken from the output yet: no reply can be theirs
    std::optional<RunningTransaction> running_;
    std::string output_;
    std::uint64_t progress_ = 0;
    bool ready_ = false;
    bool left_open_ = false;  // the server still has a transaction, which RSET must end
    bool dead_ = false;
    bool ill_ = false;
    bool starting_tls_ = false;
    bool secure_ = false;
    unsigned login_responses_ = 0;        // sent of AUTH LOGIN
    std::optional<Reply> log_in_wanted_;  // a verdict; those of others are awaited yet

    static const Rule& rule(Step step);
    void send(Step step, std::string_view line);
    void take(const Reply& reply);
    void take_farewell(Step step, const Reply& reply);
    void take_unasked(const Reply& reply);
    void advance();
    bool send_next();
    bool begin_chunk();
    void begin_content();
    bool in_content() const;
    bool uploading() const;
    void greet_back();
    void prepare();
    void encrypt();
    void authenticate();
    void become_ready();
    void conclude();
    void die();
    void fail(const Reply& reply);
    void fail_senseless(const Reply& reply);
    void on_greeting(const Reply& reply);
    void on_ehlo(const Reply& reply);
    void on_helo(const Reply& reply);
    void on_start_tls(const Reply& reply);
    void on_auth(const Reply& reply);
    void on_reset(const Reply& reply);
    void on_mail(const Reply& reply);
    void on_recipient(const Reply& reply);
    void on_data(const Reply& reply);
    void on_verdict(const Reply& reply);
    void on_lone_dot(const Reply& reply);
    void on_quit(const Reply& reply);
};

}  // namespace onecopy::smtp
