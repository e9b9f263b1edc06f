#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "message/identity.h"
#include "relay/assembly.h"
#include "smtp/content.h"

/// What a mailbox on disk tells of split copies (onecopyctl analyze).
namespace onecopy::analysis {

/// Kinds of header fields, in the order of a Sample's: what copies of one message may differ in, then what is content, by
/// which they would be messages of their own.
constexpr std::array<std::string_view, 12> field_kinds = {
    "Received",     "recipient fields", "filter fields", "mailbox fields",
    "other fields", "Subject",          "From/Sender",   "To/Cc",
    "Date",         "list fields",      "MIME fields",   "other content fields"};
constexpr std::size_t first_content_kind = 5;

/// Fields in which a host may name the recipient whose copy it is: what `recipients.recover_from` may say.
constexpr std::array<std::string_view, 8> recipient_fields = {"Delivered-To",         "X-Original-To",     "Envelope-To",
                                                              "X-Envelope-To",        "X-Delivered-To",    "X-Rcpt-To",
                                                              "X-Envelope-Recipient", "Original-Recipient"};

/// What is kept of one message, some 250 bytes.
struct Sample {
    enum class Id : std::uint8_t { one, none, malformed, several };
    enum class Clock : std::uint8_t { received, delivery_date, from_line, file };

    message::Identity identity;  // a Message-ID of more than 120 bytes is cut, and told from others by its digest
    Id id = Id::none;
    Clock clock = Clock::file;
    bool alone = false;        // can't be compared: its header is too large
    std::uint8_t blind = 0;    // a bit for each of recipient_fields: it names one who is in no To or Cc
    std::uint64_t sender = 0;  // equal for equal senders
    base::WallTime arrival{};
    std::array<std::uint32_t, field_kinds.size()> fields{};           // equal where all fields of the kind are
    std::array<std::uint32_t, recipient_fields.size()> recipients{};  // equal for equal recipients; 0: none is named
    std::uint32_t source = 0;                                         // where it was found: Analysis::add_source()
    std::uint32_t number = 0;                                         // which one there, from 1
};

/// Reads messages, one after the other, each as the daemon would if it came by SMTP. Bytes as they are on disk, with any
/// line ends, in pieces of any size; of a body nothing is kept.
class SampleReader {
public:
    void add(std::string_view bytes);
    /// The message is over. `stored`: when it came by what the mailbox says, where its header does not. Nothing where it
    /// is empty but for a line end or two.
    std::optional<Sample> finish(base::WallTime stored, Sample::Clock clock);

private:
    smtp::DataDecoder decoder_{smtp::DataDecoder::Framing::chunks};
    relay::Assembly assembly_;
    std::string text_;
};

/// Whether a file that begins so is a message: some field that mail has is in its header.
bool begins_as_message(std::string_view bytes);

}  // namespace onecopy::analysis
