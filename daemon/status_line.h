#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/worker.h"
#include "ledger/reader.h"
#include "net/loop.h"

namespace onecopy {

/// The line that `systemctl status` shows: where mail is taken, and how much of it waits. It is told anew after the ledger
/// has changed, and while mail is held, at most once in five seconds; else nothing wakes up for it, and nothing is done
/// where nobody listens.
class StatusLine {
public:
    struct Present {
        std::vector<std::string> addresses;
        bool paused = false;
        bool stopping = false;
    };
    struct Doors {
        net::Loop& loop;
        base::Worker& worker;
        std::string spool;
        std::function<base::Time()> now;         // ledger time
        std::function<std::uint64_t()> changes;  // grows with what the spool holds
        std::function<Present()> present;
    };

    explicit StatusLine(Doors doors);

    /// At the end of a turn of the loop: whether there is something new.
    void look();
    /// There is, whatever the ledger says.
    void renew() { told_.reset(); }

    /// `listening on 127.0.0.1:2525; held 3, queued 0, failed 1`. No counts: the spool can't be read.
    static std::string text(const Present& present, const std::optional<ledger::Counts>& counts);

private:
    void read();
    void tell(const std::optional<ledger::Counts>& counts);

    Doors doors_;
    bool wanted_;
    bool reading_ = false;
    std::optional<std::uint64_t> told_;  // the changes that the last line knew of
    base::Duration next_{};              // boot clock
    net::Timer timer_;
};

}  // namespace onecopy
