#include "message/mailbox.h"

#include <idn2.h>

#include <algorithm>
#include <memory>

#include "base/escape.h"
#include "message/characters.h"
#include "message/utf8.h"

namespace onecopy::message {

namespace {

constexpr std::size_t most_path = 1000;   // RFC 5321 4.5.3.1.3 grants 256; longer ones are met and do no harm
constexpr std::size_t most_domain = 255;  // RFC 5321 4.5.3.1.2

bool is_literal(std::string_view domain) {
    if (domain.size() < 3 || domain.front() != '[' || domain.back() != ']') return false;
    const auto inside = domain.substr(1, domain.size() - 2);
    return std::all_of(inside.begin(), inside.end(),
                       [](char c) { return is_alphanumeric(c) || c == '.' || c == ':' || c == '-'; });
}

std::string_view without_final_dot(std::string_view domain) {
    if (domain.ends_with('.')) domain.remove_suffix(1);
    return domain;
}

bool is_domain(std::string_view domain) {
    if (is_literal(domain)) return true;
    domain = without_final_dot(domain);
    if (domain.empty() || domain.size() > most_domain) return false;
    if (domain.front() == '.' || domain.back() == '.' || domain.find("..") != domain.npos) return false;
    return std::all_of(domain.begin(), domain.end(), is_domain_character);
}

// Takes `@one,@two:` off the front (RFC 5321 appendix C); false where it begins like a route and is none.
bool drop_route(std::string_view& path) {
    while (path.starts_with('@')) {
        const auto end = path.find_first_of(",:");
        if (end == path.npos || !is_domain(path.substr(1, end - 1))) return false;
        const bool last = path[end] == ':';
        path.remove_prefix(end + 1);
        if (last) return !path.starts_with('@');
        if (!path.starts_with('@')) return false;
    }
    return true;
}

// Behind the closing quote; 0 where there is none.
std::size_t quoted_length(std::string_view text) {
    for (std::size_t at = 1; at < text.size(); ++at) {
        if (text[at] == '\\') {
            ++at;
        } else if (text[at] == '"') {
            return at + 1;
        }
    }
    return 0;
}

std::size_t local_length(std::string_view path) {
    if (path.starts_with('"')) return quoted_length(path);
    return static_cast<std::size_t>(std::find_if_not(path.begin(), path.end(), is_local_character) - path.begin());
}

std::string quoted(std::string_view local_part) {
    std::string result = "\"";
    for (char c : local_part) {
        if (c == '"' || c == '\\') result += '\\';
        result += c;
    }
    return result + '"';
}

bool needs_quotes(std::string_view local_part) {
    return local_part.empty() || !std::all_of(local_part.begin(), local_part.end(), is_local_character);
}

struct FreeIdn {
    void operator()(char* text) const { idn2_free(text); }
};

// libidn2's answer, or the text itself where it is no name.
template <typename Convert>
std::string converted(const std::string& domain, Convert convert) {
    char* result = nullptr;
    if (convert(domain.c_str(), &result) != IDN2_OK) return domain;
    const std::unique_ptr<char, FreeIdn> owner(result);
    return result;
}

}  // namespace

std::string Mailbox::text() const {
    return domain.empty() ? local_part : local_part + '@' + domain;
}

std::optional<Mailbox> parse_mailbox(std::string_view text) {
    if (text.empty() || text.size() > most_path || !is_legible(text) || !drop_route(text)) return {};
    const auto length = local_length(text);
    if (length == 0) return {};
    const auto local_part = text.substr(0, length);
    const auto rest = text.substr(length);
    if (rest.empty()) {
        if (!base::equal_ignoring_case(local_part, "postmaster")) return {};  // RFC 5321 4.1.1.3
        return Mailbox{std::string(local_part), {}};
    }
    if (rest.front() != '@' || !is_domain(rest.substr(1))) return {};
    return Mailbox{std::string(local_part), std::string(rest.substr(1))};
}

std::optional<std::string> parse_sender(std::string_view text) {
    if (const auto mailbox = parse_mailbox(text)) return mailbox->text();
    const auto harmless = [](char c) { return !is_control(c) && !is_eight_bit(c) && c != ' ' && c != '<' && c != '>'; };
    if (text.empty() || text.size() > most_path || !std::all_of(text.begin(), text.end(), harmless)) return {};
    return std::string(text);
}

std::string unquoted(std::string_view local_part) {
    if (local_part.size() < 2 || local_part.front() != '"') return std::string(local_part);
    std::string result;
    const auto inside = local_part.substr(1, local_part.size() - 2);
    for (std::size_t at = 0; at < inside.size(); ++at) {
        if (inside[at] == '\\' && at + 1 < inside.size()) ++at;
        result += inside[at];
    }
    return result;
}

std::string normal_form(std::string_view address, bool fold_case) {
    const auto mailbox = parse_mailbox(address);
    if (!mailbox) return std::string(address);
    auto local_part = unquoted(mailbox->local_part);
    if (fold_case || mailbox->domain.empty()) local_part = base::lower(local_part);
    if (needs_quotes(local_part)) local_part = quoted(local_part);
    return Mailbox{local_part, normal_domain(mailbox->domain)}.text();
}

std::string normal_domain(std::string_view domain) {
    const auto name = base::lower(without_final_dot(domain));
    if (is_ascii(name) || name.find('\0') != name.npos) return name;
    const auto ascii = converted(
        name, [](const char* from, char** to) { return idn2_to_ascii_8z(from, to, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL); });
    // IDNA drops characters that show nothing: what was nothing else is not the domain of those who have none.
    return is_domain(ascii) ? std::string(without_final_dot(ascii)) : name;
}

std::string unicode_domain(std::string_view domain) {
    const auto name = normal_domain(domain);
    if (name.find("xn--") == name.npos) return name;
    return converted(name, [](const char* from, char** to) { return idn2_to_unicode_8z8z(from, to, 0); });
}

std::string_view domain_of(std::string_view address) {
    std::size_t behind = address.npos;
    bool inside = false;
    for (std::size_t at = 0; at < address.size(); ++at) {
        if (inside && address[at] == '\\') {
            ++at;
        } else if (address[at] == '"') {
            inside = !inside;
        } else if (address[at] == '@' && !inside) {
            behind = at + 1;
        }
    }
    return behind == address.npos ? std::string_view{} : address.substr(behind);
}

}  // namespace onecopy::message
