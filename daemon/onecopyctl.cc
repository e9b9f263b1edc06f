#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "analyze.h"
#include "base/escape.h"
#include "http_client.h"
#include "tell.h"
#include "terminal.h"
#include "top.h"
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
    std::function<std::string(const json&, Ink)> tell;
};

/// Of what it is about, nothing was left out because it can't be read.
bool is_whole(const json& document) {
    if (!document.is_array()) return !document.contains("unreadable");
    return std::ranges::none_of(document, [](const json& group) { return group.contains("damage"); });
}

bool print(const Question& question, const HttpAnswer& answer, const json& document, bool as_json) {
    if (as_json) return terminal::print(answer.body);
    const std::string text = question.tell(document, terminal::ink());
    if (text.empty()) std::fputs("onecopyctl: nothing\n", stderr);
    return terminal::show(text);
}

int answer(const Question& question, const std::string& socket, bool as_json) try {
    HttpAnswer answer = ask(socket, question.method, question.target);
    json document = json::parse(answer.body, nullptr, false);
    if (document.is_discarded()) throw NoDaemon(socket + ": the answer is no JSON");
    if (answer.status == 200) {
        if (!print(question, answer, document, as_json)) return refused;
        if (is_whole(document)) return 0;
        std::fputs("onecopyctl: not all of it can be read: the spool is damaged\n", stderr);
        return refused;
    }
    if (as_json) std::fputs(answer.body.c_str(), stdout);
    std::fprintf(stderr, "onecopyctl: %s\n", document.value("error", std::string("refused")).c_str());
    return refused;
} catch (const NoDaemon& error) {
    std::fprintf(stderr, "onecopyctl: %s\n", error.what());
    return unavailable;
}

int watch(const std::string& socket, bool as_json) try {
    if (as_json || !terminal::interactive()) {
        std::fputs("onecopyctl: top is for a terminal; scripts have: onecopyctl --json status\n", stderr);
        return usage;
    }
    top::run(socket, terminal::ink());
    return 0;
} catch (const NoDaemon& error) {
    std::fprintf(stderr, "onecopyctl: %s\n", error.what());
    return unavailable;
} catch (const std::runtime_error& error) {
    std::fprintf(stderr, "onecopyctl: %s\n", error.what());
    return refused;
}

/// Without --yes somebody has to say so.
bool confirmed(std::uint64_t group) {
    std::fprintf(stderr, "Give up group %llu? Nobody is told, and its mail is gone. [y/N] ",
                 static_cast<unsigned long long>(group));
    const int answer = std::getchar();
    return answer == 'y' || answer == 'Y';
}

/// What is wrong with the number of a group; empty: nothing. CLI11 itself would tell the range of a double.
std::string not_a_number(const std::string& text) {
    std::int64_t group = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, group);
    if (error == std::errc() && stop == end && group > 0) return {};
    return "'" + base::printable(text, 40) + "' is not the number of a group; onecopyctl list tells them";
}

/// CLI11 itself says only that a command is missing.
int no_such_command(const CLI::App& app, const std::string& name) {
    std::string names;
    for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; }))
        names += (names.empty() ? "" : ", ") + each->get_name();
    std::fprintf(stderr, "onecopyctl: there is no command '%s'; the commands are %s\n", name.c_str(), names.c_str());
    return usage;
}

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

    std::vector<std::string> about;
    CLI::App* why = app.add_subcommand("why", "Everything that happened to a message");
    why->add_option("MESSAGE-ID", about, "Or an address, the number of a group, or words of the subject")->required();
    why->callback([&] { question = {"GET", "/why?about=" + percent_encoded(CLI::detail::join(about, " ")), tell::why}; });

    std::uint64_t group = 0;
    auto number = [&group](CLI::App* command) {
        return command->add_option("ID", group, "The number of a group")->check(not_a_number, "POSITIVE");
    };
    CLI::App* show = app.add_subcommand("show", "One group with its header, copies and attempts");
    number(show)->required();
    show->callback([&] { question = {"GET", "/show?group=" + std::to_string(group), tell::show}; });

    bool all = false;
    for (const auto& [name, help] : {std::pair("release", "Forward held or queued messages now"),
                                     std::pair("retry", "Try queued and failed messages now, at resting servers too")}) {
        CLI::App* command = app.add_subcommand(name, help);
        CLI::Option* id = number(command);
        CLI::Option* everything = command->add_flag("--all", all, "All of them")->excludes(id);
        command->callback([&, id, everything, path = std::string("/") + name] {
            if (!*id && !*everything) throw CLI::RequiredError("ID or --all");
            question = {"POST", path + (all ? "?all=1" : "?group=" + std::to_string(group)), tell::changed};
        });
    }

    bool yes = false, drops = false;
    CLI::App* drop = app.add_subcommand("drop", "Give up a group: nobody gets it, and nobody is told");
    number(drop)->required();
    drop->add_flag("--yes", yes, "Do not ask");
    drop->callback([&] {
        drops = true;
        question = {"POST", "/drop?group=" + std::to_string(group), tell::changed};
    });

    std::string which_message;
    CLI::App* forget = app.add_subcommand("forget", "Let a further copy be delivered to those who had it");
    forget->add_option("MESSAGE-ID", which_message, "A Message-ID, or the number of a group")->required();
    forget->callback([&] {
        const bool is_number = which_message.find_first_not_of("0123456789") == std::string::npos;
        question = {"POST",
                    std::string("/forget?") + (is_number ? "group=" : "message_id=") + percent_encoded(which_message),
                    tell::changed};
    });

    for (const auto& [name, help] : {std::pair("reload", "Read the configuration and the certificates again"),
                                     std::pair("pause", "Forward nothing until resume; mail is still accepted"),
                                     std::pair("resume", "Forward again")}) {
        app.add_subcommand(name, help)->callback([&question, path = std::string("/") + name] {
            question = {"POST", path, tell::changed};
        });
    }

    bool watches = false;
    app.add_subcommand("top", "A live view, until q")->callback([&watches] { watches = true; });

    std::vector<std::string> mailboxes;
    app.add_subcommand("analyze", "Split copies in mailboxes on disk, and which window would have caught them")
        ->add_option("PATH", mailboxes, "mbox files, maildirs, messages, directories of these")
        ->required();

    try {
        app.parse(count, values);
    } catch (const CLI::ParseError& error) {
        const std::vector<std::string> unknown = app.remaining();
        if (app.get_subcommands().empty() && !unknown.empty() && unknown[0][0] != '-')
            return no_such_command(app, unknown[0]);
        return app.exit(error) == 0 ? 0 : usage;
    }
    if (watches) return watch(socket, as_json);
    if (!mailboxes.empty()) return analyze::run(mailboxes, as_json);
    if (drops && !yes && !confirmed(group)) return refused;
    return answer(question, socket, as_json);
}
