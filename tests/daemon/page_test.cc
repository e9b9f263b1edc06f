#include "page.h"

#include <doctest/doctest.h>

#include "exposition.h"

using namespace onecopy;

namespace {

constexpr const char* hostile = "\"<script>\x1b\n&'";

ledger::GroupRecord group_of(const std::string& text) {
    ledger::GroupRecord group;
    group.id = 7;
    group.message_id = group.sender = text;
    group.held = true;
    group.due = base::time_of(130'000);
    for (int i = 0; i < 7; ++i) {
        coalesce::Member& member = group.members.emplace_back();
        member.address = text;
        member.reply = text;
    }
    return group;
}

page::Snapshot snapshot_of() {
    page::Snapshot snapshot;
    snapshot.now = base::time_of(100'000);
    snapshot.running.version = "1.2";
    snapshot.running.room = 5 << 20;
    snapshot.counts.emplace();
    return snapshot;
}

relay::Backend::Health server(const char* name, int rests) {
    relay::Backend::Health health;
    health.server = name;
    health.rests_for = std::chrono::seconds(rests);
    health.words = "421 busy";
    return health;
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
}

}  // namespace

TEST_SUITE_BEGIN("page");

TEST_CASE("what is well is said to be, and an empty spool has nothing to list") {
    const std::string html = page::status(snapshot_of());
    CHECK(holds(html, "all is well"));
    CHECK(holds(html, "<h2>Held</h2><ul><li class=\"soft\">nothing</li>"));
    CHECK(holds(html, "room for 5.0 MiB"));
    CHECK_FALSE(holds(html, "role=\"alert\""));
}

TEST_CASE("a server that has not answered yet is not said to be ready") {
    page::Snapshot snapshot = snapshot_of();
    snapshot.running.servers = {server("mx:25", 0)};
    snapshot.running.servers[0].connections = 2;
    CHECK(holds(page::status(snapshot), ">ready<"));
    CHECK(holds(page::status(snapshot), ">2 connections, "));
    snapshot.running.servers[0].connecting = 2;
    CHECK(holds(page::status(snapshot), ">connecting<"));
    CHECK(holds(page::status(snapshot), ">0 connections, "));
}

TEST_CASE("texts of strangers are neither markup nor control characters") {
    page::Snapshot snapshot = snapshot_of();
    snapshot.running.servers = {server(hostile, 3)};
    snapshot.running.servers[0].words = hostile;
    snapshot.running.damage = snapshot.unreadable = hostile;
    snapshot.held = snapshot.queued = {group_of(hostile)};
    const std::string html = page::status(snapshot);
    CHECK_FALSE(holds(html, "<script"));
    CHECK_FALSE(holds(html, "\x1b"));
    CHECK(holds(html, "&quot;&lt;script&gt;\\x1b\\x0a&amp;&#39;"));
}

TEST_CASE("a group tells when it is due, whom five of its recipients are, and how many there are more") {
    page::Snapshot snapshot = snapshot_of();
    snapshot.held = {group_of("a@x")};
    snapshot.counts->held = 120;
    const std::string html = page::status(snapshot);
    CHECK(holds(html, "30 s"));
    CHECK(holds(html, "a@x, a@x, a@x, a@x, a@x and 2 more"));
    CHECK(holds(html, "and 119 more"));
}

TEST_CASE("a group that can't be read is named on the page") {
    page::Snapshot snapshot = snapshot_of();
    snapshot.held = {group_of("a@x"), {}};
    snapshot.held[1].id = 5;
    snapshot.held[1].readable = false;
    snapshot.held[1].damage = hostile;
    const std::string html = page::status(snapshot);
    CHECK(holds(html, "<li>5 · <span class=\"bad\">can't be read: &quot;&lt;script&gt;"));
    CHECK(holds(html, "a@x, a@x"));
}

TEST_CASE("each trouble is told on page and in /healthz alike") {
    struct Row {
        void (*change)(view::Running&);
        const char* words;
    };
    const Row rows[] = {
        {[](view::Running& r) { r.room = 0; }, "the spool is full (spool.min_free)"},
        {[](view::Running& r) { r.damage = "row 5"; }, "the spool is damaged: row 5"},
        {[](view::Running& r) { r.paused = true; }, "forwarding is paused"},
        {[](view::Running& r) { r.ledger_busy = std::chrono::seconds(31); }, "the ledger has been at one batch for 31 s"},
        {[](view::Running& r) {
             r.servers = {server("a", 1), server("b", 2)};
         },
         "every server of the backend rests: 421 busy"},
    };
    for (const Row& row : rows) {
        page::Snapshot snapshot = snapshot_of();
        row.change(snapshot.running);
        const std::vector<std::string> wrong = view::wrong(snapshot.running);
        REQUIRE(wrong.size() == 1);
        CHECK(holds(wrong[0], row.words));
        const std::string html = page::status(snapshot);
        CHECK(holds(html, row.words));
        CHECK(holds(html, "needs a look"));
    }
    page::Snapshot snapshot = snapshot_of();
    snapshot.running.servers = {server("a", 1), server("b", 0)};
    snapshot.running.ledger_busy = std::chrono::seconds(30);
    CHECK(view::wrong(snapshot.running).empty());
}

TEST_CASE("a spool that can't be read leaves its figures out, and says why") {
    page::Snapshot snapshot = snapshot_of();
    snapshot.counts.reset();
    snapshot.unreadable = "no such file";
    const std::string html = page::status(snapshot);
    CHECK(holds(html, "the spool can't be read: no such file"));
    CHECK_FALSE(holds(html, "id=\"held\""));
    const std::string metrics = metrics_text(snapshot);
    CHECK(holds(metrics, "onecopy_spool_readable 0\n"));
    CHECK_FALSE(holds(metrics, "onecopy_held"));
}

TEST_CASE("the chart has a bar a minute, as high as its share of the highest") {
    page::Snapshot snapshot = snapshot_of();
    snapshot.hour = {{0, 0}, {10, 5}, {30, 25}};
    const std::string html = page::status(snapshot);
    CHECK(holds(html, "30 in the last hour"));
    CHECK(holds(html, "16 % in the last hour"));
    CHECK(holds(html, "<rect x=\"349\" y=\"36.0\" width=\"4\" height=\"36.0\""));
    CHECK(holds(html, "<rect x=\"355\" y=\"0.0\" width=\"4\" height=\"72.0\""));
}

TEST_CASE("metrics name each server, and quote what is in its name") {
    page::Snapshot snapshot = snapshot_of();
    snapshot.running.servers = {server("mx\"1", 2), server("mx2:25", 0)};
    snapshot.counts->held = 3;
    snapshot.running.paused = true;
    const std::string text = metrics_text(snapshot);
    CHECK(holds(text, "onecopy_backend_up{server=\"mx\\\"1\"} 0\n"));
    CHECK(holds(text, "onecopy_backend_up{server=\"mx2:25\"} 1\n"));
    CHECK(holds(text, "onecopy_backend_rest_seconds{server=\"mx\\\"1\"} 2\n"));
    CHECK(holds(text, "onecopy_held 3\n"));
    CHECK(holds(text, "onecopy_paused 1\n"));
    CHECK(holds(text, "onecopy_build_info{version=\"1.2\"} 1\n"));
}

TEST_SUITE_END();
