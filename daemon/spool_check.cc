#include "spool_check.h"

#include <sys/resource.h>
#include <unistd.h>

#include <exception>

namespace onecopy {
namespace {

/// This thread takes what the others leave of the processors. Where it may not ask for that it takes its share of them, as
/// it would without.
void yield_to_all() {
    constexpr int last = 19;
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), last);
}

}  // namespace

SpoolCheck::SpoolCheck(const std::string& directory, base::Post post, Ended ended) : reader_(directory), second_(directory) {
    done_ = std::async(std::launch::async, [this, post = std::move(post), ended = std::move(ended)] {
        post([ended, outcome = look()] { ended(outcome); });
    });
}

/// An interrupt ends what is being read now, and nothing where that is not yet so.
SpoolCheck::~SpoolCheck() {
    ending_ = true;
    do {
        reader_.interrupt();
        second_.interrupt();
    } while (done_.wait_for(std::chrono::milliseconds(10)) != std::future_status::ready);
}

SpoolCheck::Outcome SpoolCheck::look() try {
    yield_to_all();
    for (const char* table : ledger::Reader::tables()) {
        if (ending_) break;
        std::string damage = reader_.check(table);
        if (!damage.empty()) damage = second_.check(table);  // what could not be read for a moment is no damage
        if (!damage.empty()) return {damage, {}};
    }
    return {};
} catch (const std::exception& error) {  // no memory: that says nothing of the spool
    return {{}, error.what()};
}

}  // namespace onecopy
