#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/worker.h"
#include "ledger/segment.h"
#include "net/connection.h"
#include "relay/job.h"
#include "smtp/client_session.h"

namespace onecopy::relay {

/// One connection to one server: connects, runs transactions one after the other, ends. An address where no session comes
/// about, whatever the reason, is followed by the next (RFC 5321 5.1); only after the last one is the server ill. Streams
/// large bodies from the segments through the helper thread, a bounded part at a time.
class Outgoing : net::Connection::Handler, smtp::ClientSession::Handler {
public:
    /// All called from the loop; `gone` last, and it may destroy the object.
    struct Owner {
        std::function<void()> ready;                       // a job may be run
        std::function<void(Job, const Report&)> finished;  // of the job; ready() follows where the connection lives on
        std::function<void(Job)> unused;  // the server had closed a resting connection: nothing of it was seen
        std::function<void(const smtp::Reply& reply)> passed_over;  // address(), for the next one
        std::function<void(const smtp::Reply& reply)> ill;          // the server
        std::function<void()> gone;
    };
    struct Doors {
        net::Loop& loop;
        base::Worker& worker;
        std::string spool;                          // directory
        smtp::ClientSession::Options session;       // may_authenticate is found out here
        std::shared_ptr<const net::TlsClient> tls;  // null: no TLS
        std::string host;                           // of the server, for TLS
    };

    Outgoing(Doors doors, std::string server, std::vector<net::SocketAddress> addresses, Owner owner);
    ~Outgoing() override;

    void run(Job job);  // only when ready
    void quit();        // politely; gone() follows
    void cut();         // at once
    bool busy() const { return job_.has_value(); }
    bool awaiting_verdict() const { return session_->awaiting_verdict(); }
    const smtp::Extensions& extensions() const { return session_->extensions(); }
    bool idle() const { return ready_ && !job_ && !quitting_ && !ended_; }

    const std::string& server() const { return server_; }
    const net::SocketAddress& address() const { return addresses_[address_]; }  // that is tried, or is connected
    unsigned transactions() const { return transactions_; }
    base::Duration opened() const { return opened_; }  // this address was; boot clock

private:
    void connected() override;
    void secured() override;
    void received(std::string_view& bytes) override;
    void writable() override;
    void closed(net::Connection::Reason reason, const std::string& what) override;

    void ready() override;
    void start_tls() override;
    void send_content() override;
    void done(const smtp::ClientTransaction::Result& result) override;
    void ill(const smtp::Reply& reply) override;

    void rest_if_overloaded(Report& report);
    void connect();
    bool before_ready() const { return !ready_ && transactions_ == 0; }
    void refused(const smtp::Reply& reply);
    void over();
    bool fall_back(const std::string& why);
    void step();
    base::Duration patience() const;
    void late();
    void read_next();
    struct Read;
    static Read read_piece(ledger::SegmentReader& reader, const ledger::Extent& extent);
    void took(const Read& read);
    void unreadable(const Read& read);
    void end();

    Doors doors_;
    std::string server_;
    std::vector<net::SocketAddress> addresses_;
    std::size_t address_ = 0;
    bool connected_ = false;
    bool refused_ = false;                // here, before it was ready
    std::optional<smtp::Reply> refusal_;  // what tells most of those of all addresses
    bool shaking_hands_ = false;
    bool plain_ = false;  // TLS failed, and may be gone without
    Owner owner_;
    std::unique_ptr<net::Connection> connection_;
    std::unique_ptr<smtp::ClientSession> session_;  // of this connection
    std::optional<Job> job_;
    std::shared_ptr<ledger::SegmentReader> reader_;
    std::size_t next_extent_ = 0;
    bool reading_ = false;
    bool ready_ = false;
    bool quitting_ = false;
    bool ended_ = false;
    unsigned transactions_ = 0;
    std::uint64_t progress_ = 0;           // seen at the last step
    std::uint64_t progress_at_start_ = 0;  // of the job
    base::Duration opened_;
    base::Duration started_{};
    std::shared_ptr<Outgoing*> self_;
};

}  // namespace onecopy::relay
