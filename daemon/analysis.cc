#include "analysis.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "coalesce/rules.h"

namespace onecopy::analysis {
namespace {

/// Mailboxes tell when a copy came in whole seconds.
constexpr base::Duration second = std::chrono::seconds(1);

constexpr std::array<base::Duration, 2> long_delays = {std::chrono::days(1), std::chrono::days(7)};

/// A group that is held, of this one copy.
coalesce::Group held(const Sample& sample) {
    coalesce::Group group;
    group.sender = std::to_string(sample.sender);
    group.identity = sample.identity;
    group.alone = sample.alone;
    group.members.emplace_back();
    return group;
}

coalesce::Arriving arriving(const Sample& sample) {
    coalesce::Arriving copy;
    copy.sender = std::to_string(sample.sender);
    copy.identity = sample.identity;
    copy.alone = sample.alone;
    return copy;
}

/// The place behind the run of those, from `from` on, who belong to the one there.
template <typename Order, typename Belongs>
std::size_t run_end(const Order& order, std::size_t from, Belongs belongs) {
    std::size_t end = from + 1;
    while (end < order.size() && belongs(order[end])) ++end;
    return end;
}

std::size_t size_class(std::size_t copies) {
    if (copies < 5) return copies - 2;
    return copies < 10 ? 3 : copies < 50 ? 4 : 5;
}

std::size_t delay_class(base::Duration delay) {
    std::size_t place = 0;
    while (place < tried_windows.size() && delay > tried_windows[place]) ++place;
    if (place < tried_windows.size()) return place;
    for (base::Duration longest : long_delays) place += delay > longest ? 1 : 0;
    return place;
}

void keep_largest(std::vector<Example>& largest, Example example) {
    const auto larger = [](const Example& a, const Example& b) { return a.copies > b.copies; };
    if (largest.size() == most_groups && !larger(example, largest.back())) return;
    const auto place = std::ranges::upper_bound(largest, example, larger);
    largest.insert(place, std::move(example));
    if (largest.size() > most_groups) largest.pop_back();
}

/// The smallest window that lets these many of the sorted delays pass: it ends behind the second in which the last one came.
base::Duration catching(const std::vector<base::Duration>& sorted, std::size_t count) {
    return std::chrono::floor<std::chrono::seconds>(sorted[count - 1]) + second;
}

}  // namespace

std::uint32_t Analysis::add_source(std::string name) {
    sources_.push_back(std::move(name));
    return static_cast<std::uint32_t>(sources_.size() - 1);
}

void Analysis::add(Sample sample) {
    const bool first = report_.messages++ == 0;
    ++report_.ids[static_cast<std::size_t>(sample.id)];
    report_.first = first ? sample.arrival : std::min(report_.first, sample.arrival);
    report_.last = first ? sample.arrival : std::max(report_.last, sample.arrival);
    if (samples_.size() == most_samples) {
        ++report_.not_compared;
    } else {
        samples_.push_back(std::move(sample));
    }
}

/// Sorted so that those stand together whom the rules may take for one message; the rules then say where it ends.
Report Analysis::conclude() {
    Order order(samples_.size());
    std::iota(order.begin(), order.end(), 0U);
    const auto key = [&](std::uint32_t index) {
        const Sample& one = sample(index);
        return std::tie(one.identity.message_id, one.identity.content, one.alone, one.sender, one.arrival);
    };
    std::ranges::stable_sort(order, [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });

    const coalesce::Policy policy;
    for (std::size_t from = 0, end = 0; from < order.size(); from = end) {
        const coalesce::Group group = held(sample(order[from]));
        end = run_end(order, from, [&](std::uint32_t index) {
            return coalesce::kinship(group, arriving(sample(index)), policy) == coalesce::Kinship::same;
        });
        conclude_group(Run(order).subspan(from, end - from));
    }
    for (std::size_t from = 0, end = 0; from < order.size(); from = end) {
        const std::string& id = sample(order[from]).identity.message_id;
        end = run_end(order, from, [&](std::uint32_t index) { return sample(index).identity.message_id == id; });
        if (!id.empty()) conclude_id(Run(order).subspan(from, end - from));
    }
    conclude_contents(std::move(order));
    tell_windows();
    return std::move(report_);
}

void Analysis::conclude_group(Run group) {
    const Sample& first = sample(group.front());
    if (first.alone) return add_apart(report_.too_large, group);
    if (group.size() == 1) return;
    ++report_.groups;
    report_.copies += group.size();
    ++report_.sizes[size_class(group.size())];
    if (first.id != Sample::Id::one) ++report_.merged_by_content;
    const auto elsewhere = [&](std::uint32_t index) { return sample(index).source != first.source; };
    if (std::ranges::any_of(group, elsewhere)) ++report_.in_several_mailboxes;
    keep_largest(report_.largest, example(group));
    tell_delays(group);
    tell_differences(group);
    tell_recipients(group);
}

void Analysis::tell_delays(Run group) {
    const base::WallTime first = sample(group.front()).arrival;
    for (std::uint32_t index : group) ++report_.clocks[static_cast<std::size_t>(sample(index).clock)];
    for (std::uint32_t index : group.subspan(1)) {
        delays_.push_back(sample(index).arrival - first);
        ++report_.delays[delay_class(delays_.back())];
    }
    const base::Duration spread = sample(group.back()).arrival - first;
    for (std::size_t i = 0; i < tried_windows.size(); ++i) report_.caught[i].groups += spread < tried_windows[i] ? 1 : 0;
}

void Analysis::tell_differences(Run group) {
    const auto& first = sample(group.front()).fields;
    std::size_t kinds = 0;
    bool received = false;
    for (std::size_t kind = 0; kind < first_content_kind; ++kind) {
        const bool differs =
            std::ranges::any_of(group, [&](auto index) { return sample(index).fields[kind] != first[kind]; });
        report_.differ[kind] += differs ? 1 : 0;
        kinds += differs ? 1 : 0;
        received = received || (kind == 0 && differs);
    }
    if (kinds == 0) ++report_.differ_in_nothing;
    if (kinds == 1 && received) ++report_.differ_in_received_alone;
}

void Analysis::tell_recipients(Run group) {
    for (std::size_t field = 0; field < recipient_fields.size(); ++field) {
        Report::Named& named = report_.named[field];
        std::set<std::uint32_t> recipients, blind;
        std::size_t copies = 0;
        for (std::uint32_t index : group) {
            const std::uint32_t recipient = sample(index).recipients[field];
            if (recipient == 0) continue;
            ++copies;
            recipients.insert(recipient);
            if ((sample(index).blind >> field & 1) != 0) blind.insert(recipient);
        }
        named.copies += copies;
        named.recipients += recipients.size();
        named.blind += blind.size();
        named.groups += recipients.size() == group.size() ? 1 : 0;
    }
}

void Analysis::tell_windows() {
    if (delays_.empty()) return;
    std::ranges::sort(delays_);
    for (std::size_t i = 0; i < tried_windows.size(); ++i) {
        const auto late = std::ranges::lower_bound(delays_, tried_windows[i]);
        report_.caught[i].copies = static_cast<std::uint64_t>(late - delays_.begin());
    }
    const std::size_t most = (delays_.size() * 95 + 99) / 100;
    report_.catches_most = catching(delays_, most);
    report_.catches_all = catching(delays_, delays_.size());
}

/// Messages with the same Message-ID, those of equal content together.
void Analysis::conclude_id(Run same_id) {
    const Sample& first = sample(same_id.front());
    std::array<bool, field_kinds.size()> differs{};
    bool other_content = false, other_sender = false;
    for (std::size_t i = 1; i < same_id.size(); ++i) {
        const Sample &before = sample(same_id[i - 1]), &here = sample(same_id[i]);
        if (before.alone || here.alone) continue;
        if (before.identity.content == here.identity.content) {
            other_sender = other_sender || before.sender != here.sender;
            continue;
        }
        other_content = true;
        for (std::size_t kind = first_content_kind; kind < field_kinds.size(); ++kind)
            differs[kind] = differs[kind] || here.fields[kind] != first.fields[kind];
    }
    if (other_sender) add_apart(report_.other_sender, same_id);
    if (!other_content) return;
    add_apart(report_.other_content, same_id);
    bool header = false;
    for (std::size_t kind = first_content_kind; kind < field_kinds.size(); ++kind) {
        report_.other_content_fields[kind - first_content_kind] += differs[kind] ? 1 : 0;
        header = header || differs[kind];
    }
    report_.other_content_body += header ? 0 : 1;
}

/// Messages of equal content, whatever their Message-IDs say; and those without one that counts.
void Analysis::conclude_contents(Order order) {
    std::erase_if(order, [&](std::uint32_t index) { return sample(index).alone; });
    for (std::uint32_t index : order) {
        const Sample::Id id = sample(index).id;
        if (id == Sample::Id::none) add_apart(report_.no_id, Run(&index, 1));
        if (id == Sample::Id::malformed) add_apart(report_.malformed_id, Run(&index, 1));
        if (id == Sample::Id::several) add_apart(report_.several_ids, Run(&index, 1));
    }
    std::ranges::stable_sort(order, {}, [&](std::uint32_t index) { return sample(index).identity.content; });
    for (std::size_t from = 0, end = 0; from < order.size(); from = end) {
        const Sample& first = sample(order[from]);
        const auto equal = [&](std::uint32_t index) { return sample(index).identity.content == first.identity.content; };
        end = run_end(order, from, equal);
        const Run run = Run(order).subspan(from, end - from);
        const Sample& last = sample(run.back());
        const auto other_sender = [&](std::uint32_t index) { return sample(index).sender != first.sender; };
        if (first.identity.message_id != last.identity.message_id) {
            add_apart(report_.other_id, run);
        } else if (first.identity.message_id.empty() && std::ranges::any_of(run, other_sender)) {
            add_apart(report_.other_sender, run);
        }
    }
}

void Analysis::add_apart(Apart& apart, Run messages) {
    ++apart.count;
    if (apart.examples.size() < most_examples) apart.examples.push_back(example(messages));
}

Example Analysis::example(Run messages) const {
    const auto arrival = [&](std::uint32_t index) { return sample(index).arrival; };
    const auto [first, last] = std::ranges::minmax(messages, {}, arrival);
    const Sample& one = sample(first);
    return {one.identity.message_id, messages.size(), sample(last).arrival - one.arrival, one.arrival,
            sources_[one.source],    one.number};
}

}  // namespace onecopy::analysis
