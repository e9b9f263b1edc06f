#include "relay/users.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <time.h>

#include <fstream>

#include "../ledger/fixture.h"

using namespace onecopy;
using namespace onecopy::relay;

namespace {

// All of the password `secret`.
constexpr const char* yescrypt = "$y$j75$k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnB$gibWb7zeezN6Dr/uLpBtm.UupJQ09kPeh.t/AJb2vGC";
constexpr const char* gost_yescrypt = "$gy$j75$k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnB$hVj2Vb6m1rsYVauTBv1Ufq3rymOILeHUK1kdW3EIPz.";
constexpr const char* bcrypt = "$2b$05$KBCwKxOzLha2MUDgW0PjXeGy8zDyKFegpVV4y0qPBUgij10WNyKY6";
constexpr const char* sha512 =
    "$6$k2XAnEHBqQ1Ct2aM$iHrwyiyKiHg2YYwyBUuMGKxA1KEcXtz5/1GeBzr0MS1P/uuE3hZ0bFaooxSWrUiR3AnSTuj.ImcGKhyGcmwS5.";
constexpr const char* sha256 = "$5$k2XAnEHBqQ1Ct2aM$rnCuOqWo.paDhUxsmHP0RfEIDdETSMulnLCs8sxkDq/";
const std::string end_of_sha512 = "$iHrwyiyKiHg2YYwyBUuMGKxA1KEcXtz5/1GeBzr0MS1P/uuE3hZ0bFaooxSWrUiR3AnSTuj.ImcGKhyGcmwS5.";

/// A file of users with that text.
class File {
public:
    explicit File(const std::string& text) : path_(directory_.path() + "/users") {
        std::ofstream(path_, std::ios::binary) << text;
    }
    UsersReading read() const { return read_users(path_); }
    std::shared_ptr<const Users> users() const {
        UsersReading reading = read();
        REQUIRE_MESSAGE(reading.problems.empty(), reading.problems.front());
        return reading.users;
    }
    /// What is wrong, without the path in front.
    std::vector<std::string> problems() const {
        std::vector<std::string> problems = read().problems;
        for (std::string& problem : problems) {
            CHECK(problem.starts_with(path_ + ":"));
            problem.erase(0, path_.size() + 1);
        }
        return problems;
    }
    const std::string& path() const { return path_; }

private:
    ledger::testing::TemporaryDirectory directory_;
    std::string path_;
};

double processor_seconds(auto work) {
    auto now = [] {
        timespec time{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
    };
    double start = now();
    work();
    return now() - start;
}

}  // namespace

TEST_SUITE_BEGIN("users");

TEST_CASE("a user is who knows the password of his line, by every kind of hash") {
    for (const char* hash : {yescrypt, gost_yescrypt, bcrypt, sha512, sha256}) {
        CAPTURE(hash);
        auto users = File(std::string("joe:") + hash + "\n").users();
        CHECK(users->verify("joe", "secret"));
        CHECK_FALSE(users->verify("joe", "Secret"));
        CHECK_FALSE(users->verify("joe", "secret "));
        CHECK_FALSE(users->verify("joe", ""));
        CHECK_FALSE(users->verify("joe", hash));
        CHECK_FALSE(users->verify("Joe", "secret"));
        CHECK_FALSE(users->verify("jo", "secret"));
        CHECK_FALSE(users->verify("", "secret"));
    }
}

TEST_CASE("who is not in the file is nobody, though the password fits the hash that stands in for his") {
    auto users = File(std::string("joe:") + bcrypt + "\n").users();
    for (int i = 0; i < 20; ++i) CHECK_FALSE(users->verify("nobody" + std::to_string(i), "secret"));
}

TEST_CASE("a locked user never comes in, and with nobody else nobody does") {
    const std::vector<std::string> locks{"!",       "*", "!!", "!*", std::string("!") + bcrypt, std::string("*") + sha512,
                                         "!not:one"};
    for (const std::string& lock : locks) {
        CAPTURE(lock);
        auto users = File("joe:" + lock + "\n").users();
        CHECK_FALSE(users->verify("joe", "secret"));
        CHECK_FALSE(users->verify("joe", ""));
        users = File("joe:" + lock + "\nkim:" + bcrypt + "\n").users();
        CHECK_FALSE(users->verify("joe", "secret"));
        CHECK(users->verify("kim", "secret"));
    }
    CHECK_FALSE(File("").users()->verify("joe", "secret"));
}

TEST_CASE("a NUL ends neither name nor password, and a password has a longest length") {
    auto users = File(std::string("joe:") + bcrypt + "\n").users();
    CHECK_FALSE(users->verify("joe", std::string("secret\0", 7)));
    CHECK_FALSE(users->verify("joe", std::string("secret\0x", 8)));
    CHECK_FALSE(users->verify(std::string("joe\0", 4), "secret"));
    CHECK_FALSE(users->verify("joe", std::string(1 << 20, 'x')));
    CHECK_FALSE(users->verify(std::string(1 << 20, 'j'), "secret"));
    // bcrypt looks at 72 bytes of it, so that the length is all that differs.
    users = File("joe:$2b$04$KBCwKxOzLha2MUDgW0PjXe2EbuGeU17K17Rx1Pb2UnKJd/.iteNSW\n").users();
    CHECK(users->verify("joe", std::string(most_password, 'x')));
    CHECK_FALSE(users->verify("joe", std::string(most_password + 1, 'x')));
}

TEST_CASE("a name that is not there, or is locked, costs what one costs that is") {
    auto users = File("joe:$6$rounds=100000$k2XAnEHBqQ1Ct2aM" + end_of_sha512 + "\nkim:!\n").users();
    double known = processor_seconds([&] { users->verify("joe", "wrong"); });
    double unknown = processor_seconds([&] { users->verify("nobody", "wrong"); });
    double locked = processor_seconds([&] { users->verify("kim", "wrong"); });
    CHECK(unknown > known / 4);
    CHECK(locked > known / 4);
}

TEST_CASE("empty lines and comments count for nothing, and line ends of either kind end a line") {
    File file("\xef\xbb\xbf# who may send\r\n\r\n \t\njoe:" + std::string(bcrypt) + "\r\n#kim:" + bcrypt +
              "\n\nlee:" + sha256);
    auto users = file.users();
    CHECK(users->verify("joe", "secret"));
    CHECK(users->verify("lee", "secret"));
    CHECK_FALSE(users->verify("#kim", "secret"));
    CHECK_FALSE(users->verify("kim", "secret"));
}

TEST_CASE("names may be anything that shows") {
    for (const std::string name : {"joe@corp.example", "CORP\\joe", "jos\xc3\xa9", "\"joe\"", "a,b", "joe#1"}) {
        CAPTURE(name);
        CHECK(File(name + ":" + bcrypt + "\n").users()->verify(name, "secret"));
    }
}

TEST_CASE("each wrong line is told by its number, and no hash is quoted") {
    const std::string whole = sha512, cut = "the hash is not whole, or something stands behind it",
                      kind = "this is not a hash of a kind that is taken";
    struct Row {
        std::string line, words;
    };
    const std::vector<Row> rows{
        {"joe", "this is not `name:hash`"},
        {"  # not in front", "this is not `name:hash`"},
        {":" + whole, "no name stands in front of the `:`"},
        {"joe x:" + whole, "a blank or a control stands in the name"},
        {" joe:" + whole, "a blank or a control stands in the name"},
        {"joe :" + whole, "a blank or a control stands in the name"},
        {"j\x01oe:" + whole, "a blank or a control stands in the name"},
        {std::string("j\0oe:", 5) + whole, "a blank or a control stands in the name"},
        {"joe:", "no hash stands behind the `:`"},
        {"joe:secret", kind},
        {"joe: " + whole, kind},
        {"joe:rl.3StKT.4T8M", kind},
        {"joe:$1$k2XAnEHB$rbDfQq368qWY4bas.D3Ac0", kind},
        {"joe:$apr1$k2XAnEHB$rbDfQq368qWY4bas.D3Ac0", kind},
        {"joe:{SHA512-CRYPT}" + whole, kind},
        {"joe:$2x$05$KBCwKxOzLha2MUDgW0PjXeGy8zDyKFegpVV4y0qPBUgij10WNyKY6", kind},
        {"joe:$", kind},
        {"joe:$6", kind},
        {"joe:$$$$", kind},
        {"joe:" + whole.substr(0, whole.size() - 1), cut},
        {"joe:" + whole + "x", cut},
        {"joe:" + whole + " ", cut},
        {"joe:" + whole + ":19000:0:99999:7:::", cut},
        {"joe:" + whole + " # comment", cut},
        {"joe:$6" + end_of_sha512, cut},
        {"joe:$6$k2XAnEHBqQ1Ct2aMx" + end_of_sha512, cut},
        {"joe:$6$rounds=$k2XAnEHBqQ1Ct2aM" + end_of_sha512, cut},
        {"joe:$6$rounds=999$k2XAnEHBqQ1Ct2aM" + end_of_sha512, cut},
        {"joe:$6$rounds=05000$k2XAnEHBqQ1Ct2aM" + end_of_sha512, cut},
        {"joe:$6$rounds=5000x$k2XAnEHBqQ1Ct2aM" + end_of_sha512, cut},
        {"joe:$6$Rounds=5000$k2XAnEHBqQ1Ct2aM" + end_of_sha512, cut},
        {"joe:$6$rounds=5000$x$k2XAnEHBqQ1Ct2aM" + end_of_sha512, cut},
        {"joe:$2b$3$KBCwKxOzLha2MUDgW0PjXeGy8zDyKFegpVV4y0qPBUgij10WNyKY6", cut},
        {"joe:$2b$03$KBCwKxOzLha2MUDgW0PjXeGy8zDyKFegpVV4y0qPBUgij10WNyKY6", cut},
        {"joe:$2b$KBCwKxOzLha2MUDgW0PjXeGy8zDyKFegpVV4y0qPBUgij10WNyKY6", cut},
        {"joe:$y$j9$k2XAnEHBqQ1Ct2aM$gibWb7zeezN6Dr/uLpBtm.UupJQ09kPeh.t/AJb2vGC", cut},
        {"joe:$y$j9T$gibWb7zeezN6Dr/uLpBtm.UupJQ09kPeh.t/AJb2vGC", cut},
    };
    std::string text, secret = "secret";
    for (const Row& row : rows) {
        std::string line = row.line;
        if (line.starts_with("joe:")) line.insert(3, std::to_string(text.size()));  // each his own name
        text += line + "\n# between\n";
    }
    std::vector<std::string> problems = File(text).problems();
    REQUIRE(problems.size() == rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CAPTURE(rows[i].line);
        CHECK_MESSAGE(problems[i].starts_with(std::to_string(2 * i + 1) + ": " + rows[i].words), problems[i]);
        CHECK(problems[i].find("k2XAnEHBqQ1Ct2aM") == std::string::npos);
        CHECK(problems[i].find(secret) == std::string::npos);
    }
    CHECK(File(text).read().users == nullptr);
}

TEST_CASE("a hash that costs too much is refused before anybody tries it") {
    const std::string y_end = "$k2XAnEHBqQ1Ct2aM$gibWb7zeezN6Dr/uLpBtm.UupJQ09kPeh.t/AJb2vGC",
                      b_end = "$KBCwKxOzLha2MUDgW0PjXeGy8zDyKFegpVV4y0qPBUgij10WNyKY6";
    struct Row {
        std::string hash;
        bool dear;
    };
    const std::vector<Row> rows{
        {"$6$rounds=5000000$k2XAnEHBqQ1Ct2aM" + end_of_sha512, false},
        {"$6$rounds=5000001$k2XAnEHBqQ1Ct2aM" + end_of_sha512, true},
        {"$6$rounds=999999999$k2XAnEHBqQ1Ct2aM" + end_of_sha512, true},
        {"$6$rounds=99999999999999999999$k2XAnEHBqQ1Ct2aM" + end_of_sha512, true},
        {"$2b$14" + b_end, false},
        {"$2b$15" + b_end, true},
        {"$2y$31" + b_end, true},
        {"$2y$99" + b_end, true},
        {"$y$j9T" + y_end, false},
        {"$y$jDT" + y_end, false},  // N = 2^16, r = 32: 256 MiB
        {"$y$jET" + y_end, true},
        {"$y$jDU" + y_end, true},
        {"$y$jI." + y_end, false},  // N = 2^21, r = 1
        {"$y$jJ." + y_end, true},
        {"$y$jk." + y_end, true},
        {"$y$jzz" + y_end, true},
        {"$y$j9z" + y_end, true},
        {"$gy$jET" + y_end, true},
        {"$y$j9T." + y_end, true},  // a parameter more
        {"$y$/9T" + y_end, true},
    };
    for (const Row& row : rows) {
        CAPTURE(row.hash);
        std::vector<std::string> problems = File("joe:" + row.hash + "\n").problems();
        REQUIRE(problems.size() == row.dear);
        if (row.dear) CHECK(problems[0].starts_with("1: the hash costs too much time or memory"));
    }
}

TEST_CASE("a name that stands twice is told with both its lines") {
    std::vector<std::string> problems = File(std::string("joe:") + bcrypt + "\n\njoe:!\nJoe:!\njoe:secret\n").problems();
    REQUIRE(problems.size() == 2);
    CHECK(problems[0] == "3: `joe` stands in line 1 already");
    CHECK(problems[1] == "5: `joe` stands in line 1 already");
}

TEST_CASE("a file that can't be read, or is none of users, is one problem") {
    File file("");
    UsersReading missing = read_users(file.path() + "-missing");
    REQUIRE(missing.problems.size() == 1);
    CHECK(missing.problems[0] == file.path() + "-missing: can't be opened: No such file or directory");
    CHECK(missing.users == nullptr);
    std::string directory = file.path().substr(0, file.path().rfind('/'));
    CHECK(read_users(directory).problems.at(0) == directory + ": can't be read: Is a directory");
    std::string line = "#" + std::string(1023, 'x'), full;
    for (std::size_t i = 0; i < most_users_bytes / 1024; ++i) full += line.substr(0, 1023) + "\n";
    CHECK(File(full).problems().empty());
    CHECK(File(full + "\n").problems() == std::vector<std::string>{" larger than 1 MiB: is it a file of users?"});
    std::string pipe = directory + "/pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    CHECK_MESSAGE(read_users(pipe).problems.empty(), "nobody waits for who would write into a pipe");
}

TEST_SUITE_END();
