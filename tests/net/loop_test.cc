#include "net/loop.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "fixture.h"

using namespace onecopy;
using namespace onecopy::net;
using namespace onecopy::net::testing;

TEST_SUITE_BEGIN("loop");

TEST_CASE("what other threads post runs in the loop's thread, in each one's order") {
    constexpr int many = 2000;
    Bench bench;
    std::vector<int> seen[2];
    bool elsewhere = false;
    const std::thread::id own = std::this_thread::get_id();
    auto post_many = [&](int who) {
        for (int i = 0; i < many; ++i) {
            bench.loop.post([&, who, i] {
                elsewhere = elsewhere || std::this_thread::get_id() != own;
                seen[who].push_back(i);
            });
        }
    };
    std::thread first([&] { post_many(0); }), second([&] { post_many(1); });
    CHECK(bench.until([&] { return seen[0].size() == many && seen[1].size() == many; }));
    first.join();
    second.join();
    CHECK_FALSE(elsewhere);
    for (const auto& one : seen) CHECK(std::is_sorted(one.begin(), one.end()));
}

TEST_CASE("a post wakes a loop that sleeps") {
    Bench bench;
    bool ran = false;
    std::thread other([post = bench.loop.poster(), &ran] { post([&ran] { ran = true; }); });
    CHECK(bench.until([&] { return ran; }));
    other.join();
}

TEST_CASE("what is deferred runs after the callbacks under way, in order, and before the end of the turn") {
    Bench bench;
    std::vector<std::string> order;
    bench.loop.each_turn([&] { order.push_back("turn"); });
    bench.loop.post([&] {
        bench.loop.defer([&] {
            order.push_back("first");
            bench.loop.defer([&] { order.push_back("of the first"); });
        });
        bench.loop.defer([&] { order.push_back("second"); });
        order.push_back("posted");
    });
    bench.loop.post([&] { order.push_back("posted too"); });
    REQUIRE(bench.until([&] { return order.size() > 5; }));
    order.erase(order.begin(), std::find(order.begin(), order.end(), "posted"));
    order.resize(6);
    CHECK(order == std::vector<std::string>{"posted", "posted too", "first", "second", "of the first", "turn"});
}

TEST_CASE("one that defers for ever keeps nobody else from his turn") {
    Bench bench;
    std::function<void()> again = [&] { bench.loop.defer(again); };
    bench.loop.defer(again);
    bool posted = false;
    bench.loop.post([&] { posted = true; });
    CHECK(bench.until([&] { return posted; }));
    again = [] {};
    bench.turn();
}

TEST_CASE("timers fire in the order of their times, once") {
    Bench bench;
    std::vector<int> fired;
    Timer third(bench.loop, [&] { fired.push_back(3); }), first(bench.loop, [&] { fired.push_back(1); }),
        second(bench.loop, [&] { fired.push_back(2); });
    third.set(base::Duration(60));
    first.set(base::Duration(0));
    second.set(base::Duration(20));
    CHECK(first.pending());
    CHECK(bench.until([&] { return fired.size() == 3; }));
    CHECK(fired == std::vector<int>{1, 2, 3});
    CHECK_FALSE(first.pending());
}

TEST_CASE("a timer that is set again, cleared or destroyed forgets its earlier time") {
    Bench bench;
    int again = 0, cleared = 0, destroyed = 0, last = 0;
    Timer one(bench.loop, [&] { ++again; }), two(bench.loop, [&] { ++cleared; });
    auto three = std::make_unique<Timer>(bench.loop, [&] { ++destroyed; });
    Timer end(bench.loop, [&] { ++last; });
    one.set(base::Duration(5));
    one.set(base::Duration(10));
    two.set(base::Duration(5));
    two.clear();
    three->set(base::Duration(5));
    three.reset();
    end.set(base::Duration(50));
    CHECK(bench.until([&] { return last == 1; }));
    CHECK(again == 1);
    CHECK(cleared == 0);
    CHECK(destroyed == 0);
}

TEST_CASE("a timer may destroy others that are due in the same turn, and be set from within itself") {
    Bench bench;
    int fired = 0, rounds = 0;
    std::unique_ptr<Timer> one, two;
    one = std::make_unique<Timer>(bench.loop, [&] {
        ++fired;
        two.reset();
    });
    two = std::make_unique<Timer>(bench.loop, [&] {
        ++fired;
        one.reset();
    });
    one->set(base::Duration(0));
    two->set(base::Duration(0));
    std::optional<Timer> repeating;
    repeating.emplace(bench.loop, [&] {
        if (++rounds < 3) repeating->set(base::Duration(5));
    });
    repeating->set(base::Duration(5));
    CHECK(bench.until([&] { return rounds == 3; }));
    CHECK(fired == 1);
}

TEST_CASE("a time in the past is now") {
    Bench bench;
    bool fired = false;
    Timer timer(bench.loop, [&] { fired = true; });
    timer.set(base::Duration(-5000));
    CHECK(bench.until([&] { return fired; }));
}

TEST_CASE("stop() ends the turn under way, and the loop may run again") {
    Bench bench;
    std::vector<int> seen;
    bench.loop.post([&] {
        bench.loop.stop();
        bench.loop.defer([&] { seen.push_back(2); });
        seen.push_back(1);
    });
    bench.loop.run();
    CHECK(seen == std::vector<int>{1, 2});
    bench.loop.post([&] {
        seen.push_back(3);
        bench.loop.stop();
    });
    bench.loop.run();
    CHECK(seen == std::vector<int>{1, 2, 3});
}

TEST_CASE("what waits at the loop's end is destroyed with it: what was deferred runs, what was posted does not") {
    auto posted = std::make_shared<int>(), deferred = std::make_shared<int>();
    bool ran = false, ran_posted = false;
    {
        Loop loop;
        loop.defer([&ran, deferred] { ran = true; });
        loop.post([&ran_posted, posted] { ran_posted = true; });
    }
    CHECK(ran);
    CHECK_FALSE(ran_posted);
    CHECK(posted.use_count() == 1);
    CHECK(deferred.use_count() == 1);
}

TEST_CASE("a signal calls back in the loop, as often as it comes, until its object is gone") {
    Bench bench;
    int calls = 0;
    std::optional<Signal> signal;
    signal.emplace(bench.loop, SIGUSR1, [&] { ++calls; });
    ::raise(SIGUSR1);
    REQUIRE(bench.until([&] { return calls == 1; }));
    ::raise(SIGUSR1);
    CHECK(bench.until([&] { return calls == 2; }));
    signal.reset();
    ::signal(SIGUSR1, SIG_IGN);
    ::raise(SIGUSR1);
    bench.turn();
    CHECK(calls == 2);
}

TEST_CASE("the library tells its version") {
    CHECK(libevent_version().starts_with("2."));
}

TEST_SUITE_END();
