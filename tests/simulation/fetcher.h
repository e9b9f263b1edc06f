#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "record.h"
#include "tls_end.h"
#include "wire.h"

namespace simulation {

/// Brings one copy, in a session of its own: again and again until it was taken, as a fetcher does that deletes a message
/// after 250 only. Its sessions are cut anywhere, its answers get lost.
class Fetcher : public std::enable_shared_from_this<Fetcher> {
public:
    struct Manner {
        unsigned clumsy = 0;    // chance in percent that a session is cut
        bool gives_up = false;  // what was refused once is not brought again
        bool chunks = false;    // BDAT instead of DATA
    };
    Fetcher(Record& record, std::size_t message, std::vector<std::string> recipients, std::string trace, Manner manner);
    void start(Microseconds delay);
    static unsigned under_way;  // that have not ended
    static constexpr const char* user = "fetcher";
    static constexpr const char* password = "what it says";

private:
    /// What it says between EHLO and MAIL: TLS, who it is, and what is none of its business.
    enum class Before {
        start_tls,
        hello,
        mail_too_early,
        log_in_too_early,
        wrong_password,
        plain,
        login,
        login_name,
        login_password
    };

    void connect();
    void plan();
    void arrived(const std::string& bytes);
    void say_hello();
    bool go_on_before_mail(int code);
    bool answered(Before what, int code);
    void ask(Before what);
    void write_content();
    std::size_t steps() const;
    void received(const std::string& bytes);
    void reply(int code);
    void send_piece(std::size_t number);
    void verdict(int code);
    void say(const std::string& bytes);
    void lost(Microseconds delay);
    void leave();
    void end();

    Record& record_;
    std::size_t message_;
    std::vector<std::string> recipients_;
    std::vector<std::string> taken_;  // of them in this session
    std::string header_;
    Manner manner_;
    unsigned tries_ = 0;
    std::uint64_t session_ = 0;
    std::shared_ptr<Wire> wire_;
    std::string input_;
    bool smtputf8_ = false;  // is offered
    std::size_t step_ = 0;
    std::size_t submission_ = 0;
    std::size_t cut_at_ = 0;           // the step whose answer is lost with the session, or behind them a piece; 0: none
    std::vector<std::string> pieces_;  // what follows the recipients: each is answered
    bool hasty_ = false;               // but no answer is awaited between them
    bool quitting_ = false;
    std::deque<Before> before_mail_;
    std::optional<Before> asked_;  // of them, and not answered yet
    std::optional<TlsEnd> tls_;
    bool injected_ = false;  // somebody on the way has added to what it said
    bool logged_in_ = false;
};

}  // namespace simulation
