#pragma once

#include <string>

namespace simulation {

/// One end of TLS without secrets: a handshake and records that nobody takes for plain text. What it is for is who could
/// hear what was said, and who said it. A server's certificate is a name.
class TlsEnd {
public:
    enum class State { handshake, secure, ended, broken };

    static TlsEnd server(std::string certificate) { return TlsEnd(Role::server, std::move(certificate), false); }
    /// `verifies`: a server whose certificate is another name is refused.
    static TlsEnd client(std::string wanted, bool verifies) { return TlsEnd(Role::client, std::move(wanted), verifies); }

    /// What it says first; empty: it waits.
    std::string begin() const;
    /// Takes what came off the wire; what it holds for the owner is added to `plain`. What is to be sent is returned.
    std::string feed(const std::string& bytes, std::string& plain);
    /// While it is secure.
    static std::string sealed(const std::string& plain);
    static std::string close_notify();

    State state() const { return state_; }
    const std::string& words() const { return words_; }  // why it is broken
    /// Of a client that is secure: the server is who was wanted, verified or not.
    bool genuine() const { return genuine_; }

private:
    enum class Role { client, server };
    TlsEnd(Role role, std::string name, bool verifies) : role_(role), name_(std::move(name)), verifies_(verifies) {}
    std::string take_handshake(const std::string& line);
    void take_alert(const std::string& line);
    bool take_record(std::string& plain);
    std::string fail(const std::string& why);

    Role role_;
    std::string name_;
    bool verifies_;
    bool greeted_ = false;  // a server has heard its client
    bool genuine_ = false;
    State state_ = State::handshake;
    std::string input_, words_;
};

}  // namespace simulation
