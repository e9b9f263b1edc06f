#include "config/kinds.h"

#include <algorithm>
#include <charconv>

#include "base/units.h"
#include "config/values.h"

namespace onecopy::config {
namespace {

std::string kind_name(const Node& node) {
    switch (node.kind) {
        case Node::Kind::nothing:
            return "nothing";
        case Node::Kind::list:
            return node.items.empty() ? "an empty list" : "a list";
        case Node::Kind::map:
            return node.items.empty() ? "an empty map" : "keys and values";
        case Node::Kind::text:
            break;
    }
    return quote(node.text);
}

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// Words and names as they stand in every configuration: no YAML reads them as anything but text.
bool is_plain(const std::string& text) {
    static const std::set<std::string> taken = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
    auto safe = [](char c) {
        return is_letter(c) || is_digit(c) || std::string_view("-._/@+:").find(c) != std::string_view::npos;
    };
    if (text.empty() || text.back() == ':' || taken.contains(base::lower(text))) return false;
    bool begins = is_letter(text.front()) || is_digit(text.front()) || text.front() == '/';
    bool number = std::ranges::none_of(text, [](char c) { return is_letter(c) && c != 'e' && c != 'E' && c != 'x'; });
    bool address = text.find_first_of("/") != text.npos || std::ranges::count(text, '.') > 1;
    return begins && (!number || address) && std::ranges::all_of(text, safe);
}

template <typename Value, typename Show>
std::string range(Value least, Value most, Show show) {
    return "from " + show(least) + " to " + show(most);
}

/// `30`, `30 sec` or `5min` as the duration that was meant; the text that is proposed.
std::string meant_duration(const std::string& text) {
    std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    std::size_t unit = std::min(text.find_first_not_of(' ', digits), text.size());
    std::string name = base::lower(text.substr(unit));
    std::string letters = name.starts_with("ms") || name.starts_with("mil") ? "ms" : name.empty() ? "s" : name.substr(0, 1);
    std::string proposed = text.substr(0, digits) + letters;
    return base::parse_duration(proposed) ? "; did you mean " + proposed + "?" : "";
}

/// `50m`, `50MB`, `50 MiB`.
std::string meant_size(const std::string& text) {
    std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    std::size_t unit = std::min(text.find_first_not_of(' ', digits), text.size());
    std::string proposed = text.substr(0, digits);
    if (unit < text.size()) proposed += is_letter(text[unit]) ? static_cast<char>(text[unit] & ~0x20) : text[unit];
    return base::parse_size(proposed) ? "; did you mean " + proposed + "?" : "";
}

Parsed<bool> parse_flag(const Node& node) {
    const std::string& text = node.text;
    if (!node.quoted && (text == "true" || text == "false")) return {text == "true", {}};
    std::string word = base::lower(text);
    bool yes = word == "yes" || word == "on" || word == "true" || word == "1" || word == "y";
    bool no = word == "no" || word == "off" || word == "false" || word == "0" || word == "n";
    std::string hint = yes ? "; did you mean true?" : no ? "; did you mean false?" : "";
    return {std::nullopt, "is not true or false (without quotes)" + hint};
}

std::optional<unsigned> parse_number(const Node& node) {
    const std::string& text = node.text;
    unsigned value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    bool whole = error == std::errc() && end == text.data() + text.size();
    bool leading_zero = text.size() > 1 && text[0] == '0';
    return whole && !leading_zero && !node.quoted ? std::optional(value) : std::nullopt;
}

std::string check_domains(const Node& entry) {
    std::string wrong = entry.key.empty() ? "" : values::domain(entry.key);
    if (!wrong.empty()) return quote(entry.key) + " " + wrong;
    if (entry.kind != Node::Kind::text) return asked("a domain", entry);
    wrong = values::domain(entry.text);
    return wrong.empty() ? "" : quote(entry.text) + " " + wrong;
}

std::map<std::string, std::string> read_domains(std::string_view key, const Node& node, Report& report) {
    std::map<std::string, std::string> domains;
    for (const Node& entry : node.items) {
        bool bad_key = !entry.key.empty() && !values::domain(entry.key).empty();
        std::string wrong = check_domains(entry);
        bool fresh = domains.emplace(base::lower(entry.key), entry.text).second;
        if (!fresh) wrong = quote(entry.key) + " stands there twice";
        if (!wrong.empty()) report.wrong(key, bad_key || !fresh ? entry.key_at : entry.at, wrong);
    }
    return domains;
}

}  // namespace

std::string asked(const std::string& form, const Node& node) {
    bool short_text = node.kind == Node::Kind::text && base::printable(node.text, 80) == node.text;
    std::string list = short_text && form.starts_with("a list [") ? "; write [" + yaml_text(node.text) + "]" : "";
    return form + " is asked for, not " + kind_name(node) + list;
}

std::string yaml_text(const std::string& text) {
    if (is_plain(text)) return text;
    std::string quoted = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return quoted + "\"";
}

Kind<bool> flag() {
    return scalar<bool>("true or false", parse_flag, [](const bool& value) { return value ? "true" : "false"; });
}

Kind<unsigned> number(unsigned least, unsigned most) {
    auto show = [](const unsigned& value) { return std::to_string(value); };
    std::string bounds = range(least, most, show);
    auto parse = [=](const Node& node) -> Parsed<unsigned> {
        std::optional<unsigned> value = parse_number(node);
        if (!value) return {std::nullopt, "is no whole number " + bounds + " in plain digits"};
        if (*value < least || *value > most) return {std::nullopt, "is not " + bounds};
        return {value, {}};
    };
    return scalar<unsigned>("a whole number " + bounds, parse, show);
}

Kind<Duration> duration(Duration least, Duration most) {
    auto show = [](const Duration& value) { return base::to_text(value); };
    std::string bounds = range(least, most, show);
    auto parse = [=](const Node& node) -> Parsed<Duration> {
        std::optional<Duration> value = base::parse_duration(node.text);
        if (!value) return {std::nullopt, "is no duration such as 300ms, 30s, 5m, 2h or 7d" + meant_duration(node.text)};
        if (*value < least || *value > most) return {std::nullopt, "is not " + bounds};
        return {value, {}};
    };
    return scalar<Duration>("a duration " + bounds, parse, show);
}

Kind<std::uint64_t> size(std::uint64_t least, std::uint64_t most) {
    auto show = [](const std::uint64_t& value) { return base::size_to_text(value); };
    std::string bounds = range(least, most, show);
    auto parse = [=](const Node& node) -> Parsed<std::uint64_t> {
        std::optional<std::uint64_t> value = base::parse_size(node.text);
        if (!value) return {std::nullopt, "is no size such as 4096, 64K, 50M or 1G" + meant_size(node.text)};
        if (*value < least || *value > most) return {std::nullopt, "is not " + bounds};
        return {value, {}};
    };
    return scalar<std::uint64_t>("a size " + bounds, parse, show);
}

Kind<std::string> text(std::string form, std::string (*wrong)(std::string_view)) {
    auto parse = [wrong](const Node& node) -> Parsed<std::string> {
        std::string complaint = wrong(node.text);
        if (!complaint.empty()) return {std::nullopt, complaint};
        return {node.text, {}};
    };
    return scalar<std::string>(form, parse, [](const std::string& value) { return value.empty() ? "" : yaml_text(value); });
}

Kind<std::map<std::string, std::string>> domain_map() {
    using Domains = std::map<std::string, std::string>;
    std::string form = "a map {domain: domain}";
    auto read = [form](std::string_view key, const Node& node, Report& report) -> std::optional<Domains> {
        if (node.kind == Node::Kind::map) return read_domains(key, node, report);
        report.wrong(key, node.at, asked(form, node));
        return std::nullopt;
    };
    auto show = [](const Domains& domains) {
        std::string shown;
        for (const auto& [from, to] : domains) shown += (shown.empty() ? "" : ", ") + yaml_text(from) + ": " + yaml_text(to);
        return "{" + shown + "}";
    };
    return {form, read, show};
}

}  // namespace onecopy::config
