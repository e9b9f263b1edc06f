#include "spool_check.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "../relay/fixture.h"
#include "ledger/spool_error.h"

using namespace onecopy;

TEST_SUITE_BEGIN("spool check");

namespace {

/// A spool that nobody holds any more.
struct Stand : relay::testing::House {
    Stand() {
        offer(ledger::testing::make_copy({"a@x"}));
        ledger.reset();
    }
    void look() {
        check.emplace(directory.path(), loop.poster(), [this](const SpoolCheck::Outcome& found) {
            outcome = found;
            check.reset();
        });
    }

    std::optional<SpoolCheck> check;
    std::optional<SpoolCheck::Outcome> outcome;
};

}  // namespace

TEST_CASE("a sound spool is looked through, without a word") {
    Stand stand;
    stand.look();
    REQUIRE(stand.until([&] { return stand.outcome.has_value(); }));
    CHECK(stand.outcome->damage == "");
    CHECK(stand.outcome->trouble == "");
}

TEST_CASE("damage is told") {
    Stand stand;
    const std::string file = stand.directory.path() + "/ledger.db";
    {
        std::fstream pages(file, std::ios::in | std::ios::out | std::ios::binary);
        for (std::uintmax_t at = 2 * 4096; at < std::filesystem::file_size(file); at += 4096) {
            pages.seekp(static_cast<std::streamoff>(at));
            pages << std::string(64, '\xff');
        }
    }
    stand.look();
    REQUIRE(stand.until([&] { return stand.outcome.has_value(); }));
    CHECK(stand.outcome->damage != "");
}

TEST_CASE("one that is destroyed says nothing") {
    Stand stand;
    stand.look();
    stand.check.reset();
    stand.outcome.reset();
    CHECK_THROWS_AS(SpoolCheck("/nowhere", stand.loop.poster(), {}), ledger::SpoolError);
}

TEST_SUITE_END();
