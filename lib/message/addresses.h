#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace onecopy::message {

/// The ways to read a raw value so that no fold hides an address: folds as spaces, also with none around `@`, and
/// folds as nothing.
std::vector<std::string> readings(std::string_view value);

/// As addresses_in(), of a text that is read already.
std::vector<std::string> addresses_of(std::string_view text);

/// The ways in which an address may be written that are one recipient: lower-cased, needless quotes gone, the domain as
/// A-label and as U-label. Compared with plain_spelling() of an address that was found.
std::vector<std::string> spellings(std::string_view address);

/// Lower-cased, quotes undone, no dot at the end; costs no look into IDNA tables, so it is for text of strangers.
std::string plain_spelling(std::string_view address);

/// A set of addresses, to be searched for in texts of any size; linear in the text (times the longest local-part).
class AddressSet {
public:
    void add(std::string_view address);
    bool empty() const { return domains_.empty(); }

    /// As holds_address(), for any of them.
    bool held_by(std::string_view text) const;
    /// One of them has this local-part: for names without a domain that means something.
    bool has_local_part(std::string_view local_part) const;

private:
    struct LocalParts {
        std::set<std::string, std::less<>> names;  // lower-cased, unquoted
        std::set<std::size_t> lengths;
    };

    bool held_at(std::string_view text, std::size_t separator) const;
    bool held_before(std::string_view text, std::size_t separator, std::string_view domain) const;

    std::map<std::string, LocalParts, std::less<>> domains_;  // lower-cased, each in all its spellings
    std::size_t most_domain_ = 0;
};

}  // namespace onecopy::message
