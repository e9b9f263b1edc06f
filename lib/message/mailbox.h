#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace onecopy::message {

/// An address as it came (RFC 5321 4.1.2 Mailbox, without `<>` and source route): `user@x.example`, `"a b"@[192.0.2.1]`
/// or, for `postmaster` alone, a local-part without domain. Quotes and case are kept.
struct Mailbox {
    std::string local_part;
    std::string domain;  // empty: none was given

    std::string text() const;
};

/// Reads what stands between `<` and `>`. A source route (RFC 5321 appendix C) is dropped. Nothing where the syntax
/// is wrong, or a byte is a control; a bare local-part is taken for `postmaster` (any case) alone.
/// 8-bit bytes are taken (SMTPUTF8 is decided by the caller) where they are valid UTF-8.
std::optional<Mailbox> parse_mailbox(std::string_view text);

/// Who sent, from what stands between `<` and `>` of MAIL: a mailbox as text. What is none is taken as it is, since a
/// fetcher can ask nobody for a better one, and its mail is there already; but only ASCII, as long as a mailbox may be, that
/// can't end the command in which it is passed on: no control, blank, `<` or `>`. Nothing otherwise.
std::optional<std::string> parse_sender(std::string_view text);

/// What two addresses have in common when they are one recipient: domain lower-cased, as A-label, without trailing
/// dot; quotes dropped where a dot-atom would do; the local-part lower-cased where `fold_case`. Text that is no
/// mailbox is its own normal form.
std::string normal_form(std::string_view address, bool fold_case);

/// Lower-cased, as A-label (IDNA 2008, libidn2), without trailing dot; unchanged but for case where it is no name.
std::string normal_domain(std::string_view domain);

/// As normal_domain(), but its A-labels as U-labels: the other way in which a text may spell it.
std::string unicode_domain(std::string_view domain);

/// What a local-part says: quotes and quoted pairs undone.
std::string unquoted(std::string_view local_part);

/// The part behind the last `@` outside quotes; empty where there is none.
std::string_view domain_of(std::string_view address);

}  // namespace onecopy::message
