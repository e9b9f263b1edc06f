// The header of the PROXY protocol: taken to the byte, whichever way it is cut.

#include "net/proxy_header.h"

#include "input.h"

using namespace onecopy;
using fuzz::must;
using Result = net::ProxyHeader::Result;

namespace {

struct Reading {
    Result result = Result::more;
    std::size_t taken = 0;
    std::string source;
    bool operator==(const Reading&) const = default;
};

Reading read(std::string_view text, unsigned cuts) {
    net::ProxyHeader header;
    Reading reading;
    for (std::string_view piece : fuzz::pieces(text, cuts)) {
        std::string_view rest = piece;
        reading.result = header.feed(rest);
        reading.taken += piece.size() - rest.size();
        if (reading.result != Result::more) break;
        must(rest.empty(), "a header that wants more has taken all");
        must(reading.taken <= net::ProxyHeader::most_bytes, "a header is bounded");
    }
    if (reading.result == Result::complete && header.source()) reading.source = net::address_text(header.source()->get());
    return reading;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const unsigned cuts = input.byte();
    const Reading whole = read(input.rest(), 0), cut = read(input.rest(), cuts);
    must(whole.result == cut.result, "no cut changes what it is");
    if (whole.result == Result::complete) must(whole == cut, "nor who it names, nor where it ends");
    return 0;
}
