#include "ledger/spool.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "ledger/spool_error.h"

namespace onecopy::ledger {
namespace {

constexpr std::uint64_t most_reserved = std::uint64_t{64} << 20;
constexpr std::uint64_t least_reserved = std::uint64_t{1} << 20;
constexpr std::uint64_t most_log = std::uint64_t{64} << 20;
constexpr unsigned forgotten_at_once = 200;

/// Makes the directory ready; its words are for people.
std::string prepare(Files& files, const std::string& directory) try {
    files.make_directory(directory);
    files.make_directory(directory + "/segments");
    files.sync_directory(directory);
    return directory;
} catch (const FileError& error) {
    throw SpoolError(std::string("spool.directory can't be used: ") + error.what());
}

std::string held(const std::string& directory) {
    return "another onecopyd holds the spool " + directory + "; one spool serves one onecopyd";
}

/// What was kept in reserve may be what the ledger needs to open; it is made anew behind it.
const std::string& without_reserve(Files& files, const std::string& directory) {
    files.unlink(directory + "/reserve");
    return directory;
}

std::uint64_t highest_segment(Files& files, const std::string& directory) {
    std::map<std::uint64_t, std::uint64_t> found = Segments(files, directory, 1).on_disk();
    return found.empty() ? 0 : found.rbegin()->first;
}

}  // namespace

Spool::Spool(Files& files, std::string directory, const std::string& vfs, Settings settings, Moment moment) try
    : files_(files),
      directory_(prepare(files, directory)),
      lock_(directory_),
      settings_(std::move(settings)),
      ledger_(without_reserve(files, directory_), vfs, moment.boot, moment.wall),
      segments_(files, directory_, highest_segment(files, directory_) + 1) {
    struct stat status;
    crashed_ = ::stat((directory_ + "/crashed").c_str(), &status) == 0 && status.st_size > 0;
    files_.unlink(directory_ + "/crashed");  // where the sync fails it counts for nothing: better than twice
    files_.sync_directory(directory_);
    const std::vector<std::int64_t> marked = ledger_.suspects(base::never);
    suspects_.insert(marked.begin(), marked.end());
    sweep_segments();
    look_for_room();
    make_reserve();
} catch (const FileError& error) {
    throw SpoolError(error.error() == EWOULDBLOCK ? held(directory) : error.what());
}

void Spool::look_for_room() {
    try {
        free_ = files_.free_bytes(directory_);
    } catch (const FileError&) {
        free_ = 0;  // what can't be asked can't be trusted to have room
    }
}

bool Spool::has_room_for(const Copy& copy) const {
    return room() > (copy.upload ? copy.header.size() : copy.size);
}

bool Spool::is_whole(const Copy& copy) const {
    auto upload = uploads_.find(copy.upload);
    return copy.upload == 0 || (upload != uploads_.end() && !upload->second.lost);
}

bool Spool::lacks_room(const Copy& copy) const {
    auto upload = uploads_.find(copy.upload);
    return upload != uploads_.end() && upload->second.no_room;
}

bool Spool::append(UploadId id, std::string_view piece) {
    Upload& upload = uploads_[id];
    if (upload.lost) return false;
    has_segments_ = true;
    try {
        if (room() < piece.size()) throw FileError("spool.min_free is reached", ENOSPC);
        upload.extents.push_back(segments_.append(piece));
    } catch (const FileError& error) {
        upload.extents.clear();
        upload.lost = true;
        upload.no_room = error.error() == ENOSPC || error.error() == EDQUOT;
    }
    return !upload.lost;
}

void Spool::complete_upload(Copy& copy) {
    if (copy.upload == 0 || copy.body.empty()) return;
    append(copy.upload, copy.body);  // where it fails the upload is not whole
    copy.body = {};
}

/// What can't be synced is lost with all that was not synced yet: nobody was told that it is safe. The kernel tells of a
/// failure once, to whoever asks first; so this is the only place that asks.
bool Spool::sync_segments() {
    try {
        segments_.sync();
        return true;
    } catch (const FileError&) {
        segments_.forget_unsynced();
        for (auto& [id, upload] : uploads_) upload.lost = true;
        return false;
    }
}

Context Spool::context(Moment moment) const {
    return {settings_.policy, settings_.hostname, ledger_.now(moment.boot), moment.wall, in_flight_};
}

void Spool::transact(std::span<Operation> operations, Moment moment) {
    if (operations.empty()) return;
    sync_segments();  // where it fails, offer() refuses those whose upload went with it
    if (attempt(operations, moment) || operations.size() == 1) return;
    for (Operation& operation : operations) attempt({&operation, 1}, moment);
}

/// False: everything was undone, nothing of it is durable.
bool Spool::attempt(std::span<Operation> operations, Moment moment) {
    auto end_all = [&](bool done, bool no_room, const std::string& why) {
        for (Operation& operation : operations) {
            operation.done = done;
            operation.no_room = no_room;
            operation.why = why;
        }
        return done;
    };
    while (true) {
        const std::size_t passed_over = ledger_.count_passed_over();
        try {
            ledger_.begin();
            const Context now = context(moment);
            for (Operation& operation : operations) operation.run(now);
            break;
        } catch (const SqliteError& error) {
            ledger_.roll_back();
            const bool without_that_one = ledger_.count_passed_over() > passed_over;
            if (!without_that_one) return end_all(false, error.disk_full(), error.what());
        }
    }
    const bool done = ledger_.commit(moment.boot, moment.wall);
    return end_all(done, !done, done ? "" : "no room on the disk");
}

/// Marked since the start is nobody's suspect yet.
std::optional<std::int64_t> Spool::due_suspect(base::Time now) {
    if (suspects_.empty()) return std::nullopt;
    for (std::int64_t id : ledger_.suspects(now)) {
        if (suspects_.contains(id)) return id;
    }
    return std::nullopt;
}

std::vector<std::int64_t> Spool::due(base::Time now, std::size_t most) {
    const std::optional<std::int64_t> suspect = due_suspect(now);
    if (!suspect) return ledger_.due(now, most, in_flight_);
    if (!in_flight_.empty()) return {};
    return {*suspect};
}

base::Time Spool::next_due(base::Time now) {
    return due_suspect(now) ? base::never : ledger_.next_due(in_flight_);
}

void Spool::came_back(std::int64_t group) {
    in_flight_.erase(group);
    suspects_.erase(group);
}

void Spool::suspect(const std::vector<std::int64_t>& groups, Moment moment) {
    std::vector<std::int64_t> marked;
    std::ranges::copy_if(groups, std::back_inserter(marked), [this](std::int64_t id) {
        return suspects_.contains(id) || (crashed_ && id < ledger_.first_new());
    });
    if (marked.empty()) return;
    Operation mark{[&](const Context&) { ledger_.suspect(marked, crashed_); }};
    attempt({&mark, 1}, moment);  // without room there is no mark, and mail goes out all the same
}

Acceptance Spool::offer(const Copy& copy, const Context& context) {
    static const std::vector<Extent> none;
    if (!is_whole(copy)) return {};
    return ledger_.offer(copy, copy.upload == 0 ? none : uploads_.at(copy.upload).extents, context);
}

/// A notice with a large body goes where large bodies go; one that can't is sent without the returned body.
std::vector<Extent> Spool::upload(const OwedNotice& notice) {
    std::vector<Extent> extents;
    const bool large = notice.body_size() > most_inline_body || (notice.returned && !notice.returned->extents.empty());
    if (!large || notice.telling.to.empty()) return extents;
    auto append = [&](std::string_view text) {
        for (; !text.empty(); text.remove_prefix(std::min(text.size(), most_extent_bytes)))
            extents.push_back(segments_.append(text.substr(0, most_extent_bytes)));
    };
    if (room() < notice.body_size()) throw FileError("no room for a notice", ENOSPC);
    has_segments_ = true;
    append(notice.text.opening);
    if (notice.returned) {
        append(notice.returned->body);
        SegmentReader reader(directory_);
        for (const Extent& extent : notice.returned->extents) append(reader.read(extent));
    }
    append(notice.text.closing);
    return extents;
}

Told Spool::tell(std::int64_t group, Moment moment) {
    OwedNotices owed = ledger_.owed_notices(group, context(moment));
    std::vector<std::vector<Extent>> extents;
    for (OwedNotice& notice : owed.notices) {
        try {
            extents.push_back(upload(notice));
        } catch (const FileError&) {
            notice.shorten();
            extents.emplace_back();
        } catch (const SegmentReader::Damaged&) {
            notice.shorten();
            extents.emplace_back();
        }
    }
    if (!sync_segments()) return {};
    Told told;
    Operation operation{[&](const Context& context) { told = ledger_.tell(group, owed, extents, context); }};
    attempt({&operation, 1}, moment);
    if (!operation.done) return {};
    told.done = true;
    return told;
}

bool Spool::free_reserve() {
    if (!has_reserve_) return false;
    has_reserve_ = false;
    try {
        files_.unlink(directory_ + "/reserve");
    } catch (const FileError&) {
        return false;
    }
    return true;
}

/// As large as the disk allows without eating into what mail may use.
void Spool::make_reserve() {
    if (has_reserve_ || low_on_space()) return;
    std::uint64_t bytes = std::min(most_reserved, room() / 8);
    if (bytes < least_reserved) return;
    try {
        files_.reserve(directory_ + "/reserve", bytes);
        has_reserve_ = true;
    } catch (const FileError&) {
        has_reserve_ = false;  // a spool without reserve works as long as the disk has room
    }
}

std::set<std::uint64_t> Spool::uploading() const {
    std::set<std::uint64_t> segments;
    for (const auto& [id, upload] : uploads_) {
        for (const Extent& extent : upload.extents) segments.insert(extent.segment);
    }
    return segments;
}

void Spool::sweep_segments() {
    if (!has_segments_) return;
    std::map<std::uint64_t, std::uint64_t> live = ledger_.live_segments();
    std::set<std::uint64_t> kept = uploading();
    std::map<std::uint64_t, std::uint64_t> found = segments_.on_disk();
    has_segments_ = false;
    for (const auto& [segment, bytes] : found) {
        if (live.contains(segment) || kept.contains(segment)) {
            has_segments_ = true;
        } else {
            segments_.remove(segment);
        }
    }
}

void Spool::empty_one_segment(Moment moment) {
    if (!has_segments_) return;
    std::map<std::uint64_t, std::uint64_t> live = ledger_.live_segments();
    std::set<std::uint64_t> kept = uploading();
    for (const auto& [segment, bytes] : segments_.on_disk()) {
        auto needed = live.find(segment);
        bool mostly_dead = needed != live.end() && needed->second < bytes / 4;
        if (!mostly_dead || segment == segments_.current() || kept.contains(segment) || unmovable_.contains(segment))
            continue;
        if (!move_out(segment, moment)) continue;
        segments_.remove(segment);
        return;
    }
}

/// Copies what is needed of a segment to the current one. False: not now (somebody is reading it), or never (it is damaged).
/// Throws FileError where the copies can't be made durable: nothing has moved then.
bool Spool::move_out(std::uint64_t segment, Moment moment) {
    std::vector<SqliteLedger::Placed> placed = ledger_.extents_in(segment);
    if (std::ranges::any_of(placed, [this](const auto& one) { return in_flight_.contains(one.group); })) return false;
    std::vector<Extent> moved;
    try {
        SegmentReader reader(directory_);
        for (const SqliteLedger::Placed& one : placed) moved.push_back(segments_.append(reader.read(one.extent)));
    } catch (const SegmentReader::Damaged&) {
        unmovable_.insert(segment);  // delivery will meet the damage, and say so
        return false;
    }
    Operation operation{[&](const Context&) {
        for (std::size_t i = 0; i < placed.size(); ++i) ledger_.move_extent(placed[i], moved[i]);
    }};
    if (!sync_segments()) throw FileError("the copies of segment " + std::to_string(segment) + " can't be synced", EIO);
    attempt({&operation, 1}, moment);
    return operation.done;
}

Spool::Kept Spool::keep_house(bool idle, Moment moment) {
    std::string trouble;
    if (log_is_long()) trouble = ledger_.write_back();  // first, since what else there is may fail
    Operation forget;
    SqliteLedger::Forgotten forgotten;
    forget.run = [&](const Context& context) { forgotten = ledger_.forget(context, forgotten_at_once); };
    if (until_forgetting(moment) <= base::Duration(0)) attempt({&forget, 1}, moment);
    try {
        sweep_segments();
        if (idle) empty_one_segment(moment);
    } catch (const FileError&) {
        // Dead weight stays for now; the next round tries again.
        has_segments_ = true;
    }
    if (idle) trouble = ledger_.write_back();
    if (low_on_space()) ledger_.cut_log();
    if (idle) ledger_.shrink();
    look_for_room();
    make_reserve();
    if (!forget.done) forgotten = {};
    if (!forget.why.empty() && !forget.no_room) trouble = std::move(forget.why);
    return {forgotten.groups >= forgotten_at_once, std::move(forgotten.untold), std::move(trouble)};
}

bool Spool::log_is_long() const {
    return ledger_.log_bytes() > most_log;
}

base::Duration Spool::until_forgetting(Moment moment) {
    base::Time next = ledger_.next_forgotten(settings_.policy);
    if (next == base::never) return base::Duration::max();
    return next - ledger_.now(moment.boot).history;
}

void Spool::close(Moment moment) {
    ledger_.begin();
    ledger_.mark_clean();
    if (ledger_.commit(moment.boot, moment.wall)) ledger_.put_log_away();
}

}  // namespace onecopy::ledger
