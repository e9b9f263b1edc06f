#include "admin.h"

#include <algorithm>
#include <set>
#include <vector>

namespace simulation {

using namespace onecopy;
using coalesce::State;

namespace {

/// The recipients that are in one of these states.
std::vector<std::string> who_is(const ledger::GroupRecord& group, std::initializer_list<State> states) {
    std::vector<std::string> found;
    for (const coalesce::Member& member : group.members) {
        if (std::ranges::find(states, member.state) != states.end()) found.push_back(member.address);
    }
    return found;
}

}  // namespace

void Admin::drop(ledger::LedgerThread& ledger) {
    change(ledger, Command::What::drop, {State::pending, State::failed});
}

bool Admin::forget(ledger::LedgerThread& ledger) {
    return change(ledger, Command::What::forget, {State::delivered, State::dropped});
}

/// Of a group that an older version left: where only one message can be meant.
std::string Admin::subject_of(const ledger::GroupRecord& group) const {
    std::set<std::string> subjects;
    for (const Message& one : record_.messages) {
        if (one.message_id == group.message_id && one.sender == group.sender) subjects.insert(one.token);
    }
    return subjects.size() == 1 ? *subjects.begin() : "";
}

bool Admin::change(ledger::LedgerThread& ledger, Command::What what, States states) {
    std::vector<ledger::GroupRecord> groups = ledger::Reader(spool_).list(ledger::Reader::Which::all, 100);
    std::erase_if(groups, [&](ledger::GroupRecord& group) {
        if (group.subject.empty()) group.subject = subject_of(group);
        return group.kind != coalesce::Kind::mail || who_is(group, states).empty() || group.subject.empty();
    });
    if (groups.empty()) return false;
    const ledger::GroupRecord& group = groups[world->below(groups.size())];
    const bool drops = what == Command::What::drop;
    world->trace((drops ? "drop " : "forget ") + group.subject + " from " + group.sender);
    const std::size_t number = record_.commands.size();
    record_.commands.push_back(
        {what, group.subject, group.message_id, group.sender, who_is(group, states), world->now(), std::nullopt});
    ledger.change(drops ? ledger::Change::drop : ledger::Change::forget, {group.id}, [this, number](const auto& changed) {
        Command& command = record_.commands[number];
        command.denied = changed.groups == 0;
        if (command.denied) return;
        command.done = world->now();
        world->trace("done: " + command.token);
        if (world->chance(70)) mail_.comes_again(command.token, command.sender);
    });
    return true;
}

void Admin::pause(ledger::LedgerThread& ledger) {
    if (paused()) return;
    world->trace("pause");
    const std::size_t number = record_.pauses.size();
    record_.pauses.emplace_back();
    ledger.pause(true, [this, number] { record_.pauses[number].begun = world->now(); });
}

void Admin::resume(ledger::LedgerThread& ledger) {
    world->trace("resume");
    std::optional<Microseconds>& over = record_.pauses.back().over;
    over = over.value_or(world->now());
    ledger.pause(false, [this] { record_.pauses.back().ended = true; });
}

}  // namespace simulation
