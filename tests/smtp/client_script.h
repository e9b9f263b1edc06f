#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "smtp/client_session.h"

namespace onecopy::smtp::client_test {

using Strings = std::vector<std::string>;
using Transaction = ClientTransaction;

/// Starts the transactions that it was given, one after the other, and keeps record.
struct Sender : ClientSession::Handler {
    explicit Sender(ClientSession::Options options = {.hostname = "proxy.example"}) : session(std::move(options), *this) {}

    ClientSession session;
    std::vector<Transaction> transactions;
    std::string content = "Hi\r\n";
    bool sends_content = true;
    std::size_t started = 0;
    Strings events;
    std::vector<bool> personal;  // of each recipient who was told of

    /// Feeds each of the server's sayings, and takes what comes out as one that writes it does; the last is returned.
    std::string hear(const Strings& sayings);

    void ready() override { next(); }
    void start_tls() override { events.push_back("start TLS"); }
    void send_content() override;
    void done(const ClientTransaction::Result& result) override;
    void ill(const Reply& reply) override;
    void next();
};

/// What the server says, and what it must get for it.
struct Exchange {
    std::string server, client;
};

struct Row {
    std::string name;
    std::vector<Transaction> transactions;
    std::vector<Exchange> exchanges;
    Strings events;
    bool lost = false;  // the connection, at the end
    bool cut = false;   // the session is dead, and nobody is ill
};

/// Each row with the server's bytes whole, byte by byte, and in threes.
void check(const std::vector<Row>& rows);

inline const Exchange greeting = {"220 mx ESMTP\r\n", "EHLO proxy.example\r\n"};
inline const std::string plain = "250 mx\r\n";
inline const std::string pipelining = "250-mx\r\n250 PIPELINING\r\n";

Transaction to(const Strings& recipients, const std::string& sender = "s@x", std::uint64_t size = 4);
inline const Transaction one = to({"a@y"});
inline const Transaction two = to({"a@y", "b@y"});
inline const std::string mail = "MAIL FROM:<s@x>\r\n";
inline const std::string a = "RCPT TO:<a@y>\r\n";
inline const std::string b = "RCPT TO:<b@y>\r\n";
inline const std::string c = "RCPT TO:<c@y>\r\n";
inline const std::string data = "DATA\r\n";
inline const std::string content = "Hi\r\n.\r\n";
inline const std::string ok = "250 ok\r\n";
inline const std::string go = "354 go\r\n";

/// Greeting, EHLO with PIPELINING, then the whole group `sent`.
std::vector<Exchange> grouped(const std::string& sent, std::vector<Exchange> rest);

}  // namespace onecopy::smtp::client_test
