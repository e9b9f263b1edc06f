#include "base/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>

using namespace onecopy::base;

namespace {

/// Standard error leads into a pipe while this lives; the log is empty before and after.
class CapturedError {
public:
    CapturedError() {
        log::flush();
        REQUIRE(pipe2(ends_.data(), O_NONBLOCK | O_CLOEXEC) == 0);
        saved_ = dup(STDERR_FILENO);
        dup2(ends_[1], STDERR_FILENO);
    }
    ~CapturedError() {
        dup2(saved_, STDERR_FILENO);
        for (int descriptor : {saved_, ends_[0], ends_[1]}) close(descriptor);
        log::set_level(Level::info);
    }

    std::string taken() const {
        std::string text;
        std::array<char, 4096> piece;
        for (ssize_t n; (n = read(ends_[0], piece.data(), piece.size())) > 0;)
            text.append(piece.data(), static_cast<size_t>(n));
        return text;
    }

private:
    std::array<int, 2> ends_;
    int saved_;
};

/// The lines without the prefix that they have under systemd.
bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
}

std::string output_of(const std::string& command) {
    std::unique_ptr<FILE, int (*)(FILE*)> out(popen(command.c_str(), "r"), pclose);
    REQUIRE(out);
    std::string text;
    std::array<char, 4096> piece;
    for (std::size_t n; (n = fread(piece.data(), 1, piece.size(), out.get())) > 0;) text.append(piece.data(), n);
    return text;
}

std::string own_program() {
    std::array<char, 4096> path;
    ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
    return std::string(path.data(), static_cast<std::size_t>(length));
}

}  // namespace

TEST_SUITE_BEGIN("log");

TEST_CASE("a line is an event and its escaped fields") {
    CHECK(log::line("start", {}) == "start");
    CHECK(log::line("copy", {{"group", 7}, {"from", "a@b"}, {"reply", "250 ok"}, {"empty", ""}, {"bytes", 1ULL << 40}}) ==
          "copy group=7 from=a@b reply=\"250 ok\" empty=\"\" bytes=1099511627776");
    CHECK(log::line("x", {{"said", "a\nb"}}) == "x said=a\\x0ab");
}

TEST_CASE("lines are gathered, and written by flush") {
    CapturedError error;
    log::info("one");
    log::warning("two", {{"n", 2}});
    CHECK(error.taken().empty());
    log::flush();
    std::string text = error.taken();
    CHECK(holds(text, "one\n"));
    CHECK(holds(text, "two n=2\n"));
    CHECK(text.find("one") < text.find("two"));
    log::flush();
    CHECK(error.taken().empty());
}

TEST_CASE("an error is written at once, behind what was gathered") {
    CapturedError error;
    log::info("before");
    log::error("broken");
    std::string text = error.taken();
    CHECK(holds(text, "before\n"));
    CHECK(text.ends_with("broken\n"));
}

TEST_CASE("the level decides what is written") {
    CapturedError error;
    log::debug("hidden");
    log::set_level(Level::debug);
    CHECK(log::enabled(Level::debug));
    log::debug("shown");
    log::set_level(Level::error);
    CHECK_FALSE(log::enabled(Level::warning));
    log::warning("hidden");
    log::flush();
    std::string text = error.taken();
    CHECK(holds(text, "shown\n"));
    CHECK_FALSE(holds(text, "hidden"));
}

TEST_CASE("64 KiB of lines are written without a flush") {
    CapturedError error;
    const std::string value(500, 'x');
    for (int i = 0; i < 140; ++i) log::info("line", {{"value", value}});
    CHECK(error.taken().size() >= 60'000);
    log::flush();
}

TEST_CASE("what a full pipe does not take is written later, in order") {
    CapturedError error;
    const std::string value(500, 'x');
    for (int i = 0; i < 400; ++i) log::info("line", {{"number", i}, {"value", value}});
    std::string text;
    for (int i = 0; i < 10; ++i) {
        text += error.taken();
        log::flush();
    }
    for (int i = 0; i < 400; ++i) {
        std::string start = "line number=" + std::to_string(i) + " ";
        CHECK(holds(text, start));
    }
}

TEST_CASE("a pipe that stays full costs bounded memory and no failure") {
    CapturedError error;
    const std::string value(500, 'x');
    for (int i = 0; i < 10'000; ++i) log::info("line", {{"value", value}});
    error.taken();
    log::flush();
    std::size_t kept = 0;
    for (std::string text; !(text = error.taken()).empty(); log::flush()) kept += text.size();
    CHECK(kept <= (1 << 20) + (64 << 10) + 1000);
}

TEST_CASE("a standard error that is closed loses lines and nothing else") {
    CapturedError error;
    close(STDERR_FILENO);
    log::error("nobody hears this");
    log::info("nor this");
    log::flush();
    CHECK(error.taken().empty());
}

TEST_CASE("says something at each level" * doctest::skip()) {
    log::set_level(Level::debug);
    log::error("e");
    log::warning("w");
    log::info("i");
    log::debug("d");
    log::flush();
}

TEST_CASE("where journald reads, a line begins with its priority") {
    const std::string run = "'" + own_program() + "' --no-skip --test-case='says something at each level' 2>&1 >/dev/null";
    CHECK(output_of("JOURNAL_STREAM=8:1 " + run) == "<3>e\n<4>w\n<6>i\n<7>d\n");
    CHECK(output_of("unset JOURNAL_STREAM; " + run) == "e\nw\ni\nd\n");
}

TEST_SUITE_END();
