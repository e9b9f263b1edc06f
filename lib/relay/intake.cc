#include "relay/intake.h"

#include <algorithm>

#include "base/log.h"
#include "base/metrics.h"
#include "message/header.h"
#include "message/trace.h"
#include "relay/intake_log.h"

namespace onecopy::relay {
namespace {

namespace log = base::log;
using net::Connection;
using smtp::Input;
using smtp::Reply;

/// The data needs at least 1 KiB/s beyond a minute.
constexpr base::Duration free_minute = std::chrono::minutes(1);
constexpr std::uint64_t least_rate = 1024;

constexpr base::Duration most_handshake = std::chrono::minutes(1);
constexpr base::Duration pause_after_wrong_password = std::chrono::seconds(1);

ledger::UploadId next_upload() {
    static ledger::UploadId last = 0;
    return ++last;
}

void count(const ledger::Acceptance& acceptance) {
    if (acceptance.status != ledger::Acceptance::Status::accepted) return;
    base::metrics::copies.add();
    if (acceptance.copy == 1) base::metrics::messages.add();
}

}  // namespace

/// The message of the transaction under way.
struct Intake::Incoming {
    explicit Incoming(Budget& all) : budget(all), started(base::boot_clock()) {}
    ~Incoming() { budget.give(held); }

    void hold(std::size_t bytes) {
        held += bytes;
        budget.take(bytes);
    }
    void release(std::size_t bytes) {
        held -= bytes;
        budget.give(bytes);
    }

    Budget& budget;
    base::Duration started;
    Assembly assembly;
    Fault fault = Fault::none;
    ledger::UploadId upload = 0;
    std::size_t under_way = 0;  // appended, not yet answered
    std::size_t held = 0;
    bool waiting = false;  // the session was told to pause
};

Intake::Intake(IntakeDoors doors, int descriptor, Peer peer, std::shared_ptr<const IntakeSettings> settings, Gone gone)
    : doors_(doors),
      settings_(std::move(settings)),
      peer_(std::move(peer)),
      gone_(std::move(gone)),
      connection_(Connection::accepted(doors.loop, descriptor, *this, settings_->implicit_tls ? settings_->tls : nullptr)),
      self_(std::make_shared<Intake*>(this)) {
    connection_->on_deadline([this] { late(); });
    log::debug("connect", {{"client", client_}});
    if (!settings_->implicit_tls) {
        open_session();
        session_->greet();
        flush();
    }
    set_deadline();
}

Intake::~Intake() {
    *self_ = nullptr;
    drop();
}

void Intake::open_session() {
    smtp::ServerSession::Options options = settings_->session;
    if (connection_->secure()) options.tls = smtp::ServerSession::Tls::active;
    options.may_authenticate = connection_->secure() || peer_.loopback;
    options.smtputf8 = doors_.ledger.smtputf8();
    smtp::ServerSession::Handler& handler = *this;
    session_ = std::make_unique<smtp::ServerSession>(std::move(options), handler);
}

/// What came before the handshake is forgotten with the session that heard it (RFC 3207 4.2).
void Intake::start_tls() {
    session_.reset();
    connection_->start_tls(settings_->tls);
    set_deadline();
}

void Intake::secured() {
    log::debug("tls", {{"client", client_}, {"tls", connection_->tls_description()}});
    open_session();
    if (settings_->implicit_tls) session_->greet();
    flush();
    step(true);
}

void Intake::received(std::string_view& bytes) {
    if (!session_) return;  // behind our 220 to STARTTLS: not taken, which ends the connection
    Input state = session_->feed(bytes);
    bool answered = flush();
    if (state == Input::start_tls) return start_tls();
    if (state == Input::pause) connection_->pause();
    if (state == Input::closed) return connection_->close_after_writing(Connection::Reason::done);
    using Phase = smtp::ServerSession::Phase;
    const Phase phase = session_->phase();
    step(answered || phase == Phase::data || phase == Phase::answer || phase == Phase::credentials);
}

/// What follows whatever the session did. A command's time does not begin anew with each of its bytes.
void Intake::step(bool advanced) {
    using Phase = smtp::ServerSession::Phase;
    const Phase phase = session_->phase();
    if (phase == Phase::closed) return connection_->close_after_writing(Connection::Reason::done);
    if (shutting_down_ && (phase == Phase::start || phase == Phase::idle)) {
        session_->abort(Reply(421, "4.3.2", "shutting down"));
        flush();
        return connection_->close_after_writing(Connection::Reason::shutdown);
    }
    if (advanced) set_deadline();
    if (connection_->unwritten() >= Connection::low_output) connection_->pause();
}

/// False: there was nothing to say.
bool Intake::flush() {
    std::string output = session_->take_output();
    connection_->write(output);
    return !output.empty();
}

/// Whether the session takes no input until we have done something.
bool Intake::owing() const {
    using Phase = smtp::ServerSession::Phase;
    if (!session_) return false;
    const Phase phase = session_->phase();
    return phase == Phase::answer || phase == Phase::credentials || (incoming_ && incoming_->waiting);
}

/// The client reads its replies again.
void Intake::writable() {
    if (!owing()) connection_->resume();
}

/// A command has its time from the last reply on, whatever comes in pieces; nobody is late while we owe the answer.
void Intake::set_deadline() {
    if (owing()) return connection_->set_deadline(base::Duration(0));
    if (!session_) return connection_->set_deadline(std::min(settings_->timeout, most_handshake));
    const bool data = session_->phase() == smtp::ServerSession::Phase::data && incoming_;
    if (!data) return connection_->set_deadline(settings_->timeout);
    base::Duration earned = std::chrono::seconds(incoming_->assembly.size() / least_rate);
    base::Duration left = incoming_->started + free_minute + earned - base::boot_clock();
    connection_->set_deadline(std::clamp(left, base::Duration(1), settings_->timeout));
}

void Intake::late() {
    log::info("timeout", {{"client", client_}, {"sender", envelope_.sender}});
    if (!session_) return connection_->close(Connection::Reason::timeout);
    session_->abort(Reply(421, "4.4.2", "too slow (limits.timeout)"));
    flush();
    connection_->close_after_writing(Connection::Reason::timeout);
}

void Intake::closed(Connection::Reason, const std::string& what) {
    log::debug("disconnect", {{"client", client_}, {"reason", what}});
    drop();
    Gone gone = std::move(gone_);
    gone();  // destroys this
}

void Intake::shut_down() {
    shutting_down_ = true;
    if (!session_) return cut();
    step(false);
}

void Intake::cut() {
    connection_->close(Connection::Reason::shutdown);
}

std::optional<Reply> Intake::mail(const std::string& sender, std::uint64_t size, const message::MailOptions& options) {
    if (doors_.ledger.damaged()) return Reply(452, "4.3.0", "the spool is damaged (onecopyctl status); try again later");
    if (doors_.ledger.room() <= size) return Reply(452, "4.3.1", "the disk is too full (spool.min_free); try again later");
    envelope_ = {sender, options, {}};
    return std::nullopt;
}

std::optional<Reply> Intake::recipient(const message::Mailbox& mailbox, const message::RecipientOptions& options) {
    std::string address = coalesce::rewrite(mailbox, settings_->addresses);
    if (settings_->addresses.foreign == coalesce::Foreign::reject && !coalesce::is_local(address, settings_->addresses)) {
        log::info("refused",
                  {{"client", client_}, {"sender", envelope_.sender}, {"recipient", address}, {"reason", "foreign"}});
        return Reply(550, "5.7.1", "not a recipient here (recipients.local_domains)");
    }
    envelope_.recipients.push_back({std::move(address), options});
    return std::nullopt;
}

void Intake::authenticate(std::string name, std::string password) {
    using Credentials = smtp::ServerSession::Credentials;
    const bool asked =
        doors_.authenticator.verify(settings_->users, name, std::move(password), [weak = self_, name](bool right) {
            if (*weak) (*weak)->authenticated(name, right ? Credentials::right : Credentials::wrong);
        });
    if (!asked)
        doors_.loop.defer([weak = self_, name] {
            if (*weak) (*weak)->authenticated(name, Credentials::unavailable);
        });
}

/// Who guesses waits for each answer.
void Intake::authenticated(const std::string& name, smtp::ServerSession::Credentials credentials) {
    using Credentials = smtp::ServerSession::Credentials;
    const auto answer = [this, credentials] {
        session_->authenticated(credentials);
        go_on();
    };
    if (credentials == Credentials::right) {
        log::info("authenticated", {{"client", client_}, {"user", name}});
    } else {
        log::warning("not_authenticated", {{"client", client_},
                                           {"user", name},
                                           {"reason", credentials == Credentials::wrong ? "wrong" : "too_many_at_once"}});
    }
    if (credentials != Credentials::wrong) return answer();
    wrong_password_ = std::make_unique<net::Timer>(doors_.loop, answer);
    wrong_password_->set(pause_after_wrong_password);
}

std::optional<Reply> Intake::data() {
    incoming_ = std::make_unique<Incoming>(doors_.budget);
    return std::nullopt;
}

bool Intake::content(std::string_view piece) {
    Incoming& incoming = *incoming_;
    if (incoming.fault != Fault::none) return true;
    incoming.assembly.add(piece);
    incoming.hold(piece.size());
    if (incoming.assembly.large()) upload(doors_.budget.exceeded());
    if (doors_.budget.exceeded() && incoming.under_way == 0) {
        give_up(Fault::crowded);
        return true;
    }
    incoming.waiting = incoming.under_way >= Budget::most_each || (doors_.budget.exceeded() && incoming.under_way > 0);
    return !incoming.waiting;
}

/// Sends what is ready of a large body to the ledger.
void Intake::upload(bool all) {
    Incoming& incoming = *incoming_;
    if (incoming.upload == 0) incoming.upload = next_upload();
    while (true) {
        std::string piece = incoming.assembly.take_piece(all ? 1 : ledger::most_extent_bytes);
        if (piece.empty()) return;
        std::size_t size = piece.size();
        incoming.under_way += size;
        doors_.ledger.append(incoming.upload, std::move(piece), [weak = self_, id = incoming.upload, size](bool written) {
            if (*weak) (*weak)->appended(id, size, written);
        });
    }
}

void Intake::appended(ledger::UploadId upload, std::size_t size, bool written) {
    if (!incoming_ || incoming_->upload != upload) return;
    incoming_->under_way -= size;
    incoming_->release(size);
    if (!written) give_up(Fault::unwritten);
    if (!incoming_->waiting || incoming_->under_way >= Budget::most_each) return;
    if (doors_.budget.exceeded() && incoming_->under_way > 0) return;
    incoming_->waiting = false;
    session_->resume();
    go_on();
}

/// What we owed is done.
void Intake::go_on() {
    flush();
    connection_->resume();
    step(true);
}

/// The rest is read and thrown away, so that the client gets its answer.
void Intake::give_up(Fault fault) {
    Incoming& incoming = *incoming_;
    if (incoming.upload != 0) doors_.ledger.abandon(incoming.upload);
    incoming.release(incoming.held - incoming.under_way);
    incoming.assembly = Assembly();
    incoming.fault = fault;
}

void Intake::drop() {
    if (incoming_ && incoming_->upload != 0) doors_.ledger.abandon(incoming_->upload);
    incoming_.reset();
}

void Intake::reset() {
    drop();
    envelope_ = {};
}

void Intake::end_of_data(End end) {
    Incoming& incoming = *incoming_;
    if (end != End::complete) return refuse(smtp::ServerSession::refusal(end));
    if (incoming.fault == Fault::crowded) return refuse(Reply(452, "4.3.1", "too much mail at once; try again later"));
    if (incoming.fault == Fault::unwritten)
        return refuse(Reply(452, "4.3.1", "the spool can't be written; try again later"));
    incoming.assembly.finish();
    if (incoming.assembly.hops() > settings_->hops)
        return refuse(Reply(554, "5.4.6", "too many hops (limits.hops): a mail loop"));
    offer();
}

void Intake::refuse(const Reply& reply) {
    log::warning("refused", {{"client", client_},
                             {"sender", envelope_.sender},
                             {"message_id", incoming_->assembly.identity().message_id},
                             {"reply", reply.text()}});
    drop();
    session_->finish(reply);
}

/// From here on the ledger decides; what this connection still does, or its end, changes nothing of that.
void Intake::offer() {
    if (incoming_->assembly.large()) upload(false);
    const bool observed =
        settings_->addresses.observe && !incoming_->assembly.untouched();  // what can't be compared merges never
    ledger::Copy copy = make_copy();
    auto summary = std::make_shared<const CopySummary>(summarize(copy));
    incoming_->upload = 0;
    doors_.ledger.offer(std::move(copy),
                        [weak = self_, summary, settings = settings_, observed, dot = std::chrono::steady_clock::now(),
                         &observer = doors_.observer](const ledger::Acceptance& acceptance) {
                            base::metrics::acknowledgement.observe(std::chrono::steady_clock::now() - dot);
                            count(acceptance);
                            log_copy(*summary, acceptance);
                            if (observed) log_would_merge(*summary, acceptance, observer, *settings);
                            if (*weak) (*weak)->answered(acceptance);
                        });
}

ledger::Copy Intake::make_copy() {
    Assembly& assembly = incoming_->assembly;
    bool observe = settings_->addresses.observe;
    ledger::Copy copy;
    copy.arriving.sender = envelope_.sender;
    copy.arriving.options = envelope_.options;
    copy.arriving.identity = message::sent_with(envelope_.options, assembly.identity());
    copy.untouched = assembly.untouched() || observe;
    bool incomparable = copy.arriving.identity.message_id.empty() && !settings_->rules.match_content;
    copy.arriving.alone = copy.untouched || incomparable;
    copy.arrival = {session_->helo(), client_, session_->protocol(), base::wall_clock(), connection_->tls_description()};
    copy.size = assembly.size();
    copy.eight_bit = assembly.eight_bit();
    copy.header = assembly.take_header();
    copy.body = assembly.take_body();
    copy.upload = incoming_->upload;
    copy.arriving.exposure = copy.arriving.alone ? 0 : static_cast<unsigned>(message::exposure(copy.header));
    add_recipients(copy);
    return copy;
}

void Intake::add_recipients(ledger::Copy& copy) {
    coalesce::Resolved resolved = coalesce::resolve(envelope_.recipients, copy.header, settings_->addresses);
    log_resolved(copy.arriving.identity.message_id, client_, resolved);
    copy.arriving.recipients = std::move(resolved.recipients);
}

void Intake::answered(const ledger::Acceptance& acceptance) {
    using Status = ledger::Acceptance::Status;
    incoming_.reset();
    envelope_ = {};
    switch (acceptance.status) {
        case Status::accepted:
            session_->finish(Reply(250, "2.0.0", "Ok: queued as " + std::to_string(acceptance.group)));
            break;
        case Status::no_room:
            session_->finish(Reply(452, "4.3.1", "the disk is too full (spool.min_free); try again later"));
            break;
        case Status::comes_back:
            session_->finish(
                Reply(451, "4.4.6", "it is being sent from here: does the server lead back (backend.servers)?"));
            break;
        case Status::failed:
            session_->finish(Reply(451, "4.3.0", "the spool failed; try again later"));
            break;
    }
    go_on();
}

}  // namespace onecopy::relay
