#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/kinds.h"

namespace onecopy::config {

/// One row of a table: a key, and all that is to be known of it.
template <typename Owner>
struct Key {
    std::string_view name;  // sections before a dot, [] after what is a list
    std::string_view help;
    bool required;
    std::function<void(const Node&, Owner&, Report&)> read;
    std::function<std::string(const Owner&)> show;
};

template <typename Owner>
using Table = std::vector<Key<Owner>>;

/// Where a key or section stood, and whether its value could be read.
struct Seen {
    Place at;
    bool sound;
};
using SeenKeys = std::map<std::string, Seen, std::less<>>;

/// The words for a key that no table knows; `names` are all that the table has, `prefix` is where the key stood.
std::string unknown_key(const std::string& key, std::string_view prefix, const std::vector<std::string_view>& names);

/// `access` gives the value within its owner.
template <typename Owner, typename Value, typename Access>
Key<Owner> make_key(std::string_view name, Access access, Kind<Value> kind, std::string_view help, bool required) {
    auto show = [=](const Owner& owner) { return kind.show(access(owner)); };
    std::string by_default = show(Owner{});
    auto read = [=](const Node& node, Owner& owner, Report& report) {
        bool unset = by_default.empty() || by_default == "[]" || by_default == "{}";
        bool empty = node.kind == Node::Kind::text && node.text.empty() && by_default.empty();
        if (!required && (empty || (node.kind == Node::Kind::nothing && unset))) return;
        if (node.kind == Node::Kind::nothing) {
            return report.wrong(name, node.key_at,
                                "has no value; " + kind.form + " is asked for" +
                                    (required ? "" : ", or leave the line out for " + by_default));
        }
        std::optional<Value> value = kind.read(name, node, report);
        if (!value) return;
        access(owner) = std::move(*value);
    };
    return {name, help, required, read, show};
}

/// Reads one map by a table, into one owner.
template <typename Owner>
class TableReader {
public:
    TableReader(const Table<Owner>& table, Owner& owner, Report& report) : table_(table), owner_(owner), report_(report) {
        for (const Key<Owner>& key : table) names_.push_back(key.name);
    }

    /// Every key of the map; `prefix` is what the names of the table have before them.
    void read(const Node& map, const std::string& prefix) {
        std::map<std::string_view, int> lines;
        for (const Node& entry : map.items) {
            auto [first, fresh] = lines.emplace(entry.key, entry.key_at.line);
            std::string where = "; it stood in line " + std::to_string(first->second);
            if (fresh) {
                read_entry(entry, prefix);
            } else {
                report_.wrong(prefix + base::printable(entry.key, 80), entry.key_at, "the key stands there twice" + where);
            }
        }
    }

    /// Reports the keys that must be there and are not: where their section is, or at `otherwise`.
    void require(Place otherwise) {
        for (const Key<Owner>& key : table_) {
            if (!key.required || seen_.contains(key.name)) continue;
            auto section = seen_.find(key.name.substr(0, key.name.find('.')));
            report_.wrong(key.name, section == seen_.end() ? otherwise : section->second.at, "is missing and must be given");
        }
    }

    const SeenKeys& seen() const { return seen_; }

private:
    void read_entry(const Node& entry, const std::string& prefix) {
        std::string name = prefix + entry.key;
        std::size_t before = report_.problems.size();
        bool dotted = entry.key.find('.') != entry.key.npos;  // as in this table, but not in the file
        if (const Key<Owner>* key = dotted ? nullptr : find(name)) {
            key->read(entry, owner_, report_);
            seen_[name] = {entry.kind == Node::Kind::nothing ? entry.key_at : entry.at, report_.problems.size() == before};
        } else if (!dotted && is_section(name)) {
            seen_[name] = {entry.key_at, true};
            read_section(entry, name);
        } else {
            report_.wrong(base::printable(name, 100), entry.key_at, unknown_key(entry.key, prefix, names_));
        }
    }

    /// A section whose keys are all commented out has no value.
    void read_section(const Node& entry, const std::string& name) {
        if (entry.kind == Node::Kind::map) {
            read(entry, name + ".");
        } else if (entry.kind != Node::Kind::nothing) {
            report_.wrong(name, entry.at, asked("a section of `key: value` lines", entry));
        }
    }

    const Key<Owner>* find(std::string_view name) const {
        for (const Key<Owner>& key : table_) {
            if (key.name == name) return &key;
        }
        return nullptr;
    }

    bool is_section(const std::string& name) const {
        for (std::string_view key : names_) {
            if (key.starts_with(name + ".")) return true;
        }
        return false;
    }

    const Table<Owner>& table_;
    Owner& owner_;
    Report& report_;
    std::vector<std::string_view> names_;
    SeenKeys seen_;
};

}  // namespace onecopy::config
