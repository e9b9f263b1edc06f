#include "ledger/group_store.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "message/digest.h"

namespace onecopy::ledger {
namespace {

enum Flag : std::int64_t {
    alone = 1,
    untouched = 2,
    eight_bit = 4,
    has_date = 8,
    fixed = 16,
    has_content = 32,
    tried = 64,
    smtputf8 = 128
};

std::int64_t flags_of(const StoredGroup& group) {
    auto bit = [](bool set, Flag flag) { return set ? static_cast<std::int64_t>(flag) : 0; };
    return bit(group.alone, alone) | bit(group.untouched, untouched) | bit(group.eight_bit, eight_bit) |
           bit(group.identity.has_date, has_date) | bit(group.fixed, fixed) | bit(group.has_content, has_content) |
           bit(group.tried, tried) | bit(group.options.smtputf8, smtputf8);
}

void set_flags(StoredGroup& group, std::int64_t flags) {
    group.alone = flags & alone;
    group.untouched = flags & untouched;
    group.eight_bit = flags & eight_bit;
    group.identity.has_date = flags & has_date;
    group.fixed = flags & fixed;
    group.has_content = flags & has_content;
    group.tried = flags & tried;
    group.options.smtputf8 = flags & smtputf8;
}

}  // namespace

std::string_view bytes_of(const message::Digest& digest) {
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::vector<std::int64_t> integers(Rows rows) {
    std::vector<std::int64_t> found;
    while (rows.next()) found.push_back(rows.integer(0));
    return found;
}

std::int64_t digest_key(const message::Digest& digest) {
    std::int64_t key;
    std::memcpy(&key, digest.data(), sizeof key);
    return key;
}

std::int64_t message_id_key(const std::string& message_id) {
    return digest_key(message::digest(message_id));
}

GroupStore::GroupStore(Database& database)
    : group_(database,
             "SELECT message_id, content, sender, flags, exposure, size, first, copies, attempts, touched, due, ret, envid, "
             "kind, about, crashes FROM groups WHERE id = ?"),
      members_(database,
               "SELECT n, address, state, copy, recovered, since, due, attempts, ended, reply, notify, orcpt, "
               "apart, owed, told FROM members WHERE group_id = ? ORDER BY n"),
      by_id_(database, "SELECT id FROM groups WHERE id_key = ? ORDER BY id"),
      by_both_(database, "SELECT id FROM groups WHERE id_key = ? AND content_key = ? ORDER BY id"),
      by_id_or_waiting_(database,
                        "SELECT id FROM groups WHERE id_key = ? AND (content_key = ? OR due IS NOT NULL) ORDER BY id"),
      by_content_(database, "SELECT id FROM groups WHERE content_key = ? ORDER BY id"),
      by_content_without_id_(database, "SELECT id FROM groups WHERE content_key = ? AND id_key IS NULL ORDER BY id"),
      other_content_(database,
                     "SELECT id FROM groups WHERE id_key = ?1 AND content_key > ?2 UNION ALL "
                     "SELECT id FROM groups WHERE id_key = ?1 AND content_key < ?2 LIMIT 1") {}

std::optional<StoredGroup> GroupStore::load(std::int64_t id) {
    std::optional<StoredGroup> group;
    {
        Rows row = group_.query(id);
        if (!row.next()) return group;
        group.emplace();
        group->id = id;
        group->identity.message_id = row.text(0);
        std::string_view content = row.bytes(1);
        std::memcpy(group->identity.content.data(), content.data(),
                    std::min(content.size(), group->identity.content.size()));
        group->sender = row.text(2);
        set_flags(*group, row.integer(3));
        group->exposure = static_cast<unsigned>(row.integer(4));
        group->size = static_cast<std::uint64_t>(row.integer(5));
        group->first = base::wall_time_of(row.amount(6));
        group->copies = row.amount(7);
        group->attempts = row.amount(8);
        group->touched = base::time_of(row.amount(9));
        if (!row.is_null(10)) group->due = base::time_of(row.amount(10));
        group->options.ret = static_cast<message::MailOptions::Return>(row.integer(11));
        group->options.envid = row.text(12);
        group->kind = static_cast<coalesce::Kind>(row.integer(13));
        group->about = row.integer(14);
        group->crashes = row.amount(15);
    }
    load_members(*group);
    return group;
}

void GroupStore::load_members(StoredGroup& group) {
    Rows row = members_.query(group.id);
    while (row.next()) {
        coalesce::Member& member = group.members.emplace_back();
        member.id = row.integer(0);
        member.address = row.text(1);
        member.state = static_cast<coalesce::State>(row.integer(2));
        member.copy = row.integer(3);
        member.recovered = row.integer(4) != 0;
        member.since = base::time_of(row.amount(5));
        member.due = base::time_of(row.amount(6));
        member.attempts = static_cast<unsigned>(row.integer(7));
        member.ended = base::time_of(row.amount(8));
        member.reply = row.text(9);
        member.options = {static_cast<unsigned>(row.integer(10)), row.text(11)};
        member.apart = row.integer(12) != 0;
        member.owed = static_cast<unsigned>(row.integer(13));
        member.told = static_cast<unsigned>(row.integer(14));
    }
}

std::vector<std::int64_t> GroupStore::with_message_id(const std::string& message_id) {
    return integers(by_id_.query(message_id_key(message_id)));
}

std::vector<std::int64_t> GroupStore::related(const message::Identity& identity, const coalesce::Policy& policy) {
    const std::int64_t content_key = digest_key(identity.content);
    if (!policy.match_id) return integers(by_content_.query(content_key));
    if (identity.message_id.empty()) return integers(by_content_without_id_.query(content_key));
    Statement& by_id = policy.match_content ? by_both_ : by_id_or_waiting_;
    return integers(by_id.query(message_id_key(identity.message_id), content_key));
}

std::int64_t GroupStore::with_other_content(const message::Identity& identity) {
    if (identity.message_id.empty()) return 0;
    Rows row = other_content_.query(message_id_key(identity.message_id), digest_key(identity.content));
    return row.next() ? row.integer(0) : 0;
}

GroupWriter::GroupWriter(Database& database)
    : insert_(database, "INSERT INTO groups VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)"),
      update_(database,
              "UPDATE groups SET flags = ?2, exposure = ?3, size = ?4, copies = ?5, attempts = ?6, touched = ?7, due = ?8, "
              "idle = ?9, crashes = ?10 WHERE id = ?1"),
      member_(database, "INSERT OR REPLACE INTO members VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      remove_group_(database, "DELETE FROM groups WHERE id = ? RETURNING id"),
      remove_members_(database, "DELETE FROM members WHERE group_id = ?"),
      remove_copies_(database, "DELETE FROM copies WHERE group_id = ?"),
      remove_attempts_(database, "DELETE FROM attempts WHERE group_id = ?") {}

namespace {

/// `never` is NULL in the ledger, so that the index holds only what is awaited.
std::optional<std::int64_t> awaited(base::Time time) {
    if (time == base::never) return std::nullopt;
    return base::to_integer(time);
}

}  // namespace

void GroupWriter::insert(const StoredGroup& group) {
    std::optional<std::int64_t> id_key;
    if (!group.identity.message_id.empty()) id_key = message_id_key(group.identity.message_id);
    insert_.run(group.id, id_key, digest_key(group.identity.content), group.identity.message_id,
                bytes_of(group.identity.content), group.sender, flags_of(group), std::int64_t{group.exposure},
                static_cast<std::int64_t>(group.size), base::to_integer(group.first), group.copies, group.attempts,
                base::to_integer(group.touched), awaited(coalesce::due(group)), awaited(coalesce::idle_since(group)),
                static_cast<std::int64_t>(group.options.ret), group.options.envid, static_cast<std::int64_t>(group.kind),
                group.about, group.identity.subject);
}

void GroupWriter::update(const StoredGroup& group) {
    update_.run(group.id, flags_of(group), std::int64_t{group.exposure}, static_cast<std::int64_t>(group.size), group.copies,
                group.attempts, base::to_integer(group.touched), awaited(coalesce::due(group)),
                awaited(coalesce::idle_since(group)), group.crashes);
}

void GroupWriter::save_member(std::int64_t group, const coalesce::Member& member) {
    member_.run(group, member.id, member.address, static_cast<std::int64_t>(member.state), member.copy,
                std::int64_t{member.recovered}, base::to_integer(member.since), base::to_integer(member.due),
                std::int64_t{member.attempts}, base::to_integer(member.ended), member.reply,
                std::int64_t{member.options.notify}, member.options.orcpt, std::int64_t{member.apart},
                std::int64_t{member.owed}, std::int64_t{member.told});
}

bool GroupWriter::remove(std::int64_t group) {
    const bool was_there = !integers(remove_group_.query(group)).empty();
    remove_members_.run(group);
    remove_copies_.run(group);
    remove_attempts_.run(group);
    return was_there;
}

}  // namespace onecopy::ledger
