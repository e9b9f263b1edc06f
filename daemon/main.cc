#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "arguments.h"
#include "daemon.h"
#include "ledger/spool_error.h"
#include "relay/credentials.h"

namespace {

using namespace onecopy;

constexpr int config_error = 78;  // EX_CONFIG
constexpr int spool_error = 73;   // EX_CANTCREAT

/// Mail is nobody else's business: not in files that others may read, not in core dumps. And no program that this one
/// might be made to run is more than it is.
void harden() {
    ::umask(0077);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__  // the leak checker attaches to the process as a debugger does
    ::prctl(PR_SET_DUMPABLE, 0);
#endif
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
}

int complain(const char* what, int status) {
    std::fprintf(stderr, "onecopyd: %s\n", what);
    return status;
}

int tell_problems(const std::string& file, const config::Reading& reading) {
    for (const config::Problem& problem : reading.problems)
        std::fprintf(stderr, "%s\n", config::message(file, problem).c_str());
    return config_error;
}

int tell_problems(const std::vector<std::string>& problems) {
    for (const std::string& problem : problems) std::fprintf(stderr, "%s\n", problem.c_str());
    return config_error;
}

int check(const std::string& file, const config::Reading& reading) {
    const relay::CredentialsReading credentials = relay::read_credentials(reading.config);
    if (!credentials.problems.empty()) return tell_problems(credentials.problems);
    for (const std::vector<std::string>* warnings : {&reading.warnings, &credentials.warnings}) {
        for (const std::string& warning : *warnings)
            std::fprintf(stderr, "%s: warning: %s\n", file.c_str(), warning.c_str());
    }
    std::printf("%s: ok\n", file.c_str());
    return 0;
}

int print(const config::Config& config) {
    std::fputs(config::show(config).c_str(), stdout);
    return std::fflush(stdout) == 0 ? 0 : 1;
}

int run(const Arguments& arguments, config::Reading reading) try {
    harden();
    const relay::CredentialsReading credentials = relay::read_credentials(reading.config);
    if (!credentials.problems.empty()) return tell_problems(credentials.problems);
    reading.warnings.insert(reading.warnings.end(), credentials.warnings.begin(), credentials.warnings.end());
    Daemon daemon(arguments.config, std::move(reading), credentials.credentials);
    daemon.run();
    return 0;
} catch (const ledger::SpoolError& error) {
    return complain(error.what(), spool_error);
} catch (const std::exception& error) {
    return complain(error.what(), 1);
}

}  // namespace

int main(int count, char** values) {
    Arguments arguments = parse_arguments(count, values);
    if (arguments.task == Arguments::Task::end) return arguments.status;
    config::Reading reading = config::read_file(arguments.config);
    if (!reading.problems.empty()) return tell_problems(arguments.config, reading);
    if (arguments.task == Arguments::Task::check_config) return check(arguments.config, reading);
    if (arguments.task == Arguments::Task::show_config) return print(reading.config);
    return run(arguments, std::move(reading));
}
