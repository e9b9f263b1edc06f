// What a notice says, read back by a reader that shares no code with its writer, is what was to be told: thousands of
// notices, of hostile texts too, all of one seed.

#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "message/notice.h"

using namespace onecopy;
using namespace onecopy::message;

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;  // name, value unfolded

struct Part {
    Fields header;
    std::string content;
};

/// Lines end with CRLF alone; a field goes on in lines that begin with white space (RFC 5322 2.2.3).
Fields read_fields(const std::string& text) {
    Fields fields;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find("\r\n", at);
        REQUIRE(end != text.npos);
        const std::string line = text.substr(at, end - at);
        at = end + 2;
        if (line[0] == ' ' || line[0] == '\t') {
            REQUIRE(!fields.empty());
            fields.back().second += " " + line.substr(1);
            continue;
        }
        const std::size_t colon = line.find(": ");
        REQUIRE(colon != line.npos);
        fields.emplace_back(line.substr(0, colon), line.substr(colon + 2));
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
    CHECK(times <= 1);
    return found;
}

Part read_part(const std::string& text) {
    const std::size_t blank = text.find("\r\n\r\n");
    REQUIRE(blank != text.npos);
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
        CHECK(at + line.size() + 4 == message.size());
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

/// One notice made by chance, and what is to be read in it.
struct Told {
    struct Recipient {
        std::string original, final, status, server, diagnosis, attempted;
    };
    Notice notice;
    std::string action, envid, returned, body, returned_type;
    std::vector<Recipient> recipients;
};

class Chance {
public:
    std::size_t below(std::size_t bound) { return random_() % bound; }
    bool half() { return below(2) == 0; }
    template <typename T>
    const T& one_of(const std::vector<T>& all) {
        return all[below(all.size())];
    }

private:
    std::mt19937_64 random_{20261129};
};

std::string date_of(base::WallTime time) {
    const std::time_t seconds = base::to_integer(time) / 1000;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[64];
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", &parts);
    std::string date = text;
    return date[5] == '0' ? date.erase(5, 1) : date;  // a day of one digit
}

/// Each byte that does not print, and what is beyond the longest, made safe.
std::string safe(std::string text) {
    const bool cut = text.size() > 2000;
    if (cut) text.resize(2000);
    for (char& c : text) {
        if (c < ' ' || c > '~') c = '?';
    }
    return cut ? text + "..." : text;
}

/// RFC 3461 4.
std::string xtext(const std::string& text) {
    constexpr const char* digits = "0123456789ABCDEF";
    std::string out;
    for (char c : text) {
        if (c > ' ' && c <= '~' && c != '+' && c != '=') {
            out += c;
        } else {
            out += {'+', digits[c / 16], digits[c % 16]};
        }
    }
    return out;
}

base::WallTime some_time(Chance& chance) {
    return base::wall_time_of(1'700'000'000'000 + static_cast<std::int64_t>(chance.below(300'000'000)) * 1000);
}

std::string some_address(Chance& chance) {
    static const std::vector<std::string> locals = {"a",
                                                    "first.last+tag",
                                                    "\"two  words\"",
                                                    "jos\xc3\xa9",
                                                    "\xe6\xbc\xa2\xe5\xad\x97",
                                                    std::string(64, 'l'),
                                                    "\"a\\\"b\"",
                                                    "p:q"};
    return chance.one_of(locals) + "@" +
           chance.one_of<std::string>({"x.example", "[192.0.2.1]", std::string(60, 'd') + ".example"});
}

bool is_ascii(const std::string& text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<signed char>(c) >= 0; });
}

const std::vector<std::string>& texts() {
    static const std::vector<std::string> all = {"no such user",
                                                 "",
                                                 "x\r\nAction: delivered\r\n\r\nFinal-Recipient: rfc822; evil@x",
                                                 "\r\n--=_\r\n.\r\n",
                                                 std::string("nul \0 and \x1b[2J and \xff", 20),
                                                 "caf\xc3\xa9 \xe2\x80\xae",
                                                 std::string(700, 'w') + " " + std::string(700, 'v'),
                                                 std::string(3000, 'y'),
                                                 "many    spaces  " + std::string(200, ' ') + "here",
                                                 "5.1.1 5.1.1"};
    return all;
}

Notice::Recipient some_recipient(Chance& chance, Notice::What what, Told::Recipient& told) {
    Notice::Recipient recipient;
    recipient.address = some_address(chance);
    told.final = (is_ascii(recipient.address) ? "rfc822; " : "utf-8; ") + recipient.address;
    if (chance.half()) {
        const std::string original = "O'" + chance.one_of<std::string>({"+", "= x", "plain", "a;b"}) + "@x.example";
        recipient.orcpt = "rfc822;" + xtext(original);
        told.original = "rfc822; " + original;
    }
    const char first = what == Notice::What::failed ? '5' : what == Notice::What::delayed ? '4' : '2';
    told.status = std::string(1, first) + ".0.0";
    const std::string& text = chance.one_of(texts());
    switch (chance.below(4)) {
        case 0:  // nobody said it by SMTP
            recipient.reply = "connection refused " + text;
            told.diagnosis = "x-onecopy; " + safe(recipient.reply);
            break;
        case 1:
            told.status = std::string(1, first) + ".7." + std::to_string(chance.below(1000));
            recipient.reply = std::string(1, first) + "50 " + told.status + " " + text;
            told.diagnosis = "smtp; " + safe(recipient.reply);
            break;
        case 2:  // of a class that is not that of the news
            recipient.reply = std::string(first == '4' ? "5" : "4") + "50 " + (first == '4' ? "5" : "4") + ".7.1 " + text;
            told.diagnosis = "smtp; " + safe(recipient.reply);
            break;
        default:
            break;
    }
    recipient.expired = chance.below(4) == 0;
    if (recipient.expired) told.status = "4.4.7";
    if (chance.half()) {
        recipient.server = "mail.example:25";
        told.server = "dns; mail.example";
    }
    if (chance.half()) {
        recipient.last_attempt = some_time(chance);
        told.attempted = date_of(recipient.last_attempt);
    }
    return recipient;
}

Told some_notice(Chance& chance) {
    Told told;
    Notice& notice = told.notice;
    notice.what = static_cast<Notice::What>(chance.below(3));
    told.action = std::vector<std::string>{"failed", "delayed", "relayed"}[static_cast<std::size_t>(notice.what)];
    notice.hostname = "proxy.example";
    notice.number = static_cast<std::int64_t>(chance.below(1'000'000));
    notice.now = some_time(chance);
    notice.arrived = some_time(chance);
    notice.sender = chance.half() ? some_address(chance) : "";
    notice.to = chance.half() && !notice.sender.empty() ? notice.sender : "postmaster@x.example";
    notice.message_id = chance.half() ? "<1@far.example>" : "";
    if (chance.half()) {
        told.envid = "e+1=2 " + std::to_string(chance.below(1000));
        notice.envid = xtext(told.envid);
    }
    notice.content[0] = static_cast<std::uint8_t>(chance.below(256));
    for (std::size_t i = 1 + chance.below(5); i > 0; --i)
        notice.recipients.push_back(some_recipient(chance, notice.what, told.recipients.emplace_back()));
    const bool utf8 = chance.below(3) == 0;
    notice.header = std::string("Received: from a by b\r\nSubject: ") + (utf8 ? "\xc3\xa9" : "hello") + "\r\n\tfolded\r\n";
    notice.whole = chance.half();
    notice.eight_bit = notice.whole && chance.half();
    told.body =
        notice.whole ? std::string("\r\nthe body\r\n--=_no boundary\r\n") + (notice.eight_bit ? "\xff\r\n" : "") : "";
    told.returned = notice.header + told.body;
    told.returned_type = notice.whole ? (utf8 ? "message/global" : "message/rfc822")
                                      : (utf8 ? "message/global-headers" : "text/rfc822-headers");
    return told;
}

/// Where a line had to be cut there is a space more; where it was hostile nothing is exact but its letters.
std::string letters(std::string text) {
    std::erase_if(text, [](char c) { return c == ' ' || c == '\t'; });
    return text;
}

void check_recipient(const Fields& fields, const Told::Recipient& told, const std::string& action) {
    CHECK(value(fields, "Original-Recipient") == told.original);
    CHECK(value(fields, "Final-Recipient") == told.final);
    CHECK(value(fields, "Action") == action);
    CHECK(value(fields, "Status") == told.status);
    CHECK(value(fields, "Remote-MTA") == told.server);
    CHECK(letters(value(fields, "Diagnostic-Code")) == letters(told.diagnosis));
    CHECK(value(fields, "Last-Attempt-Date") == told.attempted);
}

void check_lines(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find("\r\n", at);
        REQUIRE(end != text.npos);
        CHECK(end - at <= 998);
        CHECK(text.substr(at, end - at).find_first_of(std::string("\r\n\0", 3)) == text.npos);
        at = end + 2;
    }
}

void check(const Told& told) {
    const Notice& notice = told.notice;
    const NoticeText text = write(notice);
    check_lines(text.header + text.opening + told.body + text.closing);
    const Report report(text.header + text.opening + told.body + text.closing);
    CHECK(value(report.header, "To") == "<" + notice.to + ">");
    CHECK(value(report.header, "From") == "Mail Delivery System <MAILER-DAEMON@proxy.example>");
    CHECK(value(report.header, "Date") == date_of(notice.now));
    CHECK(value(report.header, "Message-ID") == text.message_id);
    CHECK(value(report.header, "In-Reply-To") == notice.message_id);
    CHECK(value(report.header, "Auto-Submitted") == "auto-replied");
    CHECK(value(report.header, "Content-Type").starts_with("multipart/report; report-type=delivery-status;"));
    REQUIRE(report.parts.size() == 3);
    for (const Notice::Recipient& recipient : notice.recipients)
        CHECK(report.parts[0].content.find("\r\n<" + recipient.address + ">\r\n") != std::string::npos);
    const std::vector<Fields> groups = read_groups(report.parts[1].content);
    REQUIRE(groups.size() == 1 + told.recipients.size());
    CHECK(value(groups[0], "Reporting-MTA") == "dns; proxy.example");
    CHECK(value(groups[0], "Original-Envelope-Id") == told.envid);
    CHECK(value(groups[0], "Arrival-Date") == date_of(notice.arrived));
    for (std::size_t i = 0; i < told.recipients.size(); ++i) check_recipient(groups[i + 1], told.recipients[i], told.action);
    CHECK(value(report.parts[2].header, "Content-Type") == told.returned_type);
    CHECK(report.parts[2].content == told.returned);
    const bool ascii = is_ascii(text.opening + told.body);
    CHECK(value(report.header, "Content-Transfer-Encoding") == (ascii ? "" : "8bit"));
}

}  // namespace

TEST_SUITE_BEGIN("notice round trip");

TEST_CASE("a notice is read as it was meant") {
    Chance chance;
    for (int i = 0; i < 3000; ++i) {
        CAPTURE(i);
        check(some_notice(chance));
    }
}

TEST_SUITE_END();
