#include "relay/budget.h"

#include <doctest/doctest.h>

using namespace onecopy::relay;

TEST_SUITE_BEGIN("budget");

TEST_CASE("it is exceeded by the first byte beyond, until that is given back") {
    Budget budget;
    budget.take(Budget::most);
    CHECK_FALSE(budget.exceeded());
    budget.take(1);
    CHECK(budget.exceeded());
    budget.give(1);
    CHECK_FALSE(budget.exceeded());
}

TEST_SUITE_END();
