#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string_view>

namespace onecopy::stateful {

/// All that is decided in a life: by a seed, without end, or by bytes, as long as there are some.
class Chance {
public:
    explicit Chance(std::uint64_t seed) : engine_(seed) {}
    /// Of somebody who chooses, and sees what comes of it. They must outlive it.
    explicit Chance(std::string_view bytes) : bytes_(bytes) {}

    /// Where the bytes have ended: the last, so that nothing rare happens any more.
    std::uint64_t below(std::uint64_t limit) {
        if (engine_) return (*engine_)() % limit;
        return over() ? limit - 1 : take(limit - 1) % limit;
    }
    bool one_in(std::uint64_t times) { return below(times) == 0; }
    /// For what is decided too often to spend bytes on each time.
    Chance fork() { return Chance(below(std::uint64_t{1} << 16)); }
    bool over() const { return !engine_ && bytes_.empty(); }

private:
    std::uint64_t take(std::uint64_t largest) {
        std::uint64_t number = 0;
        for (; largest > 0 && !bytes_.empty(); largest >>= 8) {
            number = number << 8 | static_cast<unsigned char>(bytes_[0]);
            bytes_.remove_prefix(1);
        }
        return number;
    }

    std::optional<std::mt19937_64> engine_;
    std::string_view bytes_;
};

}  // namespace onecopy::stateful
