#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"
#include "config/report.h"
#include "config/suggest.h"

namespace onecopy::config {

/// How values of one kind are read from the file and shown as YAML. read() reports what is wrong under the key's name
/// and gives nothing then.
template <typename Value>
struct Kind {
    std::string form;  // `a duration from 0s to 1d`
    std::function<std::optional<Value>(std::string_view key, const Node& node, Report& report)> read;
    std::function<std::string(const Value&)> show;
};

/// One of two: the value, or the rest of a sentence that begins with the text.
template <typename Value>
struct Parsed {
    std::optional<Value> value;
    std::string wrong;
};

/// The words for a node that is of no use where `form` is asked for.
std::string asked(const std::string& form, const Node& node);
/// Quoted where YAML, by whichever of its versions, might take it for something else.
std::string yaml_text(const std::string& text);

/// A kind whose values are one text each.
template <typename Value>
Kind<Value> scalar(std::string form, std::function<Parsed<Value>(const Node&)> parse,
                   std::function<std::string(const Value&)> show) {
    auto read = [form, parse](std::string_view key, const Node& node, Report& report) -> std::optional<Value> {
        if (node.kind != Node::Kind::text) {
            report.wrong(key, node.at, asked(form, node));
            return std::nullopt;
        }
        Parsed<Value> parsed = parse(node);
        if (!parsed.value) report.wrong(key, node.at, quote(node.text) + " " + parsed.wrong);
        return parsed.value;
    };
    return {form, read, show};
}

Kind<bool> flag();
Kind<unsigned> number(unsigned least, unsigned most);
Kind<Duration> duration(Duration least, Duration most);
Kind<std::uint64_t> size(std::uint64_t least, std::uint64_t most);
/// `wrong` is one of values.h.
Kind<std::string> text(std::string form, std::string (*wrong)(std::string_view));
/// From domain to domain; the key may be empty.
Kind<std::map<std::string, std::string>> domain_map();

template <typename Value>
Kind<Value> word(std::vector<std::pair<std::string, Value>> words) {
    std::vector<std::string> names;
    for (const auto& [name, value] : words) names.push_back(name);
    auto parse = [words, names](const Node& node) -> Parsed<Value> {
        for (const auto& [name, value] : words) {
            if (name == node.text) return {value, {}};
        }
        return {std::nullopt, "is not " + joined(names) + did_you_mean(node.text, names)};
    };
    auto show = [words](const Value& shown) {
        for (const auto& [name, value] : words) {
            if (value == shown) return yaml_text(name);
        }
        return std::string();
    };
    return scalar<Value>(joined(names), parse, show);
}

/// Shown empty where it is not set.
template <typename Value>
Kind<std::optional<Value>> optional(Kind<Value> kind) {
    auto read = [kind](std::string_view key, const Node& node, Report& report) -> std::optional<std::optional<Value>> {
        std::optional<Value> value = kind.read(key, node, report);
        return value ? std::make_optional(value) : std::nullopt;
    };
    return {kind.form, read, [kind](const std::optional<Value>& value) { return value ? kind.show(*value) : ""; }};
}

enum class Repeats { refused, allowed };

/// At least `least` items, read one by one, so that each that is wrong is told.
template <typename Value>
Kind<std::vector<Value>> list(Kind<Value> item, std::size_t least, Repeats repeats = Repeats::refused) {
    std::string form = "a list [...] of " + item.form;
    auto read = [=](std::string_view key, const Node& node, Report& report) -> std::optional<std::vector<Value>> {
        if (node.kind != Node::Kind::list || node.items.size() < least) {
            report.wrong(key, node.at, asked(form, node));
            return std::nullopt;
        }
        std::vector<Value> values;
        std::set<std::string> known;
        for (const Node& each : node.items) {
            std::optional<Value> value = item.read(key, each, report);
            if (!value) continue;
            bool fresh = known.insert(item.show(*value)).second || repeats == Repeats::allowed;
            if (!fresh) report.wrong(key, each.at, quote(item.show(*value)) + " stands in the list twice");
            values.push_back(std::move(*value));
        }
        return values;
    };
    auto show = [item](const std::vector<Value>& values) {
        std::string text;
        for (const Value& value : values) text += (text.empty() ? "" : ", ") + item.show(value);
        return "[" + text + "]";
    };
    return {form, read, show};
}

}  // namespace onecopy::config
