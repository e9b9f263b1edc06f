#include "config/config.h"

#include <algorithm>

#include "base/escape.h"
#include "base/file.h"
#include "config/checks.h"
#include "config/document.h"
#include "config/machine_name.h"
#include "config/table.h"

namespace onecopy::config {
namespace {

void fill_in(Config& config) {
    if (config.hostname.empty()) config.hostname = machine_name();
    const auto& local = config.recipients.local_domains;
    if (config.delivery.postmaster.empty() && !local.empty()) config.delivery.postmaster = "postmaster@" + local.front();
}

void read_root(const Node& root, Config& config, Report& report) {
    TableReader<Config> reader(keys_of_config(), config, report);
    if (root.kind == Node::Kind::map) {
        reader.read(root, "");
        reader.require({1, 1});
    } else {
        report.problems.push_back({root.at.line, root.at.column, asked("a map with the keys listen and backend", root)});
    }
    fill_in(config);
    check_together(config, reader.seen(), report);
}

Reading failed(const std::string& what) {
    Reading reading;
    reading.problems.push_back({0, 0, what});
    return reading;
}

std::string comment(std::string line, std::string_view help) {
    constexpr std::size_t column = 40;
    line.resize(std::max(line.size() + 2, column), ' ');
    return line + "# " + std::string(help);
}

std::string section_of(std::string_view name) {
    std::size_t dot = name.find('.');
    return dot == name.npos ? "" : std::string(name.substr(0, dot));
}

/// A value that has lines of its own begins with a line end.
std::string shown_line(const Key<Config>& key, const std::string& section, const std::string& value) {
    std::string name(section.empty() ? key.name : "  " + std::string(key.name.substr(section.size() + 1)));
    if (value.starts_with('\n')) return comment(name + ":", key.help) + value + "\n";
    return comment(name + ":" + (value.empty() ? "" : " ") + value, key.help) + "\n";
}

}  // namespace

Reading read(const std::string& text) {
    Reading reading;
    Document document = parse(text);
    Report report;
    report.problems = std::move(document.problems);
    if (document.whole) read_root(document.root, reading.config, report);
    auto before = [](const Problem& a, const Problem& b) {
        return std::pair(a.line, a.column) < std::pair(b.line, b.column);
    };
    std::ranges::stable_sort(report.problems, before);
    reading.problems = std::move(report.problems);
    if (reading.problems.empty()) reading.warnings = warnings_of(reading.config);
    return reading;
}

Reading read_file(const std::string& path) {
    const base::FileText file = base::read_file(path, most_bytes);
    return file.wrong.empty() ? read(file.text) : failed(file.wrong);
}

std::string message(const std::string& file, const Problem& problem) {
    std::string place = base::printable(file, file.size()) + ":";
    if (problem.line > 0) place += std::to_string(problem.line) + ":" + std::to_string(problem.column) + ":";
    return place + " " + problem.what;
}

std::string show(const Config& config) {
    std::string text;
    std::string last;
    for (const Key<Config>& key : keys_of_config()) {
        std::string section = section_of(key.name);
        if (section != last && !section.empty()) text += section + ":\n";
        text += shown_line(key, section, key.show(config));
        last = section;
    }
    return text;
}

std::vector<std::string> keys() {
    std::vector<std::string> names;
    for (const auto& key : keys_of_config()) names.emplace_back(key.name);
    for (const auto& key : keys_of_listen()) names.emplace_back(key.name);
    for (const auto& key : keys_of_recover_from()) names.emplace_back(key.name);
    return names;
}

}  // namespace onecopy::config
