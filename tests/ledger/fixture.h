#pragma once

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "ledger/spool.h"
#include "ledger/sqlite.h"

namespace onecopy::ledger::testing {

constexpr const char* in_memory = "/dev/shm";  // for thousands of spools: a disk would take its time

/// A directory of one test's own.
class TemporaryDirectory {
public:
    explicit TemporaryDirectory(const std::filesystem::path& where = std::filesystem::temp_directory_path()) {
        std::string pattern = (where / "onecopy-ledger-XXXXXX").string();
        if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp");
        path_ = pattern;
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

/// A spool that can be ended like a process that dies (nothing more is written) and opened again, at a time of the test's
/// choice.
class Bench {
public:
    explicit Bench(Files& files = posix_files(), std::string vfs = "") : files_(files), vfs_(std::move(vfs)) { open(); }
    /// In a directory there.
    Bench(const std::filesystem::path& where, Files& files) : directory_(where), files_(files) { open(); }

    void open() { spool_ = std::make_unique<Spool>(files_, directory_.path(), vfs_, settings, moment); }
    void die() { spool_.reset(); }
    void close() {
        spool_->close(moment);
        spool_.reset();
    }
    void pass(base::Duration time) {
        moment.boot += time;
        moment.wall += time;
    }

    Acceptance offer(const Copy& copy) {
        Acceptance acceptance;
        Spool::Operation operation{[&](const Context& context) { acceptance = spool_->offer(copy, context); }};
        spool_->transact({&operation, 1}, moment);
        if (!operation.done) {
            acceptance = {};
            if (operation.no_room) acceptance.status = Acceptance::Status::no_room;
        }
        spool_->abandon(copy.upload);
        return acceptance;
    }
    Settled settle(const Settlement& settlement) {
        Settled settled;
        Spool::Operation operation{[&](const Context& context) { settled = spool_->ledger().settle(settlement, context); }};
        spool_->transact({&operation, 1}, moment);
        if (operation.done && settlement.finished) spool_->came_back(settlement.group);
        return settled;
    }
    Changed change(Change change, std::vector<std::int64_t> groups = {}) {
        Changed changed;
        Spool::Operation operation{
            [&](const Context& context) { changed = spool_->ledger().change(change, groups, context); }};
        spool_->transact({&operation, 1}, moment);
        return changed;
    }
    /// As the ledger's thread hands them out.
    std::vector<Due> take_due(std::size_t most = 100) {
        std::vector<Due> due;
        for (std::int64_t group : spool_->due(spool_->now(moment.boot), most)) {
            spool_->in_flight().insert(group);
            due.push_back(spool_->load_due(group, moment));
        }
        return due;
    }
    /// Everybody in it gets the same outcome.
    Settled settle_all(const Due& due, coalesce::Outcome::What what, const std::string& reply = "250 ok") {
        Settlement settlement;
        settlement.group = due.group;
        settlement.server = "sink:25";
        for (const Due::Recipient& recipient : due.recipients)
            settlement.outcomes.push_back({recipient.member, what, reply});
        return settle(settlement);
    }
    Spool& spool() { return *spool_; }
    const std::string& path() const { return directory_.path(); }

    Spool::Settings settings{"proxy.example", 0, {}};
    Spool::Moment moment{std::chrono::hours(1), base::wall_time_of(1'800'000'000'000)};

private:
    TemporaryDirectory directory_;
    Files& files_;
    std::string vfs_;
    std::unique_ptr<Spool> spool_;
};

inline Copy make_copy(std::vector<std::string> recipients, const std::string& id = "<1@x>", std::uint8_t content = 1,
                      std::string body = "\r\nhello\r\n") {
    Copy copy;
    copy.arriving.sender = "sender@s.example";
    copy.arriving.identity.message_id = id;
    copy.arriving.identity.content[0] = content;
    copy.arriving.identity.has_date = true;
    for (std::string& recipient : recipients) copy.arriving.recipients.push_back({std::move(recipient), false, false});
    copy.arrival = {"fetcher", "127.0.0.1", "ESMTP", base::wall_time_of(1'800'000'000'000)};
    copy.header = "From: sender@s.example\r\nMessage-ID: " + id + "\r\n";
    copy.body = std::move(body);
    copy.size = copy.header.size() + copy.body.size();
    return copy;
}

/// Breaks each row of the spool in that directory, which nobody has open, that holds a long run of that character (SQLite
/// lays it out in a chain of pages of their own): SQLite says that it can't read it. How many chains were broken.
inline std::size_t break_rows(const std::string& directory, char filler) {
    const std::string path = directory + "/ledger.db";
    Database(path, Database::Mode::read_write, "").exec("PRAGMA wal_checkpoint(TRUNCATE)");
    constexpr std::size_t page = 4096, pointer = 4;
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    std::size_t broken = 0;
    std::string bytes(page, '\0');
    for (std::streamoff at = 0; file.seekg(at) && file.read(bytes.data(), page); at += page) {
        const bool goes_on = bytes.find_first_not_of('\0') < pointer;
        if (!goes_on || bytes.find_first_not_of(filler, pointer) != bytes.npos) continue;
        file.seekp(at);
        file.write("\x7f\xff\xff\xff", pointer);  // the next one, beyond the end
        ++broken;
    }
    return broken;
}

/// Overwrites each page of rows, where one of them holds that text, in the same way. How many.
inline std::size_t break_pages(const std::string& directory, const std::string& text) {
    constexpr std::size_t page = 4096;
    constexpr char leaves[] = {10, 13};  // of tables without row numbers, as `members` is, and with them
    std::fstream file(directory + "/ledger.db", std::ios::in | std::ios::out | std::ios::binary);
    std::size_t broken = 0;
    std::string bytes(page, '\0');
    for (std::streamoff at = 0; file.seekg(at) && file.read(bytes.data(), page); at += page) {
        if (std::ranges::count(leaves, bytes[0]) == 0 || bytes.find(text) == bytes.npos) continue;
        file.seekp(at);
        file << std::string(page, '\xff');
        ++broken;
    }
    return broken;
}

/// Takes all groups away, and leaves that index, which leads to them yet.
inline void empty_all_but(const std::string& directory, const std::string& index) {
    const std::string file = directory + "/ledger.db";
    const std::string of_it = " FROM sqlite_master WHERE name = '" + index + "'";
    Database(file, Database::Mode::read_write, "")
        .exec(("PRAGMA writable_schema=1; CREATE TABLE hidden AS SELECT *" + of_it + "; DELETE" + of_it).c_str());
    Database(file, Database::Mode::read_write, "")
        .exec("DELETE FROM groups; PRAGMA writable_schema=1; INSERT INTO sqlite_master SELECT * FROM hidden");
}

}  // namespace onecopy::ledger::testing
