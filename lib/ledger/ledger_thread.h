#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/worker.h"
#include "coalesce/rules.h"
#include "ledger/files.h"
#include "ledger/records.h"
#include "ledger/spool_error.h"

namespace onecopy::ledger {

/// The ledger on its own thread: takes what has gathered, runs it as one transaction, commits once, then answers. All calls
/// come from the loop's thread and return at once; every answer is called in the loop's thread, in order. Nothing is
/// answered before it is durable.
class LedgerThread {
public:
    struct Options {
        std::string directory;
        std::string hostname;  // for our Received field
        std::uint64_t min_free = 0;
        coalesce::Policy policy;
        std::string vfs;  // SQLite's; empty: the default
        Files& files = posix_files();
    };

    struct Handler {
        /// Groups that are due, at most as many as were wanted; they are in flight from here on.
        std::function<void(std::vector<Due>)> due;
        std::function<void(const Settled&)> settled;
        /// Notices of a group are in the queue now, or nobody could be told.
        std::function<void(const Told&)> told;
        /// The outcome of a commit can't be known, or the spool is beyond repair: the process must end at once, answering
        /// nobody.
        std::function<void(const std::string& why)> broken;
        /// A part of the spool can't be read for good; what depends on it is passed over. Once for each group.
        std::function<void(const std::string& damage)> damaged;
        /// Something an admin should know: low on space and well again, a damaged row, a settlement that can't be stored.
        std::function<void(base::Level, std::string event, std::string detail)> notice;
    };

    /// Opens the spool (throws SpoolError: unusable, of another version, held by another onecopyd) and starts.
    LedgerThread(Options options, base::Post post, Handler handler);
    /// Stores what is pending (settlements) and closes the spool as cleanly ended. Unanswered offers stay unanswered.
    ~LedgerThread();

    /// One piece of a large body, up to most_extent_bytes. Answered when it is written (not yet durable).
    void append(UploadId upload, std::string piece, std::function<void(bool)> answer);
    /// The upload will not be offered.
    void abandon(UploadId upload);
    void offer(Copy copy, std::function<void(const Acceptance&)> answer);

    /// `count` more groups may be handed to Handler::due, now or when they fall due.
    void want(unsigned count);
    void settle(Settlement settlement);
    /// Does that to some groups; none given: to all that it can be done to (release and retry alone).
    void change(Change change, std::vector<std::int64_t> groups, std::function<void(const Changed&)> answer);
    /// Nothing more is handed out, or everything again; survives a restart. Answered when it is durable.
    void pause(bool on, std::function<void()> answer);
    bool paused() const;
    /// What the EHLO reply of the servers that we forward to said of SMTPUTF8 just now. Costs a commit, or rides on one,
    /// where it differs from what was remembered.
    void remember_smtputf8(bool offered);
    /// What it said last, before this start too; false: nobody knows.
    bool smtputf8() const;
    void configure(coalesce::Policy policy, std::uint64_t min_free, std::string hostname);

    /// The spool was found damaged: no more mail should be put into it, by whoever asks. What is in it goes on.
    void mark_damaged() { damaged_ = true; }
    bool damaged() const { return damaged_; }

    /// How many bytes mail may still take, beyond min_free: so that MAIL may be answered 452 at once.
    std::uint64_t room() const;
    /// Grows with whatever may change what the spool holds; from the loop's thread it has grown before the answer comes.
    std::uint64_t changes() const;
    /// Ledger time.
    base::Time now() const;
    /// How long the thread has been at its present batch; zero when it waits.
    base::Duration busy_for() const;

    struct State;

private:
    std::unique_ptr<State> state_;
    bool damaged_ = false;
};

}  // namespace onecopy::ledger
