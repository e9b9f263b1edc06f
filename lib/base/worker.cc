#include "base/worker.h"

namespace onecopy::base {

Worker::Worker()
    : thread_([this] {
          while (true) {
              for (auto& task : tasks_.wait(std::chrono::hours(1))) {
                  if (!task) return;
                  if (!ending_) (*task)();
              }
          }
      }) {}

Worker::~Worker() {
    ending_ = true;
    tasks_.push(std::nullopt);
    thread_.join();
}

void Worker::run(std::function<void()> task) {
    tasks_.push(std::move(task));
}

}  // namespace onecopy::base
