#include "arguments.h"

#include <CLI/CLI.hpp>

#include "version.h"

namespace onecopy {

Arguments parse_arguments(int count, char** values) {
    Arguments arguments;
    bool check = false, show = false;
    CLI::App app("SMTP proxy: many copies of a message in, one message for all recipients out");
    app.set_version_flag("--version", version_text());
    app.add_option("--config", arguments.config, "The configuration file")->type_name("FILE")->capture_default_str();
    CLI::Option* checking = app.add_flag("--check-config", check, "Read the configuration, say what is wrong, end");
    app.add_flag("--show-config", show, "Print the configuration in force, defaults filled in, as YAML")->excludes(checking);
    try {
        app.parse(count, values);
    } catch (const CLI::ParseError& error) {
        arguments.task = Arguments::Task::end;
        arguments.status = app.exit(error) == 0 ? 0 : 1;
        return arguments;
    }
    if (check) arguments.task = Arguments::Task::check_config;
    if (show) arguments.task = Arguments::Task::show_config;
    return arguments;
}

}  // namespace onecopy
