#include "net/http.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "../ledger/fixture.h"
#include "fixture.h"

using namespace onecopy::net;
using namespace onecopy::net::testing;
using onecopy::ledger::testing::TemporaryDirectory;

namespace {

/// A server on a Unix socket; it keeps the requests, and how to answer them.
struct Stand : Bench {
    Stand() {
        server =
            std::make_unique<HttpServer>(loop, "unix:" + path, [this](const HttpServer::Request& request, auto respond) {
                requests.push_back(request);
                answers.push_back(respond);
                if (at_once) respond({200, "text/plain", "hello"});
            });
    }
    void ask(Peer& client, const std::string& request) {
        client.connection = Connection::connect(loop, unix_socket(path), client);
        client.connection->write(request);
    }
    std::string answer(const std::string& request) {
        Peer client;
        ask(client, request);
        CHECK(until([&] { return client.ends > 0; }));
        return client.bytes;
    }

    TemporaryDirectory directory;
    const std::string path = directory.path() + "/http";
    bool at_once = true;
    std::vector<HttpServer::Request> requests;
    std::vector<HttpServer::Respond> answers;
    std::unique_ptr<HttpServer> server;
};

std::string get(const std::string& target, const std::string& more = "") {
    return "GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + more + "\r\n";
}

std::string status(const std::string& answer) {
    return answer.substr(0, answer.find("\r\n")).substr(9, 3);
}

}  // namespace

TEST_SUITE_BEGIN("http");

TEST_CASE("a request comes decoded, with the peer's user, and is answered") {
    Stand stand;
    std::string answer = stand.answer(get("/why%20not?message_id=%3C1%40x%3E&all=&n=1+2"));
    CHECK(status(answer) == "200");
    CHECK(answer.find("Content-Type: text/plain\r\n") != answer.npos);
    CHECK(answer.ends_with("\r\n\r\nhello"));
    REQUIRE(stand.requests.size() == 1);
    const HttpServer::Request& request = stand.requests[0];
    CHECK(request.method == "GET");
    CHECK(request.path == "/why not");
    CHECK(request.query == std::map<std::string, std::string>{{"all", ""}, {"message_id", "<1@x>"}, {"n", "1 2"}});
    CHECK(request.peer_uid == ::geteuid());
    CHECK(request.peer_gid == ::getegid());
}

TEST_CASE("a POST is one, within the limit of its body") {
    struct Row {
        std::size_t body;
        const char* status;
    };
    for (const Row& row : {Row{0, "200"}, Row{64 << 10, "200"}, Row{(64 << 10) + 1, "413"}}) {
        CAPTURE(row.body);
        Stand stand;
        std::string answer = stand.answer("POST /release HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
                                          std::to_string(row.body) + "\r\n\r\n" + std::string(row.body, 'x'));
        CHECK(status(answer) == row.status);
        CHECK(stand.requests.size() == (row.status[0] == '2'));
        if (!stand.requests.empty()) CHECK(stand.requests[0].method == "POST");
    }
}

TEST_CASE("what is no request of ours is refused before anyone is asked") {
    const std::pair<std::string, const char*> table[] = {
        {"EHLO proxy.example\r\n\r\n", "400"},
        {get("/", "X: " + std::string(20'000, 'x') + "\r\n"), "400"},
    };
    for (const auto& [request, expected] : table) {
        CAPTURE(request.substr(0, 20));
        Stand stand;
        CHECK(status(stand.answer(request)) == expected);
        CHECK(stand.requests.empty());
    }
}

TEST_CASE("a method that is neither GET nor POST has no name, so that no route takes it") {
    const std::pair<std::string, std::string> table[] = {{"GET", "GET"}, {"HEAD", "GET"}, {"POST", "POST"}, {"PUT", ""},
                                                         {"DELETE", ""}, {"OPTIONS", ""}, {"PATCH", ""}};
    for (const auto& [method, expected] : table) {
        CAPTURE(method);
        Stand stand;
        stand.answer(method + " / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        REQUIRE(stand.requests.size() == 1);
        CHECK(stand.requests[0].method == expected);
    }
}

TEST_CASE("an answer may come later, and only the first counts") {
    Stand stand;
    stand.at_once = false;
    Peer client;
    stand.ask(client, get("/"));
    REQUIRE(stand.until([&] { return stand.answers.size() == 1; }));
    stand.answers[0]({404, "application/json", "{}"});
    stand.answers[0]({200, "application/json", "again"});
    REQUIRE(stand.until([&] { return client.ends == 1; }));
    CHECK(status(client.bytes) == "404");
    CHECK(client.bytes.ends_with("\r\n\r\n{}"));
}

TEST_CASE("an answer to a client that has gone is nobody's") {
    Stand stand;
    stand.at_once = false;
    {
        Peer client;
        stand.ask(client, get("/"));
        REQUIRE(stand.until([&] { return stand.answers.size() == 1; }));
    }
    stand.at_once = true;
    CHECK(status(stand.answer(get("/"))) == "200");
    stand.answers[0]({200, "text/plain", "too late"});
    stand.turn();
}

TEST_CASE("several requests on one connection are answered in turn") {
    Stand stand;
    Peer client;
    stand.ask(client, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(stand.until([&] { return stand.requests.size() == 2 && client.bytes.ends_with("hello"); }));
    CHECK(stand.requests[1].path == "/2");
}

TEST_CASE("the server may go while an answer is owed, and with it its file") {
    Stand stand;
    stand.at_once = false;
    Peer client;
    stand.ask(client, get("/"));
    REQUIRE(stand.until([&] { return stand.answers.size() == 1; }));
    stand.server.reset();
    CHECK(::access(stand.path.c_str(), F_OK) != 0);
    stand.answers[0]({200, "text/plain", "too late"});
    CHECK(stand.until([&] { return client.ends == 1; }));
    CHECK(client.bytes.empty());
}

TEST_SUITE_END();
