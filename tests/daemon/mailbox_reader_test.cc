#include "mailbox_reader.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace onecopy;
using analysis::Analysis;
using analysis::MailboxReader;
namespace fs = std::filesystem;

namespace {

class Tree {
public:
    Tree() {
        std::string name = (fs::temp_directory_path() / "onecopy-mailbox-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Tree() { fs::remove_all(path); }

    void file(const std::string& name, const std::string& text) const {
        fs::create_directories((path / name).parent_path());
        std::ofstream(path / name, std::ios::binary) << text;
    }

    fs::path path;
};

struct Result : MailboxReader::Watcher {
    bool go_on(std::uint64_t) override { return blocks-- > 0; }
    void wrong(const std::string& path, const std::string& what) override { wrongs.push_back(path + ": " + what); }

    int blocks = 1000;
    std::vector<std::string> wrongs;
    std::uint64_t messages = 0, groups = 0, empty = 0;
    MailboxReader::Counts counts;
    bool stopped = false;
};

Result read(const std::vector<std::string>& paths, int blocks = 1000) {
    Result result;
    result.blocks = blocks;
    Analysis analysis;
    MailboxReader reader(analysis, result);
    for (const std::string& path : paths) reader.read(path);
    result.counts = reader.counts();
    result.stopped = reader.stopped();
    const auto report = analysis.conclude();
    result.messages = report.messages;
    result.groups = report.groups;
    result.empty = report.empty;
    return result;
}

const std::string mail = "From: a@far.example\nMessage-ID: <1@x>\n\nbody\n";
const std::string other = "From: a@far.example\nMessage-ID: <2@x>\n\nbody\n";
const std::string from_line = "From a@far.example Fri Nov 27 04:32:19 2026\n";

}  // namespace

TEST_SUITE_BEGIN("mailbox reader");

TEST_CASE("an mbox, a message and a maildir are read by their paths") {
    const Tree tree;
    tree.file("mbox", from_line + mail + "\n" + from_line + other);
    tree.file("one.eml", mail);
    tree.file("box/cur/1:2,S", mail);
    tree.file("box/new/2", other);
    CHECK(read({tree.path / "mbox"}).messages == 2);
    CHECK(read({tree.path / "one.eml"}).messages == 1);
    CHECK(read({tree.path / "box"}).messages == 2);
    const Result all = read({tree.path});
    CHECK(all.messages == 5);
    CHECK(all.groups == 2);
    CHECK(all.counts.mailboxes == 4);
    CHECK(all.wrongs.empty());
}

TEST_CASE("of a maildir its folders are read, and nothing but messages") {
    const Tree tree;
    tree.file("cur/1", mail);
    tree.file("cur/.hidden", mail);
    tree.file("tmp/2", mail);
    tree.file("dovecot-uidlist", "3 V1 N2\nFrom: a\n");
    tree.file("subscriptions.eml", mail);
    tree.file(".Archive/new/3", from_line + mail);
    tree.file(".Archive/maildirfolder", "");
    tree.file("fs/cur/4", "not like mail");
    const Result result = read({tree.path});
    CHECK(result.messages == 3);
    CHECK(result.counts.mailboxes == 3);
    CHECK(result.counts.skipped == 0);
}

TEST_CASE("in a tree what is no mail is passed over, but not where it is named") {
    const Tree tree;
    tree.file("a/b/c/mbox", from_line + mail);
    tree.file("a/notes", "Remember: the milk\n");
    tree.file("a/empty", "");
    ::mkfifo((tree.path / "a/pipe").c_str(), 0600);
    fs::create_symlink(tree.path, tree.path / "a/loop");
    fs::create_symlink(tree.path / "a/b/c/mbox", tree.path / "a/link");
    const Result result = read({tree.path});
    CHECK(result.messages == 1);
    CHECK(result.wrongs.empty());
    CHECK(result.counts.skipped == 4);
    CHECK(read({tree.path / "a/link"}).messages == 1);
    CHECK(read({tree.path / "a/notes"}).wrongs.size() == 1);
}

TEST_CASE("nothing is read twice") {
    const Tree tree;
    tree.file("box/cur/1", mail);
    fs::create_directories(tree.path / "box/new");
    fs::create_hard_link(tree.path / "box/cur/1", tree.path / "box/new/1");
    const Result result = read({tree.path, tree.path / "box", tree.path / "box/cur/1"});
    CHECK(result.messages == 1);
    CHECK(result.groups == 0);
    CHECK(result.counts.repeated == 2);
}

TEST_CASE("what can't be read is told, and the others are read") {
    const Tree tree;
    tree.file("one.eml", mail);
    tree.file("wrong", "From here no line is one of an mbox\n");
    tree.file("late", "From here too\n" + from_line + mail);
    const Result result = read({tree.path / "missing", tree.path / "wrong", tree.path / "late", tree.path / "one.eml"});
    REQUIRE(result.wrongs.size() == 3);
    CHECK(result.wrongs[0].ends_with("missing: No such file or directory"));
    CHECK(result.wrongs[1].ends_with("wrong: holds no line `From SENDER DATE`"));
    CHECK(result.wrongs[2].ends_with("late: 14 bytes stand before the first message"));
    CHECK(result.messages == 2);
}

TEST_CASE("large files come in blocks, and a message that is not read to its end is none") {
    const Tree tree;
    tree.file("mbox", from_line + mail + "\n" + from_line + other + std::string(3 << 20, 'x') + "\n" + from_line + mail);
    tree.file("one.eml", mail + std::string(1 << 20, 'x'));
    const Result all = read({tree.path / "mbox"});
    CHECK(all.messages == 3);
    CHECK(all.groups == 1);
    const Result part = read({tree.path / "mbox"}, 5);
    CHECK(part.stopped);
    CHECK(part.messages == 1);
    CHECK(read({tree.path / "one.eml"}, 3).messages == 0);
    CHECK(read({tree.path}, 0).messages == 0);
}

TEST_CASE("empty messages are counted apart") {
    const Tree tree;
    tree.file("mbox", from_line + from_line + "\n" + from_line + mail);
    const Result result = read({tree.path / "mbox"});
    CHECK(result.messages == 1);
    CHECK(result.empty == 2);
}

TEST_CASE("the size of a tree is known before it is read") {
    const Tree tree;
    tree.file("a/b", std::string(1000, 'x'));
    tree.file("c", std::string(24, 'x'));
    CHECK(analysis::bytes_below(tree.path) == 1024);
    CHECK(analysis::bytes_below(tree.path / "c") == 24);
    CHECK(analysis::bytes_below(tree.path / "missing") == 0);
}

TEST_SUITE_END();
