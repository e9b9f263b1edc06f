#include <algorithm>
#include <array>
#include <utility>

#include "base/escape.h"
#include "message/characters.h"
#include "smtp/parameters.h"
#include "smtp/server_session.h"

namespace onecopy::smtp {

namespace {

constexpr std::size_t most_path = 1000;  // RFC 5321 4.5.3.1.3 asks for 256
constexpr std::size_t most_helo = 512;

enum class Argument { none, optional, required };

constexpr unsigned bit(ServerSession::Phase phase) {
    return 1U << static_cast<unsigned>(phase);
}
constexpr unsigned at_idle = bit(ServerSession::Phase::idle);
constexpr unsigned in_mail = bit(ServerSession::Phase::mail);
constexpr unsigned any = bit(ServerSession::Phase::start) | at_idle | in_mail | bit(ServerSession::Phase::chunks);
/// Also where TLS is required and not active (RFC 3207 4). BDAT is refused there too, but behind its bytes.
constexpr unsigned before_tls = bit(ServerSession::Phase::closed) << 1;
constexpr unsigned always = any | before_tls;

bool has_control(std::string_view text) {
    return std::ranges::any_of(text, message::is_control);
}

bool holds_response(std::string_view argument) {
    return !first_word(argument).second.empty();
}

std::optional<message::Mailbox> parse_path(std::string_view path) {
    if (path.size() > most_path) return std::nullopt;
    return message::parse_mailbox(path);
}

}  // namespace

struct ServerSession::Command {
    std::string_view verb;
    unsigned phases;
    Argument argument;
    /// Nothing may stand behind it in the same input: the client must await its answer (RFC 2920 3.1). RFC 2920 says so
    /// of NOOP and QUIT too, but clients don't heed it there, and it can do no harm; and of DATA, where a message that
    /// comes at once is taken like any other, and one behind a refused DATA is no command (ends_refused_data()). AUTH with
    /// the only response that its mechanism has may be followed too (RFC 4954 4).
    bool last;
    Reply (ServerSession::*run)(std::string_view argument);
};

const ServerSession::Command* ServerSession::find_command(std::string_view verb) {
    using enum Argument;
    static constexpr std::array commands = {
        Command{"MAIL", at_idle, required, false, &ServerSession::mail},
        Command{"RCPT", in_mail, required, false, &ServerSession::recipient},
        Command{"DATA", in_mail, none, false, &ServerSession::data},
        Command{"EHLO", always, required, true, &ServerSession::extended_hello},
        Command{"HELO", any, required, true, &ServerSession::hello},
        Command{"RSET", any, none, false, &ServerSession::rset},
        Command{"QUIT", always, none, false, &ServerSession::quit},
        Command{"NOOP", always, optional, false, &ServerSession::noop},
        Command{"VRFY", any, required, true, &ServerSession::verify},
        Command{"HELP", any, optional, false, &ServerSession::help},
        Command{"EXPN", any, optional, true, &ServerSession::not_implemented},
        Command{"STARTTLS", always, optional, true, &ServerSession::start_tls},
        Command{"AUTH", any, required, true, &ServerSession::auth},
        Command{"BDAT", always, optional, false, &ServerSession::chunk},
        Command{"LHLO", always, required, true, &ServerSession::lmtp_hello},
        Command{"TURN", any, optional, true, &ServerSession::not_implemented},
        Command{"SEND", any, optional, false, &ServerSession::not_implemented},
        Command{"SOML", any, optional, false, &ServerSession::not_implemented},
        Command{"SAML", any, optional, false, &ServerSession::not_implemented},
        Command{"GET", always, optional, false, &ServerSession::other_protocol},
        Command{"HEAD", always, optional, false, &ServerSession::other_protocol},
        Command{"POST", always, optional, false, &ServerSession::other_protocol},
        Command{"PUT", always, optional, false, &ServerSession::other_protocol},
        Command{"DELETE", always, optional, false, &ServerSession::other_protocol},
        Command{"CONNECT", always, optional, false, &ServerSession::other_protocol},
        Command{"OPTIONS", always, optional, false, &ServerSession::other_protocol},
        Command{"PATCH", always, optional, false, &ServerSession::other_protocol},
        Command{"TRACE", always, optional, false, &ServerSession::other_protocol},
        Command{"PRI", always, optional, false, &ServerSession::other_protocol},
        Command{"PROXY", always, optional, false, &ServerSession::other_protocol},
    };
    const auto found = std::ranges::find(commands, verb, &Command::verb);
    return found == commands.end() ? nullptr : &*found;
}

Reply ServerSession::run(std::string_view line, bool more_behind) {
    if (line.find('\0') != line.npos) return bad(500, "5.5.2", "a NUL in a command");
    const auto [verb, argument] = parse_command(line);
    const Command* command = find_command(verb);
    const bool plain = command != nullptr && (command->phases & before_tls) != 0;
    if (options_.tls == Tls::required && !plain) return bad(530, "5.7.0", "STARTTLS comes first");
    if (verb != "BDAT") passing_chunks_ = false;
    if (data_refused_ && !ends_refused_data(verb))
        return bad(503, "5.5.1", "DATA was refused: RSET, MAIL or QUIT comes next");
    if (command == nullptr) return bad(500, "5.5.1", "command not recognized");
    if (more_behind && command->last && !(verb == "AUTH" && holds_response(argument))) {
        return hang_up({554, "5.5.0", "input behind " + verb + ", whose answer had to be awaited"});
    }
    if (command->argument == Argument::none && !argument.empty()) return bad(501, "5.5.4", verb + " takes no argument");
    if (command->argument == Argument::required && argument.empty()) return bad(501, "5.5.4", verb + " needs an argument");
    bool in_order = (command->phases & bit(phase_)) != 0;
    Reply reply = in_order ? (this->*command->run)(argument) : out_of_order();
    if (verb == "DATA" && !reply.intermediate()) data_refused_ = true;
    return reply;
}

/// Lines of a message whose DATA was refused must not be run by accident; BDAT says itself where its bytes end.
bool ServerSession::ends_refused_data(std::string_view verb) {
    static constexpr std::array<std::string_view, 7> verbs = {"RSET", "MAIL", "QUIT", "EHLO", "HELO", "LHLO", "BDAT"};
    data_refused_ = std::ranges::find(verbs, verb) == verbs.end();
    return !data_refused_;
}

Reply ServerSession::out_of_order() {
    if (phase_ == Phase::start) return bad(503, "5.5.1", options_.lmtp ? "LHLO comes first" : "EHLO or HELO comes first");
    if (phase_ == Phase::idle) return bad(503, "5.5.1", "MAIL comes first");
    return bad(503, "5.5.1", "a transaction is open; RSET ends it");
}

Reply ServerSession::hello(std::string_view argument) {
    if (options_.lmtp) return bad(500, "5.5.1", "this is LMTP: LHLO");
    if (!take_name(argument)) return bad(501, "5.5.4", "malformed name");
    extended_ = false;
    return {250, "", options_.hostname};
}

Reply ServerSession::extended_hello(std::string_view argument) {
    if (options_.lmtp) return bad(500, "5.5.1", "this is LMTP: LHLO");
    return offer(argument);
}

Reply ServerSession::lmtp_hello(std::string_view argument) {
    if (!options_.lmtp) return bad(500, "5.5.1", "this is SMTP: EHLO");
    return offer(argument);
}

Reply ServerSession::offer(std::string_view name) {
    if (!take_name(name)) return bad(501, "5.5.4", "malformed name");
    extended_ = true;
    Reply reply(250, "", options_.hostname);
    const auto size = "SIZE " + std::to_string(options_.message_size);
    for (const std::string& line : {std::string("PIPELINING"), size, std::string("8BITMIME")}) reply.lines.push_back(line);
    if (options_.tls == Tls::offered || options_.tls == Tls::required) reply.lines.emplace_back("STARTTLS");
    if (options_.tls == Tls::required) return reply;
    if (options_.auth != Auth::none && options_.may_authenticate) {
        reply.lines.push_back("AUTH " + std::string(AuthExchange::mechanisms));
    }
    if (options_.smtputf8) reply.lines.emplace_back("SMTPUTF8");
    for (const char* line : {"ENHANCEDSTATUSCODES", "CHUNKING", "DSN", "HELP"}) reply.lines.emplace_back(line);
    return reply;
}

/// The name is taken as it is: what it claims is no reason to refuse (RFC 5321 4.1.4).
bool ServerSession::take_name(std::string_view name) {
    if (name.size() > most_helo || has_control(name)) return false;
    end_transaction();
    helo_ = name;
    enter(Phase::idle);
    return true;
}

Reply ServerSession::mail(std::string_view argument) {
    if (options_.auth == Auth::required && user_.empty()) return bad(530, "5.7.0", "authentication required");
    const auto parsed = parse_path_argument(argument, "FROM:");
    if (!parsed) return bad(501, "5.5.4", "syntax: MAIL FROM:<address>");
    if (!extended_ && !parsed->parameters.empty()) return bad(555, "5.5.4", "parameters of MAIL need EHLO");
    const KnownParameters known{options_.smtputf8, options_.auth != Auth::none};
    const auto parameters = read_mail_parameters(parsed->parameters, known);
    if (parameters.fault != 0) return bad(parameters.fault, "5.5.4", parameters.words);
    const auto sender = parsed->path.empty() ? std::string() : message::parse_sender(parsed->path);
    if (!sender) return bad(501, "5.1.7", "malformed sender address");
    if (!message::is_ascii(parsed->path) && !parameters.options.smtputf8) {
        return {550, "5.6.7", "a sender beyond ASCII needs SMTPUTF8"};
    }
    if (parameters.size > options_.message_size) return refusal(End::too_large);
    if (auto refused = handler_.mail(*sender, parameters.size, parameters.options)) return *std::move(refused);
    smtputf8_ = parameters.options.smtputf8;
    enter(Phase::mail);
    return {250, "2.1.0", "Ok"};
}

Reply ServerSession::recipient(std::string_view argument) {
    const auto parsed = parse_path_argument(argument, "TO:");
    if (!parsed) return bad(501, "5.5.4", "syntax: RCPT TO:<address>");
    if (!extended_ && !parsed->parameters.empty()) return bad(555, "5.5.4", "parameters of RCPT need EHLO");
    const auto parameters = read_recipient_parameters(parsed->parameters, smtputf8_);
    if (parameters.fault != 0) return bad(parameters.fault, "5.5.4", parameters.words);
    const auto mailbox = parse_path(parsed->path);
    if (!mailbox) return bad(501, "5.1.3", "malformed recipient address");
    if (!message::is_ascii(parsed->path) && !smtputf8_) return {553, "5.6.7", "a recipient beyond ASCII needs SMTPUTF8"};
    if (recipients_ == options_.recipients) return {452, "4.5.3", "too many recipients"};
    if (auto refused = handler_.recipient(*mailbox, parameters.options)) return *std::move(refused);
    ++recipients_;
    return {250, "2.1.5", "Ok"};
}

Reply ServerSession::rset(std::string_view) {
    end_transaction();
    return {250, "2.0.0", "Ok"};
}

Reply ServerSession::noop(std::string_view) {
    return {250, "2.0.0", "Ok"};
}

Reply ServerSession::help(std::string_view) {
    return {214, "2.0.0",
            std::string(options_.lmtp ? "LHLO" : "EHLO HELO") + " MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT"};
}

Reply ServerSession::start_tls(std::string_view argument) {
    if (options_.tls == Tls::none) return not_implemented(argument);
    if (options_.tls == Tls::active) return bad(503, "5.5.1", "TLS is active already");
    if (!argument.empty()) return bad(501, "5.5.4", "STARTTLS takes no argument");
    starting_tls_ = true;
    return hang_up({220, "2.0.0", "Ready to start TLS"});
}

Reply ServerSession::verify(std::string_view) {
    return {252, "2.1.5", "not verified; send the message"};
}

Reply ServerSession::quit(std::string_view) {
    return hang_up({221, "2.0.0", "Bye"});
}

Reply ServerSession::not_implemented(std::string_view) {
    return bad(502, "5.5.1", "command not implemented");
}

/// A browser or a script that talks HTTP to this port may smuggle commands in its lines: nothing more is read. A PROXY
/// header where none is expected is a wrong configuration, and what follows is not its sender's.
Reply ServerSession::other_protocol(std::string_view) {
    return hang_up({500, "5.5.1", "this is SMTP, and no PROXY header is expected (listen.proxy_protocol)"});
}

}  // namespace onecopy::smtp
