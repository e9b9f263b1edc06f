#include "message/names.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/escape.h"

namespace onecopy::message {

namespace {

// Both tables are sorted: they are searched by halves, once or twice for each field of each copy.
constexpr std::array content{
    std::string_view("auto-submitted"),
    std::string_view("autocrypt"),
    std::string_view("cc"),
    std::string_view("comments"),
    std::string_view("date"),
    std::string_view("disposition-notification-to"),
    std::string_view("feedback-id"),
    std::string_view("from"),
    std::string_view("importance"),
    std::string_view("in-reply-to"),
    std::string_view("keywords"),
    std::string_view("mime-version"),
    std::string_view("precedence"),
    std::string_view("priority"),
    std::string_view("references"),
    std::string_view("reply-to"),
    std::string_view("return-receipt-to"),
    std::string_view("sender"),
    std::string_view("subject"),
    std::string_view("to"),
    std::string_view("x-mailer-recptid"),
    std::string_view("x-priority"),
};

// Who adds them stands behind: mailbox names of a provider's delivery, mostly.
constexpr std::array private_names{
    std::string_view("apparently-to"),  // sendmail before 8.7
    std::string_view("bcc"),
    std::string_view("delivered-to"),   // qmail, Postfix, Courier, Dovecot, Gmail, getmail
    std::string_view("delivery-date"),  // Exim
    std::string_view("envelope-to"),    // Exim
    std::string_view("original-rcpt-to"),
    std::string_view("original-recipient"),  // Oracle, iCloud, RFC 8098
    std::string_view("resent-bcc"),
    std::string_view("return-path"),  // VERP tells the recipient
    std::string_view("x-actual-recipient"),
    std::string_view("x-apparently-to"),  // Yahoo
    std::string_view("x-attached"),       // Fastmail
    std::string_view("x-bcc"),
    std::string_view("x-delivered-to"),  // Fastmail
    std::string_view("x-dti-recipient"),
    std::string_view("x-envelope-recipient"),
    std::string_view("x-envelope-to"),  // MDaemon, IceWarp, Kerio, many providers
    std::string_view("x-envelope-to-blocked"),
    std::string_view("x-forwarded-for"),  // Gmail
    std::string_view("x-forwarded-to"),
    std::string_view("x-hmxmroriginalrecipient"),  // Hotmail
    std::string_view("x-mail-from"),               // Fastmail
    std::string_view("x-mdaemon-deliver-to"),
    std::string_view("x-mdrcpt-to"),          // MDaemon
    std::string_view("x-mru-recipient-uid"),  // mail.ru
    std::string_view("x-orcpt-to"),
    std::string_view("x-original-to"),  // Postfix, Dovecot
    std::string_view("x-rcpt-to"),      // SmarterMail, MailEnable
    std::string_view("x-receiver"),     // Microsoft's pickup and drop folders
    std::string_view("x-resolved-to"),  // Fastmail
    std::string_view("x-smtp-rcpt"),
    std::string_view("x-vpop3-origrcpt"),
    std::string_view("x-vpop3-rcpttype"),
    std::string_view("x-wum-to"),  // web.de
    std::string_view("x-zone-forwarded-for"),
    std::string_view("x-zone-forwarded-to"),
};

static_assert(std::is_sorted(content.begin(), content.end()));
static_assert(std::is_sorted(private_names.begin(), private_names.end()));

template <typename Table>
bool is_in(const Table& table, std::string_view lower_name) {
    return std::binary_search(table.begin(), table.end(), lower_name);
}

}  // namespace

bool is_content(std::string_view field_name) {
    const auto name = base::lower(field_name.substr(0, 32));  // enough to tell
    if (name.starts_with("resent-")) return name != "resent-bcc";
    if (name.starts_with("content-")) return name != "content-length";
    return name.starts_with("list-") || is_in(content, name);
}

bool always_goes(std::string_view field_name) {
    return is_in(private_names, base::lower(field_name.substr(0, 32)));
}

}  // namespace onecopy::message
