// simulation [--seed N] [--seeds COUNT] [--seconds N] [--trace] [--twice]
//
// Runs seeds from N on until COUNT of them were run, or the time is over. Status 1 where a promise was broken.

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "run.h"

namespace {

double real_seconds() {
    timespec time{};
    ::syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

struct Options {
    std::uint64_t seed = 1, seeds = ~std::uint64_t{0};
    double seconds = 0;
    bool trace = false, twice = false;
};

Options parse(int count, char** words) {
    Options options;
    for (int i = 1; i < count; ++i) {
        const std::string word = words[i];
        const char* value = i + 1 < count ? words[i + 1] : "";
        if (word == "--trace") {
            options.trace = true;
        } else if (word == "--twice") {
            options.twice = true;
        } else if (word == "--seed") {
            options.seed = std::strtoull(value, nullptr, 10), ++i;
        } else if (word == "--seeds") {
            options.seeds = std::strtoull(value, nullptr, 10), ++i;
        } else if (word == "--seconds") {
            options.seconds = std::strtod(value, nullptr), ++i;
        } else {
            std::fprintf(stderr, "usage: simulation [--seed N] [--seeds COUNT] [--seconds N] [--trace] [--twice]\n");
            std::exit(2);
        }
    }
    if (options.seconds == 0 && options.seeds == ~std::uint64_t{0}) options.seeds = 1;
    return options;
}

}  // namespace

int main(int count, char** words) {
    const Options options = parse(count, words);
    const double begin = real_seconds();
    simulation::Result sum;
    std::uint64_t runs = 0, bad = 0;
    for (; runs < options.seeds && (options.seconds == 0 || real_seconds() - begin < options.seconds); ++runs) {
        const std::uint64_t seed = options.seed + runs;
        const simulation::Result result = simulation::run(seed, options.trace);
        for (const std::string& problem : result.problems)
            std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), problem.c_str());
        bool differs = false;
        if (options.twice && simulation::run(seed, false).fingerprint != result.fingerprint) {
            differs = true;
            std::printf("seed %llu: the second run was another one\n", static_cast<unsigned long long>(seed));
        }
        if (!result.problems.empty() || differs) {
            std::printf("    to see it: simulation --seed %llu --trace\n", static_cast<unsigned long long>(seed));
            if (++bad == 10) break;
        }
        std::fflush(stdout);
        sum.submissions += result.submissions;
        sum.taken += result.taken;
        sum.deaths += result.deaths;
        sum.disk_faults += result.disk_faults;
    }
    const double took = real_seconds() - begin;
    std::printf(
        "%llu runs in %.1f s (%.0f a minute): %zu copies sent, %zu transactions taken, %zu deaths, %llu disk faults; "
        "%llu bad\n",
        static_cast<unsigned long long>(runs), took, static_cast<double>(runs) / took * 60, sum.submissions, sum.taken,
        sum.deaths, static_cast<unsigned long long>(sum.disk_faults), static_cast<unsigned long long>(bad));
    return bad == 0 ? 0 : 1;
}
