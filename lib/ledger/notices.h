#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coalesce/telling.h"
#include "ledger/group_store.h"
#include "ledger/records.h"
#include "message/notice.h"

namespace onecopy::ledger {

/// A body with no more than this goes back to its sender where he asked for it (RET=FULL); postmaster always gets all.
constexpr std::uint64_t most_returned_body = 64 << 10;

/// A notice that is owed, as it will be sent.
struct OwedNotice {
    coalesce::Telling telling;
    message::Notice notice;
    message::NoticeText text;
    std::shared_ptr<const Content> returned;  // whose body stands between opening and closing; null: only a header does

    std::uint64_t body_size() const;
    /// Leaves the returned body out.
    void shorten();
};

/// All that is owed of a group.
struct OwedNotices {
    std::vector<OwedNotice> notices;  // one without an address: nobody is to be had who could be told
    /// A delay is told one at a time: while such a notice waits itself, further ones would wait behind it.
    bool delay_put_off = false;
};

/// The next shorter form of a notice whose body may lie in segments below `directory`. None: it has none. What it says
/// itself stands in front; of what it returns no more is read than is needed, or than can be.
std::optional<message::NoticeText> shorter_form(const Content& content, const std::string& directory);

/// Reads what is owed of a group and makes notices of it, for a moment.
class NoticeMaker {
public:
    explicit NoticeMaker(Database& database);

    struct Setting {
        const coalesce::Policy& policy;
        const std::string& hostname;
        base::WallTime wall{};
        std::int64_t next_group = 0;  // which the first notice will be
    };
    OwedNotices make(const StoredGroup& group, std::shared_ptr<const Content> content, const Setting& setting);

private:
    message::Notice notice_about(const StoredGroup& group, const coalesce::Telling& telling, const Content* content,
                                 const Setting& setting);
    message::Notice::Recipient recipient(const StoredGroup& group, const coalesce::Member& member);
    std::string sender_of(std::int64_t group, std::int64_t copy);
    base::WallTime arrival_of(std::int64_t group, std::int64_t copy);
    bool delay_notice_waits();

    Statement copy_;
    Statement attempt_;
    Statement delay_notice_;
};

}  // namespace onecopy::ledger
