#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coalesce/addressing.h"
#include "ledger/ledger_thread.h"
#include "net/connection.h"
#include "relay/assembly.h"
#include "relay/authenticator.h"
#include "relay/budget.h"
#include "relay/observer.h"
#include "smtp/server_session.h"

namespace onecopy::relay {

/// What all connections of one listener share, from one configuration; connections keep theirs until they end.
struct IntakeSettings {
    smtp::ServerSession::Options session;  // `tls` as before a handshake
    std::shared_ptr<const net::TlsServer> tls;
    bool implicit_tls = false;  // RFC 8314: the connection begins with the handshake
    std::shared_ptr<const Users> users;
    coalesce::AddressPolicy addresses;
    coalesce::Policy rules;
    base::Duration observed_window{};  // `grouping.window`, for what `observe` tells
    std::size_t hops = 50;
    base::Duration timeout = std::chrono::minutes(5);
};

/// What connections take part in, whatever their settings.
struct IntakeDoors {
    net::Loop& loop;
    ledger::LedgerThread& ledger;
    Budget& budget;
    Observer& observer;
    Authenticator& authenticator;
};

/// Who is at the other end, by the socket or by what a PROXY header says.
struct Peer {
    std::string address;    // for logs, limits and Received; `unix`
    bool loopback = false;  // may say its password in plain text
};

/// One inbound connection: bytes to the session, the message to the ledger, the ledger's answer back. The answer to the data
/// is written only from the ledger's; one that comes when the connection is gone is dropped. Calls `gone` once, at its end.
class Intake : net::Connection::Handler, smtp::ServerSession::Handler {
public:
    using End = smtp::ServerSession::End;
    using Gone = std::function<void()>;

    Intake(IntakeDoors doors, int descriptor, Peer peer, std::shared_ptr<const IntakeSettings> settings, Gone gone);
    ~Intake() override;

    /// No further transactions: an idle session gets 421, one that is under way its true answer first.
    void shut_down();
    /// Not even that.
    void cut();

private:
    /// net::Connection::Handler
    void secured() override;
    void received(std::string_view& bytes) override;
    void writable() override;
    void closed(net::Connection::Reason reason, const std::string& what) override;

    /// smtp::ServerSession::Handler
    std::optional<smtp::Reply> mail(const std::string& sender, std::uint64_t size,
                                    const message::MailOptions& options) override;
    std::optional<smtp::Reply> recipient(const message::Mailbox& mailbox, const message::RecipientOptions& options) override;
    std::optional<smtp::Reply> data() override;
    bool content(std::string_view piece) override;
    void end_of_data(End end) override;
    void reset() override;
    void authenticate(std::string name, std::string password) override;

    enum class Fault { none, crowded, unwritten };
    struct Incoming;

    void open_session();
    void start_tls();
    void authenticated(const std::string& name, smtp::ServerSession::Credentials credentials);
    void go_on();
    void step(bool advanced);
    bool flush();
    void late();
    bool owing() const;
    void set_deadline();
    void upload(bool all);
    void give_up(Fault fault);
    void drop();
    void offer();
    ledger::Copy make_copy();
    void add_recipients(ledger::Copy& copy);
    void answered(const ledger::Acceptance& acceptance);
    void appended(ledger::UploadId upload, std::size_t size, bool written);
    void refuse(const smtp::Reply& reply);

    IntakeDoors doors_;
    std::shared_ptr<const IntakeSettings> settings_;
    Peer peer_;
    const std::string& client_ = peer_.address;
    Gone gone_;
    std::unique_ptr<net::Connection> connection_;
    std::unique_ptr<smtp::ServerSession> session_;  // none within a handshake
    std::unique_ptr<net::Timer> wrong_password_;    // its answer waits
    message::Envelope envelope_;
    std::unique_ptr<Incoming> incoming_;  // from DATA to the offer
    bool shutting_down_ = false;
    std::shared_ptr<Intake*> self_;  // what answers that are under way hold; null once this is gone
};

}  // namespace onecopy::relay
