#include "analysis_view.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "base/escape.h"
#include "base/units.h"
#include "tell.h"

namespace onecopy::analysis {
namespace {

using nlohmann::json;

constexpr std::array size_names = {"2", "3", "4", "5 to 9", "10 to 49", "50 and more"};
constexpr std::array clock_names = {"Received", "Delivery-date", "From line", "time of the file"};
constexpr std::size_t widest_bar = 40;
constexpr std::size_t shown_examples = 3, shown_groups = 5;

/// How much of what comes late makes a window good enough.
constexpr std::uint64_t most_percent = 95;

std::int64_t seconds(base::Duration duration) {
    return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

json seconds_or_none(std::optional<base::Duration> duration) {
    return duration ? json(seconds(*duration)) : json();
}

json of(const Example& example) {
    return {
        {"message_id", example.message_id},         {"copies", example.copies}, {"spread_seconds", seconds(example.spread)},
        {"first", base::iso_text(example.arrival)}, {"source", example.source}, {"number", example.number}};
}

json of(const std::vector<Example>& examples) {
    json all = json::array();
    for (const Example& example : examples) all.push_back(of(example));
    return all;
}

json of(const Apart& apart) {
    return {{"count", apart.count}, {"examples", of(apart.examples)}};
}

/// Those of a table that are not 0, in its order.
template <typename Names, typename Counts>
json counted(const Names& names, const Counts& counts, std::size_t first_name = 0) {
    json all = json::array();
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (counts[i] > 0) all.push_back({{"name", names[first_name + i]}, {"count", counts[i]}});
    }
    return all;
}

json differences(const Report& report) {
    return {{"fields", counted(field_kinds, report.differ)},
            {"received_alone", report.differ_in_received_alone},
            {"nothing", report.differ_in_nothing}};
}

json recipients(const Report& report) {
    json all = json::array();
    for (std::size_t i = 0; i < recipient_fields.size(); ++i) {
        const Report::Named& named = report.named[i];
        if (named.copies == 0) continue;
        all.push_back({{"field", recipient_fields[i]},
                       {"copies", named.copies},
                       {"messages", named.groups},
                       {"recipients", named.recipients},
                       {"blind", named.blind}});
    }
    return all;
}

/// None: longer than any.
json delay_bound(std::size_t place) {
    static constexpr std::array longer = {"1d", "7d"};
    if (place < tried_windows.size()) return base::to_text(tried_windows[place]);
    place -= tried_windows.size();
    return place < longer.size() ? json(longer[place]) : json();
}

json delays(const Report& report) {
    json all = json::array();
    for (std::size_t i = 0; i < report.delays.size(); ++i)
        all.push_back({{"within", delay_bound(i)}, {"copies", report.delays[i]}});
    return all;
}

json windows(const Report& report) {
    json all = json::array();
    for (std::size_t i = 0; i < tried_windows.size(); ++i) {
        all.push_back({{"window", base::to_text(tried_windows[i])},
                       {"copies", report.caught[i].copies},
                       {"messages", report.caught[i].groups}});
    }
    return all;
}

/// The smallest of the windows that catches most; none where that is longer than any.
json advised_window(const Report& report) {
    if (!report.catches_most) return {};
    const auto enough = std::ranges::lower_bound(tried_windows, *report.catches_most);
    return enough == tried_windows.end() ? json() : json(base::to_text(*enough));
}

/// The field that names the own recipient of each copy in most groups, and in more than half of them.
json advised_field(const Report& report) {
    const auto best = std::ranges::max_element(report.named, {}, &Report::Named::groups);
    if (best->groups * 2 <= report.groups) return {};
    return recipient_fields[static_cast<std::size_t>(best - report.named.begin())];
}

json not_merged(const Report& report) {
    json other_content = of(report.other_content);
    other_content["fields"] = counted(field_kinds, report.other_content_fields, first_content_kind);
    other_content["body_alone"] = report.other_content_body;
    return {{"same_id_other_content", other_content},
            {"other_sender", of(report.other_sender)},
            {"same_content_other_id", of(report.other_id)},
            {"header_too_large", of(report.too_large)}};
}

// As text.

std::string number(const json& document, const char* key) {
    return std::to_string(document.at(key).get<std::uint64_t>());
}

std::string plural(std::uint64_t count, const std::string& one, const std::string& many) {
    return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string messages(std::uint64_t count) {
    return plural(count, "message", "messages");
}

std::string copies(std::uint64_t count) {
    return plural(count, "copy", "copies");
}

std::string padded(std::string text, std::size_t width) {
    if (text.size() < width) text.append(width - text.size(), ' ');
    return text;
}

std::string aligned(const std::string& text, std::size_t width) {
    return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

std::string row(const std::string& name, const std::string& value) {
    return padded(name, 14) + value + "\n";
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
    return std::to_string(whole == 0 ? 0 : part * 100 / whole) + " %";
}

/// `Received 12, Subject 3`
std::string listed(const json& counts, const char* between) {
    std::string text;
    for (const json& each : counts)
        text += (text.empty() ? "" : ", ") + each.at("name").get<std::string>() + between + number(each, "count");
    return text.empty() ? "nothing" : text;
}

std::string told(const json& example, std::string (*what)(std::uint64_t)) {
    const std::string id = example.at("message_id");
    const std::uint64_t count = example.at("copies");
    std::string text = "    " + (id.empty() ? "(no Message-ID)" : base::printable(id, 100));
    if (count > 1) text += "  " + what(count) + " within " + tell::rough(example.at("spread_seconds").get<double>());
    return text + ", the first " + example.at("first").get<std::string>() + " in " +
           base::printable(example.at("source").get<std::string>()) + ", message " + number(example, "number") + "\n";
}

std::string told(const json& examples, std::size_t most, std::string (*what)(std::uint64_t)) {
    std::string text;
    for (std::size_t i = 0; i < std::min(examples.size(), most); ++i) text += told(examples[i], what);
    return text;
}

std::string what_was_read(const json& document) {
    std::string text = messages(document.at("messages")) + " in " +
                       plural(document.at("mailboxes"), "mailbox", "mailboxes") + ", " + rough_size(document.at("bytes"));
    if (!document.at("complete")) text += "; not all was read";
    for (const auto& [key, what] :
         {std::pair("empty", "empty"), std::pair("skipped_files", "files that are no mail"),
          std::pair("repeated_files", "files met twice"), std::pair("not_compared", "not compared")}) {
        if (document.at(key) > 0) text += "; " + number(document, key) + " " + what;
    }
    if (document.at("first").is_null()) return row("read", text);
    return row("read", text) +
           row("arrived", document.at("first").get<std::string>() + " to " + document.at("last").get<std::string>());
}

std::string copies_told(const json& split) {
    const std::uint64_t all = split.at("copies"), groups = split.at("messages");
    std::string text = row("split", messages(groups) + " came in " + copies(all) + ": " + std::to_string(all - groups) +
                                        " more than onecopyd would forward");
    text += row("copies each", listed(split.at("sizes"), ": "));
    const json& differ = split.at("differ");
    text += row("differ in", listed(differ.at("fields"), " ") + " (of " + messages(groups) + "; Received alone " +
                                 number(differ, "received_alone") + ", nothing " + number(differ, "nothing") + ")");
    text += row("arrival by", listed(split.at("arrival_by"), " "));
    if (split.at("in_several_mailboxes") > 0)
        text += row("", messages(split.at("in_several_mailboxes")) + " with copies in more than one mailbox or folder");
    for (const json& one : split.at("recipients")) {
        text += row(one.at("field"), "in " + copies(one.at("copies")) + "; each copy has its own in " +
                                         messages(one.at("messages")) + ": " + number(one, "recipients") + " recipients, " +
                                         number(one, "blind") + " in no To or Cc");
    }
    return text;
}

std::string label(const json& bound) {
    if (bound.is_null()) return "later";
    return bound == "0s" ? "the same second" : "up to " + bound.get<std::string>();
}

std::string histogram(const json& delays) {
    std::uint64_t most = 1, last = 0;
    for (std::size_t i = 0; i < delays.size(); ++i) {
        const std::uint64_t count = delays[i].at("copies");
        most = std::max(most, count);
        if (count > 0) last = i;
    }
    std::string text = "\nHow long after the first copy the others came\n";
    for (std::size_t i = 0; i <= last; ++i) {
        const std::uint64_t count = delays[i].at("copies");
        const std::size_t bar = (count * widest_bar + most - 1) / most;
        text += "  " + padded(label(delays[i].at("within")), 16) + aligned(std::to_string(count), 9) +
                (bar == 0 ? "" : "  " + std::string(bar, '#')) + "\n";
    }
    return text;
}

std::string windows_told(const json& split) {
    const std::uint64_t groups = split.at("messages"), late = split.at("copies").get<std::uint64_t>() - groups;
    std::string text = "\nWhat grouping.window catches\n";
    for (const json& one : split.at("windows")) {
        const std::uint64_t count = one.at("copies");
        text += "  " + padded(one.at("window"), 16) + aligned(std::to_string(count), 9) + " of " + copies(late) + ", " +
                percent(count, late) + "; " + number(one, "messages") + " of " + messages(groups) + " whole\n";
        if (count == late) break;
    }
    const auto window = [&](const char* key) {
        return base::to_text(std::chrono::seconds(split.at(key).get<std::int64_t>()));
    };
    text += "  The smallest for " + std::to_string(most_percent) + " % of the copies is " +
            window("smallest_window_95_seconds") + ", for all " + window("smallest_window_all_seconds") + ".\n";
    return text;
}

std::string advice(const json& split) {
    const json &window = split.at("advice").at("window"), &field = split.at("advice").at("recover_from");
    std::string text = "\nAdvice\n  ";
    text += window.is_null()
                ? "No window of up to 1h catches most copies; who has a message is skipped when a late copy comes "
                  "(grouping.history).\n"
                : "grouping.window: " + window.get<std::string>() + "\n";
    if (!field.is_null()) text += "  recipients.recover_from: [" + field.get<std::string>() + "]\n";
    return text;
}

std::string reason(const json& apart, const std::string& words) {
    if (apart.at("count") == 0) return {};
    return "  " + words + ": " + number(apart, "count") + "\n" + told(apart.at("examples"), shown_examples, messages);
}

std::string not_merged_told(const json& apart) {
    const json& other = apart.at("same_id_other_content");
    json where = other.at("fields");
    if (other.at("body_alone") > 0) where.push_back({{"name", "the body alone"}, {"count", other.at("body_alone")}});
    const std::string text = reason(other, "same Message-ID, other content (" + listed(where, " ") + ")") +
                             reason(apart.at("other_sender"), "same message, other sender; nobody gets it twice") +
                             reason(apart.at("same_content_other_id"), "same content, other Message-ID") +
                             reason(apart.at("header_too_large"), "header too large to be compared");
    return text.empty() ? "" : "\nNot merged\n" + text;
}

std::string without_id_told(const json& ids) {
    const std::string text = reason(ids.at("none"), "no Message-ID") + reason(ids.at("malformed"), "malformed Message-ID") +
                             reason(ids.at("several"), "more than one Message-ID");
    const std::string merged = messages(ids.at("merged_by_content")) + " came in several copies";
    return text.empty() ? "" : "\nCompared by content alone; " + merged + "\n" + text;
}

}  // namespace

json document(const Report& report, const MailboxReader::Counts& counts, bool complete) {
    const bool any = report.messages > 0;
    return {{"complete", complete},
            {"mailboxes", counts.mailboxes},
            {"bytes", counts.bytes},
            {"skipped_files", counts.skipped},
            {"repeated_files", counts.repeated},
            {"messages", report.messages},
            {"empty", report.empty},
            {"not_compared", report.not_compared},
            {"first", any ? json(base::iso_text(report.first)) : json()},
            {"last", any ? json(base::iso_text(report.last)) : json()},
            {"split",
             {{"messages", report.groups},
              {"copies", report.copies},
              {"in_several_mailboxes", report.in_several_mailboxes},
              {"sizes", counted(size_names, report.sizes)},
              {"arrival_by", counted(clock_names, report.clocks)},
              {"differ", differences(report)},
              {"recipients", recipients(report)},
              {"delays", delays(report)},
              {"windows", windows(report)},
              {"smallest_window_95_seconds", seconds_or_none(report.catches_most)},
              {"smallest_window_all_seconds", seconds_or_none(report.catches_all)},
              {"advice", {{"window", advised_window(report)}, {"recover_from", advised_field(report)}}},
              {"largest", of(report.largest)}}},
            {"not_merged", not_merged(report)},
            {"message_ids",
             {{"one", report.ids[0]},
              {"none", of(report.no_id)},
              {"malformed", of(report.malformed_id)},
              {"several", of(report.several_ids)},
              {"merged_by_content", report.merged_by_content}}}};
}

std::string tell(const json& document) {
    const json& split = document.at("split");
    std::string text = what_was_read(document);
    if (split.at("messages") == 0) {
        text += row("split", "none: no message came in more than one copy that onecopyd would merge");
    } else {
        text += copies_told(split) + histogram(split.at("delays")) + windows_told(split) + advice(split) +
                "\nMost copies\n" + told(split.at("largest"), shown_groups, copies);
    }
    return text + not_merged_told(document.at("not_merged")) + without_id_told(document.at("message_ids"));
}

std::string rough_size(std::uint64_t bytes) {
    static constexpr std::array units = {"bytes", "kB", "MB", "GB", "TB"};
    double size = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; size >= 999.5 && unit + 1 < units.size(); ++unit) size /= 1000;
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.*f %s", unit == 0 || size >= 99.95 ? 0 : 1, size, units[unit]);
    return text.data();
}

}  // namespace onecopy::analysis
