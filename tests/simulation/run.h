#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace simulation {

struct Result {
    std::vector<std::string> problems;  // none: all was as promised
    std::uint64_t fingerprint = 0;
    std::size_t submissions = 0, taken = 0, deaths = 0;
    std::uint64_t disk_faults = 0;
};

/// One run, whole: what the seed makes of it.
Result run(std::uint64_t seed, bool trace);

}  // namespace simulation
