#include "config/records.h"

#include "config/table.h"
#include "config/values.h"

namespace onecopy::config {
namespace {

constexpr std::string_view socket_form = "a list of sockets, each as `- address: host:port`,";

std::optional<RecoverFrom> read_source(std::string_view key, const Node& node, Report& report) {
    if (node.kind != Node::Kind::map) {
        std::optional<std::string> field = text(recover_from().form, values::field_name).read(key, node, report);
        return field ? std::optional(RecoverFrom{*field, ""}) : std::nullopt;
    }
    RecoverFrom source;
    std::size_t before = report.problems.size();
    TableReader<RecoverFrom> reader(keys_of_recover_from(), source, report);
    reader.read(node, std::string(key) + "[].");
    reader.require(node.at);
    return report.problems.size() == before ? std::optional(source) : std::nullopt;
}

std::string show_source(const RecoverFrom& source) {
    if (source.strip.empty()) return yaml_text(source.field);
    return "{field: " + yaml_text(source.field) + ", strip: " + yaml_text(source.strip) + "}";
}

/// Where the address stood; the socket itself where it did not.
Place read_socket(const Node& node, Listen& listen, Report& report) {
    if (node.kind != Node::Kind::map) {
        report.wrong("listen", node.at, asked("`address: host:port`", node));
        return node.at;
    }
    TableReader<Listen> reader(keys_of_listen(), listen, report);
    reader.read(node, "listen[].");
    reader.require(node.at);
    auto address = reader.seen().find("listen[].address");
    return address == reader.seen().end() ? node.at : address->second.at;
}

std::optional<std::vector<Listen>> read_sockets(std::string_view key, const Node& node, Report& report) {
    if (node.kind != Node::Kind::list || node.items.empty()) {
        report.wrong(key, node.at, asked(std::string(socket_form), node));
        return std::nullopt;
    }
    std::vector<Listen> all;
    std::set<std::string> addresses;
    for (const Node& item : node.items) {
        Place place = read_socket(item, all.emplace_back(), report);
        const std::string& address = all.back().address;
        bool fresh = address.empty() || addresses.insert(base::lower(address)).second;
        if (!fresh) report.wrong("listen[].address", place, quote(address) + " has a socket above");
    }
    return all;
}

std::string show_sockets(const std::vector<Listen>& all) {
    std::string text;
    for (const Listen& listen : all) {
        std::string_view indent = "\n  - ";
        for (const Key<Listen>& key : keys_of_listen()) {
            text += std::string(indent) + std::string(key.name.substr(key.name.find('.') + 1)) + ": " + key.show(listen);
            indent = "\n    ";
        }
    }
    return text;
}

}  // namespace

Kind<RecoverFrom> recover_from() {
    return {"a field's name, or {field: NAME, strip: PREFIX}", read_source, show_source};
}

Kind<std::vector<Listen>> sockets() {
    return {std::string(socket_form), read_sockets, show_sockets};
}

}  // namespace onecopy::config
