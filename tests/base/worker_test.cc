#include "base/worker.h"

#include <doctest/doctest.h>

#include <future>
#include <thread>
#include <vector>

using namespace onecopy::base;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("worker");

TEST_CASE("a queue gives what has gathered, in order, once") {
    Queue<int> queue;
    CHECK(queue.take().empty());
    CHECK(queue.push(1));
    CHECK_FALSE(queue.push(2));
    CHECK(queue.size() == 2);
    CHECK(queue.take() == std::vector{1, 2});
    CHECK(queue.size() == 0);
    CHECK(queue.push(3));
    CHECK(queue.wait(0ms) == std::vector{3});
    CHECK(queue.wait(1ms).empty());
}

TEST_CASE("nothing that many threads push is lost") {
    Queue<int> queue;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&queue] {
            for (int i = 0; i < 1000; ++i) queue.push(i);
        });
    }
    std::size_t count = 0;
    while (count < 4000) count += queue.wait(1min).size();
    for (std::thread& thread : threads) thread.join();
    CHECK(count == 4000);
    CHECK(queue.take().empty());
}

TEST_CASE("tasks run one after the other, on a thread of their own") {
    std::vector<int> order;
    std::promise<std::thread::id> done;
    Worker worker;
    for (int i = 0; i < 100; ++i) worker.run([&order, i] { order.push_back(i); });
    worker.run([&done] { done.set_value(std::this_thread::get_id()); });
    CHECK(done.get_future().get() != std::this_thread::get_id());
    REQUIRE(order.size() == 100);
    for (int i = 0; i < 100; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("the end waits for the task under way") {
    std::promise<void> started, released;
    std::atomic<bool> finished = false;
    auto worker = std::make_unique<Worker>();
    worker->run([&] {
        started.set_value();
        released.get_future().wait();
        finished = true;
    });
    started.get_future().wait();
    std::thread releaser([&released] { released.set_value(); });
    worker.reset();
    CHECK(finished);
    releaser.join();
}

TEST_CASE("a worker that had nothing to do ends at once") {
    Worker worker;
}

TEST_SUITE_END();
