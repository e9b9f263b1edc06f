#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "record.h"
#include "wire.h"

namespace simulation {

/// The mail server behind, with a mood: what it refuses, puts off, forgets to answer.
class Backend {
public:
    struct Mood {
        unsigned trouble = 0;                // chance in percent of each fault below
        bool down = false;                   // refuses connections
        bool ill = false;                    // 5xx where it is about us and not about the mail
        bool late = false;                   // and that of the content alone
        bool old = false;                    // knows HELO alone, and no extension
        bool slow = false;                   // takes up to 20 seconds for an answer, now and then
        std::size_t most_recipients = 1000;  // 452 beyond
        bool dsn = true, pipelining = true, chunking = false, lmtp = false;
        std::set<unsigned> smtputf8;  // the ports where it is offered
        bool tls = false;             // is offered
        std::string name;             // of its certificate
        bool wants_log_in = false;
        std::string mechanisms;           // of AUTH, that it offers; empty: none
        std::set<std::string> passwords;  // any of which is right
        std::set<unsigned> faulty;        // the ports where these two happen
        enum class TlsFault {
            none,
            not_offered,
            refused,
            another_name,
            broken,
            silent,
            injected
        } tls_fault = TlsFault::none;
        enum class LogInFault { none, not_offered, refused, put_off, senseless } log_in_fault = LogInFault::none;
    };
    static constexpr const char* user = "onecopy";
    explicit Backend(Record& record) : record_(record) {}

    bool connected(unsigned port, const std::shared_ptr<Wire>& wire);
    void die();  // it is down from now on, and its connections are gone
    Mood mood;
    std::function<void()> on_taken;              // mail, and nothing was said of it yet
    std::function<void()> on_poison;             // MAIL from Mail::poisoner has come
    std::set<std::string> unknown;               // 550 at RCPT
    std::set<std::string> spoilers;              // 550 at the dot, for whoever is with them
    std::set<std::string> put_off;               // 450, for ever
    std::map<std::string, unsigned> greylisted;  // 450, so often

private:
    struct Session;

    Record& record_;
    std::vector<std::weak_ptr<Wire>> wires_;
};

}  // namespace simulation
