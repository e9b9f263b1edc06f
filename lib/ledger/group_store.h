#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coalesce/group.h"
#include "coalesce/rules.h"
#include "ledger/sqlite.h"

namespace onecopy::ledger {

/// A group with what the ledger keeps besides the rules' view of it.
struct StoredGroup : coalesce::Group {
    bool untouched = false;
    bool eight_bit = false;
    std::uint64_t size = 0;
    base::WallTime first{};  // when its first copy came
    std::int64_t copies = 0;
    std::int64_t attempts = 0;      // rows in `attempts`
    std::int64_t crashes = 0;       // how often onecopyd crashed, perhaps, while it was being sent
    std::optional<base::Time> due;  // as stored
};

/// A digest as a value to bind or to write.
std::string_view bytes_of(const message::Digest& digest);
/// The first column of all rows.
std::vector<std::int64_t> integers(Rows rows);
/// The first eight bytes of a digest, for an index; equality is decided on the whole.
std::int64_t digest_key(const message::Digest& digest);
/// The same for a Message-ID: of its SHA-256, so that no sender can aim at one bucket.
std::int64_t message_id_key(const std::string& message_id);

/// Reads groups back; for the ledger itself and for those who only look.
class GroupStore {
public:
    explicit GroupStore(Database& database);

    std::optional<StoredGroup> load(std::int64_t group);
    std::vector<std::int64_t> with_message_id(const std::string& message_id);
    /// All that a copy of this identity may have to do with (coalesce::kinship()), and as few others as an index can tell:
    /// a flood of one Message-ID with ever other content, or of one content with ever other ids, must cost each copy no
    /// more.
    std::vector<std::int64_t> related(const message::Identity& identity, const coalesce::Policy& policy);
    /// A group of the same Message-ID and other content; 0: none.
    std::int64_t with_other_content(const message::Identity& identity);

private:
    void load_members(StoredGroup& group);

    Statement group_;
    Statement members_;
    Statement by_id_;
    Statement by_both_;
    Statement by_id_or_waiting_;
    Statement by_content_;
    Statement by_content_without_id_;
    Statement other_content_;
};

/// Writes them: only what changed.
class GroupWriter {
public:
    explicit GroupWriter(Database& database);

    void insert(const StoredGroup& group);
    void update(const StoredGroup& group);
    void save_member(std::int64_t group, const coalesce::Member& member);
    bool remove(std::int64_t group);  // with all that belongs to it; false: it was not there

private:
    Statement insert_;
    Statement update_;
    Statement member_;
    Statement remove_group_;
    Statement remove_members_;
    Statement remove_copies_;
    Statement remove_attempts_;
};

}  // namespace onecopy::ledger
