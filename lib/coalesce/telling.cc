#include "coalesce/telling.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "message/mailbox.h"

namespace onecopy::coalesce {
namespace {

using Notify = message::RecipientOptions;

bool wants_failures(const Member& member) {
    return member.options.notify == 0 || (member.options.notify & Notify::failure) != 0;
}

/// Not the null sender, nor one who is no address: no server takes a notice to him for sure.
bool can_be_told(const std::string& sender) {
    return message::parse_mailbox(sender).has_value();
}

/// One group's debts being sorted by who is to be told.
class Sorting {
public:
    Sorting(const Group& group, const std::function<std::string(std::int64_t)>& sender_of, const TellingPolicy& policy)
        : group_(group), sender_of_(sender_of), policy_(policy) {}

    std::vector<Telling> run() {
        for (std::size_t i = 0; i < group_.members.size(); ++i) {
            const unsigned owed = group_.members[i].owed;
            if ((owed & tell_failed) != 0) failed(i);
            if ((owed & tell_delayed) != 0) delayed(i);
            if ((owed & tell_relayed) != 0) relayed(i);
        }
        return std::move(tellings_);
    }

private:
    void failed(std::size_t place) {
        const Member& member = group_.members[place];
        if (group_.kind == Kind::notice) return add(place, {tell_failed, policy_.postmaster, true, true, {}});
        if (group_.kind != Kind::mail) return add(place, {tell_failed, "", true, false, {}});
        if (policy_.notify == Notified::none) return;
        const std::string sender = sender_of_(member.copy);
        if (policy_.notify == Notified::postmaster || member.recovered || !can_be_told(sender))
            return add(place, {tell_failed, policy_.postmaster, true, true, {}});
        if (wants_failures(member)) add(place, {tell_failed, sender, false, false, {}});
    }

    void delayed(std::size_t place) {
        if (group_.kind == Kind::mail && !policy_.postmaster.empty())
            add(place, {tell_delayed, policy_.postmaster, true, false, {}});
    }

    void relayed(std::size_t place) {
        const std::string sender = sender_of_(group_.members[place].copy);
        if (policy_.notify == Notified::sender && can_be_told(sender) && !group_.members[place].recovered)
            add(place, {tell_relayed, sender, true, false, {}});
    }

    void add(std::size_t place, Telling telling) {
        auto key = [](const Telling& one) { return std::tie(one.what, one.to, one.last); };
        auto same = std::ranges::find_if(tellings_, [&](const Telling& one) { return key(one) == key(telling); });
        if (same == tellings_.end()) same = tellings_.insert(same, std::move(telling));
        same->members.push_back(place);
    }

    const Group& group_;
    const std::function<std::string(std::int64_t)>& sender_of_;
    const TellingPolicy& policy_;
    std::vector<Telling> tellings_;
};

}  // namespace

std::vector<Telling> tellings(const Group& group, const std::function<std::string(std::int64_t)>& sender_of,
                              const TellingPolicy& policy) {
    return Sorting(group, sender_of, policy).run();
}

}  // namespace onecopy::coalesce
