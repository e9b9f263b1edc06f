#include "dialogue.h"

#include <doctest/doctest.h>

namespace onecopy::smtp {

namespace {

/// Feeds one segment as a caller does: what is left is offered again after a pause.
void send(ServerSession& session, std::string_view segment, std::string& held) {
    held += segment;
    std::string_view rest = held;
    session.feed(rest);
    held.erase(0, held.size() - rest.size());
}

using Cutter = std::function<std::vector<std::string_view>(std::size_t index, std::string_view segment)>;

Outcome play_with(const Script& script, const Setting& setting, const Cutter& cut) {
    Recorder recorder;
    ServerSession session(setting.options, recorder);
    recorder.session = &session;
    setting.prepare(recorder);
    session.greet();
    std::string written = session.take_output();
    std::string held;
    for (std::size_t i = 0; i < script.size(); ++i) {
        for (const auto piece : cut(i, script[i])) {
            send(session, piece, held);
            written += session.take_output();
        }
    }
    return {replies_in(written), recorder.events, session.phase() == ServerSession::Phase::closed};
}

}  // namespace

std::vector<std::string> replies_in(std::string_view written) {
    std::vector<std::string> replies;
    while (!written.empty()) {
        const auto end = written.find("\r\n");
        REQUIRE(end != written.npos);
        const auto line = written.substr(0, end);
        written.remove_prefix(end + 2);
        CHECK(line.size() <= 510);
        REQUIRE(line.size() >= 4);
        CHECK(line.find_first_of("\r\n") == line.npos);
        if (line[3] == '-') continue;
        REQUIRE(line[3] == ' ');
        const auto word = line.substr(4, line.find(' ', 4) - 4);
        const bool status = word.size() >= 5 && word[1] == '.' && word[0] == line[0];
        replies.emplace_back(status ? line.substr(0, 4 + word.size()) : line.substr(0, 3));
    }
    return replies;
}

Outcome play(const Script& script, const Setting& setting) {
    return play_with(script, setting,
                     [](std::size_t, std::string_view segment) { return std::vector<std::string_view>{segment}; });
}

Outcome play_cut(const Script& script, const Setting& setting) {
    const Outcome whole = play(script, setting);
    const Outcome bytes = play_with(script, setting, [](std::size_t, std::string_view segment) {
        std::vector<std::string_view> pieces;
        for (std::size_t i = 0; i < segment.size(); ++i) pieces.push_back(segment.substr(i, 1));
        return pieces;
    });
    CHECK(bytes == whole);
    for (std::size_t which = 0; which < script.size(); ++which) {
        for (std::size_t at = 1; at < std::min<std::size_t>(script[which].size(), 300); ++at) {
            const Outcome cut = play_with(script, setting, [&](std::size_t index, std::string_view segment) {
                if (index != which) return std::vector<std::string_view>{segment};
                return std::vector<std::string_view>{segment.substr(0, at), segment.substr(at)};
            });
            CHECK_MESSAGE(cut == whole, "cut at ", at, " of segment ", which);
        }
    }
    return whole;
}

Script after_ehlo(Script script) {
    script.insert(script.begin(), "EHLO client.example\r\n");
    return script;
}

}  // namespace onecopy::smtp
