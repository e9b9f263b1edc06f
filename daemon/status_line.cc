#include "status_line.h"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace onecopy {
namespace {

constexpr base::Duration least_pause = std::chrono::seconds(5);

std::string counted(const std::optional<ledger::Counts>& counts) {
    if (!counts) return "the spool can't be read";
    auto one = [](const char* name, std::uint64_t number) { return name + std::to_string(number); };
    return one("held ", counts->held) + one(", queued ", counts->queued) + one(", failed ", counts->failed);
}

}  // namespace

StatusLine::StatusLine(Doors doors)
    : doors_(std::move(doors)), wanted_(std::getenv("NOTIFY_SOCKET") != nullptr), timer_(doors_.loop, [this] { read(); }) {}

void StatusLine::look() {
    if (!wanted_ || reading_ || timer_.pending() || told_ == doors_.changes()) return;
    timer_.set(std::max(next_ - base::boot_clock(), base::Duration(0)));
}

/// By the helper thread: a large spool takes a moment to count.
void StatusLine::read() {
    reading_ = true;
    told_ = doors_.changes();
    next_ = base::boot_clock() + least_pause;
    doors_.worker.run([this, directory = doors_.spool, now = doors_.now(), post = doors_.loop.poster()] {
        std::optional<ledger::Counts> counts;
        try {
            counts = ledger::Reader(directory, now).counts();
        } catch (const std::exception&) {  // told by the line itself
        }
        post([this, counts] { tell(counts); });
    });
}

void StatusLine::tell(const std::optional<ledger::Counts>& counts) {
    reading_ = false;
    if (counts && counts->held > 0) renew();  // it is queued one day, without a word of the ledger's
    const Present present = doors_.present();
    if (!present.stopping) ::sd_notify(0, ("STATUS=" + text(present, counts)).c_str());
}

std::string StatusLine::text(const Present& present, const std::optional<ledger::Counts>& counts) {
    std::string addresses;
    for (const std::string& address : present.addresses) addresses += (addresses.empty() ? "" : ", ") + address;
    return (present.paused ? "paused, listening on " : "listening on ") + addresses + "; " + counted(counts);
}

}  // namespace onecopy
