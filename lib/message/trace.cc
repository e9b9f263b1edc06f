#include "message/trace.h"

#include <algorithm>
#include <set>
#include <vector>

#include "base/escape.h"
#include "message/addresses.h"
#include "message/characters.h"
#include "message/date.h"
#include "message/for_clause.h"
#include "message/header.h"
#include "message/mailbox.h"
#include "message/names.h"

namespace onecopy::message {

namespace {

constexpr std::size_t most_line = 78;  // RFC 5322 2.1.1
constexpr std::size_t most_word = 255;

bool is_safe(char c) {
    return is_alphanumeric(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
}

std::string safe_if(bool safe, std::string_view text) {
    return safe && !text.empty() && text.size() <= most_word ? std::string(text) : "[unparsable]";
}

// A stranger's word in our own field: nothing that could close a comment, start a new field or pass for another one.
std::string safe_word(std::string_view word) {
    return safe_if(std::all_of(word.begin(), word.end(), is_safe), word);
}

std::string tls_comment(std::string_view tls) {
    const bool safe = std::all_of(tls.begin(), tls.end(), [](char c) { return is_safe(c) || c == ' '; });
    return '(' + safe_if(safe, tls) + ')';
}

std::string client_comment(std::string_view client) {
    if (client == "unix") return "(unix)";
    const bool bare_v6 = client.find(':') != client.npos && !client.starts_with("IPv6:");
    return std::string("([").append(bare_v6 ? "IPv6:" : "").append(safe_word(client)).append("])");
}

// Appends words that stay together, on the same line where there is room.
void append_folding(std::string& out, std::size_t& column, std::string_view words) {
    const bool fits = column + 1 + words.size() <= most_line;
    out.append(fits ? " " : "\r\n\t").append(words);
    column = (fits ? column + 1 : 8) + words.size();
}

// What may be shown: the addresses in To and Cc, as plain_spelling() writes them.
using Spellings = std::set<std::string, std::less<>>;

bool names_addressees(const Field& field) {
    return field.is("To") || field.is("Cc");
}

bool names_authors(const Field& field) {
    return field.is("From") || field.is("Sender") || field.is("Reply-To");
}

void collect_addresses(const Field& field, Spellings& out) {
    for (const auto& address : addresses_shown_in(field.value)) out.insert(plain_spelling(address));
}

Spellings named_in_to_or_cc(const Header& header) {
    Spellings named;
    for (const auto& field : header.fields()) {
        if (names_addressees(field)) collect_addresses(field, named);
    }
    return named;
}

bool is_shown(const std::string& address, const Spellings& named) {
    const auto all = spellings(address);
    return std::any_of(all.begin(), all.end(), [&](const auto& each) { return named.contains(each); });
}

std::string prefixed(const std::string& prefix, const std::string& address) {
    const std::size_t quote = address.starts_with('"') ? 1 : 0;
    return std::string(address).insert(quote, prefix);
}

// The recipients of a copy, and what may stand in front of their addresses.
struct Named {
    std::span<const Addresses> recipients;
    std::span<const std::string> prefixes;
};

// The addresses of the recipients none of whose addresses is shown.
AddressSet beyond(const Spellings& shown, const Named& all) {
    AddressSet hidden;
    for (const auto& recipient : all.recipients) {
        const bool is_one =
            std::any_of(recipient.begin(), recipient.end(), [&](const auto& address) { return is_shown(address, shown); });
        if (is_one) continue;
        for (const auto& address : recipient) {
            hidden.add(address);
            for (const auto& prefix : all.prefixes) hidden.add(prefixed(prefix, address));
        }
    }
    return hidden;
}

struct Hidden {
    AddressSet blind;   // in no To or Cc
    AddressSet secret;  // nor shown as the author, whose address in a Received field tells nobody that he got the mail
};

Hidden hidden_in(const Header& header, const Named& all) {
    auto shown = named_in_to_or_cc(header);
    Hidden hidden;
    hidden.blind = beyond(shown, all);
    if (hidden.blind.empty()) return hidden;
    for (const auto& field : header.fields()) {
        if (names_authors(field)) collect_addresses(field, shown);
    }
    hidden.secret = beyond(shown, all);
    return hidden;
}

bool holds_any(std::string_view value, const AddressSet& addresses) {
    if (value.find_first_of("@=%") == value.npos) return false;
    const auto texts = readings(value);
    return std::any_of(texts.begin(), texts.end(), [&](const auto& text) { return addresses.held_or_tagged_by(text); });
}

bool holds_any_plainly(std::string_view value, const AddressSet& addresses) {
    const auto texts = readings(value);
    return std::any_of(texts.begin(), texts.end(), [&](const auto& text) { return addresses.held_by(text); });
}

// A name may hold an `@` too, and a line that is no field has nothing else.
std::string_view text_of(const Field& field) {
    auto text = field.raw;
    if (text.ends_with("\r\n")) text.remove_suffix(2);
    return text;
}

// Fields that stay whatever they hold. Message-ID is the author's, the same in every copy, and what the mail is known by.
bool never_goes(const Field& field) {
    return is_content(field.name) || field.is("Message-ID");
}

// `for joe` and `for <joe@localhost>` are how a fetcher says it before its own domain is put in.
bool names_local_part(std::string_view text, const AddressSet& blind) {
    const auto path = text.substr(0, text.find_first_of(" \t\r\n;(>"));
    const auto word = path.substr(path.starts_with('<') ? 1 : 0);
    const auto at = word.rfind('@');
    if (at != word.npos && word.find('.', at) != word.npos) return false;
    return blind.has_local_part(word.substr(0, at));
}

bool names_blind(const ForClause& clause, const AddressSet& blind) {
    return holds_any(clause.text, blind) || names_local_part(clause.text, blind);
}

// The raw field without the `for` clauses that name a blind recipient.
std::string without_clauses(std::string_view raw, std::size_t value_start, const AddressSet& blind) {
    std::string left;
    std::size_t kept = 0;
    const auto value = raw.substr(value_start, raw.size() - value_start - (raw.ends_with("\r\n") ? 2 : 0));
    for (const auto& clause : for_clauses(value)) {
        if (!names_blind(clause, blind)) continue;
        const auto begin = std::max(kept, value_start + clause.begin);  // white space between two goes with the first
        left.append(raw, kept, begin - kept);
        kept = value_start + clause.end;
    }
    return left.append(raw, kept);
}

// What is left is read again: what stood on both sides of a clause may make another one. What has no end so, and what shows
// one who is blind elsewhere too, goes whole; a sender by VERP may stay.
std::string received_without(const Hidden& hidden, const Field& field) {
    constexpr int most_rounds = 8;
    const auto value_start = static_cast<std::size_t>(field.value.data() - field.raw.data());
    std::string text(field.raw);
    for (int round = 0; round < most_rounds; ++round) {
        auto left = without_clauses(text, value_start, hidden.blind);
        if (left == text) return holds_any_plainly(text, hidden.secret) ? std::string() : text;
        text = std::move(left);
    }
    return {};
}

// An address in a text, or what stands behind the `=` of a tag: `smtp.mailfrom=a@x.example`.
bool is_named(std::string_view address, const Spellings& named) {
    const auto tag = address.rfind('=');
    return named.contains(address) || (tag != address.npos && named.contains(address.substr(tag + 1)));
}

void collect_unnamed(std::string_view value, const Spellings& named, Spellings& out) {
    if (value.find('@') == value.npos) return;
    for (const auto& address : addresses_shown_in(value)) {
        auto spelling = plain_spelling(address);
        if (!is_named(spelling, named)) out.insert(std::move(spelling));
    }
}

// The words of a Received value outside comments, white space between them, and the comments whole.
std::vector<std::string> words_of(std::string_view value) {
    std::vector<std::string> words;
    std::size_t depth = 0;
    bool inside = false;
    for (char c : value) {
        const bool space = is_space(c) && depth == 0;
        if (!space && (!inside || (c == '(' && depth == 0))) words.emplace_back();
        if (c == '(') ++depth;
        if (!space) words.back() += c;
        if (c == ')' && depth > 0) --depth;
        inside = !space && !(c == ')' && depth == 0);
    }
    return words;
}

bool written_by(const Field& field, std::string_view hostname) {
    if (field.value.find("(onecopy)") == field.value.npos) return false;
    const auto words = words_of(field.value);
    for (std::size_t at = 0; at + 2 < words.size(); ++at) {
        if (words[at] == "by" && base::equal_ignoring_case(words[at + 1], hostname) && words[at + 2] == "(onecopy)") {
            return true;
        }
    }
    return false;
}

}  // namespace

std::string received_field(const Arrival& arrival, std::string_view hostname, std::int64_t group) {
    std::string field = "Received:";
    std::size_t column = field.size();
    append_folding(field, column, "from " + safe_word(arrival.helo));
    append_folding(field, column, client_comment(arrival.client));
    field += "\r\n\tby " + safe_word(hostname);
    column = 8 + 3 + hostname.size();
    append_folding(field, column, "(onecopy)");
    append_folding(field, column, "with " + safe_word(arrival.protocol));
    if (!arrival.tls.empty()) append_folding(field, column, tls_comment(arrival.tls));
    append_folding(field, column, "id " + std::to_string(group) + ";");
    append_folding(field, column, date(arrival.time));
    return field + "\r\n";
}

// No word of a stranger's in our field holds a `+`: the first one is the zone's.
std::size_t received_field_size(std::string_view header_block) {
    constexpr std::string_view last = "+0000\r\n";
    const auto end = header_block.find(last);
    return end == header_block.npos ? 0 : end + last.size();
}

std::size_t exposure(std::string_view header_block) {
    const Header header(header_block);
    const auto named = named_in_to_or_cc(header);
    Spellings shown;
    for (const auto& field : header.fields()) {
        if (always_goes(field.name) || never_goes(field)) continue;
        if (!field.is("Received")) {
            collect_unnamed(text_of(field), named, shown);
            continue;
        }
        for (const auto& clause : for_clauses(field.value)) collect_unnamed(clause.text, named, shown);
    }
    return shown.size();
}

std::string without_private(std::string_view header_block, std::span<const Addresses> recipients,
                            std::span<const std::string> prefixes) {
    if (!within_limits(header_block)) return std::string(header_block);
    const Header header(header_block);
    const auto hidden = hidden_in(header, {recipients, prefixes});
    const auto& blind = hidden.blind;
    std::string out;
    out.reserve(header_block.size());
    for (const auto& field : header.fields()) {
        if (always_goes(field.name)) continue;
        if (field.is("Received") && !blind.empty()) {
            out += received_without(hidden, field);
        } else if (blind.empty() || never_goes(field) || !holds_any(text_of(field), blind)) {
            out += field.raw;
        }
    }
    return out;
}

namespace {

// A recipient's address, and what it may have been before rewrite_domains.
Addresses addresses_of(const std::string& address, const RewriteDomains& rewrite_domains) {
    Addresses addresses{address};
    const std::string_view domain = domain_of(address);
    const std::string normal = normal_domain(domain);
    for (const auto& [from, to] : rewrite_domains) {
        if (from.empty() || normal != normal_domain(to)) continue;
        addresses.push_back(address.substr(0, address.size() - domain.size()) + from);
    }
    return addresses;
}

}  // namespace

std::string forwarded_header(std::string_view header_block, std::span<const std::string> recipients,
                             const KnownSpellings& known) {
    std::vector<Addresses> everyone;
    for (const std::string& address : recipients) everyone.push_back(addresses_of(address, known.rewrite_domains));
    const std::size_t ours = received_field_size(header_block);
    return std::string(header_block.substr(0, ours)) + without_private(header_block.substr(ours), everyone, known.prefixes);
}

std::size_t hops(std::string_view header_block) {
    return Header(header_block).count("Received");
}

bool passed_through(std::string_view header_block, std::string_view hostname) {
    const Header header(header_block);
    return std::any_of(header.fields().begin(), header.fields().end(),
                       [&](const Field& field) { return field.is("Received") && written_by(field, hostname); });
}

}  // namespace onecopy::message
