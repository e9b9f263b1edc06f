#pragma once

#include <string>

#include "world.h"

namespace simulation {

/// The files of the spool as the process sees them are real ones; what of them was not synced is noted, and power_loss()
/// drops or tears it. The file system calls of this program, SQLite's included, go through disk.cc.
class Disk {
public:
    /// Empty; `root` is made.
    explicit Disk(std::string root);
    ~Disk();
    Disk(const Disk&) = delete;

    const std::string& root() const { return root_; }
    std::string spool() const { return root_ + "/spool"; }

    /// What goes wrong from now on, in percent of the calls.
    struct Faults {
        unsigned write = 0;             // EIO
        unsigned full = 0;              // ENOSPC
        unsigned sync = 0;              // EIO; and what was to be synced may be lost whatever later syncs say
        unsigned sync_of_segments = 0;  // the same, where only their part of the disk is bad
        unsigned sync_of_commits = 0;   // the same, of SQLite's log where it holds one
        bool any() const { return write + full + sync + sync_of_segments + sync_of_commits > 0; }
    };
    void set_faults(Faults faults) { faults_ = faults; }
    const Faults& faults() const { return faults_; }
    std::uint64_t faults_made() const { return made_; }

    /// The process is gone and its files are closed: a machine that went on without it...
    void process_death();
    /// ... or one that lost its power.
    void power_loss();
    /// A fault of its own (SIGSEGV) was noted by the process.
    void note_crash();

    /// As long as it lives no file is the process's: nothing fails, and nothing of it is noted.
    class Outside {
    public:
        explicit Outside(Disk& disk);
        ~Outside();
        Outside(const Outside&) = delete;

    private:
        Disk& disk_;
    };
    /// Somebody else has written that file anew, and synced it and its name.
    void is_safe(const std::string& path);

    struct State;
    State& state() { return *state_; }
    void count_fault() { ++made_; }

private:
    std::string root_;
    Faults faults_;
    std::uint64_t made_ = 0;
    State* state_;
};

extern Disk* disk;

}  // namespace simulation
