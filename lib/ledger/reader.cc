#include "ledger/reader.h"

#include <algorithm>
#include <array>
#include <functional>
#include <tuple>
#include <utility>

#include "base/escape.h"
#include "ledger/group_store.h"
#include "ledger/schema.h"
#include "message/encoded_words.h"

namespace onecopy::ledger {
namespace {

constexpr const char* all_groups = "SELECT id FROM groups INDEXED BY groups_by_content";
constexpr const char* waiting_groups = "SELECT id FROM groups WHERE due IS NOT NULL";

/// A group that waits and was not tried is held until it is due, be it that nobody comes to try it then; from there on it is
/// queued. Once as it is read back, and once for SQL, where ?1 is now: the index that tells who is due is read first, so
/// that the rows themselves are, for their flags, of those alone that are not.
bool is_held(const StoredGroup& group, base::Time now) {
    return group.due && *group.due > now && !group.tried;
}
constexpr const char* held = "(due > ?1 AND flags & 64 = 0)";

/// One for each answer of `list`.
struct Selection {
    std::string latest;      // these first; ?1: ledger time, ?2: how many
    const char* candidates;  // among others; by indexes alone, which no row that can't be read is in the way of
    bool (*wanted)(const GroupRecord&);
};
const Selection& selection_of(Reader::Which which) {
    static const std::string waiting = std::string(waiting_groups) + " AND ";
    static const std::string latest_first = " ORDER BY id DESC LIMIT ?2";
    static const std::array selections = {
        Selection{waiting + held + latest_first, waiting_groups, [](const GroupRecord& group) { return group.held; }},
        Selection{waiting + "NOT " + held + latest_first, waiting_groups,
                  [](const GroupRecord& group) { return group.due && !group.held; }},
        Selection{"SELECT DISTINCT group_id FROM members JOIN groups ON id = group_id WHERE state = 2 AND flags & 32 "
                  "ORDER BY group_id DESC LIMIT ?2",
                  "SELECT id FROM groups WHERE due IS NOT NULL UNION "
                  "SELECT id FROM groups INDEXED BY groups_kept WHERE idle IS NOT NULL AND flags & 32",
                  [](const GroupRecord& group) {
                      return group.has_content &&
                             std::ranges::count(group.members, coalesce::State::failed, &coalesce::Member::state) > 0;
                  }},
        Selection{"SELECT id FROM groups" + latest_first, all_groups, [](const GroupRecord&) { return true; }},
    };
    return selections.at(static_cast<std::size_t>(which));
}

constexpr std::array outcome_names = {"delivered", "refused", "deferred", "rested", "apart"};

std::vector<CopyRecord::Recipient> parse_recipients(std::string_view lines) {
    std::vector<CopyRecord::Recipient> recipients;
    while (!lines.empty()) {
        std::string_view line = lines.substr(0, lines.find('\n'));
        lines.remove_prefix(std::min(lines.size(), line.size() + 1));
        std::size_t space = line.find(' ');
        if (space == line.npos) continue;
        recipients.push_back({std::string(line.substr(space + 1)), std::string(line.substr(0, space))});
    }
    return recipients;
}

/// Whose mail nobody would look at any more: he waits in a group that waits for nothing, or stands in no state. As
/// GroupStore reads them: what is no number is 0.
constexpr const char* stranded =
    "SELECT DISTINCT group_id FROM members WHERE ifnull(CAST(state AS INTEGER), 0) NOT BETWEEN 0 AND 5 "
    "OR (ifnull(CAST(state AS INTEGER), 0) = 0 "
    "AND NOT EXISTS (SELECT 1 FROM groups WHERE id = group_id AND groups.due IS NOT NULL)) LIMIT 10";

constexpr std::array table_names = {"groups", "members", "content", "extents", "copies", "attempts", "apart", "ledger"};

}  // namespace

struct Reader::State {
    State(const std::string& directory, base::Time at)
        : database(directory + "/ledger.db", Database::Mode::read_only, ""), now(at) {
        open_spool_for_reading(database);
        groups.emplace(database);
    }

    using Wanted = std::function<bool(const GroupRecord&)>;

    /// None: it is not there.
    std::optional<GroupRecord> record(std::int64_t id) {
        GroupRecord record;
        record.id = id;
        record.readable = false;
        std::optional<StoredGroup> group;
        read(record, [&] {
            group = groups->load(id);
            record.readable = true;
        });
        if (record.readable && !group) return std::nullopt;
        if (group) describe(record, std::move(*group));
        if (group) read(record, [&] { add_subject(record); });
        return record;
    }

    void add_history(GroupRecord& record) {
        read(record, [&] { add_copies(record); });
        read(record, [&] { add_attempts(record); });
    }

    void add_header(GroupRecord& record) {
        read(record, [&] {
            Statement content(database, "SELECT header FROM content WHERE group_id = ?");
            if (Rows row = content.query(record.id); row.next()) record.header = row.text(0);
        });
    }

    /// The latest that are wanted: those that `find` finds, the latest first, or where it meets what can't be read, those of
    /// the candidates, looked at one by one.
    template <typename Find>
    std::vector<GroupRecord> latest(Find find, const char* candidates, const Wanted& wanted, std::size_t most) {
        std::vector<std::int64_t> ids;
        try {
            ids = find();
        } catch (const SqliteError& error) {
            if (!error.damaged()) throw;
            Statement select(database, candidates);
            ids = integers(select.query());
            std::ranges::sort(ids, std::ranges::greater());
        }
        std::vector<GroupRecord> found;
        std::size_t readable = 0;
        for (auto id = ids.begin(); id != ids.end() && readable < most; ++id) {
            std::optional<GroupRecord> one = record(*id);
            const bool taken = one && (one->readable ? wanted(*one) : found.size() - readable < most);
            if (!taken) continue;
            readable += one->readable ? 1 : 0;
            found.push_back(std::move(*one));
        }
        std::ranges::reverse(found);
        return found;
    }

    /// How many are held, and how many queued.
    std::pair<std::uint64_t, std::uint64_t> waiting() {
        const std::string sql =
            std::string("SELECT count(*) FILTER (WHERE ") + held + "), count(*) FROM groups WHERE due IS NOT NULL";
        Statement select(database, sql.c_str());
        Rows row = select.query(base::to_integer(now));
        if (!row.next()) return {};
        const auto held = static_cast<std::uint64_t>(row.integer(0));
        return {held, static_cast<std::uint64_t>(row.integer(1)) - held};
    }

    std::string say_who_is_stranded() {
        Statement select(database, stranded);
        std::string words;
        for (std::int64_t group : integers(select.query())) {
            words += words.empty() ? "a recipient who is never tried (onecopyctl retry): group " : ", group ";
            words += std::to_string(group);
        }
        return words;
    }

    Database database;
    const base::Time now;
    std::optional<GroupStore> groups;  // of a spool that was found to be one

private:
    /// Of several parts that can't be read the first is told.
    template <typename Part>
    static void read(GroupRecord& record, Part part) try {
        part();
    } catch (const SqliteError& error) {
        if (!error.damaged()) throw;
        if (record.damage.empty()) record.damage = error.what();
    }

    void describe(GroupRecord& record, StoredGroup group) const {
        record.message_id = group.identity.message_id;
        record.sender = group.sender;
        record.digest = base::hex(bytes_of(group.identity.content));
        record.first = group.first;
        record.size = group.size;
        record.due = group.due;
        record.held = is_held(group, now);
        record.kind = group.kind;
        record.about = group.about;
        record.has_content = group.has_content;
        record.members = std::move(group.members);
    }

    void add_subject(GroupRecord& record) {
        Statement select(database, "SELECT subject FROM groups WHERE id = ?");
        if (Rows row = select.query(record.id); row.next()) record.subject = message::decode_words(row.bytes(0));
    }

    void add_copies(GroupRecord& record) {
        Statement copies(
            database,
            "SELECT n, arrived, client, helo, protocol, sender, recipients FROM copies WHERE group_id = ? ORDER BY n");
        for (Rows row = copies.query(record.id); row.next();) {
            record.copies.push_back({row.integer(0), base::wall_time_of(row.amount(1)), row.text(2), row.text(3),
                                     row.text(4), row.text(5), parse_recipients(row.bytes(6))});
        }
    }

    void add_attempts(GroupRecord& record) {
        Statement attempts(
            database,
            "SELECT at, server, address, what, attempts.reply FROM attempts JOIN members ON "
            "members.group_id = attempts.group_id AND members.n = attempts.member WHERE attempts.group_id = ? "
            "ORDER BY attempts.n");
        for (Rows row = attempts.query(record.id); row.next();) {
            std::size_t what = std::min<std::size_t>(static_cast<std::size_t>(row.integer(3)), outcome_names.size() - 1);
            record.attempts.push_back(
                {base::wall_time_of(row.amount(0)), row.text(1), row.text(2), outcome_names[what], row.text(4)});
        }
    }
};

Reader::Reader(const std::string& directory, base::Time now) try : state_(std::make_unique<State>(directory, now)) {
} catch (const SqliteError& error) {
    throw SpoolError(error.what());
}

Reader::~Reader() = default;

Counts Reader::counts() try {
    Database& database = state_->database;
    auto number = [&database](const char* sql) { return static_cast<std::uint64_t>(database.integer(sql)); };
    Counts counts;
    std::tie(counts.held, counts.queued) = state_->waiting();
    counts.failed =
        number("SELECT count(DISTINCT group_id) FROM members JOIN groups ON id = group_id WHERE state = 2 AND flags & 32");
    counts.untold = number("SELECT count(*) FROM members WHERE state = 2 AND told & 1 = 0");
    Statement totals(database,
                     "SELECT copies, messages, delivered, suppressed, failed, possible_duplicates, notices FROM ledger");
    Rows row = totals.query();
    if (!row.next()) return counts;
    auto column = [&row](int place) { return static_cast<std::uint64_t>(row.integer(place)); };
    counts.totals = {column(0), column(1), column(2), column(3), column(4), column(5), column(6)};
    return counts;
} catch (const SqliteError& error) {
    throw SpoolError(error.what());
}

std::vector<GroupRecord> Reader::list(Which which, std::size_t most) try {
    const Selection& selection = selection_of(which);
    const auto find = [&] {
        Statement select(state_->database, selection.latest.c_str());
        return integers(select.query(base::to_integer(state_->now), static_cast<std::int64_t>(most)));
    };
    return state_->latest(find, selection.candidates, selection.wanted, most);
} catch (const SqliteError& error) {
    throw SpoolError(error.what());
}

std::optional<GroupRecord> Reader::show(std::int64_t group) try {
    std::optional<GroupRecord> found = state_->record(group);
    if (!found) return found;
    state_->add_history(*found);
    state_->add_header(*found);
    return found;
} catch (const SqliteError& error) {
    throw SpoolError(error.what());
}

std::vector<GroupRecord> Reader::why(const std::string& message_id) try {
    const std::string wanted = message_id.starts_with('<') ? message_id : "<" + message_id + ">";
    std::vector<GroupRecord> found;
    for (std::int64_t id : state_->groups->with_message_id(wanted)) {
        std::optional<GroupRecord> one = state_->record(id);
        if (!one || (one->readable && one->message_id != wanted)) continue;
        state_->add_history(*one);
        found.push_back(*std::move(one));
    }
    return found;
} catch (const SqliteError& error) {
    throw SpoolError(error.what());
}

/// All are looked at, the latest first: an index that only this needs would cost every mail a write.
std::vector<GroupRecord> Reader::why_address(const std::string& address, std::size_t most) try {
    const std::string wanted = base::lower(address);
    const auto find = [&] {
        Statement select(state_->database,
                         "SELECT id FROM groups WHERE lower(CAST(sender AS TEXT)) = CAST(?1 AS TEXT) OR EXISTS("
                         "SELECT 1 FROM members WHERE group_id = id AND lower(CAST(address AS TEXT)) = CAST(?1 AS TEXT)) "
                         "ORDER BY id DESC LIMIT ?2");
        return integers(select.query(wanted, static_cast<std::int64_t>(most)));
    };
    const auto is_it = [&](const std::string& one) { return base::lower(one) == wanted; };
    const auto has_it = [&](const GroupRecord& group) {
        return is_it(group.sender) || std::ranges::any_of(group.members, is_it, &coalesce::Member::address);
    };
    std::vector<GroupRecord> found = state_->latest(find, all_groups, has_it, most);
    for (GroupRecord& one : found) state_->add_history(one);
    return found;
} catch (const SqliteError& error) {
    throw SpoolError(error.what());
}

std::vector<GroupRecord> Reader::why_subject(const std::string& text, std::size_t most) try {
    const std::string wanted = base::lower(text);
    const auto has_it = [&](std::string_view subject) { return base::lower(subject).find(wanted) != std::string::npos; };
    const auto may_have_it = [&](const GroupRecord& group) { return has_it(group.subject) || !group.damage.empty(); };
    const auto find = [&] {
        std::vector<std::int64_t> ids;
        Statement select(state_->database, "SELECT id, subject FROM groups WHERE subject != x'' ORDER BY id DESC");
        for (Rows row = select.query(); ids.size() < most && row.next();) {
            if (has_it(message::decode_words(row.bytes(1)))) ids.push_back(row.integer(0));
        }
        return ids;
    };
    std::vector<GroupRecord> found = state_->latest(find, all_groups, may_have_it, most);
    for (GroupRecord& one : found) state_->add_history(one);
    return found;
} catch (const SqliteError& error) {
    throw SpoolError(error.what());
}

std::span<const char* const> Reader::tables() {
    return table_names;
}

void Reader::interrupt() {
    state_->database.interrupt();
}

std::string Reader::check(const char* table) try {
    const std::string found = state_->database.text(("PRAGMA quick_check('" + std::string(table) + "')").c_str());
    if (found != "ok") return found;
    return std::string_view(table) == "members" ? state_->say_who_is_stranded() : "";
} catch (const SqliteError& error) {
    if (error.damaged()) return error.what();
    throw SpoolError(error.what());
}

}  // namespace onecopy::ledger
