#include "spool_check.h"

#include <exception>
#include <filesystem>

namespace onecopy {
namespace {

constexpr base::Duration between_looks{1000};

}  // namespace

SpoolCheck::SpoolCheck(net::Loop& loop, const std::string& directory, Room room, Ended ended)
    : reader_(directory), second_(directory), watch_(loop, [this, directory, room] { watch_log(directory, room); }) {
    done_ = std::async(std::launch::async, [this, post = loop.poster(), ended = std::move(ended)] {
        post([ended, outcome = look()] { ended(outcome); });
    });
    watch_.set(between_looks);
}

SpoolCheck::~SpoolCheck() {
    do {
        interrupt();
    } while (done_.wait_for(std::chrono::milliseconds(10)) != std::future_status::ready);
}

/// Ends what is being read now, and nothing where that is not yet so: to be called until it has ended.
void SpoolCheck::interrupt() {
    ending_ = true;
    reader_.interrupt();
    second_.interrupt();
}

void SpoolCheck::watch_log(const std::string& directory, const Room& room) {
    std::error_code error;
    const std::uintmax_t length = std::filesystem::file_size(directory + "/ledger.db-wal", error);
    if (!error && length > (room() > 0 ? most_log : most_log_without_room)) gave_up_ = true;
    if (gave_up_) interrupt();
    watch_.set(between_looks);
}

/// What is found where it was interrupted says nothing of the spool.
SpoolCheck::Outcome SpoolCheck::look() {
    Outcome found;
    try {
        found = look_through();
    } catch (const std::exception& error) {  // no memory: that says nothing of it either
        found.trouble = error.what();
    }
    if (gave_up_) return {{}, "so much mail came meanwhile that the ledger's log became too long"};
    return ending_ ? Outcome{} : found;
}

SpoolCheck::Outcome SpoolCheck::look_through() {
    for (const char* table : ledger::Reader::tables()) {
        if (ending_) break;
        std::string damage = reader_.check(table);
        if (!damage.empty()) damage = second_.check(table);  // what could not be read for a moment is no damage
        if (!damage.empty()) return {damage, {}};
    }
    return {};
}

}  // namespace onecopy
