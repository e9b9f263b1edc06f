#include "relay/delivery.h"

#include <algorithm>

#include "base/log.h"
#include "base/metrics.h"
#include "base/units.h"
#include "message/trace.h"
#include "relay/policy.h"
#include "relay/verdicts.h"

namespace onecopy::relay {
namespace {

namespace log = base::log;
using Recipients = std::vector<ledger::Due::Recipient>;

constexpr std::size_t most_logged_recipients = 20;

std::string joined(const std::vector<std::string>& addresses) {
    std::string all;
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        if (i == most_logged_recipients) return all + ",... " + std::to_string(addresses.size()) + " in all";
        all += (i == 0 ? "" : ",") + addresses[i];
    }
    return all;
}

std::string addresses_of(const Recipients& recipients) {
    std::vector<std::string> addresses;
    for (const ledger::Due::Recipient& recipient : recipients) addresses.push_back(recipient.address);
    return joined(addresses);
}

const char* told_words(coalesce::Tell what) {
    if (what == coalesce::tell_failed) return "failed";
    return what == coalesce::tell_delayed ? "delayed" : "relayed";
}

std::string outgoing_header(const ledger::Due& due, const message::KnownSpellings& spellings) {
    const std::string& header = due.content->header;
    return due.untouched ? header : message::forwarded_header(header, due.everyone, spellings);
}

Backend::Settings backend_settings(const config::Config& config, const Credentials& credentials) {
    return {config.hostname, config.backend, credentials};
}

}  // namespace

/// A group on its way out.
struct Delivery::Sending {
    ledger::Due due;
    std::shared_ptr<const std::string> header;
    Recipients waiting;  // for a transaction with as many as fit
    Recipients alone;    // for one each

    bool finished() const { return waiting.empty() && alone.empty(); }
    Recipients take(std::size_t most) {
        Recipients& from = waiting.empty() ? alone : waiting;
        std::size_t count = waiting.empty() ? 1 : std::min(most, waiting.size());
        Recipients taken(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
        from.erase(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
        return taken;
    }
};

Delivery::Delivery(net::Loop& loop, base::Worker& worker, ledger::LedgerThread& ledger, const config::Config& config,
                   const Credentials& credentials)
    : ledger_(ledger),
      backend_(loop, worker, config.spool.directory, backend_settings(config, credentials),
               Backend::Owner{[this] { ask_for_more(); }, [this](bool offered) { ledger_.remember_smtputf8(offered); }}) {
    configure(config, credentials);
}

Delivery::~Delivery() = default;

void Delivery::configure(const config::Config& config, const Credentials& credentials) {
    backend_.configure(backend_settings(config, credentials));
    connections_ = config.backend.connections;
    max_recipients_ = config.backend.max_recipients;
    spellings_ = spellings_of(config);
    ask_for_more();
}

/// Twice as many groups as connections, so that none waits for the ledger; one while nobody knows whether a server serves;
/// none while all rest.
void Delivery::ask_for_more() {
    if (stopping_ || backend_.all_rest()) return;
    std::size_t useful = backend_.proven() ? 2 * std::size_t{connections_} : 1;
    std::size_t have = asked_for_ + in_flight_;
    if (have >= useful) return;
    unsigned more = static_cast<unsigned>(useful - have);
    asked_for_ += more;
    ledger_.want(more);
}

void Delivery::due(std::vector<ledger::Due> groups) {
    asked_for_ -= static_cast<unsigned>(groups.size());
    if (stopping_) return;  // they stay pending on disk
    in_flight_ += groups.size();
    for (ledger::Due& group : groups) begin(std::move(group));
}

void Delivery::begin(ledger::Due due) {
    if (due.held) base::metrics::hold.observe(*due.held);
    auto sending = std::make_shared<Sending>();
    sending->header = std::make_shared<const std::string>(outgoing_header(due, spellings_));
    for (ledger::Due::Recipient& recipient : due.recipients) {
        (recipient.alone ? sending->alone : sending->waiting).push_back(recipient);
    }
    sending->due = std::move(due);
    next(sending);
}

void Delivery::next(const std::shared_ptr<Sending>& sending) {
    Recipients tried = sending->take(max_recipients_);
    Job job;
    job.envelope = {sending->due.sender, sending->due.options, {}};
    for (const ledger::Due::Recipient& recipient : tried)
        job.envelope.recipients.push_back({recipient.address, recipient.options});
    job.header = sending->header;
    job.content = sending->due.content;
    job.eight_bit = sending->due.eight_bit;
    job.done = [this, sending, tried](const Report& report) { this->report(sending, tried, report); };
    backend_.run(std::move(job));
}

void Delivery::report(const std::shared_ptr<Sending>& sending, const Recipients& tried, const Report& report) {
    Verdicts verdicts = judge(tried, report);
    std::ranges::copy(verdicts.again, std::back_inserter(sending->waiting));
    std::ranges::copy(verdicts.alone, std::back_inserter(sending->alone));
    ledger::Settlement settlement;
    settlement.group = sending->due.group;
    settlement.outcomes = std::move(verdicts.outcomes);
    settlement.server = report.server;
    settlement.possible_duplicate = verdicts.possible_duplicate;
    log_transaction(*sending, tried, report, settlement);
    if (report.fate != Report::Fate::answered || report.ill) {
        for (Recipients* left : {&sending->waiting, &sending->alone}) {
            for (const ledger::Due::Recipient& one : std::exchange(*left, {})) {
                settlement.outcomes.push_back({one.member, coalesce::Outcome::What::rested, "the server fell ill"});
            }
        }
    }
    settlement.finished = sending->finished();
    if (!settlement.finished && settlement.outcomes.empty()) return next(sending);
    if (settlement.finished) {
        --in_flight_;
    } else {
        unsettled_[settlement.group] = sending;
    }
    ledger_.settle(std::move(settlement));
    ask_for_more();
}

void Delivery::log_transaction(const Sending& sending, const Recipients& tried, const Report& report,
                               const ledger::Settlement& settlement) {
    using What = coalesce::Outcome::What;
    const std::int64_t group = sending.due.group;
    if (report.fate == Report::Fate::no_server) {
        log::debug("no_server", {{"group", group}, {"reply", report.words}});
        return;
    }
    ++counters_.transactions;
    auto count = [&](What what) { return std::ranges::count(settlement.outcomes, what, &coalesce::Outcome::what); };
    const std::string reply = settlement.outcomes.empty() ? std::string() : settlement.outcomes.back().reply;
    log::info("transaction", {{"group", group},
                              {"message_id", sending.due.message_id},
                              {"server", report.server},
                              {"sender", sending.due.sender},
                              {"recipients", addresses_of(tried)},
                              {"delivered", count(What::delivered)},
                              {"refused", count(What::refused)},
                              {"deferred", count(What::deferred) + count(What::rested)},
                              {"apart", count(What::apart)},
                              {"ms", report.took.count()},
                              {"reply", reply}});
    if (settlement.possible_duplicate) {
        ++counters_.possible_duplicates;
        log::warning("possible_duplicate", {{"group", group}, {"server", report.server}, {"reply", reply}});
    }
    if (report.fate == Report::Fate::damaged) log::error("damaged", {{"group", group}, {"reason", report.words}});
}

/// What one transaction brought is durable: now the next one of that group may begin. So no crash between them makes anybody
/// get the message twice, or be merged again with those for whose sake it was refused.
void Delivery::settled(const ledger::Settled& settled) {
    log_settled(settled);
    const auto waiting = unsettled_.extract(settled.group);
    if (!waiting.empty() && !stopping_) next(waiting.mapped());
}

/// Who ended without having got it, what is sent with less in it, and when the others are tried again; who got it stands in
/// the transaction's line.
void Delivery::log_settled(const ledger::Settled& settled) {
    for (const ledger::Settled::Ended& ended : settled.ended) {
        if (ended.state != coalesce::State::failed) continue;
        log::warning("failed", {{"group", settled.group}, {"recipient", ended.address}, {"reply", ended.reply}});
    }
    if (settled.shortened) log::info("shortened", {{"group", settled.group}});
    if (settled.next != base::never && log::enabled(base::Level::info)) {
        base::Duration wait = std::max(settled.next - settled.now, base::Duration(0));
        log::info("deferred", {{"group", settled.group}, {"next_try_seconds", wait.count() / 1000}});
    }
}

/// The notices themselves are in the queue by now, like any mail.
void Delivery::told(const ledger::Told& told) {
    for (const ledger::Told::Notice& notice : told.notices) {
        log::info("notice", {{"group", notice.group},
                             {"about", told.about},
                             {"what", told_words(notice.what)},
                             {"to", notice.to},
                             {"recipients", joined(notice.recipients)}});
    }
    if (!told.untold.empty()) log::warning("untold", {{"group", told.about}, {"recipients", joined(told.untold)}});
    ask_for_more();
}

void Delivery::stop(std::function<void()> done) {
    stopping_ = true;
    backend_.stop(std::move(done));
}

Delivery::Counters Delivery::counters() const {
    Counters counters = counters_;
    counters.in_flight = in_flight_;
    return counters;
}

}  // namespace onecopy::relay
