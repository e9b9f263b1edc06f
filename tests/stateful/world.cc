#include "world.h"

#include <algorithm>
#include <stdexcept>

#include "coalesce/rules.h"
#include "message/identity.h"
#include "message/trace.h"

namespace onecopy::stateful {

using coalesce::Outcome;

namespace {

constexpr base::Duration second = std::chrono::seconds(1);
constexpr base::Duration longest_life = std::chrono::hours(100);  // less than history: nothing is forgotten by age

std::string named(const std::vector<int>& to) {
    std::string text;
    for (int user : to) text += (text.empty() ? "" : ",") + std::to_string(user);
    return text;
}

int user_of(const std::string& recipient) {
    return recipient.size() > 4 && recipient.starts_with("user") ? recipient[4] - '0' : -1;
}

/// Which of ours it is, by the subject that it carries; -1: none.
int message_of(const std::string& header) {
    const std::size_t subject = header.find("\r\nSubject: mail ");
    return subject == header.npos ? -1 : header[subject + 16] - '0';
}

}  // namespace

World::World(Chance chance, bool traced) : chance_(std::move(chance)), traced_(traced) {
    Disk::the().begin(chance_);
    settings_.hostname = "proxy.corp.example";
    coalesce::Policy& policy = settings_.policy;
    policy.window = chance_.below(3) * 15 * second;
    policy.quiet = chance_.one_in(4) ? 5 * second : base::Duration(0);
    policy.match_sender = !chance_.one_in(4);
    policy.expire = std::chrono::hours(24 * 60);
    policy.telling = {coalesce::Notified::sender, "postmaster@corp.example"};
    moment_ = {std::chrono::hours(1), base::wall_time_of(1'800'000'000'000)};
    open();
}

World::~World() {
    Disk::the().die_after(0);
    spool_.reset();
}

void World::note(const std::string& line) {
    if (traced_) trace_.push_back(line);
}

/// A start may meet the next crash, and be tried again.
void World::open() {
    for (int tries = 0; !spool_; ++tries) {
        try {
            spool_ = std::make_unique<ledger::Spool>(files_, directory_.path(), Disk::vfs, settings_, moment_);
            for (std::int64_t group : spool_->ledger().owing()) tell(group);
        } catch (const std::exception& error) {
            note(std::string("no start: ") + error.what());
            spool_.reset();
            if (tries == 20) {
                checker_.wrong(std::string("it starts no more: ") + error.what());
                throw;
            }
            Disk::the().crash(chance_.one_in(2));
        }
        if (Disk::the().dead()) {
            spool_.reset();
            Disk::the().crash(chance_.one_in(2));
        }
    }
}

/// One operation as a batch of its own. True: it is durable.
template <typename Work>
bool World::transact(Work work) {
    ledger::Spool::Operation operation{[&](const ledger::Context& context) { work(context); }};
    try {
        spool_->transact({&operation, 1}, moment_);
    } catch (const ledger::SqliteLedger::CommitUnknown& unknown) {
        note("a commit is unknown: " + unknown.why);
        Disk::the().die_after(0);  // the process ends itself, and answers nobody
        Disk::the().call();
        return false;
    }
    return operation.done;
}

ledger::Copy World::make_copy(int message, const std::vector<int>& to, const std::string& sender, bool uploads) {
    const Original& from = original(message);
    ledger::Copy copy;
    copy.arriving.sender = sender;
    const std::string whom = address(to[chance_.below(to.size())]);
    std::string trace = "Delivered-To: " + whom + "\r\n";
    if (chance_.one_in(2))
        trace += "Received: from a by b with ESMTP for <" + whom + ">; Mon, 02 Nov 2026 10:00:00 +0100\r\n";
    if (chance_.one_in(3)) trace += "X-Envelope-To: " + whom + "\r\n";
    if (chance_.one_in(3)) trace += "X-Scanner: passed for " + whom + "\r\n";
    copy.header = trace + from.header;
    message::IdentityBuilder builder;
    builder.header(copy.header);
    builder.body(std::string_view(from.body).substr(2));
    copy.arriving.identity = builder.finish();
    copy.arriving.exposure = static_cast<unsigned>(message::exposure(copy.header));
    for (int user : to) copy.arriving.recipients.push_back({address(user), false, false});
    copy.arrival = {"fetcher", "127.0.0.1", "ESMTP", moment_.wall};
    copy.size = copy.header.size() + from.body.size();
    if (!uploads) {
        copy.body = from.body;
        return copy;
    }
    copy.upload = ++last_upload_;
    for (std::size_t at = 0; at < from.body.size(); at += 8192)
        spool_->append(copy.upload, std::string_view(from.body).substr(at, 8192));
    return copy;
}

void World::offer() {
    const int message = static_cast<int>(chance_.below(messages));
    std::vector<int> to;
    if (chance_.one_in(3)) {
        to.push_back(static_cast<int>(chance_.below(users)));
    } else {
        for (int user = 0; user < users; ++user) {
            if (chance_.one_in(2)) to.push_back(user);
        }
        if (to.empty()) to.push_back(0);
    }
    const std::string sender = chance_.one_in(8) ? "list@far.example" : "author@far.example";
    checker_.offered(message, to, sender);
    const ledger::Copy copy = make_copy(message, to, sender, message == 7);
    ledger::Acceptance acceptance;
    const bool done = transact([&](const ledger::Context& context) { acceptance = spool_->offer(copy, context); });
    spool_->abandon(copy.upload);
    const bool accepted = done && acceptance.status == ledger::Acceptance::Status::accepted;
    note("offer of mail " + std::to_string(message) + " for " + named(to) + " from " + sender + ": " +
         (accepted ? "250, group " + std::to_string(acceptance.group) : "no"));
    if (!accepted) return;
    std::vector<int> promised;
    for (std::size_t i = 0; i < to.size(); ++i) {
        if (acceptance.verdicts[i] != coalesce::Verdict::dropped) promised.push_back(to[i]);
    }
    checker_.promised(message, promised);
    group_message_[acceptance.group] = message;
}

std::string World::body_of(const ledger::Content& content) {
    std::string body = content.body;
    ledger::SegmentReader reader(directory_.path());
    for (const ledger::Extent& extent : content.extents) body += reader.read(extent);
    return body;
}

void World::look_at(const ledger::Due& due, Flight& flight) {
    const std::string header =
        due.untouched ? due.content->header : message::forwarded_header(due.content->header, due.everyone, {});
    const std::string body = body_of(*due.content);
    if (due.sender.empty()) return;
    flight.message = message_of(header);
    if (flight.message < 0) return checker_.wrong("mail that nobody sent: " + header);
    group_message_[due.group] = flight.message;
    checker_.sent(flight.message, header, body);
}

void World::fetch_due(std::size_t most) {
    for (std::int64_t group : spool_->ledger().due(spool_->now(moment_.boot), most, spool_->in_flight())) {
        spool_->in_flight().insert(group);
        Flight flight;
        try {
            flight.due = spool_->load_due(group, moment_);
            if (!flight.due.content) throw std::runtime_error("there is no content");
            look_at(flight.due, flight);
        } catch (const ledger::SegmentReader::Damaged& damage) {
            checker_.wrong("group " + std::to_string(group) + ": " + damage.what);
            continue;
        } catch (const std::exception& error) {
            checker_.wrong("group " + std::to_string(group) + ": " + error.what());
            continue;
        }
        flight.left = flight.due.recipients;
        note("group " + std::to_string(group) + " is due, mail " + std::to_string(flight.message));
        flights_.push_back(std::move(flight));
    }
}

/// The server's verdict on some or all of a group that is under way. Kindly: it takes everything.
void World::answer(bool kindly) {
    if (flights_.empty()) return;
    const std::size_t place = chance_.below(flights_.size());
    Flight& flight = flights_[place];
    const std::size_t now = kindly || chance_.one_in(2) ? flight.left.size() : 1 + chance_.below(flight.left.size());
    ledger::Settlement settlement;
    settlement.group = flight.due.group;
    settlement.server = "mx.corp.example:25";
    settlement.finished = now == flight.left.size();
    const bool all_rest = !kindly && chance_.one_in(8);
    const bool lost_answer = !kindly && chance_.one_in(10);
    settlement.possible_duplicate = lost_answer;
    std::vector<int> doubtful;
    std::string line = "answers for group " + std::to_string(flight.due.group) + ":";
    for (std::size_t i = 0; i < now; ++i) {
        const ledger::Due::Recipient& recipient = flight.left[i];
        const int user = user_of(recipient.address);
        Outcome outcome{recipient.member, Outcome::What::deferred, "450 4.2.1 later"};
        const std::uint64_t roll = kindly ? 0 : chance_.below(10);
        if (all_rest) {
            outcome = {recipient.member, Outcome::What::rested, "connection refused"};
        } else if (lost_answer || roll < 6) {
            if (flight.message >= 0) {
                checker_.taken(flight.message, user);
                if (lost_answer) checker_.doubted(flight.message, user);
                doubtful.push_back(user);
            } else {
                checker_.told(flight.due.message_id, flight.due.content->header + body_of(*flight.due.content));
            }
            if (!lost_answer) outcome = {recipient.member, Outcome::What::delivered, "250 2.0.0 taken"};
        } else if (roll < 8 && flight.message >= 0) {
            outcome = {recipient.member, Outcome::What::refused, "550 5.1.1 no such user"};
            checker_.refused(flight.message, user);
        } else if (roll == 8 && now > 1) {
            outcome = {recipient.member, Outcome::What::apart, "550 5.6.0 one of you"};
        }
        line += " " + recipient.address + "=" + std::to_string(static_cast<int>(outcome.what));
        settlement.outcomes.push_back(outcome);
    }
    ledger::Settled settled;
    const bool done =
        transact([&](const ledger::Context& context) { settled = spool_->ledger().settle(settlement, context); });
    note(line + (done ? "" : ", not stored"));
    if (!done && !lost_answer) {
        // It is settled again until it is stored; where the process ends first, the server took it in vain.
        for (int user : doubtful) checker_.doubted(flight.message, user);
    }
    if (!done) {
        if (!Disk::the().dead()) {
            spool_->in_flight().erase(flight.due.group);
            flights_.erase(flights_.begin() + static_cast<std::ptrdiff_t>(place));
        }
        return;
    }
    const std::int64_t group = flight.due.group;
    flight.left.erase(flight.left.begin(), flight.left.begin() + static_cast<std::ptrdiff_t>(now));
    if (settlement.finished) {
        spool_->in_flight().erase(group);
        flights_.erase(flights_.begin() + static_cast<std::ptrdiff_t>(place));
    }
    if (settled.owing && settlement.finished) tell(group);
}

void World::tell(std::int64_t group) {
    if (spool_->in_flight().contains(group)) return;
    try {
        const ledger::Told told = spool_->tell(group, moment_);
        note("tells of group " + std::to_string(group) + (told.done ? "" : ", not stored"));
    } catch (const ledger::SqliteLedger::CommitUnknown&) {
        Disk::the().die_after(0);
        Disk::the().call();
    }
}

void World::admin() {
    static constexpr ledger::Change changes[] = {ledger::Change::release, ledger::Change::retry, ledger::Change::drop,
                                                 ledger::Change::forget};
    if (group_message_.empty()) return;
    auto chosen = group_message_.begin();
    std::advance(chosen, static_cast<std::ptrdiff_t>(chance_.below(group_message_.size())));
    const auto [group, message] = *chosen;
    const ledger::Change change = changes[chance_.below(4)];
    if (spool_->in_flight().contains(group)) return;
    // Once it is asked for it may have happened, whatever is answered.
    for (int user = 0; user < users; ++user) {
        if (change == ledger::Change::drop) checker_.given_up(message, user);
        if (change == ledger::Change::forget) checker_.struck(message, user);
    }
    ledger::Changed changed;
    const std::vector<std::int64_t> groups{group};
    transact([&](const ledger::Context& context) { changed = spool_->ledger().change(change, groups, context); });
    note("command " + std::to_string(static_cast<int>(change)) + " on group " + std::to_string(group));
}

void World::restart(bool orderly) {
    const bool power = chance_.one_in(2);
    if (orderly) {
        try {
            spool_->close(moment_);
        } catch (const ledger::SqliteLedger::CommitUnknown&) {
            note("the end is unknown");
        }
    }
    Disk::the().die_after(0);
    Disk::the().call();
    spool_.reset();
    Disk::the().crash(power && !orderly);
    flights_.clear();
    ++crashes_;
    const base::Duration away = chance_.below(600) * second;
    moment_.boot = power ? base::Duration(chance_.below(1'000'000)) : moment_.boot + away;
    moment_.wall += away;
    if (chance_.one_in(6))
        moment_.wall += std::chrono::hours(static_cast<int>(chance_.below(100'000)) - 50'000);  // it jumps
    note(std::string(orderly ? "restart" : power ? "power failure" : "killed") + ", start");
    open();
}

/// What was under way when it died: of what the server took, nothing may be recorded.
void World::crash_if_dead() {
    if (!Disk::the().dead()) return;
    restart(false);
}

void World::weather() {
    Disk& disk = Disk::the();
    switch (chance_.below(6)) {
        case 0:
            disk.set_full(true);
            return note("the disk is full");
        case 1:
            disk.set_unreliable(20);
            return note("the disk is unreliable");
        case 2:
            disk.die_after(chance_.below(60));
            return;
        default:
            disk.set_full(false);
            disk.set_unreliable(0);
    }
}

void World::step() {
    const std::uint64_t roll = chance_.below(100);
    if (roll < 35) {
        offer();
    } else if (roll < 50) {
        const base::Duration time = chance_.one_in(5) ? chance_.below(3600) * second : chance_.below(40) * second;
        moment_.boot += time;
        moment_.wall += time;
    } else if (roll < 68) {
        fetch_due(1 + chance_.below(3));
    } else if (roll < 88) {
        answer(false);
    } else if (roll < 91) {
        admin();
    } else if (roll < 93) {
        spool_->keep_house(chance_.one_in(2), moment_);
    } else if (roll < 97) {
        weather();
    } else if (roll < 98) {
        restart(true);
    } else {
        restart(false);
    }
    crash_if_dead();
}

/// The disk is well, the server takes everything: after that nothing may be left.
void World::wind_up() {
    Disk::the().set_full(false);
    Disk::the().set_unreliable(0);
    restart(false);
    for (int round = 0; round < 400; ++round) {
        fetch_due(50);
        while (!flights_.empty()) answer(true);
        for (std::int64_t group : spool_->ledger().owing()) tell(group);
        if (spool_->ledger().next_due(spool_->in_flight()) == base::never && spool_->ledger().owing().empty()) return;
        moment_.boot += 10 * 60 * second;
        moment_.wall += 10 * 60 * second;
    }
    checker_.wrong("something waits for ever");
}

std::vector<std::string> World::live() {
    const base::Duration began = moment_.boot;
    const std::uint64_t steps = 40 + chance_.below(80);
    try {
        for (std::uint64_t i = 0; i < steps && !chance_.over() && moment_.boot - began < longest_life; ++i) step();
        wind_up();
    } catch (const ledger::SqliteLedger::CommitUnknown& unknown) {
        checker_.wrong("a commit that nobody expected is unknown: " + unknown.why);
    } catch (const ledger::SegmentReader::Damaged& damage) {
        checker_.wrong("damaged: " + damage.what);
    } catch (const std::exception& error) {
        checker_.wrong(error.what());
    }
    return checker_.conclude();
}

}  // namespace onecopy::stateful
