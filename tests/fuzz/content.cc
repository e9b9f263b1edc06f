// Dots and chunks: what is encoded decodes to itself, and what is decoded is canonical and does not depend on cuts.

#include "smtp/content.h"

#include "input.h"

using namespace onecopy;
using namespace onecopy::smtp;
using fuzz::must;

namespace {

struct Decoded {
    std::string text;
    std::size_t left = 0;
    bool ended = false, bare = false;
    bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view bytes, DataDecoder::Framing framing, unsigned cuts) {
    DataDecoder decoder(framing);
    Decoded decoded;
    decoded.left = bytes.size();
    for (std::string_view piece : fuzz::pieces(bytes, cuts)) {
        std::string_view rest = piece;
        std::string out;
        decoded.ended = decoder.feed(rest, out);
        must(out.size() <= 2 * piece.size() + 2, "what comes out is bounded by what goes in");
        decoded.text += out;
        decoded.left -= piece.size() - rest.size();
        if (decoded.ended) break;
        must(rest.empty(), "all is taken before the end");
    }
    if (framing == DataDecoder::Framing::chunks) decoder.finish(decoded.text);
    decoded.bare = decoder.saw_bare();
    return decoded;
}

/// At the end of data that was cut off a CR may stand that is no line end yet.
void check_canonical(const Decoded& decoded) {
    const std::string& text = decoded.text;
    for (std::size_t i = 0; i < text.size(); ++i) {
        must(text[i] != '\n' || (i > 0 && text[i - 1] == '\r'), "no bare LF");
        must(text[i] != '\r' || i + 1 == text.size() || text[i + 1] == '\n', "no bare CR");
    }
}

std::string encode(std::string_view text, unsigned cuts) {
    DataEncoder encoder;
    std::string wire;
    for (std::string_view piece : fuzz::pieces(text, cuts)) encoder.feed(piece, wire);
    encoder.finish(wire);
    return wire;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const unsigned cuts = input.byte();
    for (DataDecoder::Framing framing : {DataDecoder::Framing::dots, DataDecoder::Framing::chunks}) {
        const Decoded whole = decode(input.rest(), framing, 0);
        must(whole == decode(input.rest(), framing, cuts), "no cut changes anything");
        check_canonical(whole);
        if (whole.ended) must(whole.text.empty() || whole.text.ends_with("\r\n"), "data ends with a line");
    }
    std::string text = decode(input.rest(), DataDecoder::Framing::chunks, 0).text;
    const std::string wire = encode(text, cuts);
    must(wire == encode(text, 0), "the encoder does not mind cuts");
    must(wire.ends_with("\r\n.\r\n") || wire == ".\r\n", "the final dot stands on its line");
    if (!text.empty() && !text.ends_with("\r\n")) text += "\r\n";
    const Decoded back = decode(wire + "QUIT\r\n", DataDecoder::Framing::dots, cuts);
    must(back.ended && back.left == 6 && !back.bare, "the end is found, and only the end");
    must(back.text == text, "what was encoded decodes to itself");
    return 0;
}
