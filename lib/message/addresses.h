#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace onecopy::message {

/// The ways to read a raw value so that neither fold, nor space, nor comment hides an address: folds as spaces, also with
/// none around `@`, also with none around dots and without comments (RFC 5322 3.2.2, 4.4), and folds as nothing.
std::vector<std::string> readings(std::string_view value);

/// All addresses that any of the readings shows, some of them more than once.
std::vector<std::string> addresses_shown_in(std::string_view value);

/// As addresses_in(), of a text that is read already.
std::vector<std::string> addresses_of(std::string_view text);

/// The ways in which an address may be written that are one recipient: lower-cased, needless quotes gone, the domain as
/// A-label and as U-label. Compared with plain_spelling() of an address that was found.
std::vector<std::string> spellings(std::string_view address);

/// Lower-cased, quotes undone, no dot at the end; costs no look into IDNA tables, so it is for text of strangers.
std::string plain_spelling(std::string_view address);

/// A set of addresses, to be searched for in texts of any size; as good as linear in the text, however many there are.
class AddressSet {
public:
    void add(std::string_view address);
    bool empty() const { return domains_.empty(); }

    /// The unfolded text holds one of them, as a whole, in any case, also with its `@` encoded (`%40` of a URL, `=40` of RFC
    /// 2047): `a@x.example` is not held by `ba@x.example` nor by `a@x.example.org`, but by `list-a@x.example`.
    bool held_by(std::string_view text) const { return held_by(text, false); }
    /// Also as `local=domain`, as VERP and the tags of Authentication-Results write it.
    bool held_or_tagged_by(std::string_view text) const { return held_by(text, true); }
    /// One of them has this local-part: for names without a domain that means something.
    bool has_local_part(std::string_view local_part) const;

private:
    /// Those of one domain, lower-cased and unquoted; besides as a tree that is walked from a name's last character to its
    /// first.
    class LocalParts {
    public:
        void add(std::string name);
        bool has(std::string_view name) const { return names_.contains(name); }
        /// One of them ends the text, and begins where a word may.
        bool end(std::string_view text) const;

    private:
        struct Node {
            std::map<char, std::size_t> before;
            bool whole = false;
        };
        std::set<std::string, std::less<>> names_;
        std::vector<Node> nodes_{1};
    };

    bool held_by(std::string_view text, bool tagged) const;
    bool held_around(std::string_view text, std::size_t separator, std::size_t start) const;
    bool held_before(std::string_view text, std::string_view domain) const;

    std::map<std::string, LocalParts, std::less<>> domains_;  // lower-cased, each in all its spellings
    std::size_t most_domain_ = 0;
};

}  // namespace onecopy::message
