#include "analyze.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "analysis.h"
#include "analysis_view.h"
#include "base/escape.h"
#include "base/time.h"
#include "mailbox_reader.h"
#include "terminal.h"

namespace onecopy::analyze {
namespace {

constexpr int incomplete = 1;
constexpr int interrupted = 130;  // 128 and SIGINT

volatile std::sig_atomic_t asked_to_stop = 0;

/// The first one is heeded between two blocks, and a second one ends the program. Reading from a pipe returns.
void listen_to_interrupts() {
    struct sigaction action {};
    action.sa_handler = [](int) { asked_to_stop = 1; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(SIGINT, &action, nullptr);
}

/// Says how far it is, some times a second, in one line that goes again.
class Progress : public analysis::MailboxReader::Watcher {
public:
    Progress(const analysis::Analysis& analysis, const std::vector<std::string>& paths)
        : analysis_(analysis), shown_(::isatty(STDERR_FILENO) == 1) {
        if (!shown_) return;
        for (const std::string& path : paths) whole_ += analysis::bytes_below(path);
    }
    ~Progress() override { clear(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    bool go_on(std::uint64_t bytes) override {
        if (shown_) show(bytes);
        return asked_to_stop == 0;
    }
    void wrong(const std::string& path, const std::string& what) override {
        clear();
        std::fprintf(stderr, "onecopyctl: %s: %s\n", base::printable(path, 4096).c_str(), what.c_str());
        ++faults_;
    }
    /// What can be seen on standard output begins at the left.
    void clear() {
        if (drawn_) std::fputs("\r\033[K", stderr);
        drawn_ = false;
    }
    unsigned faults() const { return faults_; }

private:
    void show(std::uint64_t bytes) {
        constexpr base::Duration pause = std::chrono::milliseconds(200);
        const base::Duration now = base::boot_clock();
        if (now < next_) return;
        next_ = now + pause;
        drawn_ = true;
        const double seconds = std::chrono::duration<double>(now - started_).count();
        const auto speed = static_cast<std::uint64_t>(seconds > 0 ? static_cast<double>(bytes) / seconds : 0);
        std::fprintf(stderr, "\r%s%s of %s, %llu messages, %s/s\033[K", bar(bytes).c_str(),
                     analysis::rough_size(bytes).c_str(), whole_ == 0 ? "?" : analysis::rough_size(whole_).c_str(),
                     static_cast<unsigned long long>(analysis_.messages()), analysis::rough_size(speed).c_str());
    }

    /// Nothing where the end is not known.
    std::string bar(std::uint64_t bytes) const {
        constexpr std::uint64_t width = 20;
        if (whole_ == 0) return {};
        const std::uint64_t full = std::min(bytes, whole_) * width / whole_;
        return '[' + std::string(full, '#') + std::string(width - full, ' ') + "] ";
    }

    const analysis::Analysis& analysis_;
    const bool shown_;
    bool drawn_ = false;
    std::uint64_t whole_ = 0;
    unsigned faults_ = 0;
    base::Duration started_ = base::boot_clock();
    base::Duration next_ = started_;
};

bool print(const nlohmann::json& document, bool as_json) {
    if (!as_json) return terminal::show(analysis::tell(document));
    return terminal::print(document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace

int run(const std::vector<std::string>& paths, bool as_json) {
    listen_to_interrupts();
    analysis::Analysis analysis;
    Progress progress(analysis, paths);
    analysis::MailboxReader reader(analysis, progress);
    for (const std::string& path : paths) {
        if (!reader.stopped()) reader.read(path);
    }
    progress.clear();
    if (reader.stopped()) std::fputs("onecopyctl: interrupted; this is what was read so far\n", stderr);
    const analysis::Report report = analysis.conclude();
    if (report.messages == 0) std::fputs("onecopyctl: no message is there\n", stderr);
    if (report.not_compared > 0) {
        std::fprintf(stderr,
                     "onecopyctl: %llu messages beyond the first %zu were not compared; give fewer mailboxes at once\n",
                     static_cast<unsigned long long>(report.not_compared), analysis::Analysis::most_samples);
    }
    const bool complete = !reader.stopped() && progress.faults() == 0 && report.not_compared == 0;
    if ((report.messages > 0 || as_json) && !print(analysis::document(report, reader.counts(), complete), as_json))
        return incomplete;
    if (reader.stopped()) return interrupted;
    return complete && report.messages > 0 ? 0 : incomplete;
}

}  // namespace onecopy::analyze
