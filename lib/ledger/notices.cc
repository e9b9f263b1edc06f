#include "ledger/notices.h"

#include <algorithm>

#include "ledger/files.h"
#include "ledger/segment.h"
#include "message/trace.h"

namespace onecopy::ledger {
namespace {

message::Notice::What what_of(coalesce::Tell tell) {
    using What = message::Notice::What;
    if (tell == coalesce::tell_failed) return What::failed;
    return tell == coalesce::tell_delayed ? What::delayed : What::relayed;
}

std::string returned_header(const StoredGroup& group, const Content& content, const coalesce::Policy& policy) {
    if (group.untouched) return content.header;
    std::vector<std::string> everyone;
    for (const coalesce::Member& member : group.members) everyone.push_back(member.address);
    return message::forwarded_header(content.header, everyone, policy.spellings);
}

/// RFC 3461 4.3: a sender who did not ask for all of it back gets the header.
bool returns_body(const StoredGroup& group, const coalesce::Telling& telling, const Content& content) {
    if (telling.whole) return true;
    return telling.what == coalesce::tell_failed && group.options.ret == message::MailOptions::Return::full &&
           content.body_size <= most_returned_body;
}

/// Whether it can be sent again by hand, whoever else it was forgotten for.
bool stays(const StoredGroup& group, const coalesce::Policy& policy) {
    return policy.keep_failed.count() > 0 &&
           std::ranges::count(group.members, coalesce::State::failed, &coalesce::Member::state) > 0;
}

}  // namespace

std::optional<message::NoticeText> shorter_form(const Content& content, const std::string& directory) {
    std::string body = content.body;
    const auto enough = [&] {
        const std::size_t returned = message::returned_at(content.header, body);
        return returned != body.npos && body.size() - returned > 2 * message::most_returned_header;
    };
    SegmentReader reader(directory);
    try {
        for (auto extent = content.extents.begin(); extent != content.extents.end() && !enough(); ++extent)
            body += reader.read(*extent);
    } catch (const FileError&) {
    } catch (const SegmentReader::Damaged&) {
    }
    return message::shortened(content.header, body);
}

std::uint64_t OwedNotice::body_size() const {
    return text.opening.size() + (returned ? returned->body_size : 0) + text.closing.size();
}

void OwedNotice::shorten() {
    notice.whole = false;
    returned.reset();
    text = message::write(notice);
}

NoticeMaker::NoticeMaker(Database& database)
    : copy_(database, "SELECT sender, arrived FROM copies WHERE group_id = ? AND n = ?"),
      attempt_(database, "SELECT at, server FROM attempts WHERE group_id = ? AND member = ? ORDER BY n DESC LIMIT 1"),
      delay_notice_(database, "SELECT 1 FROM groups WHERE due IS NOT NULL AND kind = 3 LIMIT 1") {}

OwedNotices NoticeMaker::make(const StoredGroup& group, std::shared_ptr<const Content> content, const Setting& setting) {
    auto sender = [&](std::int64_t copy) { return sender_of(group.id, copy); };
    OwedNotices all;
    std::int64_t number = setting.next_group;
    for (coalesce::Telling& telling : coalesce::tellings(group, sender, setting.policy.telling)) {
        if (telling.what == coalesce::tell_delayed && delay_notice_waits()) {
            all.delay_put_off = true;
            continue;
        }
        OwedNotice owed;
        if (!telling.to.empty()) {
            owed.notice = notice_about(group, telling, content.get(), setting);
            owed.notice.number = number++;
            if (owed.notice.whole) owed.returned = content;
            owed.text = message::write(owed.notice);
        }
        owed.telling = std::move(telling);
        all.notices.push_back(std::move(owed));
    }
    return all;
}

message::Notice NoticeMaker::notice_about(const StoredGroup& group, const coalesce::Telling& telling, const Content* content,
                                          const Setting& setting) {
    const coalesce::Member& first = group.members[telling.members.front()];
    message::Notice notice;
    notice.what = what_of(telling.what);
    notice.hostname = setting.hostname;
    notice.now = setting.wall;
    notice.to = telling.to;
    for (std::size_t place : telling.members) notice.recipients.push_back(recipient(group, group.members[place]));
    notice.sender = sender_of(group.id, first.copy);
    notice.message_id = group.identity.message_id;
    notice.envid = group.options.envid;
    notice.arrived = group.kind == coalesce::Kind::mail ? arrival_of(group.id, first.copy) : group.first;
    notice.content = group.identity.content;
    notice.eight_bit = group.eight_bit;
    if (!content) return notice;
    notice.header = returned_header(group, *content, setting.policy);
    notice.whole = returns_body(group, telling, *content);
    const bool to_postmaster = telling.last && telling.what == coalesce::tell_failed;
    if (!to_postmaster || !stays(group, setting.policy)) return notice;
    notice.kept = group.id;
    notice.kept_for = setting.policy.keep_failed;
    return notice;
}

message::Notice::Recipient NoticeMaker::recipient(const StoredGroup& group, const coalesce::Member& member) {
    message::Notice::Recipient recipient;
    recipient.address = member.address;
    recipient.orcpt = member.options.orcpt;
    recipient.expired = member.reply.starts_with(coalesce::expired_words);
    recipient.reply = member.reply;
    if (recipient.expired) recipient.reply.erase(0, std::min(recipient.reply.find(": "), recipient.reply.size() - 2) + 2);
    Rows row = attempt_.query(group.id, member.id);
    if (!row.next()) return recipient;
    recipient.last_attempt = base::wall_time_of(row.amount(0));
    recipient.server = row.text(1);
    return recipient;
}

std::string NoticeMaker::sender_of(std::int64_t group, std::int64_t copy) {
    Rows row = copy_.query(group, copy);
    return row.next() ? row.text(0) : std::string();
}

base::WallTime NoticeMaker::arrival_of(std::int64_t group, std::int64_t copy) {
    Rows row = copy_.query(group, copy);
    return row.next() ? base::wall_time_of(row.amount(1)) : base::WallTime{};
}

bool NoticeMaker::delay_notice_waits() {
    return delay_notice_.query().next();
}

}  // namespace onecopy::ledger
