#include "message/notice.h"

#include <algorithm>
#include <array>

#include "base/escape.h"
#include "base/units.h"
#include "message/characters.h"
#include "message/date.h"
#include "message/digest.h"
#include "message/header.h"
#include "message/utf8.h"

namespace onecopy::message {

namespace {

using What = Notice::What;

constexpr std::size_t most_line = 76;
constexpr std::size_t most_reply = 2000;
constexpr std::string_view eight_bit_field = "Content-Transfer-Encoding: 8bit\r\n";

struct Words {
    const char* subject;
    const char* action;  // RFC 3464 2.3.3
    const char* status;  // where no reply has one
    const char* text;
};

const Words& words(What what) {
    static constexpr std::array table = {
        Words{"Undelivered mail", "failed", "5.0.0",
              "This is the mail system at %s.\r\n\r\n"
              "A message could not be delivered to the recipients below. It will not be tried\r\nagain."},
        Words{"Delayed mail", "delayed", "4.0.0",
              "This is the mail system at %s.\r\n\r\n"
              "A message could not be delivered to the recipients below yet. It is still tried,\r\nand its sender need do "
              "nothing."},
        Words{"Mail relayed", "relayed", "2.0.0",
              "This is the mail system at %s.\r\n\r\n"
              "A message was passed on for the recipients below, to a server that does not tell\r\n"
              "what becomes of it. No further notice of success will follow."},
    };
    return table.at(static_cast<std::size_t>(what));
}

bool is_printable(char c) {
    return c >= ' ' && c <= '~';
}

/// A stranger's text as one line of printable ASCII.
std::string plain(std::string_view text, std::size_t most = most_reply) {
    std::string safe(text.substr(0, most));
    std::ranges::replace_if(
        safe, [](char c) { return !is_printable(c); }, '?');
    if (text.size() > most) safe += "...";
    return safe;
}

/// An address in the header or body of a notice: with its UTF-8, if it is legible.
std::string shown(std::string_view address) {
    return is_legible(address) && address.size() <= most_line * 10 ? std::string(address) : plain(address);
}

/// Lines of no more than most_line where the words allow it, none longer than 900; the further ones begin with `indent`,
/// which stands for one blank. No line is of blanks alone (RFC 5322 3.2.2).
std::string folded(std::string_view text, std::string_view indent) {
    constexpr std::size_t most_word = 900;
    std::string out;
    std::size_t column = 0;
    while (!text.empty()) {
        std::string_view word = text.substr(0, std::min(text.find(' ', text.find_first_not_of(' ')), most_word));
        text.remove_prefix(word.size());
        if (word.find_first_not_of(' ') == word.npos) continue;
        if (column > indent.size() && column + word.size() > most_line) {
            out.append("\r\n").append(indent);
            column = indent.size();
            if (word.front() == ' ') word.remove_prefix(1);
        }
        out += word;
        column += word.size();
    }
    return out;
}

std::string field(std::string_view name, std::string_view value) {
    return folded(std::string(name).append(": ").append(value), "\t") + "\r\n";
}

int hexadecimal(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// RFC 3461 4; as it is where it would say what can't be shown.
std::string decoded(std::string_view xtext) {
    std::string text;
    for (std::size_t i = 0; i < xtext.size(); ++i) {
        const bool escaped = xtext[i] == '+' && i + 2 < xtext.size();
        text += escaped ? static_cast<char>(hexadecimal(xtext[i + 1]) * 16 + hexadecimal(xtext[i + 2])) : xtext[i];
        if (escaped) i += 2;
    }
    return std::ranges::all_of(text, is_printable) ? text : plain(xtext);
}

/// What a reply says by SMTP; nothing where it was said by nobody.
struct Diagnosis {
    bool by_smtp = false;
    std::string status;  // empty: it has none
};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_number(std::string_view text) {
    return !text.empty() && text.size() <= 3 && std::ranges::all_of(text, is_digit);
}

/// `5.1.1` at the front (RFC 3463 2); empty: there is none of that class.
std::string_view enhanced_status(std::string_view text, char of_class) {
    const std::string_view word = text.substr(0, text.find(' '));
    const std::size_t dot = word.find('.', 2);
    if (dot == word.npos || word[0] != of_class || word[1] != '.') return {};
    return is_number(word.substr(2, dot - 2)) && is_number(word.substr(dot + 1)) ? word : std::string_view();
}

Diagnosis diagnose(std::string_view reply) {
    Diagnosis diagnosis;
    const bool has_code = reply.size() >= 3 && std::ranges::all_of(reply.substr(0, 3), is_digit) && reply[0] >= '2' &&
                          reply[0] <= '5' && (reply.size() == 3 || reply[3] == ' ');
    if (!has_code) return diagnosis;
    diagnosis.by_smtp = true;
    diagnosis.status = enhanced_status(reply.substr(std::min<std::size_t>(4, reply.size())), reply[0]);
    if (diagnosis.status.empty()) diagnosis.status = std::string(1, reply[0]) + ".0.0";
    return diagnosis;
}

/// RFC 3463 3.5: what was tried for too long has failed for a matter of time.
std::string status_of(const Notice::Recipient& recipient, What what) {
    if (recipient.expired) return "4.4.7";
    const std::string_view usual = words(what).status;
    const Diagnosis diagnosis = diagnose(recipient.reply);
    return diagnosis.status.starts_with(usual[0]) ? diagnosis.status : std::string(usual);
}

std::string host_of(std::string_view server) {
    return plain(server.substr(0, server.rfind(':')), 255);
}

/// The parts of RFC 3464 2.3 for one recipient.
std::string status_fields(const Notice::Recipient& recipient, What what) {
    std::string out = "\r\n";
    const std::string_view orcpt = recipient.orcpt;
    const std::size_t type = orcpt.find(';');
    if (type != orcpt.npos) {
        const std::string kind = plain(orcpt.substr(0, type));
        const bool utf8 = base::equal_ignoring_case(kind, "utf-8");
        out += field("Original-Recipient",
                     kind + "; " + (utf8 ? shown(orcpt.substr(type + 1)) : decoded(orcpt.substr(type + 1))));
    }
    out += field("Final-Recipient", (is_ascii(recipient.address) ? "rfc822; " : "utf-8; ") + shown(recipient.address));
    out += field("Action", words(what).action);
    out += field("Status", status_of(recipient, what));
    if (!recipient.server.empty()) out += field("Remote-MTA", "dns; " + host_of(recipient.server));
    if (!recipient.reply.empty())
        out += field("Diagnostic-Code",
                     (diagnose(recipient.reply).by_smtp ? "smtp; " : "x-onecopy; ") + plain(recipient.reply));
    if (recipient.last_attempt != base::WallTime{}) out += field("Last-Attempt-Date", date(recipient.last_attempt));
    return out;
}

std::string status_part(const Notice& notice) {
    std::string out = field("Reporting-MTA", "dns; " + plain(notice.hostname, 255));
    if (!notice.envid.empty()) out += field("Original-Envelope-Id", decoded(notice.envid));
    out += field("Arrival-Date", date(notice.arrived));
    for (const Notice::Recipient& recipient : notice.recipients) out += status_fields(recipient, notice.what);
    return out;
}

std::string text_part(const Notice& notice) {
    std::string out = words(notice.what).text;
    out.replace(out.find("%s"), 2, plain(notice.hostname, 255));
    out += "\r\n";
    if (notice.to != notice.sender) {
        out += "\r\nThe message is from <" + shown(notice.sender) + ">";
        out += notice.sender.empty() ? ", the sender of notices: nobody else can be told.\r\n" : ".\r\n";
    }
    if (notice.kept != 0) {
        const std::string group = std::to_string(notice.kept);
        out += "\r\nThe message is kept at " + plain(notice.hostname, 255) + " for " + base::to_text(notice.kept_for) +
               " (delivery.keep_failed):\r\n\r\n    onecopyctl show " + group + "\r\n    onecopyctl retry " + group + "\r\n";
    }
    for (const Notice::Recipient& recipient : notice.recipients) {
        out += "\r\n<" + shown(recipient.address) + ">\r\n";
        std::string said = recipient.expired ? "tried for too long; at last: " : "";
        if (!recipient.server.empty()) said += plain(recipient.server, 255) + " said: ";
        out += folded("    " + said + plain(recipient.reply), "    ") + "\r\n";
    }
    return out;
}

/// Whole fields, as many as may be.
std::string_view returned_header(std::string_view header) {
    if (header.size() <= most_returned_header) return header;
    std::size_t size = 0;
    const Header fields(header);
    for (const Field& field : fields.fields()) {
        if (size + field.raw.size() > most_returned_header) break;
        size += field.raw.size();
    }
    return header.substr(0, size);
}

/// A message is what it is made of, so none can hold the digest of itself.
std::string boundary(const Notice& notice, std::string_view header) {
    std::string seed(reinterpret_cast<const char*>(notice.content.data()), notice.content.size());
    seed.append(std::to_string(notice.number)).append(header);
    const Digest digest = message::digest(seed);
    return "=_" + base::hex({reinterpret_cast<const char*>(digest.data()), 20});
}

bool may_be_referred_to(std::string_view message_id) {
    return !message_id.empty() && message_id.size() <= 900 && std::ranges::all_of(message_id, is_printable);
}

std::string header_of(const Notice& notice, const std::string& message_id, const std::string& boundary, bool eight_bit) {
    std::string out = "Date: " + date(notice.now) + "\r\n";
    out += "From: Mail Delivery System <MAILER-DAEMON@" + plain(notice.hostname, 255) + ">\r\n";
    out += "To: <" + shown(notice.to) + ">\r\n";
    out += std::string("Subject: ") + words(notice.what).subject + "\r\n";
    out += "Message-ID: " + message_id + "\r\n";
    if (may_be_referred_to(notice.message_id))
        out += "In-Reply-To: " + notice.message_id + "\r\nReferences: " + notice.message_id + "\r\n";
    out += "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n";
    out += "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"" + boundary + "\"\r\n";
    if (eight_bit) out += eight_bit_field;
    return out;
}

/// One part's header; its text follows.
std::string begin_part(const std::string& boundary, const char* type, bool eight_bit) {
    std::string out = "\r\n--" + boundary + "\r\nContent-Type: " + type + "\r\n";
    if (eight_bit) out += eight_bit_field;
    return out + "\r\n";
}

std::string end_parts(const std::string& boundary) {
    return "\r\n--" + boundary + "--\r\n";
}

/// Of a header that was written here, whose last fields these are; empty: it was not.
std::string boundary_in(std::string_view header) {
    constexpr std::string_view before = "\tboundary=\"";
    const std::size_t at = header.rfind(before);
    if (at == header.npos) return {};
    header.remove_prefix(at + before.size());
    return std::string(header.substr(0, header.find('"')));
}

/// Where the parts behind the text begin, each with its boundary. No message, nor what a server says of it, can hold that.
struct Places {
    std::size_t status, returned;
};
Places places(std::string_view body, const std::string& boundary) {
    const std::string line = "\r\n--" + boundary + "\r\n";
    auto next = [&](std::size_t after) { return after == body.npos ? after : body.find(line, after + 1); };
    const std::size_t text = boundary.empty() ? body.npos : body.find(line), status = next(text);
    return {status, next(status)};
}

/// The part that returns the header of a message, in place of the part that returns all of it; empty: this one does not.
std::string header_alone(std::string_view part, const std::string& boundary) {
    const bool global = part.find("\r\nContent-Type: message/global\r\n") < part.find("\r\n\r\n");
    const bool all = global || part.find("\r\nContent-Type: message/rfc822\r\n") < part.find("\r\n\r\n");
    if (!all) return {};
    part.remove_prefix(part.find("\r\n\r\n") + 2);  // with a line's end in front, so that there may be no header at all
    const std::string_view header = returned_header(part.substr(2, part.find("\r\n\r\n")));
    return begin_part(boundary, global ? "message/global-headers" : "text/rfc822-headers", !is_ascii(header)).append(header);
}

}  // namespace

NoticeText write(const Notice& notice) {
    const std::string_view header = notice.whole ? std::string_view(notice.header) : returned_header(notice.header);
    const std::string boundary = message::boundary(notice, notice.header);
    const std::string text = text_part(notice), status = status_part(notice);
    // RFC 6533 3 to 5: types of their own where an address, or the header, is beyond ASCII.
    const bool global_status = !is_ascii(status);
    const bool global_header = !is_ascii(header) && base::first_not_utf8(header) == header.npos;
    const bool eight_bit_return = !is_ascii(header) || (notice.whole && notice.eight_bit);

    NoticeText out;
    out.message_id = "<" + std::to_string(notice.number) + "." + std::to_string(base::to_integer(notice.now)) + "@" +
                     plain(notice.hostname, 255) + ">";
    out.eight_bit = global_status || eight_bit_return || !is_ascii(text);
    out.header = header_of(notice, out.message_id, boundary, out.eight_bit);
    out.opening = "\r\nThis is a report in MIME format.\r\n";
    out.opening +=
        begin_part(boundary, is_ascii(text) ? "text/plain; charset=us-ascii" : "text/plain; charset=utf-8", !is_ascii(text));
    out.opening += text;
    out.opening +=
        begin_part(boundary, global_status ? "message/global-delivery-status" : "message/delivery-status", global_status);
    out.opening += status;
    const char* returned = notice.whole ? (global_header ? "message/global" : "message/rfc822")
                                        : (global_header ? "message/global-headers" : "text/rfc822-headers");
    out.opening += begin_part(boundary, returned, eight_bit_return);
    out.opening += header;
    out.closing = end_parts(boundary);
    return out;
}

std::size_t returned_at(std::string_view header, std::string_view body) {
    return places(body, boundary_in(header)).returned;
}

std::optional<NoticeText> shortened(std::string_view header, std::string_view body) {
    constexpr std::string_view why = "\r\nThis notice was refused with more of the message in it.\r\n";
    const std::string boundary = boundary_in(header);
    const auto [status, returned] = places(body, boundary);
    if (returned == body.npos) return std::nullopt;
    NoticeText out;
    out.opening = body.substr(0, status);
    if (!out.opening.ends_with(why)) out.opening += why;
    out.opening.append(body.substr(status, returned - status)).append(header_alone(body.substr(returned), boundary));
    out.closing = end_parts(boundary);
    out.eight_bit = !is_ascii(out.opening);
    out.header = header;
    if (!out.eight_bit && header.ends_with(eight_bit_field)) out.header.resize(header.size() - eight_bit_field.size());
    return out;
}

}  // namespace onecopy::message
