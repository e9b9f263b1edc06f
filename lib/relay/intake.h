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
#include "relay/budget.h"
#include "relay/observer.h"
#include "smtp/server_session.h"

namespace onecopy::relay {

/// What all connections of one listener share, from one configuration; connections keep theirs until they end.
struct IntakeSettings {
    smtp::ServerSession::Options session;
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
};

/// One inbound connection: bytes to the session, the message to the ledger, the ledger's answer back. The answer to the data
/// is written only from the ledger's; one that comes when the connection is gone is dropped. Calls `gone` once, at its end.
class Intake : net::Connection::Handler, smtp::ServerSession::Handler {
public:
    using End = smtp::ServerSession::End;
    using Gone = std::function<void()>;

    Intake(IntakeDoors doors, int descriptor, std::string client, std::shared_ptr<const IntakeSettings> settings, Gone gone);
    ~Intake() override;

    /// No further transactions: an idle session gets 421, one that is under way its true answer first.
    void shut_down();
    /// Not even that.
    void cut();

private:
    /// net::Connection::Handler
    void received(std::string_view& bytes) override;
    void writable() override;
    void closed(net::Connection::Reason reason, const std::string& what) override;

    /// smtp::ServerSession::Handler
    std::optional<smtp::Reply> mail(const std::string& sender, std::uint64_t size) override;
    std::optional<smtp::Reply> recipient(const message::Mailbox& mailbox) override;
    std::optional<smtp::Reply> data() override;
    bool content(std::string_view piece) override;
    void end_of_data(End end) override;
    void reset() override;

    enum class Fault { none, crowded, unwritten };
    struct Incoming;

    void step(bool advanced);
    bool flush();
    void late();
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
    std::string client_;
    Gone gone_;
    std::unique_ptr<net::Connection> connection_;
    smtp::ServerSession session_;
    message::Envelope envelope_;
    std::unique_ptr<Incoming> incoming_;  // from DATA to the offer
    bool shutting_down_ = false;
    std::shared_ptr<Intake*> self_;  // what answers that are under way hold; null once this is gone
};

}  // namespace onecopy::relay
