// stateful [--base N] [--seeds N | --seconds N]   that many lives from seed N on; the first that goes wrong is told
// stateful --seed N                               one life, step by step

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "world.h"

namespace {

using namespace onecopy::stateful;
using Clock = std::chrono::steady_clock;

/// Status 1: something is wrong in the life of this seed.
int live(std::uint64_t seed, bool traced, unsigned& crashes) {
    World world(Chance(seed), traced);
    const std::vector<std::string> wrongs = world.live();
    crashes += world.crashes();
    for (const std::string& line : world.trace()) std::printf("%s\n", line.c_str());
    for (const std::string& wrong : wrongs)
        std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), wrong.c_str());
    return wrongs.empty() ? 0 : 1;
}

int usage() {
    std::fputs("usage: stateful [--base N] [--seeds N | --seconds N] | --seed N\n", stderr);
    return 2;
}

}  // namespace

int main(int count, char** values) {
    std::uint64_t base = 1, seeds = 300;
    double seconds = 0;
    unsigned crashes = 0;
    for (int i = 1; i + 1 < count; i += 2) {
        const std::string option = values[i];
        const std::uint64_t number = std::strtoull(values[i + 1], nullptr, 10);
        if (option == "--seed") return live(number, true, crashes);
        if (option == "--base") {
            base = number;
        } else if (option == "--seeds") {
            seeds = number;
        } else if (option == "--seconds") {
            seconds = static_cast<double>(number);
        } else {
            return usage();
        }
    }
    if (count % 2 == 0) return usage();
    const Clock::time_point began = Clock::now();
    const auto lived = [&] { return std::chrono::duration<double>(Clock::now() - began).count(); };
    std::uint64_t lives = 0;
    int wrong = 0;
    for (; wrong == 0 && (seconds > 0 ? lived() < seconds : lives < seeds); ++lives)
        wrong = live(base + lives, false, crashes);
    std::printf("%llu runs in %.1f s, %u ends; %d bad\n", static_cast<unsigned long long>(lives), lived(), crashes, wrong);
    return wrong;
}
