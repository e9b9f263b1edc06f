// An mbox: no cut changes its messages, and each byte is in one of them, or stray, or of a `From ` line, or a quote.

#include <algorithm>
#include <string>
#include <vector>

#include "input.h"
#include "message/date.h"
#include "message/mbox_reader.h"

using namespace onecopy;
using fuzz::must;

namespace {

class Collector : public message::MboxReader::Handler {
public:
    void message_begins(base::WallTime delivered) override {
        must(!open_, "one message at a time");
        open_ = true;
        messages.push_back(message::date(delivered) + "\n");
    }
    void message_text(std::string_view piece) override {
        must(open_ && !piece.empty(), "text stands in a message");
        messages.back() += piece;
        text += piece.size();
    }
    void message_ends() override {
        must(open_, "what ends has begun");
        open_ = false;
    }
    bool open() const { return open_; }

    std::vector<std::string> messages;
    std::size_t text = 0;

private:
    bool open_ = false;
};

struct Read {
    std::vector<std::string> messages;
    std::size_t text = 0, stray = 0;
    bool operator==(const Read&) const = default;
};

Read read(std::string_view bytes, unsigned cuts) {
    Collector collector;
    message::MboxReader reader(collector);
    for (std::string_view piece : fuzz::pieces(bytes, cuts)) reader.feed(piece);
    reader.finish();
    must(!collector.open(), "every message ends");
    return {collector.messages, collector.text, reader.stray()};
}

/// Bytes that are no text: whole `From ` lines, and the first byte of quoted ones.
std::size_t marks_in(std::string_view bytes) {
    std::size_t marks = 0;
    while (!bytes.empty()) {
        const std::string_view line = bytes.substr(0, std::min(bytes.find('\n'), bytes.size() - 1) + 1);
        const std::size_t quotes = std::min(line.find_first_not_of('>'), line.size());
        if (quotes > 0 && quotes <= 16 && line.substr(quotes).starts_with("From ")) ++marks;
        if (quotes == 0 && line.size() < 1024 && message::parse_from_line(line)) marks += line.size();
        bytes.remove_prefix(line.size());
    }
    return marks;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const unsigned cuts = input.byte();
    const Read whole = read(input.rest(), 0);
    must(whole == read(input.rest(), cuts), "no cut changes anything");
    must(whole.text + whole.stray + marks_in(input.rest()) == input.rest().size(), "no byte is lost");
    return 0;
}
