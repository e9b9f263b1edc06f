#pragma once

#include <cstddef>

namespace onecopy::relay {

/// How much content all inbound connections hold together. Soft: who is over it stops reading, or gives its message up.
class Budget {
public:
    static constexpr std::size_t most = std::size_t{64} << 20;
    /// That one connection may have on its way to the disk.
    static constexpr std::size_t most_each = 256 << 10;

    void take(std::size_t bytes) { held_ += bytes; }
    void give(std::size_t bytes) { held_ -= bytes; }
    bool exceeded() const { return held_ > most; }

private:
    std::size_t held_ = 0;
};

}  // namespace onecopy::relay
