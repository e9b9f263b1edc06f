// A message's header and body: the scanner loses no byte, the identity does not depend on how the body comes, and what is
// forwarded shows no hidden recipient and is otherwise what came.

#include "message/header.h"

#include <algorithm>

#include "base/escape.h"
#include "input.h"
#include "message/encoded_words.h"
#include "message/identity.h"
#include "message/mailbox.h"
#include "message/names.h"
#include "message/trace.h"
#include "smtp/content.h"

using namespace onecopy;
using fuzz::must;

namespace {

const std::string hidden = "blind@x.example";

std::string canonical(std::string_view bytes) {
    smtp::DataDecoder decoder(smtp::DataDecoder::Framing::chunks);
    std::string text;
    decoder.feed(bytes, text);
    decoder.finish(text);
    if (!text.empty() && !text.ends_with("\r\n")) text += "\r\n";
    return text;
}

message::Identity identity_of(std::string_view header, std::string_view body, unsigned cuts) {
    message::IdentityBuilder builder;
    builder.header(header);
    for (std::string_view piece : fuzz::pieces(body, cuts)) builder.body(piece);
    return builder.finish();
}

/// As a word of its own: what is part of a longer address is another one.
bool holds_hidden(std::string_view raw) {
    const std::string text = base::lower(raw);
    auto ends_word = [](char c) { return std::string_view(" \t\r\n<>()[],;:\"").find(c) != std::string_view::npos; };
    for (std::size_t at = 0; (at = text.find(hidden, at)) != text.npos; ++at) {
        const std::size_t end = at + hidden.size();
        if (at > 0 && ends_word(text[at - 1]) && (end == text.size() || ends_word(text[end]))) return true;
    }
    return false;
}

/// The field as it was, or a Received field without a part of it.
bool is_left_of(const message::Field& was, const message::Field& is) {
    if (was.raw == is.raw) return true;
    if (!was.is("Received") || !is.is("Received")) return false;
    std::size_t at = 0;
    for (char c : was.raw) at += at < is.raw.size() && is.raw[at] == c ? 1 : 0;
    return at == is.raw.size();
}

void check_forwarded(const std::string& header) {
    const std::vector<message::Addresses> recipients{{hidden}};
    const std::string forwarded = message::without_private(header, recipients);
    must(message::without_private(forwarded, recipients) == forwarded, "what is clean stays as it is");
    if (!message::within_limits(header)) return must(forwarded == header, "beyond the limits all stays");
    const message::Header before(header), after(forwarded);
    must(after.fields().size() <= before.fields().size(), "nothing is added");
    bool shown = false;
    for (const message::Field& field : before.fields()) {
        const bool addressees = field.is("To") || field.is("Cc");
        shown = shown || (addressees && base::lower(message::unfold(field.value)).find("blind") != std::string::npos);
    }
    std::size_t at = 0;
    for (const message::Field& field : after.fields()) {
        while (at < before.fields().size() && !is_left_of(before.fields()[at], field)) ++at;
        must(at++ < before.fields().size(), "fields keep their order and bytes; of Received a part may go");
        if (!shown && field.is("X-Filter")) must(!holds_hidden(field.raw), "no hidden recipient");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const unsigned cuts = input.byte();
    const std::string text = canonical(input.rest());
    const std::size_t blank = text.starts_with("\r\n") ? 0 : std::min(text.find("\r\n\r\n") + 2, text.size());
    const std::string header = text.substr(0, blank);
    const std::string_view body = std::string_view(text).substr(blank);

    std::string joined;
    const message::Header scanned(header);
    for (const message::Field& field : scanned.fields()) {
        joined += field.raw;
        message::decode_words(message::unfold(field.value));
    }
    must(joined == header, "the scanner loses no byte");

    const message::Identity whole = identity_of(header, body, 0), cut = identity_of(header, body, cuts);
    must(whole.message_id == cut.message_id && whole.content == cut.content && whole.has_date == cut.has_date,
         "the identity does not depend on cuts");
    must(whole.message_id.empty() || (whole.message_id.front() == '<' && whole.message_id.back() == '>'),
         "an id has its brackets");
    must(whole.message_id == message::message_id(header), "one reading of the Message-ID");
    const message::Identity longer = identity_of(header, std::string(body) + "\r\n\r\n", 0);
    must(longer.content == whole.content, "empty lines at the end are no content");

    message::exposure(header);
    message::hops(header);
    message::passed_through(header, "proxy.example");
    for (const std::string& address : message::addresses_in(header)) message::normal_form(address, true);
    check_forwarded(header);
    return 0;
}
