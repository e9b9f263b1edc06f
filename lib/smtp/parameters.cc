#include "smtp/parameters.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/escape.h"
#include "message/characters.h"
#include "message/mailbox.h"
#include "message/utf8.h"

namespace onecopy::smtp {

namespace {

constexpr std::size_t most_envid = 100;  // RFC 3461 4.4
constexpr std::size_t most_orcpt = 500;  // RFC 3461 4.2

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;  // RFC 3461 4: upper-case alone
    return -1;
}

/// What xtext (RFC 3461 4) says; nothing where it is none, or says what is not printable ASCII.
std::optional<std::string> decode_xtext(std::string_view text) {
    std::string decoded;
    for (std::size_t at = 0; at < text.size(); ++at) {
        char c = text[at];
        if (c == '+') {
            const int high = at + 2 < text.size() ? hex_digit(text[at + 1]) : -1;
            const int low = high < 0 ? -1 : hex_digit(text[at + 2]);
            if (low < 0) return std::nullopt;
            c = static_cast<char>(high * 16 + low);
            at += 2;
        }
        if (c < ' ' || c > '~') return std::nullopt;
        decoded += c;
    }
    return decoded;
}

bool is_xtext(std::string_view text) {
    return !text.empty() && decode_xtext(text).has_value();
}

bool is_word(std::string_view value, std::string_view word) {
    return base::equal_ignoring_case(value, word);
}

/// Whatever number it is, as UTF-8 would write it; whether it is a character is seen from that.
std::string utf8(std::uint32_t code) {
    const auto tail = [code](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3f)); };
    if (code < 0x80) return {static_cast<char>(code)};
    if (code < 0x800) return {static_cast<char>(0xc0 | code >> 6), tail(0)};
    if (code < 0x10000) return {static_cast<char>(0xe0 | code >> 12), tail(6), tail(0)};
    return {static_cast<char>(0xf0 | code >> 18), tail(12), tail(6), tail(0)};
}

/// Takes `\x{E9}` (RFC 6533 3 EmbeddedUnicodeChar) off the front of `text`; nothing where that is none.
std::optional<std::string> take_embedded(std::string_view& text) {
    constexpr std::string_view opening = "\\x{";
    constexpr std::size_t most_digits = 6;
    const auto end = text.find('}');
    if (!text.starts_with(opening) || end == text.npos) return std::nullopt;
    const auto digits = text.substr(opening.size(), end - opening.size());
    if (digits.size() < 2 || digits.size() > most_digits) return std::nullopt;
    std::uint32_t code = 0;
    for (char c : digits) {
        if (hex_digit(c) < 0) return std::nullopt;
        code = code << 4 | static_cast<std::uint32_t>(hex_digit(c));
    }
    text.remove_prefix(end + 1);
    return utf8(code);
}

/// An address as RFC 6533 3 writes it (utf-8-addr-xtext, -unitext): neither in it nor in what it says is anything that must
/// not be seen.
bool is_utf8_address(std::string_view text) {
    std::string decoded;
    while (!text.empty()) {
        if (text.front() == '+') return false;
        if (text.front() == '\\') {
            const auto embedded = take_embedded(text);
            if (!embedded) return false;
            decoded += *embedded;
            continue;
        }
        decoded += text.front();
        text.remove_prefix(1);
    }
    return !decoded.empty() && message::is_legible(decoded);
}

/// An atom (RFC 3461 4.2), which xtext would not change.
bool is_address_type(std::string_view type) {
    const auto allowed = [](char c) {
        return message::is_local_character(c) && !message::is_eight_bit(c) && c != '.' && c != '+';
    };
    return !type.empty() && std::ranges::all_of(type, allowed);
}

bool is_orcpt(std::string_view value, bool smtputf8) {
    const auto semicolon = value.find(';');
    if (value.size() > most_orcpt || semicolon == value.npos) return false;
    const auto type = value.substr(0, semicolon);
    const auto address = value.substr(semicolon + 1);
    if (!is_address_type(type)) return false;
    if (!is_word(type, "utf-8")) return is_xtext(address);
    return is_utf8_address(address) && (smtputf8 || message::is_ascii(address));
}

/// `<>`, or an address in xtext.
bool is_submitter(std::string_view value) {
    if (value == "<>") return true;
    const auto address = decode_xtext(value);
    return address && message::parse_mailbox(*address);
}

/// The set of one value of NOTIFY; 0 where it is none (RFC 3461 4.1).
unsigned notify_of(std::string_view value) {
    using Options = message::RecipientOptions;
    if (is_word(value, "NEVER")) return Options::never;
    unsigned all = 0;
    while (true) {
        const auto word = value.substr(0, value.find(','));
        const unsigned one = is_word(word, "SUCCESS")   ? Options::success
                             : is_word(word, "FAILURE") ? Options::failure
                             : is_word(word, "DELAY")   ? Options::delay
                                                        : 0U;
        if (one == 0 || (all & one) != 0) return 0;
        all |= one;
        if (word.size() == value.size()) return all;
        value.remove_prefix(word.size() + 1);
    }
}

struct MailReader {
    MailParameters& read;

    bool size(std::string_view value) {
        const auto size = parse_size_value(value);
        read.size = size.value_or(0);
        return size.has_value();
    }
    bool body(std::string_view value) { return is_word(value, "7BIT") || is_word(value, "8BITMIME"); }
    bool ret(std::string_view value) {
        using Return = message::MailOptions::Return;
        read.options.ret = is_word(value, "FULL") ? Return::full : Return::headers;
        return is_word(value, "FULL") || is_word(value, "HDRS");
    }
    bool envid(std::string_view value) {
        read.options.envid = value;
        return value.size() <= most_envid && is_xtext(value);
    }
    bool smtputf8(std::string_view value) {
        read.options.smtputf8 = true;
        return value.empty();
    }
    bool auth(std::string_view value) { return is_submitter(value); }
};

struct RecipientReader {
    RecipientParameters& read;
    bool smtputf8;

    bool notify(std::string_view value) { return (read.options.notify = notify_of(value)) != 0; }
    bool orcpt(std::string_view value) {
        read.options.orcpt = value;
        return is_orcpt(value, smtputf8);
    }
};

template <typename Reader>
struct Known {
    std::string_view name;
    bool (Reader::*take)(std::string_view value);
    bool known = true;
};

/// Each at most once, and none that is not in the table.
template <typename Reader, typename Parameters, std::size_t count>
void read_all(const std::vector<Parameter>& parameters, const std::array<Known<Reader>, count>& table, Reader reader,
              Parameters& read) {
    std::set<std::string_view> seen;
    for (const auto& [name, value] : parameters) {
        const auto row = std::ranges::find(table, name, &Known<Reader>::name);
        if (row == table.end() || !row->known) {
            read.fault = 555;
            read.words = "unknown parameter";
        } else if (!seen.insert(row->name).second || !(reader.*row->take)(value.value_or(std::string_view()))) {
            read.fault = 501;
            read.words = "malformed or repeated " + std::string(row->name);
        }
        if (read.fault != 0) return;
    }
}

}  // namespace

MailParameters read_mail_parameters(const std::vector<Parameter>& parameters, const KnownParameters& known) {
    const std::array<Known<MailReader>, 6> table = {{{"SIZE", &MailReader::size},
                                                     {"BODY", &MailReader::body},
                                                     {"RET", &MailReader::ret},
                                                     {"ENVID", &MailReader::envid},
                                                     {"SMTPUTF8", &MailReader::smtputf8, known.smtputf8},
                                                     {"AUTH", &MailReader::auth, known.auth}}};
    MailParameters read;
    read_all(parameters, table, MailReader{read}, read);
    return read;
}

RecipientParameters read_recipient_parameters(const std::vector<Parameter>& parameters, bool smtputf8) {
    const std::array<Known<RecipientReader>, 2> table = {
        {{"NOTIFY", &RecipientReader::notify}, {"ORCPT", &RecipientReader::orcpt}}};
    RecipientParameters read;
    read_all(parameters, table, RecipientReader{read, smtputf8}, read);
    return read;
}

}  // namespace onecopy::smtp
