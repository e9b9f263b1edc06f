#include "told_notice.h"

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <stdexcept>
#include <utility>

namespace onecopy::message::testing {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;  // name, value unfolded

void require(bool holds, const std::string& what) {
    if (!holds) throw std::runtime_error(what);
}

struct Part {
    Fields header;
    std::string content;
};

/// Lines end with CRLF alone; a field goes on in lines that begin with white space and hold something else (RFC 5322 2.2.3).
Fields read_fields(const std::string& text) {
    Fields fields;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find("\r\n", at);
        require(end != text.npos, "a field without an end");
        const std::string line = text.substr(at, end - at);
        at = end + 2;
        if (line.starts_with(' ') || line.starts_with('\t')) {
            require(!fields.empty(), "a field that begins with white space");
            require(line.find_first_not_of(" \t") != line.npos, "a line of white space alone");
            fields.back().second += " " + line.substr(1);
            continue;
        }
        const std::size_t colon = line.find(':');
        require(colon != line.npos, "a field without a colon: " + line);
        fields.emplace_back(line.substr(0, colon), line.substr(colon + 1));
    }
    for (auto& [name, after_colon] : fields) {
        require(after_colon.starts_with(' '), name + " without a blank");
        after_colon.erase(0, 1);
    }
    return fields;
}

/// Empty: there is none. Two of a name are one too many.
std::string value(const Fields& fields, const std::string& name) {
    std::string found;
    unsigned times = 0;
    for (const auto& [one, text] : fields) {
        if (one != name) continue;
        found = text;
        ++times;
    }
    require(times <= 1, name + " twice");
    return found;
}

Part read_part(const std::string& text) {
    const std::size_t blank = text.find("\r\n\r\n");
    require(blank != text.npos, "a part without a body");
    return {read_fields(text.substr(0, blank + 2)), text.substr(blank + 4)};
}

/// Header block and parts of a whole message (RFC 2046 5.1.1).
struct Report {
    explicit Report(const std::string& message) {
        const std::size_t blank = message.find("\r\n\r\n");
        header = read_fields(message.substr(0, blank + 2));
        const std::string type = value(header, "Content-Type");
        const std::size_t begin = type.find("boundary=\"") + 10;
        const std::string line = "\r\n--" + type.substr(begin, type.find('"', begin) - begin);
        std::size_t at = message.find(line + "\r\n", blank);
        while (at != message.npos && message.compare(at + line.size(), 4, "--\r\n") != 0) {
            const std::size_t from = at + line.size() + 2;
            at = message.find(line, from);
            parts.push_back(read_part(message.substr(from, at - from)));
        }
        require(at + line.size() + 4 == message.size(), "something behind the last part");
    }
    Fields header;
    std::vector<Part> parts;
};

/// Groups of fields with blank lines between them (RFC 3464 2.1).
std::vector<Fields> read_groups(const std::string& text) {
    std::vector<Fields> groups;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find("\r\n\r\n", at), text.size() - 2) + 2;
        groups.push_back(read_fields(text.substr(at, end - at)));
        at = end + 2;
    }
    return groups;
}

std::string date_of(base::WallTime time) {
    const std::time_t seconds = base::to_integer(time) / 1000;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[64];
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", &parts);
    std::string date = text;
    return date[5] == '0' ? date.erase(5, 1) : date;  // a day of one digit
}

bool prints(char c) {
    return c >= ' ' && c <= '~';
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// Each byte that does not print, and what is beyond the longest, made safe.
std::string safe(std::string text, std::size_t longest) {
    const bool cut = text.size() > longest;
    if (cut) text.resize(longest);
    std::ranges::replace_if(
        text, [](char c) { return !prints(c); }, '?');
    return cut ? text + "..." : text;
}

/// RFC 3461 4.
std::string xtext(const std::string& text) {
    constexpr const char* digits = "0123456789ABCDEF";
    std::string out;
    for (char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c > ' ' && c <= '~' && c != '+' && c != '=') {
            out += c;
        } else {
            out += {'+', digits[byte / 16], digits[byte % 16]};
        }
    }
    return out;
}

/// What xtext means, where that prints.
std::string meant(const std::string& text) {
    return std::ranges::all_of(text, prints) ? text : xtext(text);
}

bool is_ascii(const std::string& text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<signed char>(c) >= 0; });
}

std::string short_text(Chooser& chooser, std::size_t longest) {
    std::string text = chooser.text();
    if (text.size() > longest) text.resize(longest);
    return text;
}

/// Of seven bits, without what no message has in a line.
std::string one_line(Chooser& chooser) {
    std::string text = short_text(chooser, 900);
    for (char& c : text) {
        c = static_cast<char>(c & 0x7f);
        if (c == '\r' || c == '\n' || c == '\0') c = '.';
    }
    return text;
}

base::WallTime some_time(Chooser& chooser) {
    return base::wall_time_of(1'700'000'000'000 + static_cast<std::int64_t>(chooser.below(300'000'000)) * 1000);
}

std::string some_address(Chooser& chooser) {
    static const std::vector<std::string> locals = {"a",
                                                    "first.last+tag",
                                                    "\"two  words\"",
                                                    "jos\xc3\xa9",
                                                    "\xe6\xbc\xa2\xe5\xad\x97",
                                                    std::string(64, 'l'),
                                                    "\"a\\\"b\"",
                                                    "p:q"};
    const std::string local = chooser.below(4) == 0 ? '"' + safe(short_text(chooser, 64), 64) + '"' : chooser.one_of(locals);
    return local + "@" + chooser.one_of<std::string>({"x.example", "[192.0.2.1]", std::string(60, 'd') + ".example"});
}

/// `5.1.1` in front of a text, up to a blank (RFC 3463 2); empty: there is none of that class.
std::string status_in_front(const std::string& text, char of_class) {
    const std::string word = text.substr(0, text.find(' '));
    const std::size_t first = word.find('.'), second = word.find('.', first + 1);
    if (first != 1 || word[0] != of_class || second == word.npos) return "";
    auto is_number = [](const std::string& part) {
        return !part.empty() && part.size() <= 3 && std::ranges::all_of(part, is_digit);
    };
    return is_number(word.substr(2, second - 2)) && is_number(word.substr(second + 1)) ? word : "";
}

/// The Status and Diagnostic-Code of a reply, for news of a class.
void read_reply(const std::string& reply, char news, Told::Recipient& told) {
    const std::string code = reply.substr(0, reply.find(' '));
    const bool by_smtp = code.size() == 3 && std::ranges::all_of(code, is_digit) && code[0] >= '2' && code[0] <= '5';
    told.status = std::string(1, news) + ".0.0";
    if (by_smtp && code[0] == news && reply.size() > 4) {
        const std::string status = status_in_front(reply.substr(4), news);
        if (!status.empty()) told.status = status;
    }
    if (!reply.empty()) told.diagnosis = (by_smtp ? "smtp; " : "x-onecopy; ") + safe(reply, 2000);
}

std::string some_reply(Chooser& chooser, char news) {
    const std::string other = news == '4' ? "5" : "4";
    const std::string number = "." + std::to_string(chooser.below(2000));
    switch (chooser.below(5)) {
        case 0:
            return "connection refused " + chooser.text();
        case 1:
            return news + ("50 " + std::string(1, news)) + ".7" + number + " " + chooser.text();
        case 2:
            return other + "50 " + other + number + ".1 " + chooser.text();
        case 3:
            return chooser.text();
        default:
            return "";
    }
}

Notice::Recipient some_recipient(Chooser& chooser, Notice::What what, Told::Recipient& told) {
    Notice::Recipient recipient;
    recipient.address = some_address(chooser);
    told.final = (is_ascii(recipient.address) ? "rfc822; " : "utf-8; ") + recipient.address;
    if (chooser.half()) {
        const std::string original = short_text(chooser, 200) + "@x.example";
        recipient.orcpt = "rfc822;" + xtext(original);
        told.original = "rfc822; " + meant(original);
    }
    const char news = what == Notice::What::failed ? '5' : what == Notice::What::delayed ? '4' : '2';
    recipient.reply = some_reply(chooser, news);
    read_reply(recipient.reply, news, told);
    recipient.expired = chooser.below(4) == 0;
    if (recipient.expired) told.status = "4.4.7";
    if (chooser.half()) {
        const std::string host = chooser.half() ? "mail.example" : short_text(chooser, 300);
        recipient.server = host + ":25";
        told.server = "dns; " + safe(host, 255);
    }
    if (chooser.half()) {
        recipient.last_attempt = some_time(chooser);
        told.attempted = date_of(recipient.last_attempt);
    }
    return recipient;
}

/// What is returned: all of a message, or as many whole fields of its header as may be.
void make_returned(Chooser& chooser, Told& told) {
    Notice& notice = told.notice;
    const std::string beyond_ascii = chooser.one_of<std::string>({"", "", "\xc3\xa9", "\xff"});
    std::vector<std::string> fields = {"Received: from a by b\r\n", "Subject: hello" + beyond_ascii + "\r\n\tfolded\r\n",
                                       "X-Text: " + one_line(chooser) + "\r\n"};
    if (chooser.below(16) == 1) fields.resize(70, "X-Long: " + std::string(900 + chooser.below(60), 'x') + "\r\n");
    notice.whole = chooser.half();
    notice.eight_bit = notice.whole && chooser.half();
    bool full = false;
    for (const std::string& field : fields) {
        notice.header += field;
        full = full || told.header.size() + field.size() > most_returned_header;
        if (!full) told.header += field;
    }
    if (notice.whole)
        told.body = "\r\n" + one_line(chooser) + "\r\n--=_no boundary\r\n" + (notice.eight_bit ? "\xff\r\n" : "");
    const bool utf8 = beyond_ascii.size() == 2;
    told.returned_type = notice.whole ? (utf8 ? "message/global" : "message/rfc822")
                                      : (utf8 ? "message/global-headers" : "text/rfc822-headers");
}

/// Where a line had to be cut there is a space more; where it was hostile nothing is exact but its letters.
std::string letters(std::string text) {
    std::erase_if(text, [](char c) { return c == ' ' || c == '\t'; });
    return text;
}

/// Reads a notice, and keeps what is not as it was meant.
class Check {
public:
    explicit Check(const Told& told) : told_(told) {}

    std::vector<std::string> run() {
        try {
            read();
        } catch (const std::runtime_error& error) {
            wrongs_.push_back(error.what());
        }
        return wrongs_;
    }

private:
    void same(const std::string& what, const std::string& is, const std::string& meant) {
        if (is != meant) wrongs_.push_back(what + " is \"" + is + "\", not \"" + meant + "\"");
    }

    void read() {
        const NoticeText text = write(told_.notice);
        const std::string message = text.header + text.opening + told_.body + text.closing;
        check_lines(message);
        const bool whole = told_.notice.whole;
        const Report report(message);
        require(report.parts.size() == 3, "not of three parts");
        check_parts(report, text.message_id);
        check_returned(report.parts[2], told_.returned_type, whole ? told_.notice.header + told_.body : told_.header);
        check_encoding(report.header, text.opening + told_.body);
        check_shorter(text.header, message.substr(text.header.size()), text.message_id, whole);
    }

    /// The forms that a refused notice takes, one after the other.
    void check_shorter(const std::string& header, const std::string& body, const std::string& id, bool was_whole) {
        const std::optional<NoticeText> text = shortened(header, body);
        require(text.has_value(), "no shorter form");
        const std::string message = text->header + text->opening + text->closing;
        check_lines(message);
        const Report report(message);
        require(report.parts.size() == (was_whole ? 3u : 2u), "not of the parts of a shorter form");
        check_parts(report, id);
        check_encoding(report.header, text->opening);
        const std::string words = "\r\nThis notice was refused with more of the message in it.\r\n";
        require(report.parts[0].content.find(words) == report.parts[0].content.rfind(words), "twice that it was refused");
        require(report.parts[0].content.ends_with(words), "no word that it was refused");
        if (!was_whole)
            return require(!shortened(text->header, text->opening + text->closing), "a form of less than nothing");
        const bool utf8 = told_.returned_type == "message/global";
        check_returned(report.parts[2], utf8 ? "message/global-headers" : "text/rfc822-headers", told_.header);
        check_shorter(text->header, text->opening + text->closing, id, false);
    }

    void check_parts(const Report& report, const std::string& id) {
        check_header(report.header, id);
        for (const Notice::Recipient& recipient : told_.notice.recipients)
            require(report.parts[0].content.find("\r\n<" + recipient.address + ">\r\n") != std::string::npos,
                    "no word of " + recipient.address);
        check_status(read_groups(report.parts[1].content));
        for (const Part& part : report.parts) check_encoding(part.header, part.content);
    }

    void check_returned(const Part& part, const std::string& type, const std::string& content) {
        same("the returned Content-Type", value(part.header, "Content-Type"), type);
        same("what is returned", part.content, content);
    }

    void check_encoding(const Fields& header, const std::string& content) {
        // Of a returned body the part before it says what it is, whatever is in it.
        same("Content-Transfer-Encoding", value(header, "Content-Transfer-Encoding"), is_ascii(content) ? "" : "8bit");
    }

    static void check_lines(const std::string& text) {
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = text.find("\r\n", at);
            require(end != text.npos, "a line without an end");
            require(end - at <= 998, "a long line");
            require(text.substr(at, end - at).find_first_of(std::string("\r\n\0", 3)) == text.npos,
                    "a line with CR, LF or NUL");
            at = end + 2;
        }
    }

    void check_header(const Fields& header, const std::string& id) {
        const Notice& notice = told_.notice;
        same("To", value(header, "To"), "<" + notice.to + ">");
        same("From", value(header, "From"), "Mail Delivery System <MAILER-DAEMON@proxy.example>");
        same("Date", value(header, "Date"), date_of(notice.now));
        same("Message-ID", value(header, "Message-ID"), id);
        same("In-Reply-To", value(header, "In-Reply-To"), told_.message_id);
        same("References", value(header, "References"), told_.message_id);
        same("Auto-Submitted", value(header, "Auto-Submitted"), "auto-replied");
        require(value(header, "Content-Type").starts_with("multipart/report; report-type=delivery-status;"), "no report");
    }

    void check_status(const std::vector<Fields>& groups) {
        require(groups.size() == 1 + told_.recipients.size(), "another number of recipients");
        same("Reporting-MTA", value(groups[0], "Reporting-MTA"), "dns; proxy.example");
        same("Original-Envelope-Id", value(groups[0], "Original-Envelope-Id"), told_.envid);
        same("Arrival-Date", value(groups[0], "Arrival-Date"), date_of(told_.notice.arrived));
        for (std::size_t i = 0; i < told_.recipients.size(); ++i) check_recipient(groups[i + 1], told_.recipients[i]);
    }

    void check_recipient(const Fields& fields, const Told::Recipient& told) {
        same("Original-Recipient", value(fields, "Original-Recipient"), told.original);
        same("Final-Recipient", value(fields, "Final-Recipient"), told.final);
        same("Action", value(fields, "Action"), told_.action);
        same("Status", value(fields, "Status"), told.status);
        same("Remote-MTA", letters(value(fields, "Remote-MTA")), letters(told.server));
        same("Diagnostic-Code", letters(value(fields, "Diagnostic-Code")), letters(told.diagnosis));
        same("Last-Attempt-Date", value(fields, "Last-Attempt-Date"), told.attempted);
    }

    const Told& told_;
    std::vector<std::string> wrongs_;
};

}  // namespace

Told some_notice(Chooser& chooser) {
    Told told;
    Notice& notice = told.notice;
    notice.what = static_cast<Notice::What>(chooser.below(3));
    told.action = std::vector<std::string>{"failed", "delayed", "relayed"}[static_cast<std::size_t>(notice.what)];
    notice.hostname = "proxy.example";
    notice.number = static_cast<std::int64_t>(chooser.below(1'000'000));
    notice.now = some_time(chooser);
    notice.arrived = some_time(chooser);
    notice.sender = chooser.half() ? some_address(chooser) : "";
    notice.to = chooser.half() && !notice.sender.empty() ? notice.sender : "postmaster@x.example";
    if (chooser.half()) notice.message_id = "<" + chooser.text() + "@far.example>";
    if (notice.message_id.size() <= 900 && std::ranges::all_of(notice.message_id, prints))
        told.message_id = notice.message_id;
    if (chooser.half()) {
        const std::string envid = short_text(chooser, 100) + " +=";
        notice.envid = xtext(envid);
        told.envid = meant(envid);
    }
    notice.content[0] = static_cast<std::uint8_t>(chooser.below(256));
    for (std::size_t i = 1 + chooser.below(5); i > 0; --i)
        notice.recipients.push_back(some_recipient(chooser, notice.what, told.recipients.emplace_back()));
    make_returned(chooser, told);
    return told;
}

std::vector<std::string> wrongs(const Told& told) {
    return Check(told).run();
}

}  // namespace onecopy::message::testing
