#include "message/encoded_words.h"

#include <iconv.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>

#include "base/base64.h"
#include "base/escape.h"

namespace onecopy::message {
namespace {

/// RFC 2047 2.
constexpr std::size_t most_word = 75;
constexpr std::size_t most_charset = 20;

int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char upper = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return upper >= 'A' && upper <= 'F' ? upper - 'A' + 10 : -1;
}

/// RFC 2047 4.2.
std::optional<std::string> decode_q(std::string_view text) {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '=') {
            bytes += text[i] == '_' ? ' ' : text[i];
            continue;
        }
        if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) return std::nullopt;
        bytes += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
        i += 2;
    }
    return bytes;
}

/// Those that mail is written in. The system knows a thousand more, and whoever sends mail must not choose which of all
/// their readers is loaded here.
bool is_known(std::string_view charset) {
    static constexpr std::string_view whole[] = {"us-ascii", "utf-8",  "iso-2022-jp", "shift_jis", "euc-jp",
                                                 "euc-kr",   "gb2312", "gbk",         "gb18030",   "big5"};
    static constexpr std::string_view families[] = {"iso-8859-", "windows-125", "koi8-"};
    if (charset.size() > most_charset) return false;
    const std::string name = base::lower(charset);
    const auto in_family = [&name](std::string_view family) {
        return name.starts_with(family) &&
               std::ranges::all_of(name.substr(family.size()), [](unsigned char c) { return std::isalnum(c) != 0; });
    };
    return std::ranges::count(whole, name) > 0 || std::ranges::any_of(families, in_family);
}

std::optional<std::string> to_utf8(std::string bytes, const std::string& charset) {
    struct Close {
        using pointer = iconv_t;
        void operator()(iconv_t converter) const { iconv_close(converter); }
    };
    const iconv_t opened = iconv_open("UTF-8", charset.c_str());
    if (opened == reinterpret_cast<iconv_t>(-1)) return std::nullopt;
    const std::unique_ptr<iconv_t, Close> converter(opened);
    std::string text(bytes.size() * 4 + 16, '\0');
    char* in = bytes.data();
    char* out = text.data();
    std::size_t in_left = bytes.size(), out_left = text.size();
    if (iconv(opened, &in, &in_left, &out, &out_left) == static_cast<std::size_t>(-1)) return std::nullopt;
    text.resize(text.size() - out_left);
    return text;
}

struct Word {
    std::size_t size = 0;  // of the word as it stands
    std::string text;
};

/// `=?charset?Q?text?=` at the front of `value`; a language behind the charset (RFC 2231 5) tells nothing here.
std::optional<Word> word_at(std::string_view value) {
    if (!value.starts_with("=?")) return std::nullopt;
    value = value.substr(0, most_word);
    const std::size_t encoding = value.find('?', 2);
    if (encoding == value.npos || encoding + 3 > value.size() || value[encoding + 2] != '?') return std::nullopt;
    const std::size_t begin = encoding + 3;
    const std::size_t end = value.find("?=", begin);
    if (end == value.npos) return std::nullopt;
    std::string_view charset = value.substr(2, encoding - 2);
    charset = charset.substr(0, charset.find('*'));
    const std::string_view text = value.substr(begin, end - begin);
    if (!is_known(charset) || text.find_first_of("? \t") != text.npos) return std::nullopt;
    const char kind = static_cast<char>(std::toupper(static_cast<unsigned char>(value[encoding + 1])));
    std::optional<std::string> bytes;
    if (kind == 'Q') bytes = decode_q(text);
    if (kind == 'B') bytes = base::decode_base64(text);
    if (bytes) bytes = to_utf8(std::move(*bytes), std::string(charset));
    if (!bytes) return std::nullopt;
    return Word{end + 2, std::move(*bytes)};
}

}  // namespace

std::string decode_words(std::string_view value) {
    std::string text;
    std::size_t blanks = 0;  // at the end of `text`, behind a word
    bool behind_word = false;
    while (!value.empty()) {
        if (std::optional<Word> word = word_at(value)) {
            if (behind_word) text.resize(text.size() - blanks);
            text += word->text;
            value.remove_prefix(word->size);
            behind_word = true;
            blanks = 0;
            continue;
        }
        const bool blank = value.front() == ' ' || value.front() == '\t';
        behind_word = behind_word && blank;
        blanks = blank ? blanks + 1 : 0;
        text += value.front();
        value.remove_prefix(1);
    }
    return text;
}

}  // namespace onecopy::message
