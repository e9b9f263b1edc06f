#include "base/log.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/escape.h"

namespace onecopy::base::log {
namespace {

constexpr std::size_t most_gathered = 64 << 10;
constexpr std::size_t most_kept = 1 << 20;  // while standard error takes nothing

/// Priorities of syslog(3), as journald reads them at the start of a line.
constexpr std::string_view prefixes[] = {"<3>", "<4>", "<6>", "<7>"};

struct Log {
    Level most = Level::info;
    bool prefixed = std::getenv("JOURNAL_STREAM") != nullptr;
    std::string gathered;
};

Log& the_log() {
    static Log log;
    return log;
}

void add(Level level, std::string_view event, std::initializer_list<Field> fields) {
    if (!enabled(level)) return;
    Log& log = the_log();
    if (log.prefixed) log.gathered += prefixes[static_cast<int>(level)];
    log.gathered += line(event, fields);
    log.gathered += '\n';
    if (level == Level::error || log.gathered.size() >= most_gathered) flush();
}

}  // namespace

void set_level(Level most) {
    the_log().most = most;
}
bool enabled(Level level) {
    return level <= the_log().most;
}

void error(std::string_view event, std::initializer_list<Field> fields) {
    add(Level::error, event, fields);
}
void warning(std::string_view event, std::initializer_list<Field> fields) {
    add(Level::warning, event, fields);
}
void info(std::string_view event, std::initializer_list<Field> fields) {
    add(Level::info, event, fields);
}
void debug(std::string_view event, std::initializer_list<Field> fields) {
    add(Level::debug, event, fields);
}

/// A log that can't be written is no reason to stop mail. What a full pipe does not take now waits for the next flush,
/// up to a bound; what can't be written at all is lost.
void flush() {
    std::string& gathered = the_log().gathered;
    std::size_t done = 0;
    bool later = false;
    while (done < gathered.size()) {
        ssize_t written = ::write(STDERR_FILENO, gathered.data() + done, gathered.size() - done);
        if (written < 0 && errno == EINTR) continue;
        later = written < 0 && errno == EAGAIN;
        if (written <= 0) break;
        done += static_cast<std::size_t>(written);
    }
    gathered.erase(0, later && gathered.size() - done <= most_kept ? done : gathered.size());
}

std::string line(std::string_view event, std::initializer_list<Field> fields) {
    std::string text(event);
    for (const Field& field : fields) {
        text += ' ';
        text += field.key;
        text += '=';
        text += log_value(field.value);
    }
    return text;
}

}  // namespace onecopy::base::log
