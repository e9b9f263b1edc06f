#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "http_client.h"
#include "tell.h"
#include "version.h"

namespace {

using namespace onecopy;
using nlohmann::json;

constexpr int refused = 1;
constexpr int usage = 2;
constexpr int unavailable = 69;  // EX_UNAVAILABLE

/// One command: what it asks of the daemon, and how its answer reads.
struct Question {
    std::string method;
    std::string target;
    std::function<std::string(const json&)> tell;
};

std::string tell_released(const json& document) {
    return std::to_string(document.value("released", 0)) + " released\n";
}

int answer(const Question& question, const std::string& socket, bool as_json) try {
    HttpAnswer answer = ask(socket, question.method, question.target);
    json document = json::parse(answer.body, nullptr, false);
    if (document.is_discarded()) throw NoDaemon(socket + ": the answer is no JSON");
    if (answer.status == 200) {
        std::string text = as_json ? answer.body : question.tell(document);
        if (text.empty()) std::fputs("onecopyctl: nothing\n", stderr);
        std::fputs(text.c_str(), stdout);
        return std::fflush(stdout) == 0 ? 0 : refused;
    }
    if (as_json) std::fputs(answer.body.c_str(), stdout);
    std::fprintf(stderr, "onecopyctl: %s\n", document.value("error", std::string("refused")).c_str());
    return refused;
} catch (const NoDaemon& error) {
    std::fprintf(stderr, "onecopyctl: %s\n", error.what());
    return unavailable;
}

/// Commands that the manual of a later version will know.
int not_yet(const std::string& name) {
    std::fprintf(stderr, "onecopyctl: %s is not supported yet\n", name.c_str());
    return usage;
}

/// CLI11 itself says only that a command is missing.
int no_such_command(const CLI::App& app, const std::string& name) {
    std::string names;
    for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; }))
        names += (names.empty() ? "" : ", ") + each->get_name();
    std::fprintf(stderr, "onecopyctl: there is no command '%s'; the commands are %s\n", name.c_str(), names.c_str());
    return usage;
}

const std::set<std::string> later = {"show", "retry", "drop", "forget", "reload", "pause", "resume", "top", "analyze"};

}  // namespace

int main(int count, char** values) {
    std::string socket = "/run/onecopy/control.sock";
    bool as_json = false;
    Question question;
    CLI::App app("Asks and controls a running onecopyd");
    app.set_version_flag("--version", "onecopyctl " + version());
    app.add_option("--socket", socket, "The daemon's control socket")->type_name("PATH")->capture_default_str();
    app.add_flag("--json", as_json, "Print one JSON document");
    app.require_subcommand(1);
    app.fallthrough();

    app.add_subcommand("status", "Counts, the backend's health, uptime")->callback([&] {
        question = {"GET", "/status", tell::status};
    });

    std::string which;
    CLI::App* list = app.add_subcommand("list", "Messages that are held, queued or failed");
    list->add_option("WHICH", which, "held, queued, failed or all")
        ->check(CLI::IsMember({"held", "queued", "failed", "all"}));
    list->callback([&] { question = {"GET", "/list?which=" + which, tell::list}; });

    std::string message_id;
    CLI::App* why = app.add_subcommand("why", "Everything that happened to a message");
    why->add_option("MESSAGE-ID", message_id, "With or without its brackets")->required();
    why->callback([&] { question = {"GET", "/why?message_id=" + percent_encoded(message_id), tell::why}; });

    std::uint64_t group = 0;
    bool all = false;
    CLI::App* release = app.add_subcommand("release", "Forward held or queued messages now");
    CLI::Option* id = release->add_option("ID", group, "The number of a group")->check(CLI::PositiveNumber);
    CLI::Option* everything = release->add_flag("--all", all, "All that wait")->excludes(id);
    release->callback([&] {
        if (!*id && !*everything) throw CLI::RequiredError("ID or --all");
        question = {"POST", all ? "/release?all=1" : "/release?group=" + std::to_string(group), tell_released};
    });

    for (int i = 1; i < count; ++i) {
        if (later.contains(values[i])) return not_yet(values[i]);
        if (values[i][0] != '-') break;
    }
    try {
        app.parse(count, values);
    } catch (const CLI::ParseError& error) {
        const std::vector<std::string> unknown = app.remaining();
        if (app.get_subcommands().empty() && !unknown.empty() && unknown[0][0] != '-')
            return no_such_command(app, unknown[0]);
        return app.exit(error) == 0 ? 0 : usage;
    }
    return answer(question, socket, as_json);
}
