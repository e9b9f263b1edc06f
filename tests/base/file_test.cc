#include "base/file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

TEST_SUITE_BEGIN("file");

namespace onecopy::base {

namespace {

/// A file of that text, which goes with it.
struct File {
    explicit File(const std::string& text) { std::ofstream(path, std::ios::binary) << text; }
    ~File() { std::remove(path.c_str()); }
    std::string path = std::string(std::getenv("TMPDIR") ? std::getenv("TMPDIR") : "/tmp") + "/onecopy-file-" +
                       std::to_string(reinterpret_cast<std::uintptr_t>(this));
};

}  // namespace

TEST_CASE("a file is read whole, up to what it may hold and one byte more") {
    const std::string text = std::string(100'000, 'x') + std::string("\0\n", 2);
    const File file(text);
    CHECK(read_file(file.path, text.size()).text == text);
    CHECK(read_file(file.path, text.size()).wrong.empty());
    CHECK(read_file(file.path, text.size() - 1).text.size() == text.size());
    CHECK(read_file(file.path, 10).text.size() == 11);
    CHECK(read_file("/dev/null", 10).text.empty());
}

TEST_CASE("why a file can't be had is told") {
    CHECK(read_file("/nowhere/x", 10).wrong == "can't be opened: No such file or directory");
    CHECK(read_file("/", 10).wrong == "can't be read: Is a directory");
}

TEST_CASE("a pipe is read as its writer writes") {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    std::thread writer([&] {
        for (const char* piece : {"a", "b"}) {
            CHECK(::write(ends[1], piece, 1) == 1);
            std::this_thread::yield();
        }
        ::close(ends[1]);
    });
    CHECK(read_file("/proc/self/fd/" + std::to_string(ends[0]), 10).text == "ab");
    writer.join();
    ::close(ends[0]);
}

TEST_CASE("a pipe that nobody writes to is empty, and not waited for") {
    File file("");
    std::remove(file.path.c_str());
    REQUIRE(::mkfifo(file.path.c_str(), 0600) == 0);
    CHECK(read_file(file.path, 10).text.empty());
}

}  // namespace onecopy::base

TEST_SUITE_END();
