#include "top.h"

#include <curses.h>

#include <algorithm>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "base/escape.h"
#include "http_client.h"
#include "tell.h"

namespace onecopy::top {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr int refresh_milliseconds = 1000;
constexpr const char* help = "q quits   arrows, page up and down, home, end scroll";

volatile std::sig_atomic_t stopped = 0;

enum Pair : short { red = 1, green, yellow };

class Screen {
public:
    Screen() {
        std::setlocale(LC_ALL, "");
        std::signal(SIGINT, [](int) { stopped = 1; });
        std::signal(SIGTERM, [](int) { stopped = 1; });
        ::initscr();
        ::cbreak();
        ::noecho();
        ::keypad(stdscr, TRUE);
        ::curs_set(0);
        ::timeout(refresh_milliseconds);
        if (::has_colors()) {
            ::start_color();
            ::use_default_colors();
            ::init_pair(red, COLOR_RED, -1);
            ::init_pair(green, COLOR_GREEN, -1);
            ::init_pair(yellow, COLOR_YELLOW, -1);
        }
    }
    ~Screen() { ::endwin(); }
    Screen(const Screen&) = delete;

    /// One line of ours, with its colours, cut where the screen ends.
    void draw(int row, const std::string& line) {
        ::move(row, 0);
        ::attrset(A_NORMAL);
        for (std::size_t at = 0; at < line.size();) {
            if (line[at] == '\x1b') {
                const std::size_t end = line.find('m', at);
                ::attrset(attribute(line.substr(at + 2, end - at - 2)));
                at = end + 1;
                continue;
            }
            const std::size_t end = std::min(line.find('\x1b', at), line.size());
            ::addnstr(line.c_str() + at, static_cast<int>(end - at));
            if (getcury(stdscr) != row) break;  // it went on below
            at = end;
        }
        ::attrset(A_NORMAL);
    }

private:
    static chtype attribute(const std::string& code) {
        if (code == "1") return A_BOLD;
        if (code == "2") return A_DIM;
        if (code == "31") return static_cast<chtype>(COLOR_PAIR(red));
        if (code == "32") return static_cast<chtype>(COLOR_PAIR(green));
        if (code == "33") return static_cast<chtype>(COLOR_PAIR(yellow));
        return A_NORMAL;
    }
};

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

json asked(const std::string& socket, const char* target) {
    const HttpAnswer answer = ask(socket, "GET", target);
    json document = json::parse(answer.body, nullptr, false);
    if (document.is_discarded()) throw NoDaemon(socket + ": the answer is no JSON");
    if (answer.status != 200) throw std::runtime_error(document.value("error", std::string("refused")));
    return document;
}

struct View {
    json status;
    Clock::time_point at;
    std::vector<std::string> top;   // always seen
    std::vector<std::string> list;  // scrolled
};

void look(const std::string& socket, Ink ink, View& view) {
    json status = asked(socket, "/status");
    const json list = asked(socket, "/list?which=");
    const Clock::time_point now = Clock::now();
    view.top = lines_of(tell::status(status, ink));
    if (!view.status.is_null()) view.top.push_back(padded("now", 14) + rates(view.status, status, now - view.at));
    view.top.emplace_back();
    view.list = lines_of(tell::list(list, ink));
    if (view.list.empty()) {
        view.list.push_back(ink.soft("no mail waits"));
    } else {  // the titles stay
        view.top.push_back(view.list.front());
        view.list.erase(view.list.begin());
    }
    view.status = std::move(status);
    view.at = now;
}

void draw(Screen& screen, const View& view, std::size_t first, Ink ink) {
    int rows = 0;
    [[maybe_unused]] int columns = 0;
    getmaxyx(stdscr, rows, columns);
    ::erase();
    int row = 0;
    for (const std::string& line : view.top) {
        if (row < rows - 1) screen.draw(row++, line);
    }
    for (std::size_t i = first; i < view.list.size() && row < rows - 1; ++i) screen.draw(row++, view.list[i]);
    if (rows > 0) screen.draw(rows - 1, ink.soft(help));
    ::refresh();
}

/// Where the list begins after a key.
std::size_t scrolled(std::size_t first, int key, std::size_t lines) {
    constexpr std::size_t page = 10;
    const std::size_t last = lines == 0 ? 0 : lines - 1;
    switch (key) {
        case KEY_DOWN:
            return std::min(first + 1, last);
        case KEY_NPAGE:
            return std::min(first + page, last);
        case KEY_UP:
            return first - std::min<std::size_t>(first, 1);
        case KEY_PPAGE:
            return first - std::min(first, page);
        case KEY_HOME:
            return 0;
        case KEY_END:
            return last - std::min(last, page - 1);
        default:
            return std::min(first, last);
    }
}

}  // namespace

std::string rates(const json& before, const json& now, std::chrono::duration<double> between) {
    const auto rate = [&](const char* name) {
        const auto count = [name](const json& status) { return status.value("counts", json::object()).value(name, 0.0); };
        return between.count() > 0 ? std::max(0.0, count(now) - count(before)) / between.count() : 0.0;
    };
    char text[128];
    std::snprintf(text, sizeof text, "%.1f copies/s, %.1f messages/s, %.1f delivered/s", rate("copies"), rate("messages"),
                  rate("delivered"));
    return text;
}

void run(const std::string& socket, Ink ink) {
    View view;
    look(socket, ink, view);
    Screen screen;
    std::size_t first = 0;
    for (int key = ERR; !stopped && key != 'q'; key = ::getch()) {
        first = scrolled(first, key, view.list.size());
        if (key == ERR) try {
                look(socket, ink, view);
            } catch (const std::exception& error) {
                view = {};
                view.top.push_back(ink.bad(base::printable(error.what())));
            }
        draw(screen, view, first, ink);
    }
}

}  // namespace onecopy::top
