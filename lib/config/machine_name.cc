#include "config/machine_name.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <vector>

#include "base/escape.h"
#include "base/file.h"
#include "config/values.h"

namespace onecopy::config {
namespace {

constexpr std::size_t most_hosts = 1 << 20;

/// Those of one line, without the address before them and the remark behind them.
std::vector<std::string> names_of(const std::string& line) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::vector<std::string> names;
    std::string word;
    for (words >> word; words >> word;) names.push_back(base::lower(word));
    return names;
}

}  // namespace

std::string fully_qualified(const std::string& name, std::string_view hosts) {
    if (name.find('.') != name.npos) return name;
    const std::string wanted = base::lower(name);
    std::istringstream lines{std::string(hosts)};
    for (std::string line; std::getline(lines, line);) {
        const std::vector<std::string> names = names_of(line);
        if (std::ranges::find(names, wanted) == names.end()) continue;
        const auto longer = std::ranges::find_if(
            names, [&](const std::string& one) { return one.starts_with(wanted + ".") && values::hostname(one).empty(); });
        if (longer != names.end()) return *longer;
    }
    return name;
}

std::string machine_name() {
    std::array<char, 256> name{};
    const bool known = gethostname(name.data(), name.size() - 1) == 0 && values::hostname(name.data()).empty();
    return known ? fully_qualified(name.data(), base::read_file("/etc/hosts", most_hosts).text) : "localhost";
}

}  // namespace onecopy::config
