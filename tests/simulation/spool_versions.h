#pragma once

#include <string>
#include <vector>

#include "disk.h"
#include "record.h"

namespace simulation {

/// Between two lives of the process another version had the spool: an older one, and all that came later is gone from it; or
/// one that is not known yet. What the starts make of that is written down.
class SpoolVersions {
public:
    SpoolVersions(Record& record, Disk& disk) : record_(record), disk_(disk) {}

    enum class Had { nobody, older, newer };
    /// Before a start: what the last one left is looked at, where it met another version, and a newer one gives the spool
    /// back. Then, maybe, another one has it; otherwise, who has it still.
    Had before_start(bool may_change);
    void opened();
    /// Words: where the process lived and the disk was well. True: of a newer version, that is as it must be.
    bool refused(const std::string& words);

private:
    std::string path() const { return disk_.spool() + "/ledger.db"; }
    SpoolImage image(bool in_use) const;
    void look(bool in_use);
    void look_at_last_start();
    void change();
    void become_older(std::int64_t version);
    void set_version(std::int64_t version);

    Record& record_;
    Disk& disk_;
    Had had_ = Had::nobody;
    std::vector<const char*> lost_;  // columns of which nothing is known any more
    SpoolImage met_, grown_;
};

}  // namespace simulation
