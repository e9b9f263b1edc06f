// Fills a spool as years of mail would have: `fill DIRECTORY held N` with groups that wait for a day, `fill DIRECTORY
// history N` with groups that were delivered, of which it is remembered who got them.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/spool.h"
#include "message/digest.h"

namespace onecopy::bench {
namespace {

using ledger::Spool;

constexpr std::uint64_t in_one_commit = 2000;

ledger::Copy copy_of(std::uint64_t number) {
    const std::string id = "<fill." + std::to_string(number) + "@far.example>";
    ledger::Copy copy;
    copy.arriving.sender = "sender@far.example";
    copy.arriving.identity.message_id = id;
    copy.arriving.identity.content = message::digest(id);
    copy.arriving.identity.has_date = true;
    copy.arriving.recipients.push_back({"user" + std::to_string(number % 100) + "@corp.example"});
    copy.arrival = {"load.example", "127.0.0.1", "ESMTP", base::wall_clock()};
    copy.header = "From: sender@far.example\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\nMessage-ID: " + id + "\r\n";
    copy.body = "\r\nheld\r\n";
    copy.size = copy.header.size() + copy.body.size();
    return copy;
}

class Filling {
public:
    Filling(const std::string& directory, bool held)
        : held_(held), spool_(ledger::posix_files(), directory, "", settings(held), moment()) {}

    void fill(std::uint64_t groups) {
        for (std::uint64_t done = 0; done < groups; done += in_one_commit) {
            batch(done, std::min(in_one_commit, groups - done));
            if (spool_.log_is_long()) spool_.keep_house(true, moment());
        }
        spool_.close(moment());
    }

private:
    static Spool::Moment moment() { return {base::boot_clock(), base::wall_clock()}; }
    static Spool::Settings settings(bool held) {
        Spool::Settings settings{"bench.test", 0, {}};
        settings.policy.window = held ? std::chrono::hours(24) : std::chrono::hours(0);
        return settings;
    }

    void batch(std::uint64_t first, std::uint64_t size) {
        std::vector<std::int64_t> groups;
        Spool::Operation offers{[&](const ledger::Context& context) {
            for (std::uint64_t number = first; number < first + size; ++number)
                groups.push_back(spool_.offer(copy_of(number), context).group);
        }};
        run(offers);
        if (!held_) deliver(groups);
    }

    void deliver(const std::vector<std::int64_t>& groups) {
        Spool::Operation settles{[&](const ledger::Context& context) {
            for (std::int64_t group : groups) {
                ledger::Settlement settlement{group, {}, "sink.example:25"};
                settlement.outcomes.push_back({1, coalesce::Outcome::What::delivered, "250 2.0.0 taken"});
                spool_.ledger().settle(settlement, context);
            }
        }};
        run(settles);
    }

    void run(Spool::Operation& operation) {
        spool_.transact({&operation, 1}, moment());
        if (!operation.done) throw std::runtime_error("the spool can't be written");
    }

    bool held_;
    Spool spool_;
};

}  // namespace
}  // namespace onecopy::bench

int main(int count, char** arguments) try {
    using std::string_view;
    const bool known = count == 4 && (arguments[2] == string_view("held") || arguments[2] == string_view("history"));
    if (!known) {
        std::fputs("usage: fill DIRECTORY held|history GROUPS\n", stderr);
        return 2;
    }
    onecopy::bench::Filling(arguments[1], arguments[2] == string_view("held")).fill(std::stoull(arguments[3]));
} catch (const std::exception& error) {
    std::fprintf(stderr, "fill: %s\n", error.what());
    return 1;
}
