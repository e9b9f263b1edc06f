#include "smtp/reply.h"

#include <doctest/doctest.h>

TEST_SUITE_BEGIN("reply");

namespace onecopy::smtp {

namespace {

using Result = ReplyReader::Result;

/// Reads one reply from bytes that come in pieces of `step`.
Result read(std::string_view bytes, std::size_t step, Reply& reply, std::string& fault) {
    ReplyReader reader;
    Result result = Result::more;
    while (!bytes.empty() && result == Result::more) {
        auto piece = bytes.substr(0, step);
        const auto size = piece.size();
        result = reader.feed(piece);
        bytes.remove_prefix(size - piece.size());
    }
    if (result == Result::reply) reply = reader.take();
    fault = reader.fault();
    return result;
}

}  // namespace

TEST_CASE("a reply is written with its status on every line") {
    CHECK(Reply(250, "2.1.0", "Ok").wire() == "250 2.1.0 Ok\r\n");
    CHECK(Reply(220, "", "host ESMTP").wire() == "220 host ESMTP\r\n");
    Reply reply(250, "", "host");
    reply.lines = {"host", "PIPELINING", "HELP"};
    CHECK(reply.wire() == "250-host\r\n250-PIPELINING\r\n250 HELP\r\n");
    reply = Reply(550, "5.1.1", "a");
    reply.lines.push_back("b");
    CHECK(reply.wire() == "550-5.1.1 a\r\n550 5.1.1 b\r\n");
}

TEST_CASE("no text can start a line of its own or pass 512 octets") {
    CHECK(Reply(550, "5.0.0", "a\r\n250 b\x1b\xff").wire() == "550 5.0.0 a??250 b??\r\n");
    const auto wire = Reply(550, "5.0.0", std::string(2000, 'x')).wire();
    CHECK(wire.size() == 512);
    CHECK(wire.ends_with("x\r\n"));
}

TEST_CASE("a reply is told on one line") {
    Reply reply(550, "5.1.1", "no such");
    reply.lines.push_back("user");
    CHECK(reply.text() == "550 5.1.1 no such user");
    CHECK(Reply(0, "", "connection lost").text() == "connection lost");
    CHECK(Reply(250, "", "").text() == "250");
}

TEST_CASE("replies are read from bytes cut anywhere") {
    struct Row {
        std::string_view bytes, text;
    };
    const Row rows[] = {
        {"250 ok\r\n", "250 ok"},
        {"250\r\n", "250"},
        {"250 \r\n", "250"},
        {"250 ok\n", "250 ok"},
        {"250-a\r\n250-b\r\n250 c\r\n", "250 a b c"},
        {"250-a\n250\n", "250 a"},
        {"259 x\r\n", "259 x"},
        {"499 x\r\n", "499 x"},
        {"599 x\r\n", "599 x"},
        {"550 5.1.1 no\r\n", "550 5.1.1 no"},
        {"550-5.1.1 no\r\n550 5.1.1 body\r\n", "550 5.1.1 no body"},
        {"550-5.1.1 no\r\n550 5.7.1 body\r\n", "550 5.1.1 no 5.7.1 body"},
        {"550 5.1.1\r\n", "550 5.1.1"},
        {"550 5.1.1x no\r\n", "550 5.1.1x no"},
        {"550 4.1.1 no\r\n", "550 4.1.1 no"},
        {"550 5.1234.1 no\r\n", "550 5.1234.1 no"},
        {"354 go\r\n", "354 go"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.bytes);
        for (std::size_t step = 1; step <= row.bytes.size(); ++step) {
            Reply reply;
            std::string fault;
            REQUIRE(read(row.bytes, step, reply, fault) == Result::reply);
            CHECK(reply.text() == row.text);
        }
    }
}

TEST_CASE("the status is taken where it belongs to the code alone") {
    const auto status = [](std::string_view bytes) {
        Reply reply;
        std::string fault;
        REQUIRE(read(bytes, bytes.size(), reply, fault) == Result::reply);
        return reply.status;
    };
    CHECK(status("550 5.1.1 no\r\n") == "5.1.1");
    CHECK(status("452 4.5.3 no\r\n") == "4.5.3");
    CHECK(status("550 5.7.606 no\r\n") == "5.7.606");
    CHECK(status("550 4.1.1 no\r\n").empty());
    CHECK(status("550 5.1 no\r\n").empty());
    CHECK(status("550 5.1.1- no\r\n").empty());
}

TEST_CASE("what is no reply is broken") {
    using namespace std::string_view_literals;
    const std::string long_line = "250 " + std::string(4200, 'x');
    std::string many;
    for (int i = 0; i < 102; ++i) many += "250-x\r\n";
    const std::string_view rows[] = {
        "\r\n",           "hello\r\n",          "25\r\n",         "2500 x\r\n",
        "250x\r\n",       "150 x\r\n",          "650 x\r\n",      "050 x\r\n",
        "250 a\0b\r\n"sv, "250-a\r\n251 b\r\n", "250-a\r\nb\r\n", " 250 a\r\n",
        "-50 x\r\n",      "2 0 x\r\n",          long_line,        many,
    };
    for (const auto row : rows) {
        CAPTURE(row);
        for (const std::size_t step : {std::size_t(1), std::size_t(7), row.size()}) {
            Reply reply;
            std::string fault;
            CHECK(read(row, step, reply, fault) == Result::broken);
            CHECK(!fault.empty());
            CHECK(fault.size() < 600);
        }
    }
}

TEST_CASE("what follows a reply stays for the next call") {
    ReplyReader reader;
    std::string_view bytes = "250 a\r\n550 b\r\n";
    REQUIRE(reader.feed(bytes) == Result::reply);
    CHECK(reader.take().text() == "250 a");
    CHECK(bytes == "550 b\r\n");
    REQUIRE(reader.feed(bytes) == Result::reply);
    CHECK(reader.take().text() == "550 b");
    CHECK(bytes.empty());
}

}  // namespace onecopy::smtp

TEST_SUITE_END();
