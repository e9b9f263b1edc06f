#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coalesce/rules.h"
#include "ledger/clock.h"
#include "ledger/group_store.h"
#include "ledger/notices.h"
#include "ledger/records.h"
#include "ledger/sqlite.h"

namespace onecopy::ledger {

/// What each operation needs to know besides the spool.
struct Context {
    const coalesce::Policy& policy;
    const std::string& hostname;
    coalesce::Now now;
    base::WallTime wall{};
    const std::set<std::int64_t>& in_flight;  // groups that were handed out and are not settled
};

/// The one truth on disk. Synchronous, one thread, no clock of its own. Each operation loads the group, asks the pure rule
/// and stores what it decided, inside the transaction that begin() opened; nothing counts before commit(). Throws
/// SqliteError where SQLite fails.
class SqliteLedger {
public:
    /// Opens or makes DIRECTORY/ledger.db. Throws SpoolError.
    SqliteLedger(const std::string& directory, const std::string& vfs, base::Duration boot, base::WallTime wall);
    ~SqliteLedger();

    coalesce::Now now(base::Duration boot) const;

    void begin();
    /// False: cleanly undone (the disk is full). Throws CommitUnknown where nobody can know what is on the disk.
    struct CommitUnknown {
        std::string why;
    };
    bool commit(base::Duration boot, base::WallTime wall);
    void roll_back();

    Acceptance offer(const Copy& copy, const std::vector<Extent>& extents, const Context& context);
    Settled settle(const Settlement& settlement, const Context& context);
    /// Does that to some groups; none given: to all that it can be done to.
    Changed change(Change change, std::vector<std::int64_t> groups, const Context& context);

    /// Groups of which something is to be told.
    std::vector<std::int64_t> owing();
    /// What that is, as notices; they change nothing yet.
    OwedNotices owed_notices(std::int64_t group, const Context& context);
    /// Puts the notices into the queue, with nothing being owed any more. `extents`: for each notice, where its body was
    /// uploaded to; empty: it is small. As owed_notices() made them, with nothing done in between.
    Told tell(std::int64_t group, const OwedNotices& owed, const std::vector<std::vector<Extent>>& extents,
              const Context& context);

    /// These get one mark more before they are handed out: what crashes us again and again is found by it. Nobody else keeps
    /// more than one. After an end that was no crash they get it only where two crashes came before.
    void suspect(const std::vector<std::int64_t>& groups, bool after_crash);
    /// Who has a mark and is due by then.
    std::vector<std::int64_t> suspects(base::Time now);
    /// Who still waits in a group that had two such marks when the third crash came.
    std::vector<Settlement> set_aside();
    /// The number of the first group that is made after the start.
    std::int64_t first_new() const { return first_new_; }

    /// Nothing is handed out, and no mail expires. Like remember_smtputf8(), stored with the next commit.
    void pause(base::Duration boot) { clock_->pause(boot); }
    void resume(base::Duration boot) { clock_->resume(boot); }
    bool paused() const { return clock_->paused(); }

    /// A group of which SQLite can't read a row, since the database is damaged there. It is passed over, as if it were not
    /// there, and stays on disk as it is, until look_again() or the next start: the others do not wait for it. Who meets it
    /// in a transaction gets the SqliteError once, and has to begin anew: SQLite writes nothing after it.
    struct PassedOver {
        std::int64_t group = 0;
        std::string why;
    };
    /// Those that were found so since it was asked last.
    std::vector<PassedOver> take_passed_over() { return std::exchange(newly_passed_over_, {}); }
    std::size_t count_passed_over() const { return passed_over_.size(); }
    /// None given: at all.
    void look_again(const std::vector<std::int64_t>& groups);

    /// Several reads as one transaction: locks are taken once.
    class Snapshot {
    public:
        explicit Snapshot(SqliteLedger& ledger);
        ~Snapshot();
        Snapshot(const Snapshot&) = delete;

    private:
        SqliteLedger& ledger_;
    };

    /// Groups due at `now` that are not in flight, earliest first; and next_due(): none that is passed over.
    std::vector<std::int64_t> due(base::Time now, std::size_t most, const std::set<std::int64_t>& in_flight);
    base::Time next_due(const std::set<std::int64_t>& in_flight);
    /// One without a number: it is passed over.
    Due load_due(std::int64_t group, const Context& context);

    /// Forgets groups that were idle for longer than the policy keeps them, at most `most`, and the content of those that
    /// failed for longer than they are kept; and next_forgotten(): none that is passed over.
    struct Forgotten {
        unsigned groups = 0;
        std::vector<std::int64_t> untold;  // of those whose content ended: somebody failed in them, and nobody was told
    };
    Forgotten forget(const Context& context, std::size_t most);
    base::Time next_forgotten(const coalesce::Policy& policy);  // history time

    /// Segment -> bytes that are still needed.
    std::map<std::uint64_t, std::uint64_t> live_segments();
    struct Placed {
        std::int64_t group, number;
        Extent extent;
    };
    std::vector<Placed> extents_in(std::uint64_t segment);
    void move_extent(const Placed& from, const Extent& to);

    /// Writes the log back to the database, as far as no reader is in the way. The file keeps its length: it is written
    /// over. Why it could not; empty: it could, or the disk is full.
    [[nodiscard]] std::string write_back();
    /// And cuts it to nothing, where no reader is in the way.
    void cut_log();
    std::uint64_t log_bytes() const;  // that came since write_back()
    void shrink();                    // gives free pages back to the file system, some at a time
    void mark_clean();                // part of a transaction: the end is an orderly one
    void put_log_away();              // after it was committed: what is left of the log goes with the connection

    /// Whether the servers that we forward to had SMTPUTF8 when they were last asked; no: nobody knows. No part of a
    /// transaction, nor undone with one: it is stored with the next commit.
    bool smtputf8() const { return smtputf8_; }
    void remember_smtputf8(bool offered) { smtputf8_ = offered; }

private:
    struct Statements;
    /// What the one row of `ledger` holds besides the clock; undone with the transaction.
    struct Head {
        Totals totals;
        std::int64_t next_group = 1;
        bool clean = false;
    };
    struct Kin;
    struct Others;

    void wait_and_cut_log();
    std::int64_t first_free_group();
    void load_head(base::Duration boot, base::WallTime wall);
    bool settle_log();
    void keep_headers();
    std::optional<StoredGroup> load(std::int64_t group);
    std::optional<StoredGroup> load_named(std::int64_t group);
    std::optional<StoredGroup> look_at(std::int64_t group);
    std::vector<StoredGroup> marked();
    void pass_over(std::int64_t group, const std::string& why);
    void each(const std::vector<std::int64_t>& groups, const std::function<void(std::int64_t)>& what);
    bool is_free(std::int64_t group, const std::set<std::int64_t>& in_flight) const;
    std::vector<std::int64_t> first_free(Rows groups, std::size_t most, const std::set<std::int64_t>& in_flight) const;
    void store_head(base::Duration boot, base::WallTime wall);
    static std::int64_t coming_back(const Kin& kin, const Copy& copy, const Context& context);
    Kin find_kin(const coalesce::Arriving& copy, const Context& context);
    std::vector<std::int64_t> related(const message::Identity& identity, const coalesce::Policy& policy);
    Others others_like(const coalesce::Group& one, const coalesce::Policy& policy);
    void leave_served(Kin& kin, const coalesce::Arriving& copy, const Context& context);
    std::vector<std::size_t> change_members(StoredGroup& group, Change change, Changed& changed, const Context& context);
    StoredGroup make_group(const Copy& copy, const Context& context);
    bool shorten(StoredGroup& notice, const Context& context);
    std::optional<message::NoticeText> shorter(std::int64_t notice);
    std::shared_ptr<const Content> load_content(std::int64_t group);
    void describe(Acceptance& acceptance, const StoredGroup& group, const Copy& copy, const Context& context);
    void store_content(StoredGroup& group, const Copy& copy, const std::vector<Extent>& extents, const Context& context);
    void drop_content(StoredGroup& group);
    void drop_content_unless_needed(StoredGroup& group);
    void record_copy(const StoredGroup& group, const Copy& copy, const Acceptance& acceptance);
    void put_extents(std::int64_t group, const std::vector<Extent>& extents);
    std::vector<std::int64_t> changeable(Change change, const Context& context);
    std::int64_t put_notice(const OwedNotice& owed, std::int64_t about, const std::vector<Extent>& extents,
                            const Context& context);
    void remember_apart(const coalesce::Member& member, const Context& context);
    bool is_apart(const std::string& address, const Context& context);
    void record_attempts(StoredGroup& group, const Settlement& settlement, const Context& context);

    std::string directory_;
    Database database_;
    std::unique_ptr<Statements> statements_;
    std::optional<Clock> clock_;
    Head head_;
    Head committed_;
    bool smtputf8_ = false;
    std::int64_t first_new_ = 1;
    std::set<std::int64_t> passed_over_;
    std::vector<PassedOver> newly_passed_over_;
    bool any_apart_ = false;  // false: nobody is remembered as refused alone, and none need be looked for
    int log_pages_ = 0;       // that were not written back, or of which some were not
    int pages_left_ = 0;      // of these, what write_back() met
};

}  // namespace onecopy::ledger
