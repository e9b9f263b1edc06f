#include "ledger/sqlite_ledger.h"

#include <sqlite3.h>

#include <algorithm>
#include <utility>

#include "base/escape.h"
#include "ledger/group_store.h"
#include "ledger/log_vfs.h"
#include "ledger/schema.h"
#include "ledger/spool_error.h"
#include "message/digest.h"
#include "message/mailbox.h"
#include "message/notice.h"

namespace onecopy::ledger {
namespace {

constexpr int most_written = 64 << 10;  // SQLite's VFS takes less than 128 KiB at a time

constexpr const char* not_there = "an index leads to a group that is not there";

Extent extent_at(const Rows& row, int column) {
    return {static_cast<std::uint64_t>(row.integer(column)), static_cast<std::uint64_t>(row.integer(column + 1)),
            static_cast<std::uint32_t>(row.integer(column + 2)), static_cast<std::uint32_t>(row.integer(column + 3))};
}

/// What it sends, as if that came once more, for nobody.
coalesce::Arriving as_if_again(const coalesce::Group& group) {
    coalesce::Arriving again;
    again.alone = group.alone;
    again.sender = group.sender;
    again.options = group.options;
    again.identity = group.identity;
    return again;
}

bool owes(const coalesce::Group& group) {
    return std::ranges::any_of(group.members, [](const coalesce::Member& member) { return member.owed != 0; });
}

}  // namespace

struct SqliteLedger::Statements {
    explicit Statements(Database& database) : groups(database), writer(database), notices(database), db(database) {}

    GroupStore groups;
    GroupWriter writer;
    NoticeMaker notices;
    Database& db;
    Statement begin{db, "BEGIN IMMEDIATE"};
    Statement begin_reading{db, "BEGIN"};
    Statement end_reading{db, "ROLLBACK"};  // so that damage which was met keeps nobody from writing
    Statement commit{db, "COMMIT"};
    Statement head{
        db,
        "UPDATE ledger SET time = ?, left_out = ?, wall = ?, next_group = ?, clean = ?, copies = ?, messages = ?, "
        "delivered = ?, suppressed = ?, failed = ?, possible_duplicates = ?, smtputf8 = ?, paused = ?, notices = ?"};
    Statement put_content{db, "INSERT OR REPLACE INTO content VALUES(?, ?, ?, ?)"};
    Statement put_header{db, "UPDATE content SET header = ?2 WHERE group_id = ?1"};
    Statement get_content{db, "SELECT header, body, body_size FROM content WHERE group_id = ?"};
    Statement drop_content{db, "DELETE FROM content WHERE group_id = ?"};
    Statement put_extent{db, "INSERT INTO extents VALUES(?, ?, ?, ?, ?, ?)"};
    Statement get_extents{db, "SELECT segment, offset, length, crc FROM extents WHERE group_id = ? ORDER BY n"};
    Statement drop_extents{db, "DELETE FROM extents WHERE group_id = ?"};
    Statement put_copy{db, "INSERT INTO copies VALUES(?, ?, ?, ?, ?, ?, ?, ?)"};
    Statement put_attempt{db, "INSERT INTO attempts VALUES(?, ?, ?, ?, ?, ?, ?)"};
    Statement due{db, "SELECT id FROM groups WHERE due <= ? ORDER BY due"};
    Statement next_due{db, "SELECT id, due FROM groups WHERE due IS NOT NULL ORDER BY due"};
    Statement later{db, "SELECT id FROM groups WHERE due > ?"};
    // by indexes alone, like `later`, `kept`, `marked` and `all`: no row that can't be read is met
    Statement waiting{db, "SELECT id FROM groups WHERE due IS NOT NULL"};
    Statement retriable{db,
                        "SELECT id FROM groups WHERE due IS NOT NULL UNION "
                        "SELECT id FROM groups INDEXED BY groups_kept WHERE idle IS NOT NULL AND flags & 32"};
    Statement all{db, "SELECT id FROM groups INDEXED BY groups_by_content"};
    Statement keep_header{db, "UPDATE groups SET flags = flags | 16 WHERE id = ?"};
    Statement owing{db, "SELECT DISTINCT group_id FROM members WHERE owed != 0"};
    Statement put_apart{db, "INSERT INTO apart VALUES(?, ?) ON CONFLICT(address) DO UPDATE SET until = excluded.until"};
    Statement get_apart{db, "SELECT 1 FROM apart WHERE address = ? AND until > ?"};
    Statement prune_apart{db, "DELETE FROM apart WHERE until <= ?"};
    Statement count_apart{db, "SELECT count(*) FROM apart"};
    Statement suspect{db, "UPDATE groups SET crashes = crashes + 1 WHERE id = ?"};
    Statement absolve{db, "UPDATE groups SET crashes = 1 WHERE id = ?"};
    Statement marked{db, "SELECT id FROM groups WHERE crashes > 0"};
    Statement kept{
        db,
        "SELECT id FROM groups INDEXED BY groups_kept WHERE idle <= ? AND idle IS NOT NULL AND flags & 32 ORDER BY idle"};
    Statement idle{db, "SELECT id FROM groups WHERE idle <= ? ORDER BY idle"};
    Statement next_idle{db, "SELECT id, idle FROM groups WHERE idle IS NOT NULL ORDER BY idle"};
    Statement next_kept{
        db, "SELECT id, idle FROM groups INDEXED BY groups_kept WHERE idle IS NOT NULL AND flags & 32 ORDER BY idle"};
    Statement live{db, "SELECT segment, total(length) FROM extents GROUP BY segment"};
    Statement in_segment{db, "SELECT group_id, n, segment, offset, length, crc FROM extents WHERE segment = ?"};
    Statement move_extent{db, "UPDATE extents SET segment = ?3, offset = ?4 WHERE group_id = ?1 AND n = ?2"};
};

/// The groups that an arriving copy has to do with.
struct SqliteLedger::Kin {
    std::optional<StoredGroup> same;
    std::vector<coalesce::Group> siblings;  // rules.h join()
    bool complete = true;                   // false: one of them, or what may be one, can't be read

    /// Under an earlier `match` there may have been several. The copy joins the one of equal content, and of these the one
    /// that waits, or the latest; who has the message by another one must not get it again.
    void add_same(StoredGroup group, const message::Identity& identity) {
        auto rank = [&](const StoredGroup& one) {
            return std::pair(one.identity.content == identity.content, one.waiting());
        };
        if (same && rank(group) < rank(*same)) std::swap(group, *same);
        std::optional<StoredGroup> passed_over = std::exchange(same, std::move(group));
        if (passed_over) siblings.push_back(*std::move(passed_over));
    }
};

/// The other groups of what one group sends, whatever an earlier `match` parted.
struct SqliteLedger::Others {
    std::vector<coalesce::Group> groups;
    bool complete = true;  // as in Kin
};

SqliteLedger::SqliteLedger(const std::string& directory, const std::string& vfs, base::Duration boot,
                           base::WallTime wall) try
    : directory_(directory), database_(directory + "/ledger.db", Database::Mode::read_write, log_vfs(vfs)) {
    database_.checkpoint_at_close(false);  // settle_log()
    open_spool(database_);
    statements_ = std::make_unique<Statements>(database_);
    sqlite3_wal_hook(
        database_.native(),
        [](void* self, sqlite3*, const char*, int pages) {
            static_cast<SqliteLedger*>(self)->log_pages_ = pages;
            return SQLITE_OK;
        },
        this);
    load_head(boot, wall);
} catch (const SqliteError& error) {
    throw SpoolError(directory + "/ledger.db: " + error.what());
} catch (const CommitUnknown& unknown) {
    throw SpoolError(directory + "/ledger.db: " + unknown.why);
}

SqliteLedger::~SqliteLedger() = default;

/// Behind the numbers of all that is there, of a group or of what is left of one: beside it the rows of a new one would not
/// be taken. What is far off, by damage, is never met.
std::int64_t SqliteLedger::first_free_group() {
    std::int64_t last = 0;
    for (const char* highest : {"max(id) FROM groups WHERE id", "max(group_id) FROM members WHERE group_id",
                                "max(group_id) FROM content WHERE group_id", "max(group_id) FROM extents WHERE group_id",
                                "max(group_id) FROM copies WHERE group_id", "max(group_id) FROM attempts WHERE group_id"}) {
        try {
            last = std::max(last, database_.integer(("SELECT " + std::string(highest) + " < 1 << 53").c_str()));
        } catch (const SqliteError& error) {
            if (!error.damaged()) throw;  // a table of which nothing can be read has no number to meet
        }
    }
    return last + 1;
}

/// After an unclean end nobody knows which groups were attempted: their headers stay as they are, so that what may have been
/// sent is sent again with the same bytes.
void SqliteLedger::load_head(base::Duration boot, base::WallTime wall) {
    bool clean = false;
    {
        Statement select(database_,
                         "SELECT time, left_out, wall, next_group, clean, copies, messages, delivered, suppressed, failed, "
                         "possible_duplicates, smtputf8, paused, notices FROM ledger");
        Rows row = select.query();
        if (!row.next()) throw SpoolError("the ledger's first row is missing");
        base::WallTime stored_wall = base::wall_time_of(row.amount(2));
        Clock::Stored stored{base::time_of(row.amount(0)), base::Duration(row.amount(1)), stored_wall};
        if (!row.is_null(12)) stored.paused = base::time_of(row.amount(12));
        bool fresh = stored_wall == base::WallTime{};
        if (fresh) stored.wall = wall;
        clock_.emplace(stored, boot, wall);
        head_.next_group = std::max(row.amount(3), first_free_group());
        clean = row.integer(4) != 0;
        auto count = [&row](int column) { return static_cast<std::uint64_t>(row.integer(column)); };
        head_.totals = {count(5), count(6), count(7), count(8), count(9), count(10), count(13)};
        smtputf8_ = row.integer(11) != 0;
    }
    committed_ = head_;
    first_new_ = head_.next_group;
    any_apart_ = integers(statements_->count_apart.query()).at(0) > 0;
    begin();
    const bool settled = settle_log();
    if (settled && !clean) keep_headers();
    if (!settled || !commit(boot, wall)) throw SpoolError("the disk is full, and opening the spool needs some room");
}

/// Where a sync had failed the system may still show what never reached the disk, and later syncs do not write it either:
/// all that is written behind it would be lost with it if the power went, and a database into which it was copied would be
/// torn. So the log is written anew as the system shows it, with the same bytes, before mail is written behind it or it is
/// copied to the database; after an orderly end too, of which the last sync, or that of a migration behind it, may have
/// failed. (Commonly such an end leaves no log.) False: it is not, since the disk is full.
bool SqliteLedger::settle_log() {
    auto works = [](int code) {  // false: the disk is full
        const SqliteError error(std::string("the log can't be written anew: ") + sqlite3_errstr(code), code);
        if (code != SQLITE_OK && !error.disk_full()) throw error;
        return code == SQLITE_OK;
    };
    sqlite3_file* log = nullptr;
    sqlite3_int64 size = 0;
    if (!works(sqlite3_file_control(database_.native(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &log))) return false;
    if (!works(log->pMethods->xFileSize(log, &size))) return false;
    std::string bytes(most_written, '\0');
    for (sqlite3_int64 at = 0; at < size; at += most_written) {
        const int piece = static_cast<int>(std::min<sqlite3_int64>(size - at, most_written));
        if (!works(log->pMethods->xRead(log, bytes.data(), piece, at))) return false;
        if (!works(log->pMethods->xWrite(log, bytes.data(), piece, at))) return false;
    }
    return works(log->pMethods->xSync(log, SQLITE_SYNC_NORMAL));
}

/// In a transaction that was begun.
void SqliteLedger::keep_headers() {
    try {
        database_.exec("UPDATE groups SET flags = flags | 16 WHERE due IS NOT NULL");
        return;
    } catch (const SqliteError& error) {
        if (!error.damaged()) throw;
    }
    roll_back();
    std::vector<std::int64_t> readable;
    for (std::int64_t id : integers(statements_->waiting.query())) {
        if (look_at(id)) readable.push_back(id);
    }
    begin();
    for (std::int64_t id : readable) statements_->keep_header.run(id);
}

/// None: it is not there, or is passed over.
std::optional<StoredGroup> SqliteLedger::load(std::int64_t id) try {
    if (passed_over_.contains(id)) return std::nullopt;
    return statements_->groups.load(id);
} catch (const SqliteError& error) {
    if (error.damaged()) pass_over(id, error.what());  // whatever else keeps it from being read is not its fault
    throw;
}

/// One that an index names: where it is not there, the index is damaged.
std::optional<StoredGroup> SqliteLedger::load_named(std::int64_t id) {
    std::optional<StoredGroup> group = load(id);
    if (!group) pass_over(id, not_there);
    return group;
}

/// As load(), where nothing is written.
std::optional<StoredGroup> SqliteLedger::look_at(std::int64_t id) try { return load(id); } catch (const SqliteError& error) {
    if (!error.damaged()) throw;
    return std::nullopt;
}

void SqliteLedger::look_again(const std::vector<std::int64_t>& groups) {
    if (groups.empty()) passed_over_.clear();
    for (std::int64_t group : groups) passed_over_.erase(group);
}

void SqliteLedger::pass_over(std::int64_t id, const std::string& why) {
    if (passed_over_.insert(id).second) newly_passed_over_.push_back({id, why});
}

/// Does that to each that is not passed over. One in which it meets damage is, and so is at once who can't be read behind
/// it: the transaction begins anew without all these, and not for each of them.
void SqliteLedger::each(const std::vector<std::int64_t>& groups, const std::function<void(std::int64_t)>& what) {
    for (auto id = groups.begin(); id != groups.end(); ++id) {
        const std::size_t before = passed_over_.size();
        try {
            if (!passed_over_.contains(*id)) what(*id);
        } catch (const SqliteError& error) {
            if (!error.damaged()) throw;
            if (passed_over_.size() == before) pass_over(*id, error.what());  // else it was one that this one led to
            std::for_each(id + 1, groups.end(), [this](std::int64_t other) { look_at(other); });
            throw;
        }
    }
}

coalesce::Now SqliteLedger::now(base::Duration boot) const {
    return clock_->now(boot);
}

void SqliteLedger::begin() {
    statements_->begin.run();
}

void SqliteLedger::store_head(base::Duration boot, base::WallTime wall) {
    Clock::Stored time = clock_->stored(boot, wall);
    const Totals& totals = head_.totals;
    auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
    std::optional<std::int64_t> paused;
    if (time.paused) paused = base::to_integer(*time.paused);
    statements_->head.run(base::to_integer(time.ledger), std::int64_t{time.left_out.count()}, base::to_integer(time.wall),
                          head_.next_group, std::int64_t{head_.clean}, number(totals.copies), number(totals.messages),
                          number(totals.delivered), number(totals.suppressed), number(totals.failed),
                          number(totals.possible_duplicates), std::int64_t{smtputf8_}, paused, number(totals.notices));
}

bool SqliteLedger::commit(base::Duration boot, base::WallTime wall) {
    try {
        store_head(boot, wall);
    } catch (const SqliteError&) {
        roll_back();
        return false;
    }
    try {
        statements_->commit.run();
    } catch (const SqliteError& error) {
        if (!error.disk_full()) throw CommitUnknown{error.what()};
        roll_back();
        return false;
    }
    committed_ = head_;
    return true;
}

void SqliteLedger::roll_back() {
    if (!database_.in_autocommit()) database_.exec("ROLLBACK");  // SQLite may have done it by itself
    head_ = committed_;
}

SqliteLedger::Kin SqliteLedger::find_kin(const coalesce::Arriving& copy, const Context& context) {
    Kin kin;
    if (copy.alone) return kin;
    const message::Identity& identity = copy.identity;
    for (std::int64_t id : statements_->groups.related(identity, context.policy)) {
        std::optional<StoredGroup> group = load_named(id);
        if (!group) {
            kin.complete = false;
            continue;
        }
        switch (coalesce::kinship(*group, copy, context.policy)) {
            case coalesce::Kinship::same:
                kin.add_same(*std::move(group), identity);
                break;
            case coalesce::Kinship::partly_served:
            case coalesce::Kinship::other_sender:
                kin.siblings.push_back(std::move(*group));
                break;
            case coalesce::Kinship::stranger:
                break;
        }
    }
    if (kin.same && kin.same->identity.content != identity.content) leave_served(kin, copy, context);
    return kin;
}

/// The group that the copy would join sends other content: who of those named here gets that by another one, under another
/// sender, must not get it twice.
void SqliteLedger::leave_served(Kin& kin, const coalesce::Arriving& copy, const Context& context) {
    coalesce::Policy by_content = context.policy;
    by_content.match_content = true;
    const Others others = others_like(*kin.same, by_content);
    if (!others.complete) kin.complete = false;
    if (!coalesce::is_served_by(others.groups, *kin.same, copy, context.policy, context.now)) return;
    kin.siblings.push_back(*std::move(kin.same));
    kin.same.reset();
}

/// An index that can't be read is the fault of none of those that are looked for by it.
std::vector<std::int64_t> SqliteLedger::related(const message::Identity& identity, const coalesce::Policy& policy) try {
    return statements_->groups.related(identity, policy);
} catch (const SqliteError& error) {
    if (!error.damaged()) throw;
    throw SqliteError(error.what(), SQLITE_ERROR);
}

SqliteLedger::Others SqliteLedger::others_like(const coalesce::Group& one, const coalesce::Policy& policy) {
    Others others;
    const coalesce::Arriving again = as_if_again(one);
    if (again.alone) return others;
    for (std::int64_t id : related(again.identity, policy)) {
        if (id == one.id) continue;
        std::optional<StoredGroup> group = load_named(id);
        if (!group) {
            others.complete = false;
        } else if (coalesce::kinship(*group, again, policy) != coalesce::Kinship::stranger) {
            others.groups.push_back(*std::move(group));
        }
    }
    return others;
}

StoredGroup SqliteLedger::make_group(const Copy& copy, const Context& context) {
    StoredGroup group;
    group.id = head_.next_group++;
    group.sender = copy.arriving.sender;
    group.options = copy.arriving.options;
    group.identity = copy.arriving.identity;
    group.alone = copy.arriving.alone;
    group.untouched = copy.untouched;
    group.first = context.wall;
    ++head_.totals.messages;
    return group;
}

/// The group that is being sent and comes back, under another sender maybe, by a server that leads back here before it has
/// answered; 0: none. One that is fetched once more while others wait for it looks the same, and is as well off with a later
/// answer.
std::int64_t SqliteLedger::coming_back(const Kin& kin, const Copy& copy, const Context& context) {
    const auto is_sent = [&](const coalesce::Group& group) { return context.in_flight.contains(group.id); };
    const auto sibling = std::ranges::find_if(kin.siblings, is_sent);
    const bool is_same = kin.same && is_sent(*kin.same);
    if (!is_same && sibling == kin.siblings.end()) return 0;
    if (!message::passed_through(copy.header, context.hostname)) return 0;
    return is_same ? kin.same->id : sibling->id;
}

Acceptance SqliteLedger::offer(const Copy& copy, const std::vector<Extent>& extents, const Context& context) {
    Kin kin = find_kin(copy.arriving, context);
    if (!kin.complete) return {};  // nobody knows who has it, and what is damaged is no place for more: the fetcher keeps it
    Acceptance acceptance;
    acceptance.group = coming_back(kin, copy, context);
    if (acceptance.group != 0) {
        acceptance.status = Acceptance::Status::comes_back;
        return acceptance;
    }
    bool is_new = !kin.same;
    StoredGroup group = is_new ? make_group(copy, context) : std::move(*kin.same);
    bool was_fixed = group.fixed;
    if (context.in_flight.contains(group.id)) group.fixed = true;  // what is being sent stays as it is
    acceptance.status = Acceptance::Status::accepted;
    acceptance.group = group.id;
    acceptance.copy = ++group.copies;
    if (is_new && !group.alone) acceptance.other_content = statements_->groups.with_other_content(group.identity);
    coalesce::Joined joined =
        coalesce::join(group, copy.arriving, acceptance.copy, kin.siblings, context.policy, context.now);
    if (context.in_flight.contains(group.id)) group.fixed = was_fixed;
    acceptance.verdicts = std::move(joined.verdicts);
    acceptance.elsewhere = joined.elsewhere;
    for (std::size_t place : joined.changed) {
        coalesce::Member& member = group.members[place];
        if (member.id == 0) member.id = static_cast<std::int64_t>(place) + 1;
        statements_->writer.save_member(group.id, member);
    }
    if (joined.store_content) store_content(group, copy, extents, context);
    if (joined.store_header) {
        statements_->put_header.run(group.id,
                                    message::received_field(copy.arrival, context.hostname, group.id) + copy.header);
        group.size = copy.size;
        group.eight_bit = copy.eight_bit;
    }
    if (is_new) {
        statements_->writer.insert(group);
    } else {
        statements_->writer.update(group);
    }
    describe(acceptance, group, copy, context);
    record_copy(group, copy, acceptance);
    return acceptance;
}

/// What the log wants to know, and the totals.
void SqliteLedger::describe(Acceptance& acceptance, const StoredGroup& group, const Copy& copy, const Context& context) {
    using coalesce::Verdict;
    auto count = [&](Verdict verdict) { return std::ranges::count(acceptance.verdicts, verdict); };
    acceptance.due = coalesce::due(group);
    acceptance.now = context.now.ledger;
    if (group.identity.content != copy.arriving.identity.content) {
        acceptance.first_digest = base::hex(bytes_of(group.identity.content));
        acceptance.digest = base::hex(bytes_of(copy.arriving.identity.content));
    }
    bool nobody_left = count(Verdict::added) + count(Verdict::merged) + count(Verdict::again) == 0;
    acceptance.loop = nobody_left && message::passed_through(copy.header, context.hostname);
    ++head_.totals.copies;
    head_.totals.suppressed += static_cast<std::uint64_t>(count(Verdict::suppressed) + count(Verdict::elsewhere));
}

void SqliteLedger::store_content(StoredGroup& group, const Copy& copy, const std::vector<Extent>& extents,
                                 const Context& context) {
    std::string header = message::received_field(copy.arrival, context.hostname, group.id) + copy.header;
    std::uint64_t body_size = copy.body.size();
    for (const Extent& extent : extents) body_size += extent.length;
    put_extents(group.id, extents);
    statements_->put_content.run(group.id, header, copy.body, static_cast<std::int64_t>(body_size));
    group.size = copy.size;
    group.eight_bit = copy.eight_bit;
    group.untouched = copy.untouched;
}

void SqliteLedger::put_extents(std::int64_t group, const std::vector<Extent>& extents) {
    std::int64_t number = 0;
    for (const Extent& extent : extents) {
        statements_->put_extent.run(group, number++, static_cast<std::int64_t>(extent.segment),
                                    static_cast<std::int64_t>(extent.offset), std::int64_t{extent.length},
                                    std::int64_t{extent.crc});
    }
}

void SqliteLedger::drop_content(StoredGroup& group) {
    statements_->drop_content.run(group.id);
    statements_->drop_extents.run(group.id);
    group.has_content = false;
}

void SqliteLedger::drop_content_unless_needed(StoredGroup& group) {
    if (group.has_content && !coalesce::needs_content(group)) drop_content(group);
}

void SqliteLedger::record_copy(const StoredGroup& group, const Copy& copy, const Acceptance& acceptance) {
    std::string recipients;
    for (std::size_t i = 0; i < acceptance.verdicts.size(); ++i) {
        recipients += coalesce::to_text(acceptance.verdicts[i]);
        recipients += ' ';
        recipients += copy.arriving.recipients[i].address;
        recipients += '\n';
    }
    statements_->put_copy.run(group.id, acceptance.copy, base::to_integer(copy.arrival.time), copy.arrival.client,
                              copy.arrival.helo, copy.arrival.protocol, copy.arriving.sender, recipients);
}

Settled SqliteLedger::settle(const Settlement& settlement, const Context& context) {
    Settled settled;
    settled.group = settlement.group;
    settled.now = context.now.ledger;
    std::optional<StoredGroup> group = load(settlement.group);
    if (!group) return settled;
    const std::vector<std::size_t> changed = coalesce::settle(*group, settlement.outcomes, context.policy, context.now);
    settled.shortened = coalesce::holds_too_much(*group, settlement.outcomes) && shorten(*group, context);
    for (std::size_t place : changed) {
        const coalesce::Member& member = group->members[place];
        statements_->writer.save_member(group->id, member);
        if (member.state == coalesce::State::pending) {
            settled.next = std::min(settled.next, member.due);
            continue;
        }
        settled.ended.push_back({member.address, member.state, member.reply});
        ++(member.state == coalesce::State::delivered ? head_.totals.delivered : head_.totals.failed);
    }
    if (settlement.finished) {
        group->crashes = 0;
        const coalesce::Concluded concluded = coalesce::conclude(*group);
        for (std::size_t place : concluded.changed) statements_->writer.save_member(group->id, group->members[place]);
        for (std::size_t place : concluded.spoilers) remember_apart(group->members[place], context);
    }
    settled.owing = owes(*group);
    record_attempts(*group, settlement, context);
    drop_content_unless_needed(*group);
    statements_->writer.update(*group);
    return settled;
}

/// A notice that was refused for what it holds takes its next shorter form and waits anew: it is the one notice of those of
/// whom it tells, and it has to arrive. False: it has none.
bool SqliteLedger::shorten(StoredGroup& notice, const Context& context) {
    const std::optional<message::NoticeText> text = shorter(notice.id);
    if (!text) return false;
    const std::string body = text->opening + text->closing;
    drop_content(notice);
    statements_->put_content.run(notice.id, text->header, body, static_cast<std::int64_t>(body.size()));
    notice.has_content = true;
    notice.eight_bit = text->eight_bit;
    notice.size = text->header.size() + body.size();
    coalesce::renew(notice, context.now);
    return true;
}

std::optional<message::NoticeText> SqliteLedger::shorter(std::int64_t notice) try {
    const std::shared_ptr<const Content> content = load_content(notice);
    return content ? shorter_form(*content, directory_) : std::nullopt;
} catch (const SqliteError& error) {
    if (error.damaged()) pass_over(notice, error.what());
    throw;
}

/// An ill server is no attempt on this mail: it stands with the recipient's last words only, however often it was met.
void SqliteLedger::record_attempts(StoredGroup& group, const Settlement& settlement, const Context& context) {
    for (const coalesce::Outcome& outcome : settlement.outcomes) {
        if (outcome.what == coalesce::Outcome::What::rested) continue;
        statements_->put_attempt.run(group.id, ++group.attempts, base::to_integer(context.wall), settlement.server,
                                     outcome.member, static_cast<std::int64_t>(outcome.what), outcome.reply);
    }
    if (settlement.possible_duplicate) ++head_.totals.possible_duplicates;
}

std::vector<std::int64_t> SqliteLedger::changeable(Change change, const Context& context) {
    switch (change) {
        case Change::release:
            return integers(statements_->later.query(base::to_integer(context.now.ledger)));
        case Change::retry:
            return integers(statements_->retriable.query());
        case Change::drop:
        case Change::forget:
            return {};  // nobody means all of them
    }
    return {};
}

std::vector<std::size_t> SqliteLedger::change_members(StoredGroup& group, Change change, Changed& changed,
                                                      const Context& context) {
    switch (change) {
        case Change::release:
            return coalesce::release(group, context.now);
        case Change::retry:
            break;
        case Change::drop:
            return coalesce::drop(group, context.now);
        case Change::forget:
            return coalesce::forget(group, context.now);
    }
    const bool any_failed = std::ranges::count(group.members, coalesce::State::failed, &coalesce::Member::state) > 0;
    const Others others = any_failed ? others_like(group, context.policy) : Others{};
    if (others.complete) return coalesce::retry(group, others.groups, context.policy, context.now);
    ++changed.unreadable;  // nobody knows who has it
    return coalesce::release(group, context.now);
}

Changed SqliteLedger::change(Change change, std::vector<std::int64_t> groups, const Context& context) {
    const bool all = groups.empty();
    if (all) groups = changeable(change, context);
    Changed changed;
    each(groups, [&](std::int64_t id) {
        std::optional<StoredGroup> group = load(id);
        if (!group) return;
        if (change == Change::drop && context.in_flight.contains(id)) {
            ++changed.in_flight;
            return;
        }
        const bool waited = group->waiting() && !all && change != Change::drop && change != Change::forget;
        std::vector<std::size_t> members = change_members(*group, change, changed, context);
        if (members.empty() && !waited) return;
        for (std::size_t place : members) statements_->writer.save_member(id, group->members[place]);
        drop_content_unless_needed(*group);
        statements_->writer.update(*group);
        ++changed.groups;
    });
    const auto unreadable = [this](std::int64_t id) { return passed_over_.contains(id); };
    changed.unreadable += static_cast<unsigned>(std::ranges::count_if(groups, unreadable));
    return changed;
}

/// Whoever went alone before and did not come back, as when the process was ended meanwhile, is not to blame for this one.
void SqliteLedger::suspect(const std::vector<std::int64_t>& groups, bool after_crash) {
    const std::vector<StoredGroup> known = marked();
    const bool two_crashes = std::ranges::any_of(known, [](const StoredGroup& group) { return group.crashes > 1; });
    if (!after_crash && !two_crashes) return;
    for (const StoredGroup& group : known) {
        if (group.crashes > 1) statements_->absolve.run(group.id);
    }
    for (std::int64_t group : groups) statements_->suspect.run(group);
}

std::vector<StoredGroup> SqliteLedger::marked() {
    std::vector<StoredGroup> groups;
    for (std::int64_t id : integers(statements_->marked.query())) {
        if (std::optional<StoredGroup> group = look_at(id)) groups.push_back(std::move(*group));
    }
    return groups;
}

std::vector<std::int64_t> SqliteLedger::suspects(base::Time now) {
    std::vector<std::int64_t> found;
    for (const StoredGroup& group : marked()) {
        if (group.due && *group.due <= now) found.push_back(group.id);
    }
    return found;
}

std::vector<Settlement> SqliteLedger::set_aside() {
    std::vector<Settlement> settlements;
    for (const StoredGroup& group : marked()) {
        if (group.crashes < 2) continue;
        Settlement& settlement = settlements.emplace_back();
        settlement.group = group.id;
        for (const coalesce::Member& member : group.members) {
            if (member.state != coalesce::State::pending) continue;
            settlement.outcomes.push_back({member.id, coalesce::Outcome::What::refused,
                                           "554 5.6.0 set aside: onecopyd crashed three times while it was being sent",
                                           false, true, true});
        }
    }
    return settlements;
}

std::vector<std::int64_t> SqliteLedger::owing() try {
    return integers(statements_->owing.query());
} catch (const SqliteError& error) {
    if (!error.damaged()) throw;
    std::vector<std::int64_t> found;
    for (std::int64_t id : integers(statements_->all.query())) {
        if (std::optional<StoredGroup> group = look_at(id); group && owes(*group)) found.push_back(id);
    }
    return found;
}

OwedNotices SqliteLedger::owed_notices(std::int64_t id, const Context& context) {
    std::optional<StoredGroup> group = look_at(id);
    if (!group) return {};
    std::shared_ptr<const Content> content;
    try {
        content = load_content(id);
    } catch (const SqliteError& error) {
        if (!error.damaged()) throw;  // else it is told without the message
    }
    return statements_->notices.make(*group, std::move(content),
                                     {context.policy, context.hostname, context.wall, head_.next_group});
}

Told SqliteLedger::tell(std::int64_t id, const OwedNotices& owed, const std::vector<std::vector<Extent>>& extents,
                        const Context& context) {
    Told told;
    told.about = id;
    std::optional<StoredGroup> group = load(id);
    if (!group) return told;
    std::set<std::int64_t> nobody_to_tell;
    for (std::size_t i = 0; i < owed.notices.size(); ++i) {
        const coalesce::Telling& telling = owed.notices[i].telling;
        std::vector<std::string> recipients;
        for (std::size_t place : telling.members) {
            const coalesce::Member& member = group->members[place];
            recipients.push_back(member.address);
            if (telling.to.empty()) nobody_to_tell.insert(member.id);
        }
        if (telling.to.empty()) {
            told.untold.insert(told.untold.end(), recipients.begin(), recipients.end());
        } else {
            std::int64_t number = put_notice(owed.notices[i], id, extents[i], context);
            told.notices.push_back({number, telling.what, telling.to, std::move(recipients)});
        }
    }
    const unsigned later = owed.delay_put_off ? unsigned{coalesce::tell_delayed} : 0;
    for (coalesce::Member& member : group->members) {
        if (member.owed == 0) continue;
        member.told |= member.owed & ~later & (nobody_to_tell.contains(member.id) ? ~unsigned{coalesce::tell_failed} : ~0u);
        member.owed &= later;
        statements_->writer.save_member(id, member);
    }
    drop_content_unless_needed(*group);
    statements_->writer.update(*group);
    return told;
}

/// A group of its own that waits for nothing and merges with nothing.
std::int64_t SqliteLedger::put_notice(const OwedNotice& owed, std::int64_t about, const std::vector<Extent>& extents,
                                      const Context& context) {
    using coalesce::Kind;
    StoredGroup group;
    group.id = head_.next_group++;
    group.kind = !owed.telling.last                            ? Kind::notice
                 : owed.telling.what == coalesce::tell_delayed ? Kind::delay_notice
                                                               : Kind::last_notice;
    group.about = about;
    group.identity.message_id = owed.text.message_id;
    group.identity.content = message::digest(owed.text.header + owed.text.opening);
    group.identity.has_date = true;
    group.alone = group.untouched = group.fixed = group.has_content = true;
    group.eight_bit = owed.text.eight_bit;
    group.first = context.wall;
    group.touched = context.now.history;
    group.size = owed.text.header.size() + owed.body_size();
    coalesce::Member& member = group.members.emplace_back();
    member.id = 1;
    member.address = owed.telling.to;
    member.since = context.now.history;
    member.due = context.now.ledger;
    statements_->writer.insert(group);
    statements_->writer.save_member(group.id, member);
    std::string body;
    if (extents.empty()) body = owed.text.opening + (owed.returned ? owed.returned->body : "") + owed.text.closing;
    put_extents(group.id, extents);
    statements_->put_content.run(group.id, owed.text.header, body, static_cast<std::int64_t>(owed.body_size()));
    ++head_.totals.notices;
    return group.id;
}

/// For whom a server refused a whole transaction, he is sent apart for a while, so that he spoils no other one.
void SqliteLedger::remember_apart(const coalesce::Member& member, const Context& context) {
    constexpr base::Duration remembered = std::chrono::hours(1);
    statements_->put_apart.run(message::normal_form(member.address, context.policy.fold_case),
                               base::to_integer(context.now.ledger + remembered));
    any_apart_ = true;
}

bool SqliteLedger::is_apart(const std::string& address, const Context& context) {
    if (!any_apart_) return false;
    return statements_->get_apart
        .query(message::normal_form(address, context.policy.fold_case), base::to_integer(context.now.ledger))
        .next();
}

SqliteLedger::Snapshot::Snapshot(SqliteLedger& ledger) : ledger_(ledger) {
    ledger_.statements_->begin_reading.run();
}

SqliteLedger::Snapshot::~Snapshot() {
    try {
        ledger_.statements_->end_reading.run();
    } catch (const SqliteError&) {
        // Nothing was written; the next begin() would say what is wrong.
    }
}

std::vector<std::int64_t> SqliteLedger::due(base::Time now, std::size_t most, const std::set<std::int64_t>& in_flight) {
    return first_free(statements_->due.query(base::to_integer(now)), most, in_flight);
}

bool SqliteLedger::is_free(std::int64_t group, const std::set<std::int64_t>& in_flight) const {
    return !in_flight.contains(group) && !passed_over_.contains(group);
}

std::vector<std::int64_t> SqliteLedger::first_free(Rows groups, std::size_t most,
                                                   const std::set<std::int64_t>& in_flight) const {
    std::vector<std::int64_t> found;
    while (found.size() < most && groups.next()) {
        if (is_free(groups.integer(0), in_flight)) found.push_back(groups.integer(0));
    }
    return found;
}

base::Time SqliteLedger::next_due(const std::set<std::int64_t>& in_flight) {
    Rows row = statements_->next_due.query();
    while (row.next()) {
        if (is_free(row.integer(0), in_flight)) return base::time_of(row.amount(1));
    }
    return base::never;
}

Due SqliteLedger::load_due(std::int64_t id, const Context& context) try {
    std::optional<StoredGroup> group = load_named(id);
    Due due;
    if (!group) return due;
    due.group = id;
    due.sender = group->sender;
    due.options = group->options;
    due.message_id = group->identity.message_id;
    due.eight_bit = group->eight_bit;
    due.untouched = group->untouched;
    for (const coalesce::Member& member : group->members) {
        due.everyone.push_back(member.address);
        if (member.state != coalesce::State::pending) continue;
        const bool alone = member.apart || is_apart(member.address, context);
        due.recipients.push_back({member.id, member.address, alone, member.options});
        if (!group->tried) due.held = std::max(due.held.value_or(base::Duration(0)), context.now.history - member.since);
    }
    due.content = load_content(id);
    return due;
} catch (const SqliteError& error) {
    if (!error.damaged()) throw;
    pass_over(id, error.what());
    return {};
}

std::shared_ptr<const Content> SqliteLedger::load_content(std::int64_t group) {
    auto content = std::make_shared<Content>();
    Rows row = statements_->get_content.query(group);
    if (!row.next()) return nullptr;
    content->header = row.text(0);
    content->body = row.text(1);
    content->body_size = static_cast<std::uint64_t>(row.integer(2));
    if (content->body_size == content->body.size()) return content;
    std::uint64_t found = content->body.size();
    Rows extents = statements_->get_extents.query(group);
    while (extents.next()) found += content->extents.emplace_back(extent_at(extents, 0)).length;
    return found == content->body_size ? content : nullptr;  // a body without one of its pieces is none
}

SqliteLedger::Forgotten SqliteLedger::forget(const Context& context, std::size_t most) {
    Forgotten forgotten;
    const auto oldest = [&](Statement& idle_since, base::Duration kept) {
        return first_free(idle_since.query(base::to_integer(context.now.history - kept)), most, context.in_flight);
    };
    each(oldest(statements_->kept, context.policy.keep_failed), [&](std::int64_t id) {
        std::optional<StoredGroup> group = load_named(id);
        if (!group) return;
        const bool untold = std::ranges::any_of(group->members, [](const coalesce::Member& member) {
            return member.state == coalesce::State::failed && (member.told & coalesce::tell_failed) == 0;
        });
        if (untold) forgotten.untold.push_back(id);
        drop_content(*group);
        statements_->writer.update(*group);
        ++forgotten.groups;
    });
    each(oldest(statements_->idle, coalesce::retention(context.policy)), [&](std::int64_t id) {
        if (!statements_->writer.remove(id)) return pass_over(id, not_there);
        ++forgotten.groups;
    });
    if (any_apart_) {
        statements_->prune_apart.run(base::to_integer(context.now.ledger));
        any_apart_ = integers(statements_->count_apart.query()).at(0) > 0;
    }
    return forgotten;
}

base::Time SqliteLedger::next_forgotten(const coalesce::Policy& policy) {
    auto first = [this](Rows row, base::Duration kept) {
        while (row.next()) {
            if (!passed_over_.contains(row.integer(0))) return base::time_of(row.amount(1)) + kept;
        }
        return base::never;
    };
    return std::min(first(statements_->next_idle.query(), coalesce::retention(policy)),
                    first(statements_->next_kept.query(), policy.keep_failed));
}

std::map<std::uint64_t, std::uint64_t> SqliteLedger::live_segments() {
    std::map<std::uint64_t, std::uint64_t> live;
    Rows row = statements_->live.query();
    while (row.next()) live[static_cast<std::uint64_t>(row.integer(0))] = static_cast<std::uint64_t>(row.integer(1));
    return live;
}

std::vector<SqliteLedger::Placed> SqliteLedger::extents_in(std::uint64_t segment) {
    std::vector<Placed> found;
    Rows row = statements_->in_segment.query(static_cast<std::int64_t>(segment));
    while (row.next()) found.push_back({row.integer(0), row.integer(1), extent_at(row, 2)});
    return found;
}

void SqliteLedger::move_extent(const Placed& from, const Extent& to) {
    statements_->move_extent.run(from.group, from.number, static_cast<std::int64_t>(to.segment),
                                 static_cast<std::int64_t>(to.offset));
}

std::string SqliteLedger::write_back() {
    if (log_pages_ == 0) return {};
    int pages = 0;
    int written = 0;
    const int code = sqlite3_wal_checkpoint_v2(database_.native(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &pages, &written);
    const bool all = code == SQLITE_OK && written == pages;
    log_pages_ = pages_left_ = all ? 0 : log_pages_;
    const SqliteError error(std::string("the log can't be written back: ") + sqlite3_errstr(code), code);
    const bool expected = code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY || error.disk_full();
    return expected ? std::string() : error.what();
}

void SqliteLedger::cut_log() {
    const Database::Impatience no_wait(database_);  // a check of the spool may read for a minute
    wait_and_cut_log();
}

void SqliteLedger::wait_and_cut_log() {
    if (sqlite3_wal_checkpoint_v2(database_.native(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr) == SQLITE_OK)
        log_pages_ = pages_left_ = 0;
}

std::uint64_t SqliteLedger::log_bytes() const {
    return static_cast<std::uint64_t>(std::max(0, log_pages_ - pages_left_)) * 4096;
}

void SqliteLedger::shrink() {
    if (database_.integer("PRAGMA freelist_count") > 1024) database_.exec("PRAGMA incremental_vacuum(1024)");
}

void SqliteLedger::mark_clean() {
    head_.clean = true;
}

void SqliteLedger::put_log_away() {
    wait_and_cut_log();  // whoever reads now is soon done
    database_.checkpoint_at_close(true);
}

}  // namespace onecopy::ledger
