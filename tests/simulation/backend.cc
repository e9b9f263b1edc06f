#include "backend.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/base64.h"
#include "mail.h"
#include "tls_end.h"

namespace simulation {

namespace {

bool is_ascii(const std::string& text) {
    return std::ranges::all_of(text, [](unsigned char c) { return c < 128; });
}

bool is_international(const std::string& mail) {
    return mail.find(" SMTPUTF8") != mail.npos;
}

}  // namespace

struct Backend::Session : std::enable_shared_from_this<Session> {
    Session(Backend& owner, unsigned port, std::shared_ptr<Wire> connection)
        : backend(owner),
          wire(std::move(connection)),
          smtputf8(owner.mood.smtputf8.contains(port)),
          faulty(owner.mood.faulty.contains(port)) {}

    using TlsFault = Mood::TlsFault;
    using LogInFault = Mood::LogInFault;
    TlsFault tls_fault() const { return faulty ? backend.mood.tls_fault : TlsFault::none; }
    LogInFault log_in_fault() const { return faulty ? backend.mood.log_in_fault : LogInFault::none; }

    void begin() {
        auto self = shared_from_this();
        wire->handler.received = [self](const std::string& bytes) { self->arrived(bytes); };
        wire->handler.ended = [self] { self->hung_up(); };
        if (trouble()) {
            say("421 4.3.2 not now\r\n");
            return bye();
        }
        if (ill(30)) return say("554 5.3.2 no service\r\n");
        say("220 backend.example ESMTP\r\n");
    }

    /// The connection and this hold each other.
    void forget() {
        dead = true;
        listening = false;
        world->after(0, [to = wire] { to->handler = {}; });
    }

    /// What was taken here may be answered and not heard.
    void hung_up() {
        for (std::size_t number : answering) {
            Taken& taken = backend.record_.taken[number];
            if (!taken.told) taken.hung_up = world->now();
        }
        forget();
    }

    bool ill(unsigned percent) const { return backend.mood.ill && !backend.mood.late && world->chance(percent); }
    /// Where the content is asked for, or was sent.
    bool ill_late(unsigned percent) const { return backend.mood.ill && world->chance(percent); }
    bool trouble() { return backend.mood.trouble > 0 && world->chance(backend.mood.trouble); }

    void say(const std::string& text, std::function<void()> arrived = nullptr) {
        const Microseconds delay =
            backend.mood.slow && world->chance(5) ? world->between(0, 20 * second) : world->between(0, 5 * millisecond);
        due = std::max(due, world->now() + delay);
        const std::string bytes = secure() ? TlsEnd::sealed(text) : text;
        world->after(due - world->now(), [self = shared_from_this(), bytes, arrived] {
            if (!self->dead) self->wire->send(bytes, arrived);
        });
    }

    bool secure() const { return tls && tls->state() == TlsEnd::State::secure; }

    void bye() {
        world->after(due - world->now() + 1, [self = shared_from_this()] {
            self->wire->close();
            self->forget();
        });
        listening = false;
    }

    void cut() {
        forget();
        wire->reset();
    }

    void arrived(const std::string& bytes) {
        if (!tls) return received(bytes);
        if (tls_fault() == TlsFault::silent && !secure()) return;
        if (tls_fault() == TlsFault::broken && !secure()) return cut();
        std::string plain;
        wire->send(tls->feed(bytes, plain));
        if (tls->state() == TlsEnd::State::broken) return cut();
        if (!plain.empty()) received(plain);
    }

    /// All that was said before is forgotten (RFC 3207 4.2).
    void start_tls() {
        if (!backend.mood.tls || tls || tls_fault() == TlsFault::not_offered) return say("502 5.5.1 no\r\n");
        if (tls_fault() == TlsFault::refused) return say("454 4.7.0 not now\r\n");
        const bool injected = tls_fault() == TlsFault::injected;
        say(std::string("220 2.0.0 go\r\n") + (injected ? "250-backend.example\r\n250 PIPELINING\r\n" : ""));
        genuine = tls_fault() != TlsFault::another_name;
        tls = TlsEnd::server(genuine ? backend.mood.name : "another.example");
        greeted = logged_in = false;
        mail.clear();
    }

    void hear(Heard::What what) {
        backend.record_.heard.push_back({what, secure(), secure() && genuine, greeted, logged_in});
    }

    void log_in(const std::string& line) {
        const bool plain = line.starts_with("AUTH PLAIN ");
        if (!greeted || (!plain && line != "AUTH LOGIN")) return say("504 5.5.4 no\r\n");
        if (!plain) {
            login_line = 1;
            return say("334 VXNlcm5hbWU6\r\n");
        }
        const std::string response = line.substr(11), name = user;
        hear(Heard::What::password);
        end_of_log_in(std::ranges::any_of(backend.mood.passwords, [&](const std::string& one) {
            return response == onecopy::base::base64('\0' + name + '\0' + one);
        }));
    }

    void login_response(const std::string& line) {
        if (login_line++ == 1) {
            login_line = line == onecopy::base::base64(user) ? 2 : 0;
            return say(login_line == 2 ? "334 UGFzc3dvcmQ6\r\n" : "535 5.7.8 who\r\n");
        }
        login_line = 0;
        hear(Heard::What::password);
        end_of_log_in(std::ranges::any_of(backend.mood.passwords,
                                          [&](const std::string& one) { return line == onecopy::base::base64(one); }));
    }

    void end_of_log_in(bool right) {
        if (log_in_fault() == LogInFault::put_off) return say("454 4.7.0 nobody knows\r\n");
        if (log_in_fault() == LogInFault::senseless) return say("334 more\r\n");
        logged_in = right && log_in_fault() != LogInFault::refused;
        say(logged_in ? "235 2.7.0 ok\r\n" : "535 5.7.8 no\r\n");
    }

    void received(const std::string& bytes) {
        input += bytes;
        while (listening && (chunk_left > 0 ? take_chunk() : take_line())) {
        }
        input.erase(0, std::exchange(taken, 0));
    }

    bool take_line() {
        const std::size_t end = input.find("\r\n", taken);
        if (end == input.npos) return false;
        const std::string line = input.substr(taken, end - taken);
        taken = end + 2;
        in_data ? content_line(line) : command(line);
        return true;
    }

    /// RFC 3030; what comes is one chunk.
    void begin_chunk(const std::string& line) {
        if (recipients.empty() || !line.ends_with(" LAST")) return say("503 5.5.1 no\r\n");
        if (trouble()) {  // it need not await the rest
            say("451 4.3.0 later\r\n");
            return bye();
        }
        content.clear();
        chunk_left = std::strtoull(line.c_str() + 5, nullptr, 10);
        if (chunk_left == 0) verdict();
    }

    bool take_chunk() {
        const std::size_t size = std::min(chunk_left, input.size() - taken);
        content += input.substr(taken, size);
        taken += size;
        chunk_left -= size;
        if (chunk_left == 0) verdict();
        return taken < input.size();
    }

    void command(const std::string& line) {
        if (backend.mood.trouble > 0 && world->chance(backend.mood.trouble / 4)) return cut();
        const std::string verb = line.substr(0, 4);
        if (login_line > 0) return login_response(line);
        if (verb == (backend.mood.old ? "HELO" : backend.mood.lmtp ? "LHLO" : "EHLO")) {
            if (ill(30)) return say("550 5.7.1 not you\r\n");
            greeted = true;
            mail.clear();
            if (backend.mood.old) return say("250 backend.example\r\n");
            std::string text = "250-backend.example\r\n250-8BITMIME\r\n";
            if (backend.mood.tls && !tls && tls_fault() != TlsFault::not_offered) text += "250-STARTTLS\r\n";
            const bool offers_log_in = !backend.mood.mechanisms.empty() && log_in_fault() != LogInFault::not_offered;
            if (offers_log_in) text += "250-AUTH " + backend.mood.mechanisms + "\r\n";
            if (backend.mood.pipelining) text += "250-PIPELINING\r\n";
            if (backend.mood.dsn) text += "250-DSN\r\n";
            if (backend.mood.chunking) text += "250-CHUNKING\r\n";
            if (smtputf8) text += "250-SMTPUTF8\r\n";
            say(text + "250 SIZE 0\r\n");
        } else if (verb == "MAIL") {
            if (!mail.empty()) return say("503 5.5.1 one at a time\r\n");
            recipients.clear();
            parameters.clear();
            if (backend.on_poison && line.find(Mail::poisoner) != std::string::npos) return backend.on_poison();
            hear(Heard::What::mail);
            if (backend.mood.wants_log_in && !logged_in) return say("530 5.7.0 authentication required\r\n");
            if (ill(50)) return say("530 5.7.0 authentication required\r\n");
            if (trouble()) return say("451 4.3.0 later\r\n");
            if (backend.mood.old && !line.ends_with(">")) return say("555 5.5.4 what\r\n");
            if (is_international(line) ? !smtputf8 : !is_ascii(line)) return say("555 5.6.7 no\r\n");
            mail = line;
            say("250 2.1.0 ok\r\n");
        } else if (line == "STARTTLS") {
            start_tls();
        } else if (line.starts_with("AUTH ")) {
            log_in(line);
        } else if (verb == "RCPT") {
            recipient(line);
        } else if (verb == "DATA") {
            if (ill_late(25)) return say("530 5.7.0 authentication required\r\n");
            if (recipients.empty()) return say(backend.mood.lmtp ? "503 5.5.1 nobody\r\n" : "554 5.5.1 nobody\r\n");
            in_data = true;
            content.clear();
            say("354 go on\r\n");
        } else if (verb == "BDAT" && backend.mood.chunking && !backend.mood.old) {
            begin_chunk(line);
        } else if (verb == "RSET") {
            mail.clear();
            recipients.clear();
            parameters.clear();
            say("250 2.0.0 ok\r\n");
        } else if (verb == "QUIT") {
            say("221 2.0.0 bye\r\n");
            bye();
        } else {
            say("500 5.5.2 what\r\n");
        }
    }

    void recipient(const std::string& line) {
        if (mail.empty()) return say("503 5.5.1 MAIL first\r\n");
        if (ill(50)) return say("530 5.7.0 authentication required\r\n");
        const std::size_t from = line.find('<') + 1, to = line.find('>');
        const std::string address = line.substr(from, to - from);
        if (backend.mood.old && !line.ends_with(">")) return say("555 5.5.4 what\r\n");
        if (!is_ascii(line) && !is_international(mail)) return say("553 5.6.7 no\r\n");
        if (backend.unknown.contains(address)) {
            backend.record_.refused[address] = "unknown";
            return say("550 5.1.1 unknown\r\n");
        }
        if (backend.put_off.contains(address)) return say("450 4.2.0 never\r\n");
        auto grey = backend.greylisted.find(address);
        if (grey != backend.greylisted.end() && grey->second > 0) {
            --grey->second;
            return say("450 4.7.1 later\r\n");
        }
        if (trouble()) return say("450 4.2.1 busy\r\n");
        if (recipients.size() >= backend.mood.most_recipients) return say("452 4.5.3 too many\r\n");
        recipients.push_back(address);
        parameters.push_back(line.substr(to + 1));
        say("250 2.1.5 ok\r\n");
    }

    void content_line(const std::string& line) {
        if (line != ".") {
            content += (line.starts_with(".") ? line.substr(1) : line) + "\r\n";
            return;
        }
        in_data = false;
        verdict();
    }

    void verdict() {
        answer_content();
        mail.clear();
    }

    void answer_content() {
        const std::size_t transaction = backend.record_.taken.size();
        if (!backend.mood.lmtp) return verdict(transaction, recipients, parameters);
        for (std::size_t i = 0; i < recipients.size() && listening; ++i)
            verdict(transaction, {recipients[i]}, {parameters[i]});
        std::vector<Taken>& taken = backend.record_.taken;
        for (std::size_t i = transaction; i < taken.size(); ++i) taken[i].ended = dead ? world->now() : due;
    }

    void verdict(std::size_t transaction, const std::vector<std::string>& whom, const std::vector<std::string>& how) {
        if (trouble()) return cut();
        if (trouble()) return say("451 4.3.0 later\r\n");
        if (ill_late(50)) return say("530 5.7.0 authentication required\r\n");
        if (content.find(Mail::unwelcome_words) != std::string::npos) return say("554 5.7.1 not that\r\n");
        auto spoils = [this](const std::string& one) { return backend.spoilers.contains(one); };
        if (std::ranges::any_of(whom, spoils)) {
            for (const std::string& one : whom) {
                if (spoils(one)) backend.record_.refused[one] = "spoiler";
            }
            return say("550 5.7.1 not for all of them\r\n");
        }
        take(transaction, whom, how);
    }

    void take(std::size_t transaction, const std::vector<std::string>& whom, const std::vector<std::string>& how) {
        const std::size_t number = backend.record_.taken.size();
        Taken taken;
        taken.transaction = transaction;
        taken.at = world->now();
        taken.mail = mail;
        taken.recipients = whom;
        taken.parameters = how;
        taken.content = content;
        std::string words = "backend takes " + mail;
        for (const std::string& one : whom) words += " " + one;
        world->trace(words);
        backend.record_.taken.push_back(std::move(taken));
        if (backend.on_taken) backend.on_taken();
        if (trouble()) return cut();
        const bool part = trouble();
        answering.push_back(number);
        say("250 2.0.0 taken\r\n", [&record = backend.record_, number] { record.taken[number].told = world->now(); });
        if (part) bye();
    }

    Backend& backend;
    std::shared_ptr<Wire> wire;
    std::string input, mail, content;
    std::vector<std::string> recipients, parameters;
    std::vector<std::size_t> answering;  // Record::taken
    Microseconds due = 0;
    std::size_t taken = 0;  // of the input
    std::size_t chunk_left = 0;
    const bool smtputf8, faulty;
    std::optional<TlsEnd> tls;
    bool genuine = false;  // its certificate is the right one
    bool greeted = false;  // by EHLO, since TLS began
    bool logged_in = false;
    unsigned login_line = 0;  // what AUTH LOGIN waits for: 1 the name, 2 the password
    bool in_data = false, listening = true, dead = false;
};

bool Backend::connected(unsigned port, const std::shared_ptr<Wire>& wire) {
    if (mood.down || (mood.trouble > 0 && world->chance(mood.trouble / 2))) return false;
    auto session = std::make_shared<Session>(*this, port, wire);
    session->begin();
    wires_.push_back(wire);
    return true;
}

void Backend::die() {
    mood.down = true;
    reset_all(std::exchange(wires_, {}));
}

}  // namespace simulation
