#include "sample.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "base/escape.h"
#include "message/date.h"
#include "message/digest.h"
#include "message/header.h"
#include "message/mailbox.h"
#include "message/names.h"

namespace onecopy::analysis {
namespace {

using message::Field;
using message::Header;

constexpr std::size_t most_id = 120;

/// FNV-1a: what is equal has to look equal, and what is not may look so once in a long time.
class Mixer {
public:
    void add(std::string_view text) {
        for (unsigned char byte : text) state_ = (state_ ^ byte) * 0x100000001b3;
        state_ = (state_ ^ 0x100) * 0x100000001b3;  // no text ends so
    }
    std::uint32_t result() const { return static_cast<std::uint32_t>(state_ ^ state_ >> 32); }

private:
    std::uint64_t state_ = 0xcbf29ce484222325;
};

std::uint32_t mixed(std::string_view text) {
    Mixer mixer;
    mixer.add(text);
    return std::max(mixer.result(), 1U);
}

std::uint64_t fingerprint(std::string_view text) {
    const message::Digest digest = message::digest(text);
    std::uint64_t front;
    std::memcpy(&front, digest.data(), sizeof front);
    return front;
}

/// What names of fields begin with, and the place of their kind.
struct Prefix {
    std::string_view text;
    std::size_t kind;
};
constexpr Prefix trace_prefixes[] = {
    {"arc-", 2},           {"authentication-results", 2},
    {"content-length", 3}, {"dkim-", 2},
    {"domainkey-", 2},     {"lines", 3},
    {"received-spf", 2},   {"status", 3},
    {"x-amavis", 2},       {"x-keywords", 3},
    {"x-imap", 3},         {"x-mozilla", 3},
    {"x-rspamd", 2},       {"x-spam", 2},
    {"x-status", 3},       {"x-uid", 3},
    {"x-virus", 2},        {"x-scanned", 2},
};
constexpr Prefix content_prefixes[] = {
    {"subject", 5}, {"from", 6},       {"sender", 6},    {"reply-to", 6},      {"to", 7}, {"cc", 7}, {"date", 8},
    {"list-", 9},   {"precedence", 9}, {"content-", 10}, {"mime-version", 10},
};

template <typename Table>
std::size_t kind_by(const Table& table, std::string_view name, std::size_t otherwise) {
    const auto* found = std::ranges::find_if(table, [&](const Prefix& each) { return name.starts_with(each.text); });
    return found == std::end(table) ? otherwise : found->kind;
}

/// Its place in field_kinds.
std::size_t kind_of(const Field& field) {
    const std::string name = base::lower(field.name.substr(0, 32));
    if (message::is_content(name)) return kind_by(content_prefixes, name, 11);
    if (name == "received") return 0;
    return message::always_goes(name) ? 1 : kind_by(trace_prefixes, name, 4);
}

void mix_fields(const Header& header, Sample& sample) {
    std::array<Mixer, field_kinds.size()> mixers;
    for (const Field& field : header.fields()) {
        if (field.is("Message-ID")) continue;
        Mixer& mixer = mixers[kind_of(field)];
        mixer.add(base::lower(field.name));
        mixer.add(message::unfold(field.name.empty() ? field.raw : field.value));
    }
    std::ranges::transform(mixers, sample.fields.begin(), [](const Mixer& mixer) { return mixer.result(); });
}

using Addresses = std::set<std::string, std::less<>>;

Addresses named_in_to_or_cc(const Header& header) {
    Addresses named;
    for (const Field& field : header.fields()) {
        if (!field.is("To") && !field.is("Cc")) continue;
        for (const std::string& address : message::addresses_in(field.value))
            named.insert(message::normal_form(address, true));
    }
    return named;
}

/// The topmost instance of each: the one that the last host put in.
void find_recipients(const Header& header, Sample& sample) {
    std::optional<Addresses> named;
    for (std::size_t i = 0; i < recipient_fields.size(); ++i) {
        const Field* field = header.find(recipient_fields[i]);
        if (!field) continue;
        const auto addresses = message::addresses_in(field->value);
        if (addresses.empty()) continue;
        const std::string address = message::normal_form(addresses.front(), true);
        if (!named) named = named_in_to_or_cc(header);
        sample.recipients[i] = mixed(address);
        if (!named->contains(address)) sample.blind |= static_cast<std::uint8_t>(1U << i);
    }
}

/// The reverse-path by the host that delivered it.
std::string return_path(std::string_view value) {
    const std::string text = message::unfold(value);
    const std::size_t open = text.find('<'), close = text.rfind('>');
    const bool bracketed = open != text.npos && close != text.npos && open < close;
    const std::string path = bracketed ? text.substr(open + 1, close - open - 1) : text;
    const auto mailbox = message::parse_mailbox(path);
    return mailbox ? mailbox->text() : path;
}

/// Whom a fetcher names as the sender: the author where the host did not say.
std::string sender_of(const Header& header) {
    if (const Field* field = header.find("Return-Path")) return return_path(field->value);
    for (const char* name : {"Sender", "From"}) {
        const Field* field = header.find(name);
        if (!field) continue;
        if (const auto addresses = message::addresses_in(field->value); !addresses.empty()) return addresses.front();
    }
    return {};
}

/// What stands behind the last `;` of a Received field that is in no comment (RFC 5321 4.4).
std::string date_part(std::string_view received) {
    std::size_t depth = 0, start = received.size();
    for (std::size_t at = 0; at < received.size(); ++at) {
        if (received[at] == '(') ++depth;
        if (received[at] == ')' && depth > 0) --depth;
        if (received[at] == ';' && depth == 0) start = at + 1;
    }
    return std::string(received.substr(start));
}

void find_arrival(const Header& header, Sample& sample) {
    const Field* received = header.find("Received");
    if (const auto time = received ? message::parse_date(date_part(received->value)) : std::nullopt) {
        sample.arrival = *time;
        sample.clock = Sample::Clock::received;
        return;
    }
    const Field* delivered = header.find("Delivery-date");
    if (const auto time = delivered ? message::parse_date(delivered->value) : std::nullopt) {
        sample.arrival = *time;
        sample.clock = Sample::Clock::delivery_date;
    }
}

std::string bounded(std::string id) {
    if (id.size() <= most_id) return id;
    const message::Digest digest = message::digest(id);
    const std::string_view bytes(reinterpret_cast<const char*>(digest.data()), 16);
    return id.substr(0, most_id - 36) + "... " + base::hex(bytes);
}

Sample::Id id_of(const message::Identity& identity, const Header& header) {
    if (!identity.message_id.empty()) return Sample::Id::one;
    const std::size_t count = header.count("Message-ID");
    return count == 0 ? Sample::Id::none : count == 1 ? Sample::Id::malformed : Sample::Id::several;
}

}  // namespace

void SampleReader::add(std::string_view bytes) {
    text_.clear();
    decoder_.feed(bytes, text_);
    assembly_.add(text_);
    while (!assembly_.take_piece(1).empty()) continue;
}

std::optional<Sample> SampleReader::finish(base::WallTime stored, Sample::Clock clock) {
    text_.clear();
    decoder_.finish(text_);
    assembly_.add(text_);
    assembly_.finish();
    decoder_ = smtp::DataDecoder(smtp::DataDecoder::Framing::chunks);
    relay::Assembly assembly = std::exchange(assembly_, {});
    const std::string block = assembly.take_header();
    if (assembly.size() <= std::string_view("\r\n\r\n").size()) return std::nullopt;  // no field is so short

    const Header header(block);
    Sample sample;
    sample.arrival = stored;
    sample.clock = clock;
    sample.alone = assembly.untouched();
    sample.id = id_of(assembly.identity(), header);
    sample.identity = std::move(assembly.identity());
    sample.identity.subject = {};  // nobody reads it here, and it would double what is kept
    sample.identity.message_id = bounded(std::move(sample.identity.message_id));
    sample.sender = fingerprint(message::normal_form(sender_of(header), false));
    mix_fields(header, sample);
    find_recipients(header, sample);
    find_arrival(header, sample);
    return sample;
}

bool begins_as_message(std::string_view bytes) {
    smtp::DataDecoder decoder(smtp::DataDecoder::Framing::chunks);
    std::string text;
    decoder.feed(bytes, text);
    const Header header(std::string_view(text).substr(0, text.find("\r\n\r\n")));
    static constexpr std::string_view usual[] = {"Received", "From", "Date", "Message-ID", "Return-Path", "Delivered-To"};
    return !header.fields().empty() && !header.fields().front().name.empty() &&
           std::ranges::any_of(usual, [&](std::string_view name) { return header.find(name) != nullptr; });
}

}  // namespace onecopy::analysis
