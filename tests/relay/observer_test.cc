#include "relay/observer.h"

#include <doctest/doctest.h>

using namespace onecopy;
using namespace onecopy::relay;

namespace {

constexpr base::Duration window = std::chrono::seconds(30);

base::Time at(int seconds) {
    return base::Time(std::chrono::seconds(seconds));
}

coalesce::Arriving copy_of(const std::string& id, const std::string& sender = "s@x", std::uint8_t content = 1) {
    coalesce::Arriving copy;
    copy.identity.message_id = id;
    copy.identity.content[0] = content;
    copy.sender = sender;
    return copy;
}

}  // namespace

TEST_SUITE_BEGIN("observer");

TEST_CASE("a further copy within the window would have joined the first") {
    Observer observer;
    coalesce::Policy policy;
    CHECK_FALSE(observer.would_join(copy_of("<1@x>"), policy, window, 1, at(0)));
    CHECK(observer.would_join(copy_of("<1@x>"), policy, window, 2, at(10)) == 1);
    CHECK(observer.would_join(copy_of("<1@x>"), policy, window, 3, at(30)) == 1);
    CHECK_FALSE(observer.would_join(copy_of("<2@x>"), policy, window, 4, at(30)));
    CHECK_FALSE_MESSAGE(observer.would_join(copy_of("<1@x>"), policy, window, 5, at(31)), "the first one's window is over");
    CHECK(observer.would_join(copy_of("<1@x>"), policy, window, 6, at(32)) == 5);
}

TEST_CASE("only what match names counts") {
    struct Row {
        bool id, sender, content;
        coalesce::Arriving other;
        bool joins;
    };
    const Row table[] = {
        {true, true, true, copy_of("<1@x>", "S@X"), false},  // the local-part keeps its case
        {true, true, true, copy_of("<1@x>", "s@X"), true},     {true, true, true, copy_of("<1@x>", "t@x"), false},
        {true, false, true, copy_of("<1@x>", "t@x"), true},    {true, true, true, copy_of("<1@x>", "s@x", 2), false},
        {true, true, false, copy_of("<1@x>", "s@x", 2), true}, {true, true, true, copy_of("<2@x>"), false},
        {false, true, true, copy_of("<2@x>"), true},           {false, true, true, copy_of(""), true},
    };
    for (const Row& row : table) {
        CAPTURE(&row - table);
        coalesce::Policy policy;
        policy.match_id = row.id;
        policy.match_sender = row.sender;
        policy.match_content = row.content;
        Observer observer;
        observer.would_join(copy_of("<1@x>"), policy, window, 1, at(0));
        CHECK(observer.would_join(row.other, policy, window, 2, at(1)).has_value() == row.joins);
    }
}

TEST_CASE("without a Message-ID the content stands in for it, where it counts") {
    Observer observer;
    coalesce::Policy policy;
    observer.would_join(copy_of(""), policy, window, 1, at(0));
    CHECK(observer.would_join(copy_of(""), policy, window, 2, at(1)) == 1);
    policy.match_content = false;
    observer.would_join(copy_of(""), policy, window, 3, at(2));
    CHECK_FALSE(observer.would_join(copy_of(""), policy, window, 4, at(3)));
}

TEST_CASE("of very many only the latest are remembered") {
    Observer observer;
    coalesce::Policy policy;
    constexpr int many = 12'000;
    for (int i = 0; i < many; ++i) {
        observer.would_join(copy_of("<" + std::to_string(i) + "@x>"), policy, window, i, at(1));
    }
    CHECK_FALSE(observer.would_join(copy_of("<0@x>"), policy, window, many, at(1)));
    CHECK(observer.would_join(copy_of("<11999@x>"), policy, window, many + 1, at(1)) == 11'999);
}

TEST_SUITE_END();
