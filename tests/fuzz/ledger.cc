// What happens to a spool, of what the bytes decide: mail, verdicts, the disk's faults, crashes, clocks, commands. Whatever
// comes, in whatever order: what was promised is delivered or told of, and twice only where that can be explained.

#include <string_view>
#include <vector>

#include "../stateful/world.h"
#include "input.h"

using namespace onecopy;

namespace {

/// The world is gone when it is known, with its directory: a finding leaves nothing behind.
std::vector<std::string> wrongs_in(std::string_view bytes) {
    stateful::World world(stateful::Chance(bytes), true);
    const std::vector<std::string> wrongs = world.live();
    for (std::size_t i = 0; !wrongs.empty() && i < world.trace().size(); ++i)
        std::fprintf(stderr, "%s\n", world.trace()[i].c_str());
    return wrongs;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    for (const std::string& wrong : wrongs_in({reinterpret_cast<const char*>(bytes), size}))
        fuzz::must(false, wrong.c_str());
    return 0;
}
