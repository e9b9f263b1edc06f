#include "relay/outgoing.h"

#include <algorithm>

#include "base/log.h"
#include "base/units.h"
#include "relay/verdicts.h"

namespace onecopy::relay {
namespace {

using net::Connection;

constexpr base::Duration longest_connect = std::chrono::seconds(30);
/// While there is another address: three times what was lost on the way was sent again by then (after 1, 3 and 7 s). They
/// are not raced as for a person who waits (RFC 8305): a server would see connections that say nothing.
constexpr base::Duration longest_connect_of_several = std::chrono::seconds(10);
constexpr base::Duration longest_handshake = std::chrono::minutes(1);

/// A server that is full says 421; of all else what was said tells more than that nothing was.
int weight(const smtp::Reply& reply) {
    return reply.code == 421 ? 2 : reply.code > 0 ? 1 : 0;
}

}  // namespace

/// What the helper thread brought: bytes, or the fate of the job and why.
struct Outgoing::Read {
    Report::Fate fate = Report::Fate::answered;
    std::string bytes;
};

Outgoing::Read Outgoing::read_piece(ledger::SegmentReader& reader, const ledger::Extent& extent) try {
    return {Report::Fate::answered, reader.read(extent)};
} catch (const ledger::SegmentReader::Damaged& damage) {
    return {Report::Fate::damaged, damage.what};
} catch (const std::exception& error) {
    return {Report::Fate::unreadable, error.what()};
}

Outgoing::Outgoing(Doors doors, std::string server, std::vector<net::SocketAddress> addresses, Owner owner)
    : doors_(std::move(doors)),
      server_(std::move(server)),
      addresses_(std::move(addresses)),
      owner_(std::move(owner)),
      self_(std::make_shared<Outgoing*>(this)) {
    connect();
}

Outgoing::~Outgoing() {
    *self_ = nullptr;
}

/// To the address that is in turn.
void Outgoing::connect() {
    connected_ = refused_ = shaking_hands_ = false;
    progress_ = 0;
    opened_ = base::boot_clock();
    smtp::ClientSession::Options options = doors_.session;
    options.may_authenticate = net::is_loopback(address().get());
    if (plain_) options.tls = smtp::ClientSession::Tls::none;
    smtp::ClientSession::Handler& handler = *this;
    session_ = std::make_unique<smtp::ClientSession>(std::move(options), handler);
    connection_ = Connection::connect(doors_.loop, address(), *this);
    connection_->on_deadline([this] { late(); });
    connection_->set_deadline(patience());
}

void Outgoing::connected() {
    connected_ = true;
    connection_->set_deadline(patience());
}

void Outgoing::received(std::string_view& bytes) {
    bytes = session_->feed(bytes);
    step();
}

void Outgoing::start_tls() {
    shaking_hands_ = true;
    connection_->start_tls(doors_.tls, doors_.host);
}

void Outgoing::secured() {
    shaking_hands_ = false;
    session_->secured();
    step();
}

/// Without encryption, which is what `opportunistic` allows, on another connection to the same address: this one is lost
/// (RFC 7435).
bool Outgoing::fall_back(const std::string& why) {
    if (ended_ || !shaking_hands_ || doors_.session.tls != smtp::ClientSession::Tls::opportunistic) return false;
    base::log::warning("tls_failed", {{"server", server_}, {"reason", why}});
    plain_ = true;
    connect();
    return true;
}

/// After whatever the session did: its output, its time, its end.
void Outgoing::step() {
    if (ended_) return;
    connection_->write(session_->take_output());
    if (session_->dead()) return over();
    if (progress_ == session_->progress()) return;
    progress_ = session_->progress();
    connection_->set_deadline(patience());
}

base::Duration Outgoing::patience() const {
    if (!connected_) return address_ + 1 < addresses_.size() ? longest_connect_of_several : longest_connect;
    return shaking_hands_ ? longest_handshake : session_->timeout();
}

void Outgoing::late() {
    if (quitting_) return end();
    const std::string words = (connected_ ? "timed out after " : "no connection within ") + base::to_text(patience());
    if (fall_back(words)) return;
    session_->lost(shaking_hands_ ? "TLS: " + words : words);
    over();
}

void Outgoing::closed(Connection::Reason, const std::string& what) {
    if (fall_back(what)) return;
    std::string words = what.empty() ? "connection closed by the server" : what;
    if (shaking_hands_) words = "TLS: " + words;
    bool resting = ready_ && !job_;
    if (job_ && transactions_ > 0 && session_->progress() == progress_at_start_) {
        // It was closed while it rested: nothing of this job can have been seen.
        session_->abandon();
        owner_.unused(*std::exchange(job_, std::nullopt));
    } else if (!resting && !quitting_) {
        session_->lost(words);
    }
    over();
}

void Outgoing::ready() {
    ready_ = true;
    owner_.ready();
}

void Outgoing::run(Job job) {
    job_ = std::move(job);
    started_ = base::boot_clock();
    next_extent_ = 0;
    progress_at_start_ = session_->progress() + 1;  // start() itself is one
    session_->start({job_->envelope, job_->size(), job_->eight_bit});
    step();
}

void Outgoing::send_content() {
    session_->content(*job_->header);
    if (!job_->content->extents.empty()) {
        reader_ = std::make_shared<ledger::SegmentReader>(doors_.spool);
        return read_next();
    }
    session_->content(job_->content->body);
    session_->end_of_content();
}

/// Asks the helper thread for one piece; the next is asked for once this one is mostly written.
void Outgoing::read_next() {
    if (reading_ || !job_) return;
    if (next_extent_ == job_->content->extents.size()) return session_->end_of_content();
    reading_ = true;
    doors_.worker.run(
        [weak = self_, reader = reader_, extent = job_->content->extents[next_extent_++], post = doors_.loop.poster()] {
            auto read = std::make_shared<Read>(read_piece(*reader, extent));
            post([weak, read] {
                if (*weak) (*weak)->took(*read);
            });
        });
}

void Outgoing::took(const Read& read) {
    reading_ = false;
    if (ended_ || !job_) return;
    if (read.fate != Report::Fate::answered) return unreadable(read);
    session_->content(read.bytes);
    connection_->write(session_->take_output());
    if (connection_->unwritten() < Connection::low_output) read_next();
    step();
}

void Outgoing::writable() {
    if (ended_ || !job_ || !reader_) return;
    read_next();
    step();
}

/// Without the final dot the server keeps nothing of it.
void Outgoing::unreadable(const Read& read) {
    session_->abandon();
    Report report;
    report.fate = read.fate;
    report.server = server_;
    report.words = read.bytes;
    Job job = *std::exchange(job_, std::nullopt);
    end();
    owner_.finished(std::move(job), report);
}

void Outgoing::done(const smtp::ClientTransaction::Result& result) {
    Report report;
    report.fate = Report::Fate::answered;
    report.result = result;
    report.ill = session_->ill();
    report.dsn = session_->extensions().dsn;
    report.server = server_;
    report.took = base::boot_clock() - started_;
    ++transactions_;
    ready_ = false;
    reader_.reset();
    rest_if_overloaded(report);
    Job job = *std::exchange(job_, std::nullopt);
    owner_.finished(std::move(job), report);
    if (!session_->dead() && !quitting_) ready();
}

/// What it said of itself it said in a reply to the mail (Exchange's back pressure: 452 4.3.1).
void Outgoing::rest_if_overloaded(Report& report) {
    using Outcome = smtp::ClientTransaction::Outcome;
    if (report.ill) return;
    for (const auto& recipient : report.result.recipients) {
        if (recipient.outcome != Outcome::deferred || !is_about_server(recipient.reply)) continue;
        report.ill = true;
        return owner_.ill(recipient.reply);
    }
}

/// A server that ends a resting connection, with 421 or without a word, is not ill for that.
void Outgoing::ill(const smtp::Reply& reply) {
    if (before_ready()) return refused(reply);
    if (!ready_ || job_) owner_.ill(reply);
}

/// The session is on the stack: over() looks for another address.
void Outgoing::refused(const smtp::Reply& reply) {
    refused_ = true;
    if (!refusal_ || weight(reply) >= weight(*refusal_)) refusal_ = reply;
    if (address_ + 1 < addresses_.size()) owner_.passed_over(reply);
}

/// The session has ended. Where it never was ready the next address is in turn, under TLS again; after the last one it is
/// known that the server is ill.
void Outgoing::over() {
    if (ended_) return;
    if (!refused_) return end();
    if (address_ + 1 < addresses_.size()) {
        ++address_;
        plain_ = false;
        return connect();
    }
    owner_.ill(*refusal_);
    end();
}

void Outgoing::quit() {
    quitting_ = true;
    session_->quit();
    step();
}

void Outgoing::cut() {
    session_->abandon();
    end();
}

/// gone() comes at the end of the turn: whoever is on the stack still needs this object. Until then it takes no job: that
/// would go with it, unreported.
void Outgoing::end() {
    if (std::exchange(ended_, true)) return;
    connection_->close(Connection::Reason::done);
    doors_.loop.defer([weak = self_] {
        if (!*weak) return;
        auto gone = std::move((*weak)->owner_.gone);
        gone();
    });
}

}  // namespace onecopy::relay
