#include "message/mbox_reader.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "message/date.h"

using namespace onecopy;
using Texts = std::vector<std::string>;

namespace {

const std::string from_line = "From a@far.example Fri Nov 27 04:32:19 2026\n";

class Collector : public message::MboxReader::Handler {
public:
    void message_begins(base::WallTime time) override {
        CHECK(!open);
        open = true;
        texts.emplace_back();
        delivered.push_back(message::date(time));
    }
    void message_text(std::string_view piece) override {
        CHECK(open);
        CHECK(!piece.empty());
        texts.back() += piece;
    }
    void message_ends() override {
        CHECK(open);
        open = false;
    }

    Texts texts;
    Texts delivered;
    bool open = false;
    std::size_t stray = 0;
};

Collector read(std::string_view mbox, std::size_t piece) {
    Collector collector;
    message::MboxReader reader(collector);
    for (std::size_t at = 0; at < mbox.size(); at += piece) reader.feed(mbox.substr(at, piece));
    reader.finish();
    CHECK(!collector.open);
    collector.stray = reader.stray();
    return collector;
}

/// Every split gives the same.
Collector read(std::string_view mbox) {
    Collector whole = read(mbox, std::string_view::npos);
    for (std::size_t piece : {1, 2, 3, 5, 7, 44, 1000}) {
        const Collector cut = read(mbox, piece);
        CHECK(cut.texts == whole.texts);
        CHECK(cut.delivered == whole.delivered);
        CHECK(cut.stray == whole.stray);
    }
    return whole;
}

}  // namespace

TEST_SUITE_BEGIN("mbox reader");

TEST_CASE("messages stand between From lines") {
    const auto mbox = read(from_line + "A: 1\n\nbody\n\n" + "From b Sat Nov 28 00:00:00 2026\r\nA: 2\r\n\r\n");
    CHECK(mbox.texts == Texts{"A: 1\n\nbody\n\n", "A: 2\r\n\r\n"});
    CHECK(mbox.delivered == Texts{"Fri, 27 Nov 2026 04:32:19 +0000", "Sat, 28 Nov 2026 00:00:00 +0000"});
    CHECK(mbox.stray == 0);
}

TEST_CASE("a From line needs no blank line before it, and a message no text") {
    CHECK(read(from_line + "A: 1\n\nno blank\n" + from_line + from_line + "A: 3").texts ==
          Texts{"A: 1\n\nno blank\n", "", "A: 3"});
    CHECK(read(from_line.substr(0, from_line.size() - 1)).texts == Texts{""});
}

TEST_CASE("one quote goes from a quoted From line and from no other") {
    const std::string text =
        ">From here\n>>From there\n>from\n>Fro\n> From\n>\n>>\nx>From \n" + std::string(16, '>') + "From \n";
    CHECK(read(from_line + text).texts ==
          Texts{"From here\n>From there\n>from\n>Fro\n> From\n>\n>>\nx>From \n" + std::string(15, '>') + "From \n"});
    const std::string deep = std::string(17, '>') + "From \n" + std::string(5000, '>') + "From \n>";
    CHECK(read(from_line + deep).texts == Texts{deep});
}

TEST_CASE("what begins like a From line and holds no date is text") {
    for (const std::string& line : {std::string("From here on it is text\n"), std::string("From \n"), std::string("From"),
                                    std::string("F\n"), std::string("From \r\n"), std::string(" ") + from_line,
                                    "X" + from_line, "From " + std::string(2000, 'a') + " Fri Nov 27 04:32:19 2026\n",
                                    "From a Fri Nov 27 04:32:19 2026" + std::string(990, ' ') + from_line}) {
        CAPTURE(line.substr(0, 60));
        CHECK(read(from_line + "A: 1\n\n" + line).texts == Texts{"A: 1\n\n" + line});
    }
}

TEST_CASE("text before the first message is none") {
    const auto mbox = read("stray\n>From x\n" + from_line + "A: 1\n");
    CHECK(mbox.texts == Texts{"A: 1\n"});
    CHECK(mbox.stray == std::string("stray\nFrom x\n").size());
    CHECK(read("").texts.empty());
    CHECK(read(std::string(3000, '\n')).stray == 3000);
}

TEST_CASE("no byte is too odd") {
    const std::string odd("\0\xff\r\r\n\n\x1b[2J", 10);
    CHECK(read(from_line + odd).texts == Texts{odd});
}

TEST_SUITE_END();
