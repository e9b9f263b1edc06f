#include "base/secret.h"

#include <doctest/doctest.h>

#include <algorithm>

TEST_SUITE_BEGIN("secret");

namespace onecopy::base {

TEST_CASE("nothing is left of a secret, nor of a longer one in the same memory") {
    std::string text(1000, 'x');
    text = "short";
    const char* const memory = text.data();
    const auto held = text.capacity();
    wipe(text);
    CHECK(text.empty());
    REQUIRE(text.data() == memory);
    text.resize(held, '\0');
    REQUIRE(text.data() == memory);
    CHECK(std::ranges::count(text, '\0') == static_cast<std::ptrdiff_t>(held));
}

}  // namespace onecopy::base

TEST_SUITE_END();
