#include "smtp/client_session.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <tuple>
#include <utility>

#include "base/base64.h"
#include "base/escape.h"

namespace onecopy::smtp {

namespace {

using namespace std::chrono_literals;
using Outcome = ClientTransaction::Outcome;
using Stage = RunningTransaction::Stage;

/// Commands that may be unanswered at a time where the server takes several (RFC 2920 3.1).
constexpr std::size_t most_unanswered = 100;

/// As Reply::wants_log_in(), by its words; said of a recipient they might mean that his mailbox does not take everyone's
/// mail, and of the content that its author is not who he says.
bool says_log_in(const Reply& reply) {
    return base::lower(reply.text()).find("not authenticated") != std::string::npos;
}

}  // namespace

/// What may answer a step, and how long that may take (RFC 5321 4.5.3.2).
struct ClientSession::Rule {
    Step step;
    base::Duration timeout;
    void (ClientSession::*answered)(const Reply& reply);
};

const ClientSession::Rule& ClientSession::rule(Step step) {
    static constexpr std::array rules = {
        Rule{Step::greeting, 5min, &ClientSession::on_greeting},  Rule{Step::ehlo, 5min, &ClientSession::on_ehlo},
        Rule{Step::helo, 5min, &ClientSession::on_helo},          Rule{Step::start_tls, 5min, &ClientSession::on_start_tls},
        Rule{Step::auth, 5min, &ClientSession::on_auth},          Rule{Step::reset, 5min, &ClientSession::on_reset},
        Rule{Step::mail, 5min, &ClientSession::on_mail},          Rule{Step::recipient, 5min, &ClientSession::on_recipient},
        Rule{Step::data, 2min, &ClientSession::on_data},          Rule{Step::verdict, 10min, &ClientSession::on_verdict},
        Rule{Step::lone_dot, 10min, &ClientSession::on_lone_dot}, Rule{Step::quit, 10s, &ClientSession::on_quit},
    };
    return *std::ranges::find(rules, step, &Rule::step);
}

ClientSession::ClientSession(Options options, Handler& handler)
    : options_(std::move(options)), handler_(handler), awaited_{Step::greeting} {}

ClientSession::~ClientSession() = default;

std::string_view ClientSession::feed(std::string_view bytes) {
    while (!dead_ && !starting_tls_ && !bytes.empty()) {
        switch (reader_.feed(bytes)) {
            case ReplyReader::Result::more:
                break;
            case ReplyReader::Result::reply:
                take(reader_.take());
                break;
            case ReplyReader::Result::broken:
                fail({0, "", "broken reply: " + reader_.fault()});
                break;
        }
    }
    return starting_tls_ ? bytes : std::string_view();
}

void ClientSession::secured() {
    ++progress_;
    starting_tls_ = false;
    secure_ = true;
    extensions_ = {};
    greet_back();
}

void ClientSession::lost(std::string_view why) {
    if (!dead_) fail({0, "", why});
}

void ClientSession::start(ClientTransaction transaction) {
    assert(ready_ && !running_ && !dead_);
    ++progress_;
    running_.emplace(std::move(transaction), extensions_);
    advance();
}

bool ClientSession::in_content() const {
    return running_ && running_->stage() == Stage::content;
}

void ClientSession::content(std::string_view piece) {
    if (!in_content()) return;
    ++progress_;
    running_->add_content(piece, output_);
}

void ClientSession::end_of_content() {
    if (!in_content()) return;
    ++progress_;
    running_->finish_content(output_);
    const std::size_t verdicts = options_.lmtp ? running_->accepted() : 1;
    for (std::size_t i = 0; i < verdicts; ++i) send(Step::verdict, "");
}

void ClientSession::abandon() {
    die();
    running_.reset();
}

void ClientSession::quit() {
    if (dead_ || running_) return;
    if (!ready_) return abandon();
    ready_ = false;
    send(Step::quit, "QUIT\r\n");
}

std::string ClientSession::take_output() {
    unsent_ = 0;
    return std::exchange(output_, {});
}

base::Duration ClientSession::timeout() const {
    constexpr base::Duration content_block = 3min;
    constexpr base::Duration idle = 5min;
    if (in_content()) return content_block;
    return awaited_.empty() ? idle : rule(awaited_.front()).timeout;
}

bool ClientSession::awaiting_verdict() const {
    return !awaited_.empty() && awaited_.front() == Step::verdict && unsent_ == 0;
}

void ClientSession::send(Step step, std::string_view line) {
    output_ += line;
    awaited_.push_back(step);
    ++unsent_;
}

void ClientSession::take(const Reply& reply) {
    ++progress_;
    if (awaited_.size() == unsent_) return take_unasked(reply);
    const Step step = awaited_.front();
    awaited_.pop_front();
    if (reply.code == 421 && step != Step::quit) return take_farewell(step, reply);
    (this->*rule(step).answered)(reply);
    if (!dead_) advance();
}

void ClientSession::take_farewell(Step step, const Reply& reply) {
    if (step == Step::verdict && options_.lmtp) running_->take_next_verdict(reply);  // the others' are unknown
    fail(reply);
}

/// A server that has seen enough of the content may refuse it at once. Nothing else may come where nothing was asked.
void ClientSession::take_unasked(const Reply& reply) {
    if (reply.code == 421 || reply.wants_log_in()) return fail(reply);
    if (!uploading() || !(reply.transient() || reply.permanent())) {
        return fail({0, "", "reply to nothing that was asked: " + reply.text()});
    }
    running_->take_verdict(reply);
    die();
    conclude();
}

/// Content is being sent, its end included.
bool ClientSession::uploading() const {
    return in_content() || (!awaited_.empty() && awaited_.front() == Step::verdict && unsent_ != 0);
}

/// Sends what may be sent now; tells the end of a transaction that has nothing left to send or to await.
void ClientSession::advance() {
    if (!running_ || in_content()) return;
    const std::size_t window = extensions_.pipelining ? most_unanswered : 1;
    while (awaited_.size() < window && send_next()) {
    }
    if (running_ && awaited_.empty() && !in_content()) conclude();
}

bool ClientSession::send_next() {
    if (running_->decided()) return false;
    switch (running_->stage()) {
        case Stage::mail:
            if (std::exchange(left_open_, false)) {
                send(Step::reset, "RSET\r\n");
            } else {
                send(Step::mail, running_->mail_command());
            }
            return true;
        case Stage::recipients:
            send(Step::recipient, running_->recipient_command());
            return true;
        case Stage::data:
            if (running_->chunked()) return begin_chunk();
            running_->enter(Stage::ended);
            send(Step::data, "DATA\r\n");
            return true;
        case Stage::content:
        case Stage::ended:
            return false;
    }
    return false;
}

/// Not before it is known that somebody wants it: the server would have to take it all the same.
bool ClientSession::begin_chunk() {
    if (awaited_.empty()) {
        output_ += running_->chunk_command();
        begin_content();
    }
    return false;
}

void ClientSession::begin_content() {
    running_->enter(Stage::content);
    handler_.send_content();
}

/// The handler may start the next transaction from within.
void ClientSession::conclude() {
    const auto ended = *std::exchange(running_, std::nullopt);
    handler_.done(ended.result());
}

/// Nothing is sent or awaited any more.
void ClientSession::die() {
    dead_ = true;
    awaited_.clear();
    output_.clear();
}

void ClientSession::fail(const Reply& reply) {
    const bool unknown = awaiting_verdict();
    const bool quitting = !awaited_.empty() && awaited_.front() == Step::quit;
    die();
    ill_ = !quitting;
    if (running_) {
        running_->settle_rest(unknown ? Outcome::unknown : Outcome::deferred, reply);
        conclude();
    }
    if (!quitting) handler_.ill(reply);
}

/// The reply is well-formed, but none that its command can get.
void ClientSession::fail_senseless(const Reply& reply) {
    fail({0, "", "senseless reply: " + reply.text()});
}

void ClientSession::on_greeting(const Reply& reply) {
    if (!reply.positive()) return fail(reply);
    greet_back();
}

void ClientSession::greet_back() {
    send(Step::ehlo, (options_.lmtp ? "LHLO " : "EHLO ") + options_.hostname + "\r\n");
}

void ClientSession::on_ehlo(const Reply& reply) {
    if (reply.positive()) {
        extensions_ = Extensions::read(reply);
        prepare();
    } else if (!options_.lmtp && (reply.code == 500 || reply.code == 502 || reply.code == 504)) {
        send(Step::helo, "HELO " + options_.hostname + "\r\n");
    } else {
        fail(reply);
    }
}

void ClientSession::on_helo(const Reply& reply) {
    if (!reply.positive()) return fail(reply);
    prepare();
}

/// What has to come before mail: TLS, then AUTH.
void ClientSession::prepare() {
    if (options_.tls != Tls::none && !secure_) return encrypt();
    authenticate();
}

void ClientSession::encrypt() {
    if (extensions_.start_tls) return send(Step::start_tls, "STARTTLS\r\n");
    if (options_.tls == Tls::required) return fail({0, "4.7.0", "the server does not offer STARTTLS (backend.tls)"});
    authenticate();
}

void ClientSession::on_start_tls(const Reply& reply) {
    if (reply.positive()) {
        starting_tls_ = true;
        return handler_.start_tls();
    }
    if (reply.intermediate()) return fail_senseless(reply);
    if (options_.tls == Tls::required) return fail(reply);
    authenticate();
}

/// A password goes to nobody who might be overheard.
void ClientSession::authenticate() {
    if (options_.username.empty()) return become_ready();
    if (!secure_ && !options_.may_authenticate) {
        return fail({0, "4.7.0", "no TLS: the password is not sent in plain text (backend.username)"});
    }
    const auto& [user, password] = std::tie(options_.username, options_.password);
    if (extensions_.auth_plain) {
        return send(Step::auth, "AUTH PLAIN " + base::base64('\0' + user + '\0' + password) + "\r\n");
    }
    if (!extensions_.auth_login) return fail({0, "4.7.0", "the server offers no AUTH that is known here: PLAIN, LOGIN"});
    send(Step::auth, "AUTH LOGIN\r\n");
}

void ClientSession::on_auth(const Reply& reply) {
    if (reply.positive()) return become_ready();
    if (!reply.intermediate()) return fail(reply);
    if (extensions_.auth_plain || login_responses_ == 2) return fail_senseless(reply);
    send(Step::auth, base::base64(login_responses_++ == 0 ? options_.username : options_.password) + "\r\n");
}

void ClientSession::become_ready() {
    ready_ = true;
    handler_.ready();
}

void ClientSession::on_reset(const Reply& reply) {
    if (!reply.positive()) fail(reply);
}

void ClientSession::on_mail(const Reply& reply) {
    if (reply.intermediate()) return fail_senseless(reply);
    left_open_ = reply.positive();
    if (reply.positive()) return;
    if (reply.wants_log_in() || says_log_in(reply)) return fail(reply);
    running_->take_mail_reply(reply);
}

void ClientSession::on_recipient(const Reply& reply) {
    if (reply.intermediate()) return fail_senseless(reply);
    if (reply.wants_log_in()) return fail(reply);
    running_->take_recipient_reply(reply);
}

void ClientSession::on_data(const Reply& reply) {
    if (reply.positive()) return fail_senseless(reply);
    if (reply.wants_log_in()) return fail(reply);
    if (!reply.intermediate()) return running_->take_verdict(reply);
    left_open_ = false;
    if (running_->wants_content()) return begin_content();
    if (options_.lmtp) return fail_senseless(reply);  // nobody would answer the dot (RFC 2033 4.2)
    send(Step::lone_dot, ".\r\n");
}

/// What a refused chunk leaves behind is the server's choice; whatever it is, RSET ends it (RFC 3030 2). Where a log-in is
/// wanted nobody's mail was taken, but by LMTP that of others may have been: their verdicts are heard first.
void ClientSession::on_verdict(const Reply& reply) {
    if (reply.intermediate()) {
        running_->settle_rest(Outcome::unknown, reply);
        return fail_senseless(reply);
    }
    if (reply.positive()) left_open_ = false;
    if (reply.wants_log_in()) log_in_wanted_ = reply;
    if (options_.lmtp) {
        running_->take_next_verdict(reply);
    } else if (!log_in_wanted_) {
        running_->take_verdict(reply);
    }
    if (log_in_wanted_ && awaited_.empty()) fail(*log_in_wanted_);
}

/// The server wanted data for nobody (RFC 2920 3.1): whatever it says of an empty message, nobody gets it.
void ClientSession::on_lone_dot(const Reply&) {}

void ClientSession::on_quit(const Reply&) {
    dead_ = true;
}

}  // namespace onecopy::smtp
