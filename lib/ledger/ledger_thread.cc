#include "ledger/ledger_thread.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <set>
#include <thread>
#include <variant>

#include "base/metrics.h"
#include "base/queue.h"
#include "ledger/spool.h"

namespace onecopy::ledger {
namespace {

/// A settlement rides on the next commit, at most this much later.
constexpr base::Duration settle_delay{5};
/// After something was written: when to look after the house.
constexpr base::Duration house_delay{1000};
constexpr base::Duration busy_house_delay{5000};
/// Between two rounds of what is to be done soon.
constexpr base::Duration least_rest{5};
constexpr base::Duration longest_wait = std::chrono::hours(1);

struct Append {
    UploadId upload;
    std::string piece;
    std::function<void(bool)> answer;
};
struct Abandon {
    UploadId upload;
};
struct Offer {
    Copy copy;
    std::function<void(const Acceptance&)> answer;
    Acceptance acceptance{};
    bool tried = false;  // it is one of the batch's operations
};
struct Want {
    unsigned count;
};
struct Settle {
    Settlement settlement;
    Settled settled{};
};
struct Alter {
    Change change;
    std::vector<std::int64_t> groups;
    std::function<void(const Changed&)> answer;
    Changed changed{};
};
struct Pause {
    bool on;
    std::function<void()> answer;
};
struct Remember {
    bool smtputf8;
};
struct Stop {};

using Request = std::variant<Append, Abandon, Offer, Want, Settle, Alter, Pause, Remember, Spool::Settings, Stop>;

Spool::Moment read_clocks() {
    return {base::boot_clock(), base::wall_clock()};
}

}  // namespace

struct LedgerThread::State {
    State(Options options, base::Post post, Handler handler)
        : post_(std::move(post)),
          handler_(std::make_shared<const Handler>(std::move(handler))),
          spool_(options.files, options.directory, options.vfs, {options.hostname, options.min_free, options.policy},
                 read_clocks()),
          room_(spool_.room()),
          smtputf8_(spool_.ledger().smtputf8()),
          paused_(spool_.ledger().paused()),
          thread_([this] { run(); }) {}

    ~State() {
        queue_.push(Stop{});
        thread_.join();
    }

    void push(Request request) { queue_.push(std::move(request)); }
    std::uint64_t room() const { return room_; }
    bool smtputf8() const { return smtputf8_; }
    bool paused() const { return paused_; }
    std::uint64_t changes() const { return changes_; }
    void remember_smtputf8(bool offered) {
        if (smtputf8_.exchange(offered) != offered) push(Remember{offered});
    }
    base::Time now() const { return spool_.now(base::boot_clock()); }  // of values that do not change after the start
    base::Duration busy_for() const {
        std::int64_t since = busy_since_;
        return since == 0 ? base::Duration(0) : base::boot_clock() - base::Duration(since);
    }

private:
    void run();
    void turn();
    void gather();
    base::Duration pause() const;
    void take(Request request);
    void take_one(Append request);
    void take_one(Abandon request) { spool_.abandon(request.upload); }
    void take_one(Offer request) {
        spool_.complete_upload(request.copy);
        offers_.push_back(std::move(request));
    }
    void take_one(Want request) { wanted_ += request.count; }
    void take_one(Settle request) { settles_.push_back(std::move(request)); }
    void take_one(Alter request) {
        spool_.ledger().look_again(request.groups);
        alters_.push_back(std::move(request));
    }
    void take_one(Pause request);
    void take_one(Remember request) {
        spool_.ledger().remember_smtputf8(request.smtputf8);
        to_store_ = true;
    }
    void take_one(Spool::Settings settings) { spool_.configure(std::move(settings)); }
    void take_one(Stop) { stopping_ = true; }
    bool urgent() const { return stopping_ || !offers_.empty() || !alters_.empty() || !pauses_.empty(); }

    void commit();
    void add_offers(std::vector<Spool::Operation>& operations);
    void add_settles(std::vector<Spool::Operation>& operations);
    void add_alters(std::vector<Spool::Operation>& operations);
    std::size_t answer_offers(std::span<const Spool::Operation> operations);
    void answer_settles(std::span<const Spool::Operation> operations);
    void answer_alters(std::span<const Spool::Operation> operations);
    void answer_pauses();
    void tell();
    void unsettled(Settle settle, bool no_room);
    void hand_out();
    void load_due(base::Time now, std::vector<Due>& due);
    void say_what_is_passed_over();
    void set_aside();
    void missing_content(const Due& due);
    void keep_house();
    void watch_room();
    void notice(base::Level level, std::string event, std::string detail);
    void flush_answers();
    void finish();

    base::Post post_;
    std::shared_ptr<const Handler> handler_;  // shared with what was posted, which may run after the ledger's end
    base::Queue<Request> queue_;
    Spool spool_;
    std::atomic<std::uint64_t> room_;
    std::atomic<bool> smtputf8_;
    std::atomic<bool> paused_;
    std::atomic<std::uint64_t> changes_ = 0;
    std::atomic<std::int64_t> busy_since_ = 0;

    std::vector<Offer> offers_;
    std::vector<Settle> settles_;
    std::vector<Alter> alters_;
    std::vector<std::function<void()>> pauses_;
    std::set<std::int64_t> owing_;  // groups of which something is to be told, once they are not in flight
    std::vector<std::function<void()>> answers_;
    unsigned wanted_ = 0;
    bool stuck_ = false;       // a settlement could not be stored: nothing is forwarded until it is
    bool unreadable_ = false;  // told once
    bool to_store_ = false;  // something is to be remembered: it rides on a commit, or has one of its own, until one is done
    bool stopping_ = false;
    bool low_ = false;
    base::Time next_due_{};
    base::Duration house_at_{};  // boot clock
    Spool::Moment moment_{};

    std::thread thread_;  // last: it uses all the others
};

void LedgerThread::State::run() try {
    moment_ = read_clocks();
    house_at_ = moment_.boot + house_delay;
    for (std::int64_t group : spool_.ledger().owing()) owing_.insert(group);
    if (spool_.crashed()) set_aside();
    while (!stopping_) turn();
    finish();
} catch (const SqliteLedger::CommitUnknown& unknown) {
    post_([handler = handler_, why = "a commit's outcome is unknown: " + unknown.why] { handler->broken(why); });
} catch (const std::exception& error) {
    post_([handler = handler_, why = std::string(error.what())] { handler->broken(why); });
}

void LedgerThread::State::turn() {
    gather();
    spool_.look_for_room();
    commit();
    flush_answers();  // who was answered need not wait for what others are told, and for what goes out next
    tell();
    watch_room();
    hand_out();
    say_what_is_passed_over();
    flush_answers();
    if (moment_.boot >= house_at_) keep_house();
    say_what_is_passed_over();
    flush_answers();
    busy_since_ = 0;
}

base::Duration LedgerThread::State::pause() const {
    base::Duration wait = std::min(longest_wait, house_at_ - moment_.boot);
    if (stuck_ || low_ || to_store_ || !owing_.empty()) wait = std::min(wait, house_delay);
    if (!settles_.empty() && !stuck_) wait = std::min(wait, settle_delay);
    if (wanted_ > 0 && !stuck_ && !paused_ && next_due_ != base::never) {
        wait = std::min(wait, next_due_ - spool_.now(moment_.boot));
    }
    return std::max(wait, base::Duration(0));
}

/// Waits for work. Settlements alone wait a little for company: their commit costs a sync, and nobody waits for it.
void LedgerThread::State::gather() {
    std::vector<Request> requests = queue_.wait(pause());
    moment_ = read_clocks();
    busy_since_ = moment_.boot.count();
    base::Duration until = moment_.boot + settle_delay;
    while (true) {
        for (Request& request : requests) take(std::move(request));
        if (urgent() || settles_.empty() || stuck_ || moment_.boot >= until) return;
        hand_out();
        flush_answers();
        requests = queue_.wait(until - moment_.boot);
        moment_ = read_clocks();
    }
}

void LedgerThread::State::take(Request request) {
    std::visit([this](auto& one) { take_one(std::move(one)); }, request);
}

void LedgerThread::State::take_one(Append request) {
    bool written = spool_.append(request.upload, request.piece);
    answers_.push_back([answer = std::move(request.answer), written] { answer(written); });
}

void LedgerThread::State::commit() {
    if (offers_.empty() && settles_.empty() && alters_.empty() && !to_store_) return;
    flush_answers();  // of pieces that were written: their clients need not wait for the sync
    std::vector<Spool::Operation> operations;
    add_offers(operations);
    add_settles(operations);
    const std::size_t settles = settles_.size();
    add_alters(operations);
    if (to_store_ && operations.empty()) operations.push_back({[](const Context&) {}});
    base::metrics::commit_size.observe(static_cast<double>(operations.size()));
    spool_.transact(operations, moment_);
    ++changes_;
    if (std::ranges::any_of(operations, &Spool::Operation::done)) to_store_ = false;
    const std::size_t offered = answer_offers(operations);
    answer_settles(std::span(operations).subspan(offered));
    answer_alters(std::span(operations).subspan(offered + settles));
    answer_pauses();
    next_due_ = base::Time{};  // not known; asked for when somebody wants groups
    house_at_ = std::min(house_at_, moment_.boot + (spool_.log_is_long() ? base::Duration(0) : busy_house_delay));
}

void LedgerThread::State::add_offers(std::vector<Spool::Operation>& operations) {
    for (Offer& offer : offers_) {
        bool whole = spool_.is_whole(offer.copy);
        if (!whole || !spool_.has_room_for(offer.copy)) {
            const bool no_room = whole || spool_.low_on_space() || spool_.lacks_room(offer.copy);
            offer.acceptance.status = no_room ? Acceptance::Status::no_room : Acceptance::Status::failed;
            continue;
        }
        offer.tried = true;
        operations.push_back(
            {[this, &offer](const Context& context) { offer.acceptance = spool_.offer(offer.copy, context); }});
    }
}

void LedgerThread::State::add_settles(std::vector<Spool::Operation>& operations) {
    for (Settle& settle : settles_) {
        operations.push_back({[this, &settle](const Context& context) {
            settle.settled = spool_.ledger().settle(settle.settlement, context);
        }});
    }
}

void LedgerThread::State::add_alters(std::vector<Spool::Operation>& operations) {
    for (Alter& alter : alters_) {
        operations.push_back({[this, &alter](const Context& context) {
            alter.changed = spool_.ledger().change(alter.change, alter.groups, context);
        }});
    }
}

void LedgerThread::State::take_one(Pause request) {
    if (request.on) {
        spool_.ledger().pause(moment_.boot);
    } else {
        spool_.ledger().resume(moment_.boot);
    }
    paused_ = request.on;
    to_store_ = true;
    pauses_.push_back(std::move(request.answer));
}

/// How many of the operations were offers.
std::size_t LedgerThread::State::answer_offers(std::span<const Spool::Operation> operations) {
    std::size_t place = 0;
    for (Offer& offer : offers_) {
        if (offer.tried) {
            const Spool::Operation& operation = operations[place++];
            if (!operation.done) {
                offer.acceptance = {};
                if (operation.no_room) offer.acceptance.status = Acceptance::Status::no_room;
            }
        }
        spool_.abandon(offer.copy.upload);  // its extents belong to the group now, or are dead weight
        answers_.push_back(
            [answer = std::move(offer.answer), acceptance = std::move(offer.acceptance)] { answer(acceptance); });
    }
    offers_.clear();
    return place;
}

void LedgerThread::State::answer_settles(std::span<const Spool::Operation> operations) {
    std::vector<Settle> settles = std::move(settles_);
    settles_.clear();
    bool was_stuck = std::exchange(stuck_, false);
    std::string why;
    for (std::size_t i = 0; i < settles.size(); ++i) {
        if (!operations[i].done) {
            why = operations[i].why;
            unsettled(std::move(settles[i]), operations[i].no_room);
            continue;
        }
        if (settles[i].settlement.finished) spool_.came_back(settles[i].settlement.group);
        if (settles[i].settled.owing) owing_.insert(settles[i].settlement.group);
        answers_.push_back([handler = handler_, settled = std::move(settles[i].settled)] { handler->settled(settled); });
    }
    if (stuck_ && !was_stuck)
        notice(base::Level::error, "settle_failed", "forwarding stops until the spool can be written; " + why);
    if (was_stuck && !stuck_) notice(base::Level::info, "settle_works", "forwarding goes on");
}

/// What the backend said must not be forgotten: it is kept, and nothing goes out, until it can be stored.
void LedgerThread::State::unsettled(Settle settle, bool no_room) {
    if (no_room && spool_.free_reserve()) notice(base::Level::warning, "reserve_used", "the disk is full");
    settles_.push_back(std::move(settle));
    stuck_ = true;
}

void LedgerThread::State::answer_alters(std::span<const Spool::Operation> operations) {
    for (std::size_t i = 0; i < alters_.size(); ++i) {
        Changed changed = operations[i].done ? alters_[i].changed : Changed{.trouble = operations[i].why};
        answers_.push_back([answer = std::move(alters_[i].answer), changed] { answer(changed); });
    }
    alters_.clear();
}

/// Not before it is stored: it holds at once, but is to hold across restarts.
void LedgerThread::State::answer_pauses() {
    if (to_store_) return;
    for (std::function<void()>& answer : pauses_) answers_.push_back(std::move(answer));
    pauses_.clear();
}

/// What is owed is durable, and so are the notices that it becomes, in a transaction of their own: whatever happens between
/// the two, each is told once. A group in flight waits, so that one attempt makes one notice.
void LedgerThread::State::tell() try {
    if (stuck_) return;
    for (auto group = owing_.begin(); group != owing_.end();) {
        if (spool_.in_flight().contains(*group)) {
            ++group;
            continue;
        }
        Told told = spool_.tell(*group, moment_);
        if (!told.done) return;  // later
        ++changes_;
        group = owing_.erase(group);
        next_due_ = base::Time{};
        answers_.push_back([handler = handler_, told = std::move(told)] { handler->told(told); });
    }
} catch (const SqliteError& error) {
    if (!std::exchange(unreadable_, true)) notice(base::Level::error, "ledger_unreadable", error.what());
}

/// What was being sent at each of three crashes in a row is not tried a fourth time by itself.
void LedgerThread::State::set_aside() {
    notice(base::Level::error, "crashed", "the last end was a crash");
    for (Settlement& settlement : spool_.ledger().set_aside()) {
        notice(base::Level::error, "set_aside", "group=" + std::to_string(settlement.group));
        spool_.in_flight().insert(settlement.group);  // until that is stored
        settles_.push_back({std::move(settlement), {}});
    }
}

void LedgerThread::State::hand_out() {
    if (wanted_ == 0 || stuck_ || stopping_ || paused_) return;
    base::Time now = spool_.now(moment_.boot);
    if (next_due_ > now) return;
    std::vector<Due> due;
    load_due(now, due);
    if (due.empty()) return;
    std::vector<std::int64_t> groups;
    for (const Due& one : due) groups.push_back(one.group);
    spool_.suspect(groups, moment_);
    wanted_ -= static_cast<unsigned>(due.size());
    answers_.push_back([handler = handler_, due = std::move(due)]() mutable { handler->due(std::move(due)); });
}

/// They are in flight from here on, also where the next one can't be read.
void LedgerThread::State::load_due(base::Time now, std::vector<Due>& due) try {
    SqliteLedger::Snapshot snapshot(spool_.ledger());
    for (std::int64_t group : spool_.due(now, wanted_)) {
        Due one = spool_.load_due(group, moment_);
        spool_.in_flight().insert(group);
        if (one.group == 0) {
            spool_.came_back(group);  // it is passed over
        } else if (one.content) {
            due.push_back(std::move(one));
        } else {
            missing_content(one);
        }
    }
    next_due_ = spool_.next_due(now);
    unreadable_ = false;
} catch (const SqliteError& error) {
    if (!std::exchange(unreadable_, true)) notice(base::Level::error, "ledger_unreadable", error.what());
    next_due_ = spool_.now(moment_.boot) + house_delay;
}

void LedgerThread::State::say_what_is_passed_over() {
    for (const SqliteLedger::PassedOver& one : spool_.ledger().take_passed_over()) {
        answers_.push_back(
            [handler = handler_, damage = "group " + std::to_string(one.group) +
                                          " can't be read and is passed over: " + one.why] { handler->damaged(damage); });
    }
}

void LedgerThread::State::missing_content(const Due& due) {
    Settle settle;
    settle.settlement.group = due.group;
    for (const Due::Recipient& recipient : due.recipients) {
        settle.settlement.outcomes.push_back({recipient.member, coalesce::Outcome::What::refused,
                                              "554 5.6.0 the message's content is missing from the spool"});
    }
    notice(base::Level::error, "content_missing", "group=" + std::to_string(due.group));
    settles_.push_back(std::move(settle));
}

void LedgerThread::State::keep_house() try {
    const base::Duration began = base::boot_clock();
    bool idle = queue_.size() == 0;
    Spool::Kept kept = spool_.keep_house(idle, moment_);
    ++changes_;
    for (std::int64_t group : kept.untold) notice(base::Level::warning, "ended_untold", "group=" + std::to_string(group));
    watch_room();
    const base::Duration now = base::boot_clock();
    base::Duration next = idle ? std::clamp(spool_.until_forgetting(moment_), house_delay, longest_wait) : house_delay;
    if (kept.more) next = std::max(least_rest, 4 * (now - began));  // the most of the time is the mail's
    if (!kept.trouble.empty()) {
        notice(base::Level::error, "house_keeping_failed", kept.trouble);
        next = busy_house_delay;
    }
    house_at_ = now + next;
} catch (const SqliteError& error) {
    notice(base::Level::error, "house_keeping_failed", error.what());
    house_at_ = moment_.boot + busy_house_delay;
}

void LedgerThread::State::watch_room() {
    room_ = spool_.room();
    bool low = spool_.low_on_space();
    if (low == low_) return;
    low_ = low;
    if (low) {
        notice(base::Level::warning, "low_on_space", "less than spool.min_free is left: new mail is answered 452");
    } else {
        notice(base::Level::info, "space_again", "new mail is taken again");
    }
}

void LedgerThread::State::notice(base::Level level, std::string event, std::string detail) {
    answers_.push_back([handler = handler_, level, event = std::move(event), detail = std::move(detail)] {
        handler->notice(level, event, detail);
    });
}

void LedgerThread::State::flush_answers() {
    if (answers_.empty()) return;
    post_([answers = std::exchange(answers_, {})] {
        for (const auto& answer : answers) answer();
    });
}

/// What the backend said last is stored; offers that came after the end stay unanswered.
void LedgerThread::State::finish() {
    moment_ = read_clocks();
    commit();
    spool_.close(moment_);
}

LedgerThread::LedgerThread(Options options, base::Post post, Handler handler)
    : state_(std::make_unique<State>(std::move(options), std::move(post), std::move(handler))) {}

LedgerThread::~LedgerThread() = default;

void LedgerThread::append(UploadId upload, std::string piece, std::function<void(bool)> answer) {
    state_->push(Append{upload, std::move(piece), std::move(answer)});
}

void LedgerThread::abandon(UploadId upload) {
    state_->push(Abandon{upload});
}

void LedgerThread::offer(Copy copy, std::function<void(const Acceptance&)> answer) {
    state_->push(Offer{std::move(copy), std::move(answer)});
}

void LedgerThread::want(unsigned count) {
    state_->push(Want{count});
}

void LedgerThread::settle(Settlement settlement) {
    state_->push(Settle{std::move(settlement)});
}

void LedgerThread::change(Change change, std::vector<std::int64_t> groups, std::function<void(const Changed&)> answer) {
    state_->push(Alter{change, std::move(groups), std::move(answer)});
}

void LedgerThread::pause(bool on, std::function<void()> answer) {
    state_->push(Pause{on, std::move(answer)});
}

bool LedgerThread::paused() const {
    return state_->paused();
}

void LedgerThread::configure(coalesce::Policy policy, std::uint64_t min_free, std::string hostname) {
    state_->push(Spool::Settings{std::move(hostname), min_free, std::move(policy)});
}

void LedgerThread::remember_smtputf8(bool offered) {
    state_->remember_smtputf8(offered);
}

bool LedgerThread::smtputf8() const {
    return state_->smtputf8();
}

std::uint64_t LedgerThread::room() const {
    return state_->room();
}

base::Time LedgerThread::now() const {
    return state_->now();
}

std::uint64_t LedgerThread::changes() const {
    return state_->changes();
}

base::Duration LedgerThread::busy_for() const {
    return state_->busy_for();
}

}  // namespace onecopy::ledger
