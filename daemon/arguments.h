#pragma once

#include <string>

namespace onecopy {

/// What the command line of onecopyd asks for.
struct Arguments {
    enum class Task { run, check_config, show_config, end };
    Task task = Task::run;
    std::string config = "/etc/onecopy/onecopyd.yaml";
    int status = 0;  // with Task::end
};

/// Prints help, version or what is wrong by itself.
Arguments parse_arguments(int count, char** values);

}  // namespace onecopy
