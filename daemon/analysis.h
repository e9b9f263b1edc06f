#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "sample.h"

namespace onecopy::analysis {

/// The bounds of the histogram and the windows that are tried.
constexpr std::array<base::Duration, 9> tried_windows = {
    std::chrono::seconds(0),  std::chrono::seconds(5),  std::chrono::seconds(10),
    std::chrono::seconds(30), std::chrono::minutes(1),  std::chrono::minutes(2),
    std::chrono::minutes(5),  std::chrono::minutes(15), std::chrono::hours(1)};

/// A message that stands for others of its kind.
struct Example {
    std::string message_id;    // empty: none that counts
    std::uint64_t copies = 1;  // or messages
    base::Duration spread{};   // from the first to the last
    base::WallTime arrival{};  // of the first
    std::string source;        // where that was found
    std::uint32_t number = 0;
};

/// One reason why messages that look like copies are not merged.
struct Apart {
    std::uint64_t count = 0;        // Message-IDs, contents or messages, as the reason has it
    std::vector<Example> examples;  // not more than most_examples
};

constexpr std::size_t most_examples = 10;
/// Groups are fewer, and more worth seeing.
constexpr std::size_t most_groups = 50;

/// What was found. A group is what onecopyd would make one message of, of two copies or more.
struct Report {
    std::uint64_t messages = 0;
    std::uint64_t empty = 0;             // without any text: not counted as messages
    std::uint64_t not_compared = 0;      // beyond Analysis::most_samples
    std::array<std::uint64_t, 4> ids{};  // messages by Sample::Id
    base::WallTime first{}, last{};      // arrivals

    std::uint64_t groups = 0;
    std::uint64_t copies = 0;                // in all groups together
    std::uint64_t in_several_mailboxes = 0;  // groups
    std::array<std::uint64_t, 6> sizes{};    // groups of 2, 3, 4, 5 to 9, 10 to 49, 50 copies and more
    std::array<std::uint64_t, 4> clocks{};   // copies by Sample::Clock
    std::vector<Example> largest;            // groups

    std::array<std::uint64_t, first_content_kind> differ{};  // groups, by the kind of field
    std::uint64_t differ_in_received_alone = 0;
    std::uint64_t differ_in_nothing = 0;

    /// What one of recipient_fields says of the groups.
    struct Named {
        std::uint64_t copies = 0;      // that have it
        std::uint64_t groups = 0;      // in which each copy has it, and no two the same
        std::uint64_t recipients = 0;  // in all groups together
        std::uint64_t blind = 0;       // of these, in no To or Cc
    };
    std::array<Named, recipient_fields.size()> named{};

    /// How long after a group's first copy the others came: within tried_windows[i], but not within the one before; the last
    /// three are a day, a week, and later.
    std::array<std::uint64_t, tried_windows.size() + 3> delays{};
    /// What each of tried_windows catches. Arrivals are whole seconds: one of 5 s is not sure to catch what comes 5 s later.
    struct Caught {
        std::uint64_t copies = 0;  // behind the first
        std::uint64_t groups = 0;  // whole
    };
    std::array<Caught, tried_windows.size()> caught{};
    std::optional<base::Duration> catches_most, catches_all;  // the smallest window for 95 % and for all copies

    Apart other_content;  // Message-IDs
    std::array<std::uint64_t, field_kinds.size() - first_content_kind> other_content_fields{};
    std::uint64_t other_content_body = 0;    // nothing but the body is other
    Apart other_sender;                      // Message-IDs, or contents where there is none
    Apart other_id;                          // contents
    Apart no_id, malformed_id, several_ids;  // messages; they merge by their content
    std::uint64_t merged_by_content = 0;     // groups of such
    Apart too_large;                         // messages
};

/// Collects what is known of messages, then tells what onecopyd would make of them with its default `grouping.match`, and a
/// window that is long enough.
class Analysis {
public:
    static constexpr std::size_t most_samples = 2'000'000;

    /// A mailbox, or the folder of one.
    std::uint32_t add_source(std::string name);
    void add(Sample sample);
    void add_empty() { ++report_.empty; }
    std::uint64_t messages() const { return report_.messages; }

    /// Once, at the end.
    Report conclude();

private:
    using Order = std::vector<std::uint32_t>;  // indices into samples_
    using Run = std::span<const std::uint32_t>;

    void conclude_group(Run group);
    void tell_delays(Run group);
    void tell_differences(Run group);
    void tell_recipients(Run group);
    void tell_windows();
    void conclude_id(Run same_id);
    void conclude_contents(Order order);
    void add_apart(Apart& apart, Run messages);
    Example example(Run messages) const;
    const Sample& sample(std::uint32_t index) const { return samples_[index]; }

    std::vector<std::string> sources_;
    std::deque<Sample> samples_;
    std::vector<base::Duration> delays_;
    Report report_;
};

}  // namespace onecopy::analysis
