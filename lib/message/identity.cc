#include "message/identity.h"

#include <vector>

#include "base/escape.h"
#include "message/digest.h"
#include "message/header.h"
#include "message/message_id.h"
#include "message/names.h"
#include "message/tokens.h"

namespace onecopy::message {

namespace {

// Lengths in front, so that no text can be taken for another one's parts.
void append_counted(std::string& out, std::string_view text) {
    for (unsigned shift = 0; shift < 32; shift += 8) out += static_cast<char>(text.size() >> shift & 0xff);
    out += text;
}

// Holds the line ends that may turn out to be the body's last.
class BodyDigest {
public:
    void feed(Sha256& digest, std::string_view piece) {
        const auto last = piece.find_last_not_of("\r\n");
        const auto text_end = last == piece.npos ? 0 : last + 1;
        for (std::size_t at = 0; at < piece.size();) {
            if (after_cr_ && piece[at] != '\n') release(digest);
            if (after_cr_ || piece[at] == '\r') {
                hold(piece[at++]);
                continue;
            }
            release(digest);
            const auto end = at < text_end ? text_end : at + 1;
            digest.add(piece.substr(at, end - at));
            at = end;
        }
    }

    // A CR that no LF followed ends no line.
    void finish(Sha256& digest) {
        if (after_cr_) release(digest);
    }

private:
    void hold(char c) {
        after_cr_ = c == '\r';
        if (c == '\n') ++line_ends_;
    }

    void release(Sha256& digest) {
        for (; line_ends_ >= 16; line_ends_ -= 16) digest.add(sixteen_line_ends);
        digest.add(sixteen_line_ends.substr(0, 2 * line_ends_));
        if (after_cr_) digest.add("\r");
        line_ends_ = 0;
        after_cr_ = false;
    }

    static constexpr std::string_view sixteen_line_ends = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
    std::size_t line_ends_ = 0;
    bool after_cr_ = false;
};

// What an identity is read from, and nothing else: so a trace field more or less changes nothing.
std::vector<Field> identifying_fields(const Header& header) {
    std::vector<Field> fields;
    for (const auto& field : header.fields()) {
        if (is_content(field.name) || field.is("Message-ID")) fields.push_back(field);
    }
    return fields;
}

// Lines that are no field: to others the header ends there, and they are body. Not the `From ` line of an mbox on top, which
// tells of one copy alone.
void append_other_lines(std::string& content, const Header& header) {
    for (const auto& field : header.fields()) {
        const bool mbox =
            &field == &header.fields().front() && (field.raw.starts_with("From ") || field.raw.starts_with(">From "));
        if (!field.name.empty() || mbox) continue;
        append_counted(content, " ");  // no field has this name
        append_counted(content, field.raw);
    }
}

}  // namespace

struct IdentityBuilder::State {
    Sha256 digest;
    BodyDigest body;
    Identity identity;
};

IdentityBuilder::IdentityBuilder() : state_(std::make_unique<State>()) {}
IdentityBuilder::~IdentityBuilder() = default;
IdentityBuilder::IdentityBuilder(IdentityBuilder&&) noexcept = default;
IdentityBuilder& IdentityBuilder::operator=(IdentityBuilder&&) noexcept = default;

void IdentityBuilder::header(std::string_view block) {
    const Header header(block);
    const auto fields = identifying_fields(header);
    const auto values = field_values(fields);
    std::string content;
    std::size_t ids = 0;
    for (std::size_t at = 0; at < fields.size(); ++at) {
        const auto& field = fields[at];
        if (field.is("Message-ID")) {
            state_->identity.message_id = ids++ == 0 ? parse_message_id(values[at]) : std::string();
            continue;
        }
        const auto value = unfold(values[at]);
        if (field.is("Date") && !value.empty()) state_->identity.has_date = true;
        if (field.is("Subject")) state_->identity.subject = value.substr(0, most_subject);
        append_counted(content, base::lower(field.name));
        append_counted(content, value);
    }
    append_other_lines(content, header);
    append_counted(content, {});  // no field has an empty name: the body follows
    state_->digest.add(content);
}

void IdentityBuilder::body(std::string_view piece) {
    state_->body.feed(state_->digest, piece);
}

Identity IdentityBuilder::finish() {
    state_->body.finish(state_->digest);
    state_->identity.content = state_->digest.finish();
    return std::move(state_->identity);
}

Identity sent_with(const MailOptions& options, Identity identity) {
    if (options == MailOptions{}) return identity;
    Sha256 digest;
    digest.add("\xff\xff\xff\xff");  // the length of no name: no message begins so
    digest.add({reinterpret_cast<const char*>(identity.content.data()), identity.content.size()});
    const char parts[] = {static_cast<char>(options.smtputf8), static_cast<char>(options.ret)};
    digest.add({parts, sizeof parts});
    digest.add(options.envid);
    identity.content = digest.finish();
    return identity;
}

std::string message_id(std::string_view header_block) {
    const Header header(header_block);
    std::vector<Field> ids;
    for (const auto& field : header.fields()) {
        if (field.is("Message-ID")) ids.push_back(field);
    }
    return ids.size() == 1 ? parse_message_id(field_values(ids).front()) : std::string();
}

}  // namespace onecopy::message
