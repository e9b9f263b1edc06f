#include "ledger/ledger_thread.h"

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <optional>

#include "base/queue.h"
#include "faulty_disk.h"
#include "fixture.h"

using namespace onecopy;
using namespace onecopy::ledger;
using namespace onecopy::ledger::testing;
using coalesce::Verdict;
using What = coalesce::Outcome::What;

namespace {

/// A ledger's thread, with the test's own thread as the loop.
class ThreadBench {
public:
    explicit ThreadBench(std::string vfs = "", Files& files = posix_files()) : vfs_(std::move(vfs)), files_(files) {
        policy.window = base::Duration(0);
        start();
    }
    void start() {
        LedgerThread::Handler handler;
        handler.due = [this](std::vector<Due> groups) { std::ranges::move(groups, std::back_inserter(due)); };
        handler.settled = [this](const Settled& one) { settled.push_back(one); };
        handler.told = [this](const Told& one) { told.push_back(one); };
        handler.broken = [this](const std::string& why) { broken = why; };
        handler.damaged = [this](const std::string& damage) { damages.push_back(damage); };
        handler.notice = [this](base::Level, std::string event, std::string) { notices.push_back(std::move(event)); };
        thread.emplace(
            LedgerThread::Options{directory_.path(), "proxy.example", 0, policy, vfs_, files_},
            [this](std::function<void()> task) { tasks_.push(std::move(task)); }, std::move(handler));
    }
    /// Runs what the thread posts until the condition holds.
    bool until(const std::function<bool()>& condition) {
        for (auto start = std::chrono::steady_clock::now(); !condition();) {
            if (std::chrono::steady_clock::now() - start > std::chrono::seconds(20)) return false;
            for (auto& task : tasks_.wait(base::Duration(100))) task();
        }
        return true;
    }
    Acceptance offer(Copy copy) {
        std::optional<Acceptance> answer;
        thread->offer(std::move(copy), [&](const Acceptance& acceptance) { answer = acceptance; });
        REQUIRE(until([&] { return answer.has_value(); }));
        return *answer;
    }
    /// A piece is answered before the commit of its turn, so the second one behind that of all it was told before.
    void settle_down() {
        for (int turn = 0; turn < 2; ++turn) {
            bool answered = false;
            thread->append(~UploadId{0}, "x", [&](bool) { answered = true; });
            REQUIRE(until([&] { return answered; }));
        }
        thread->abandon(~UploadId{0});
    }
    void settle(const Due& group, What what) {
        Settlement settlement;
        settlement.group = group.group;
        for (const Due::Recipient& recipient : group.recipients)
            settlement.outcomes.push_back({recipient.member, what, "250 ok"});
        thread->settle(std::move(settlement));
    }

    const std::string& path() const { return directory_.path(); }

    coalesce::Policy policy;
    std::vector<Due> due;
    std::vector<Told> told;
    std::vector<Settled> settled;
    std::vector<std::string> notices, damages;
    std::string broken;

private:
    std::string vfs_;
    Files& files_;
    TemporaryDirectory directory_;
    base::Queue<std::function<void()>> tasks_;

public:
    std::optional<LedgerThread> thread;  // last: it uses the others to its end
};

}  // namespace

TEST_SUITE_BEGIN("ledger thread");

TEST_CASE("a copy is answered, handed out as soon as it is due and wanted, and settled") {
    ThreadBench bench;
    bench.thread->want(1);
    Acceptance acceptance = bench.offer(make_copy({"a@x"}));
    CHECK(acceptance.status == Acceptance::Status::accepted);
    REQUIRE(bench.until([&] { return !bench.due.empty(); }));
    CHECK(bench.due[0].group == acceptance.group);
    bench.settle(bench.due[0], What::delivered);
    REQUIRE(bench.until([&] { return !bench.settled.empty(); }));
    CHECK(bench.settled[0].ended.at(0).address == "a@x");
    CHECK(bench.offer(make_copy({"a@x"})).verdicts == std::vector{Verdict::suppressed});
}

TEST_CASE("no more groups are handed out than were wanted") {
    ThreadBench bench;
    for (int i = 0; i < 5; ++i) bench.offer(make_copy({"a@x"}, "<" + std::to_string(i) + "@x>"));
    CHECK(bench.due.empty());
    bench.thread->want(2);
    REQUIRE(bench.until([&] { return bench.due.size() == 2; }));
    bench.offer(make_copy({"a@x"}, "<6@x>"));
    CHECK(bench.due.size() == 2);
    bench.thread->want(10);
    CHECK(bench.until([&] { return bench.due.size() == 6; }));
}

TEST_CASE("a window is waited for by the thread itself") {
    ThreadBench bench;
    bench.policy.window = base::Duration(200);
    bench.thread->configure(bench.policy, 0, "proxy.example");
    bench.thread->want(1);
    auto start = std::chrono::steady_clock::now();
    bench.offer(make_copy({"a@x"}));
    CHECK(bench.due.empty());
    REQUIRE(bench.until([&] { return !bench.due.empty(); }));
    CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(199));
}

TEST_CASE("pieces are answered, and their body comes back") {
    ThreadBench bench;
    bench.thread->want(1);
    int written = 0;
    for (int i = 0; i < 3; ++i) bench.thread->append(5, std::string(1000, 'a'), [&](bool ok) { written += ok; });
    REQUIRE(bench.until([&] { return written == 3; }));
    Copy copy = make_copy({"a@x"});
    copy.upload = 5;
    copy.body.clear();
    CHECK(bench.offer(copy).status == Acceptance::Status::accepted);
    REQUIRE(bench.until([&] { return !bench.due.empty(); }));
    CHECK(bench.due[0].content->extents.size() == 3);
    copy.upload = 6;
    CHECK_MESSAGE(bench.offer(copy).status == Acceptance::Status::failed, "nobody uploaded that");
}

TEST_CASE("an upload whose last piece finds no room is told to be that, though there is room for others") {
    FaultyFiles files;
    ThreadBench bench("", files);
    bool written = false;
    bench.thread->append(5, "piece", [&](bool ok) { written = ok; });
    REQUIRE(bench.until([&] { return written; }));
    Copy copy = make_copy({"a@x"});
    copy.upload = 5;
    files.append_fails = true;
    CHECK(bench.offer(copy).status == Acceptance::Status::no_room);
    CHECK(bench.offer(make_copy({"a@x"}, "<2@x>")).status == Acceptance::Status::accepted);
}

TEST_CASE("an orderly end stores what the backend said") {
    ThreadBench bench;
    bench.thread->want(1);
    bench.offer(make_copy({"a@x"}));
    REQUIRE(bench.until([&] { return !bench.due.empty(); }));
    bench.settle(bench.due[0], What::delivered);
    bench.thread.reset();
    bench.due.clear();
    bench.start();
    CHECK(bench.offer(make_copy({"a@x"})).verdicts == std::vector{Verdict::suppressed});
}

TEST_CASE("what the servers' last EHLO said of SMTPUTF8 is known at once, and at the next start") {
    ThreadBench bench;
    auto stored = [&bench] {
        Database database(bench.path() + "/ledger.db", Database::Mode::read_only, "");
        return database.integer("SELECT smtputf8 FROM ledger") != 0;
    };
    CHECK_FALSE(bench.thread->smtputf8());
    bench.thread->remember_smtputf8(true);
    CHECK(bench.thread->smtputf8());
    bench.settle_down();
    CHECK_MESSAGE(stored(), "it has a commit of its own where nothing else is committed");
    bench.thread.reset();
    bench.start();
    CHECK(bench.thread->smtputf8());
    bench.thread->remember_smtputf8(false);
    CHECK_FALSE(bench.thread->smtputf8());
    bench.settle_down();
    CHECK_FALSE(stored());
}

TEST_CASE("what could not be remembered on a full disk is, with the next commit") {
    FaultyDisk::install();
    ThreadBench bench(FaultyDisk::vfs);
    FaultyDisk::sqlite_writes = FaultyDisk::Fault::full;
    bench.thread->remember_smtputf8(true);
    CHECK(bench.offer(make_copy({"a@x"})).status == Acceptance::Status::no_room);
    FaultyDisk::heal();
    CHECK(bench.offer(make_copy({"a@x"})).status == Acceptance::Status::accepted);
    Database database(bench.path() + "/ledger.db", Database::Mode::read_only, "");
    CHECK(database.integer("SELECT smtputf8 FROM ledger") == 1);
}

TEST_CASE("release answers how many groups it made due") {
    ThreadBench bench;
    bench.policy.window = std::chrono::hours(1);
    bench.thread->configure(bench.policy, 0, "proxy.example");
    bench.thread->want(5);
    std::int64_t group = bench.offer(make_copy({"a@x"}, "<1@x>")).group;
    bench.offer(make_copy({"a@x"}, "<2@x>"));
    std::vector<unsigned> answers;
    auto note = [&](const Changed& changed) { answers.push_back(changed.groups); };
    bench.thread->change(Change::release, {group}, note);
    bench.thread->change(Change::release, {99}, note);
    bench.thread->change(Change::release, {}, note);
    REQUIRE(bench.until([&] { return answers.size() == 3 && bench.due.size() == 2; }));
    CHECK(answers == std::vector<unsigned>{1, 0, 1});
}

TEST_CASE("what can't be settled stops forwarding until it can, and is not lost") {
    FaultyDisk::install();
    ThreadBench bench(FaultyDisk::vfs);
    bench.thread->want(1);
    bench.offer(make_copy({"a@x"}, "<1@x>"));
    bench.offer(make_copy({"a@x"}, "<2@x>"));
    REQUIRE(bench.until([&] { return bench.due.size() == 1; }));
    FaultyDisk::sqlite_writes = FaultyDisk::Fault::full;
    bench.settle(bench.due[0], What::delivered);
    bench.thread->want(1);
    REQUIRE(bench.until([&] { return !bench.notices.empty() && bench.notices.back() == "settle_failed"; }));
    CHECK(bench.settled.empty());
    CHECK(bench.offer(make_copy({"a@x"}, "<3@x>")).status == Acceptance::Status::no_room);
    FaultyDisk::heal();
    REQUIRE(bench.until([&] { return bench.settled.size() == 1 && bench.due.size() == 2; }));
    CHECK(bench.notices.back() == "settle_works");
}

TEST_CASE("a change by hand that can't be stored says why, and not that there was nothing to change") {
    FaultyDisk::install();
    ThreadBench bench(FaultyDisk::vfs);
    const std::int64_t group = bench.offer(make_copy({"a@x"})).group;
    FaultyDisk::sqlite_writes = FaultyDisk::Fault::full;
    std::optional<Changed> changed;
    bench.thread->change(Change::drop, {group}, [&](const Changed& one) { changed = one; });
    REQUIRE(bench.until([&] { return changed.has_value(); }));
    FaultyDisk::heal();
    CHECK(changed->trouble == "no room on the disk");
}

TEST_CASE("a group that can't be read holds up no other, is told once, and is tried again by hand") {
    ThreadBench bench;
    Copy copy = make_copy({"a@x"});
    bool of_the_group = false;
    SUBCASE("a row of the group") {
        copy.arriving.identity.message_id = "<" + std::string(20'000, 'v') + "@x>";
        of_the_group = true;
    }
    SUBCASE("its content") {
        copy.header += "X-Long: " + std::string(20'000, 'v') + "\r\n";
    }
    const std::int64_t broken = bench.offer(copy).group;
    bench.offer(make_copy({"b@x"}, "<2@x>", 2));
    bench.thread.reset();
    REQUIRE(break_rows(bench.path(), 'v') > 0);
    bench.start();
    bench.thread->want(2);
    REQUIRE(bench.until([&] { return !bench.due.empty() && !bench.damages.empty(); }));
    CHECK(bench.due[0].message_id == "<2@x>");
    CHECK(bench.damages[0].starts_with("group " + std::to_string(broken) + " can't be read"));
    bench.settle(bench.due[0], What::delivered);
    REQUIRE(bench.until([&] { return !bench.settled.empty(); }));
    CHECK(bench.settled[0].ended.size() == 1);
    bench.offer(make_copy({"c@x"}, "<3@x>", 3));
    REQUIRE(bench.until([&] { return bench.due.size() == 2; }));
    CHECK(bench.damages.size() == 1);
    CHECK_MESSAGE(bench.notices.empty(), "nothing is tried again by itself");

    copy.arriving.recipients = {{"d@x", false, false}};
    CHECK_MESSAGE(bench.offer(copy).status == Acceptance::Status::failed, "its fetcher keeps it");
    CHECK(bench.damages.size() == 1);

    std::optional<Changed> changed;
    bench.thread->want(1);
    bench.thread->change(Change::retry, {broken}, [&](const Changed& one) { changed = one; });
    REQUIRE(bench.until([&] { return changed && bench.damages.size() == 2; }));
    CHECK(changed->groups == (of_the_group ? 0 : 1));
}

TEST_CASE("who was loaded before the disk failed goes out, once; the others when it is well again") {
    FaultyDisk::install();
    ThreadBench bench(FaultyDisk::vfs);
    Copy unlucky = make_copy({"b@x"}, "<2@x>", 2);
    unlucky.header += "X-Long: " + std::string(20'000, 'v') + "\r\n";
    bench.offer(make_copy({"a@x"}, "<1@x>", 1));
    bench.offer(unlucky);
    bench.offer(make_copy({"c@x"}, "<3@x>", 3));
    bench.thread.reset();
    FaultyDisk::unreadable = 'v';
    bench.start();
    bench.thread->want(3);
    REQUIRE(bench.until([&] { return !bench.due.empty() && !bench.notices.empty(); }));
    CHECK(bench.notices == std::vector<std::string>{"ledger_unreadable"});
    CHECK(bench.damages.empty());
    REQUIRE(bench.due.size() == 1);
    CHECK(bench.due[0].message_id == "<1@x>");
    FaultyDisk::heal();
    REQUIRE(bench.until([&] { return bench.due.size() >= 3; }));
    CHECK(bench.due[1].message_id == "<2@x>");
    CHECK(bench.due[2].message_id == "<3@x>");
    bench.settle(bench.due[0], What::delivered);
    REQUIRE(bench.until([&] { return !bench.settled.empty(); }));
    CHECK(bench.settled[0].ended.size() == 1);
}

namespace {

/// With a message that failed, and is to be kept no longer.
struct HistoryBench : ThreadBench {
    explicit HistoryBench(const std::string& vfs = "") : ThreadBench(vfs) {
        policy.keep_failed = base::Duration(1);
        Copy copy = make_copy({"a@x"}, "<" + std::string(20'000, 'v') + "@x>");
        thread->want(1);
        offer(copy);
        REQUIRE(until([&] { return !due.empty(); }));
        settle(due[0], What::refused);
        REQUIRE(until([&] { return !settled.empty(); }));
        thread.reset();
    }
};

}  // namespace

TEST_CASE("what can't be read when it is to be forgotten is told at once") {
    HistoryBench bench;
    REQUIRE(break_rows(bench.path(), 'v') > 0);
    bench.start();
    REQUIRE(bench.until([&] { return !bench.damages.empty(); }));
    CHECK(bench.damages[0].starts_with("group 1 can't be read"));
    CHECK(bench.notices.empty());
}

TEST_CASE("what keeps old mail from being forgotten, and is not the mail's, is told") {
    FaultyDisk::install();
    HistoryBench bench(FaultyDisk::vfs);
    FaultyDisk::unreadable = 'v';
    bench.start();
    REQUIRE(bench.until([&] { return !bench.notices.empty(); }));
    CHECK(bench.notices[0] == "house_keeping_failed");
    CHECK(bench.damages.empty());
    FaultyDisk::heal();
}

TEST_CASE("a pause holds at once, and is answered when it is stored") {
    FaultyDisk::install();
    ThreadBench bench(FaultyDisk::vfs);
    FaultyDisk::sqlite_writes = FaultyDisk::Fault::full;
    bool answered = false;
    bench.thread->pause(true, [&] { answered = true; });
    bench.thread->want(1);
    CHECK(bench.offer(make_copy({"a@x"})).status == Acceptance::Status::no_room);
    CHECK(bench.thread->paused());
    CHECK_FALSE(answered);
    FaultyDisk::heal();
    REQUIRE(bench.until([&] { return answered; }));
    Database database(bench.path() + "/ledger.db", Database::Mode::read_only, "");
    CHECK(database.integer("SELECT paused IS NOT NULL FROM ledger") == 1);
    CHECK(bench.offer(make_copy({"a@x"})).status == Acceptance::Status::accepted);
    CHECK(bench.due.empty());
}

TEST_CASE("an unknown commit answers nobody and says that the process must end") {
    FaultyDisk::install();
    ThreadBench bench(FaultyDisk::vfs);
    FaultyDisk::sqlite_syncs = FaultyDisk::Fault::io;
    bool answered = false;
    bench.thread->offer(make_copy({"a@x"}), [&](const Acceptance&) { answered = true; });
    CHECK(bench.until([&] { return !bench.broken.empty(); }));
    CHECK_FALSE(answered);
    bench.thread.reset();
    FaultyDisk::heal();
}

TEST_SUITE_END();
