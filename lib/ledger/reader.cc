#include "ledger/reader.h"

#include <algorithm>
#include <array>

#include "base/escape.h"
#include "ledger/group_store.h"
#include "ledger/schema.h"
#include "message/encoded_words.h"

namespace onecopy::ledger {
namespace {

/// One select for each answer of `list`; the latest first.
constexpr std::array selections = {
    "SELECT id FROM groups WHERE due IS NOT NULL AND flags & 64 = 0 ORDER BY id DESC LIMIT ?",
    "SELECT id FROM groups WHERE due IS NOT NULL AND flags & 64 != 0 ORDER BY id DESC LIMIT ?",
    "SELECT DISTINCT group_id FROM members JOIN groups ON id = group_id WHERE state = 2 AND flags & 32 "
    "ORDER BY group_id DESC LIMIT ?",
    "SELECT id FROM groups ORDER BY id DESC LIMIT ?",
};

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
    explicit State(const std::string& directory) : database(directory + "/ledger.db", Database::Mode::read_only, "") {
        open_spool_for_reading(database);
    }

    std::vector<GroupRecord> records(const std::vector<std::int64_t>& ids, bool with_history) {
        GroupStore groups(database);
        std::vector<GroupRecord> found;
        for (std::int64_t id : ids) {
            std::optional<StoredGroup> group = groups.load(id);
            if (!group) continue;
            found.push_back(record(std::move(*group)));
            found.back().subject = subject(id);
            if (with_history) add_history(found.back());
        }
        return found;
    }

    std::vector<std::int64_t> with_message_id(const std::string& message_id) {
        GroupStore groups(database);
        std::vector<std::int64_t> ids;
        for (std::int64_t id : groups.with_message_id(message_id)) {
            std::optional<StoredGroup> group = groups.load(id);
            if (group && group->identity.message_id == message_id) ids.push_back(id);
        }
        return ids;
    }

    std::string subject(std::int64_t group) {
        Statement select(database, "SELECT subject FROM groups WHERE id = ?");
        Rows row = select.query(group);
        return row.next() ? message::decode_words(row.bytes(0)) : "";
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

private:
    static GroupRecord record(StoredGroup group) {
        GroupRecord record;
        record.id = group.id;
        record.message_id = group.identity.message_id;
        record.sender = group.sender;
        record.digest = base::hex(bytes_of(group.identity.content));
        record.first = group.first;
        record.size = group.size;
        record.due = group.due;
        record.held = group.due && !group.tried;
        record.kind = group.kind;
        record.about = group.about;
        record.has_content = group.has_content;
        record.members = std::move(group.members);
        return record;
    }

    void add_history(GroupRecord& record) {
        Statement copies(
            database,
            "SELECT n, arrived, client, helo, protocol, sender, recipients FROM copies WHERE group_id = ? ORDER BY n");
        for (Rows row = copies.query(record.id); row.next();) {
            record.copies.push_back({row.integer(0), base::wall_time_of(row.amount(1)), row.text(2), row.text(3),
                                     row.text(4), row.text(5), parse_recipients(row.bytes(6))});
        }
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

Reader::Reader(const std::string& directory) try : state_(std::make_unique<State>(directory)) {
} catch (const SqliteError& error) {
    throw SpoolError(error.what());
}

Reader::~Reader() = default;

Counts Reader::counts() try {
    Database& database = state_->database;
    auto number = [&database](const char* sql) { return static_cast<std::uint64_t>(database.integer(sql)); };
    Counts counts;
    counts.held = number("SELECT count(*) FROM groups WHERE due IS NOT NULL AND flags & 64 = 0");
    counts.queued = number("SELECT count(*) FROM groups WHERE due IS NOT NULL AND flags & 64 != 0");
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
    Statement select(state_->database, selections[static_cast<std::size_t>(which)]);
    std::vector<std::int64_t> ids = integers(select.query(static_cast<std::int64_t>(most)));
    std::ranges::reverse(ids);
    return state_->records(ids, false);
} catch (const SqliteError& error) {
    throw SpoolError(error.what());
}

std::optional<GroupRecord> Reader::show(std::int64_t group) try {
    std::vector<GroupRecord> found = state_->records({group}, true);
    if (found.empty()) return std::nullopt;
    Statement content(state_->database, "SELECT header FROM content WHERE group_id = ?");
    if (Rows row = content.query(group); row.next()) found[0].header = row.text(0);
    return std::move(found[0]);
} catch (const SqliteError& error) {
    throw SpoolError(error.what());
}

std::vector<GroupRecord> Reader::why(const std::string& message_id) try {
    bool bracketed = message_id.starts_with('<');
    return state_->records(state_->with_message_id(bracketed ? message_id : "<" + message_id + ">"), true);
} catch (const SqliteError& error) {
    throw SpoolError(error.what());
}

/// All are looked at, the latest first: an index that only this needs would cost every mail a write.
std::vector<GroupRecord> Reader::why_address(const std::string& address, std::size_t most) try {
    Statement select(
        state_->database,
        "SELECT id FROM groups WHERE lower(CAST(sender AS TEXT)) = CAST(?1 AS TEXT) OR EXISTS(SELECT 1 FROM members WHERE "
        "group_id = id AND lower(CAST(address AS TEXT)) = CAST(?1 AS TEXT)) ORDER BY id DESC LIMIT ?2");
    std::vector<std::int64_t> ids = integers(select.query(base::lower(address), static_cast<std::int64_t>(most)));
    std::ranges::reverse(ids);
    return state_->records(ids, true);
} catch (const SqliteError& error) {
    throw SpoolError(error.what());
}

std::vector<GroupRecord> Reader::why_subject(const std::string& text, std::size_t most) try {
    const std::string wanted = base::lower(text);
    std::vector<std::int64_t> ids;
    {
        Statement select(state_->database, "SELECT id, subject FROM groups WHERE subject != x'' ORDER BY id DESC");
        for (Rows row = select.query(); ids.size() < most && row.next();) {
            if (base::lower(message::decode_words(row.bytes(1))).find(wanted) != std::string::npos)
                ids.push_back(row.integer(0));
        }
    }
    std::ranges::reverse(ids);
    return state_->records(ids, true);
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
