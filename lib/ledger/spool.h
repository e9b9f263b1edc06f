#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ledger/files.h"
#include "ledger/segment.h"
#include "ledger/sqlite_ledger.h"

namespace onecopy::ledger {

/// The spool's directory as a whole: the ledger, the segments with what is being uploaded to them, the reserve for a full
/// disk. Synchronous, one thread, no clock of its own. One process holds it at a time.
class Spool {
public:
    struct Settings {
        std::string hostname;
        std::uint64_t min_free = 0;
        coalesce::Policy policy;
    };
    /// What the caller's clocks say.
    struct Moment {
        base::Duration boot{};
        base::WallTime wall{};
    };

    /// Throws SpoolError.
    Spool(Files& files, std::string directory, const std::string& vfs, Settings settings, Moment moment);

    void configure(Settings settings) { settings_ = std::move(settings); }
    const Settings& settings() const { return settings_; }

    /// Reads how much room the disk has; cheap, once a batch.
    void look_for_room();
    std::uint64_t room() const { return free_ < settings_.min_free ? 0 : free_ - settings_.min_free; }
    bool low_on_space() const { return room() == 0; }

    /// False: it can't be written; the upload is lost, its offer will be refused.
    bool append(UploadId upload, std::string_view piece);
    void abandon(UploadId upload) { uploads_.erase(upload); }
    /// The last piece of a copy's upload goes where the others lie.
    void complete_upload(Copy& copy);

    /// One piece of a batch. `run` is called inside the transaction, more than once where all had to be undone.
    struct Operation {
        std::function<void(const Context&)> run;
        bool done = false;     // afterwards: it is durable
        bool no_room = false;  // afterwards: it is not, for want of room on the disk
        std::string why{};     // afterwards: the reason, where it is not
    };
    /// Runs all as one transaction and commits once; where that fails they run again, each in one of its own. Throws
    /// SqliteLedger::CommitUnknown.
    void transact(std::span<Operation> operations, Moment moment);

    /// For Operation::run. Status::failed where the copy's upload is not whole, or was lost since.
    Acceptance offer(const Copy& copy, const Context& context);
    /// Whether the end before this start was a crash: somebody wrote to `crashed`, in the spool's directory.
    bool crashed() const { return crashed_; }
    /// What may be handed out now. What was being sent at the crash goes first and alone: a further crash is to blame him
    /// alone who causes it.
    std::vector<std::int64_t> due(base::Time now, std::size_t most);
    /// When there is something again, after due(); `never`: not before something changes.
    base::Time next_due(base::Time now);
    /// A group is in flight no more.
    void came_back(std::int64_t group);
    /// Marks what is to be handed out: all from before the start where the last end was a crash, else who has a mark.
    void suspect(const std::vector<std::int64_t>& groups, Moment moment);
    /// What is owed of a group becomes notices in the queue. Told::done says whether it could be stored.
    Told tell(std::int64_t group, Moment moment);
    SqliteLedger& ledger() { return ledger_; }
    Due load_due(std::int64_t group, Moment moment) { return ledger_.load_due(group, context(moment)); }
    base::Time now(base::Duration boot) const { return ledger_.now(boot).ledger; }
    bool has_room_for(const Copy& copy) const;
    /// Its upload, if any, is whole.
    bool is_whole(const Copy& copy) const;
    /// It is not, for want of room.
    bool lacks_room(const Copy& copy) const;

    std::set<std::int64_t>& in_flight() { return in_flight_; }

    /// Gives the reserve's room to those who have to write. False: there was none left.
    bool free_reserve();

    /// Forgets old groups, removes dead segments, moves what is left in mostly dead ones, writes the log back. In bounded
    /// steps. `idle`: nobody is kept waiting.
    struct Kept {
        bool more = false;                 // is to be done soon
        std::vector<std::int64_t> untold;  // SqliteLedger::Forgotten
        std::string trouble;               // what of it could not be done; empty: nothing, or the disk is full
    };
    Kept keep_house(bool idle, Moment moment);
    /// The write-ahead log has grown so long that keep_house() should not wait.
    bool log_is_long() const;
    /// The next moment something is to be forgotten, as a wait from now.
    base::Duration until_forgetting(Moment moment);

    /// The orderly end.
    void close(Moment moment);

private:
    struct Upload {
        std::vector<Extent> extents;
        bool lost = false;
        bool no_room = false;  // for that
    };

    std::optional<std::int64_t> due_suspect(base::Time now);
    Context context(Moment moment) const;
    bool attempt(std::span<Operation> operations, Moment moment);
    std::vector<Extent> upload(const OwedNotice& notice);
    bool sync_segments();
    std::set<std::uint64_t> uploading() const;
    void sweep_segments();
    void empty_one_segment(Moment moment);
    bool move_out(std::uint64_t segment, Moment moment);
    void make_reserve();

    Files& files_;
    std::string directory_;
    DirectoryLock lock_;
    Settings settings_;
    SqliteLedger ledger_;
    Segments segments_;
    std::map<UploadId, Upload> uploads_;
    std::set<std::int64_t> in_flight_;
    std::set<std::int64_t> suspects_;    // were being sent at a crash, and did not come back since
    std::set<std::uint64_t> unmovable_;  // damaged: left where they are
    std::uint64_t free_ = 0;
    bool has_segments_ = true;  // until a sweep finds none
    bool has_reserve_ = false;
    bool crashed_ = false;
};

}  // namespace onecopy::ledger
