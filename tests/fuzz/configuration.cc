// A configuration file: every fault is one printable line with its place, and what is taken is shown as YAML that says the
// same.

#include <algorithm>

#include "config/config.h"
#include "input.h"

using namespace onecopy;
using fuzz::must;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(bytes), size);
    const config::Reading reading = config::read(text);
    for (const config::Problem& problem : reading.problems) {
        const std::string line = config::message("file", problem);
        must(!problem.what.empty() && line.size() < 4000, "a fault is told, in bounds");
        must(std::ranges::none_of(line, [](unsigned char c) { return c < ' ' || c == 0x7f; }), "on one line");
        must(problem.line >= 0 && problem.column >= 0, "a place is a place");
    }
    if (!reading.problems.empty()) return 0;
    const std::string shown = config::show(reading.config);
    const config::Reading again = config::read(shown);
    must(again.problems.empty(), "what is shown can be read");
    must(config::show(again.config) == shown, "and says the same");
    return 0;
}
