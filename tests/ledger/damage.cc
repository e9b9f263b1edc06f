#include "damage.h"

#include <optional>

#include "ledger/group_store.h"
#include "ledger/reader.h"

namespace onecopy::ledger::testing {

using std::chrono::minutes;
using What = coalesce::Outcome::What;
namespace fs = std::filesystem;

namespace {

const std::string large_body(40000, 'x'), small_body = make_copy({}).body;

/// Those of fill(), by their numbers.
enum Group : std::int64_t { delivered = 1, failed, late, notice, held };

}  // namespace

void fill(Bench& bench) {
    bench.settings.policy.telling = {coalesce::Notified::sender, "postmaster@x.example"};
    bench.die();
    bench.open();
    bench.offer(make_copy({"a@x.example", "b@x.example"}, "<delivered@x>", 1));
    bench.offer(make_copy({"c@x.example", "d@x.example"}, "<failed@x>", 2));
    Copy large = make_copy({"e@x.example"}, "<late@x>", 3, "");
    large.upload = 1;
    for (int i = 0; i < 2; ++i) bench.spool().append(1, large_body.substr(0, large_body.size() / 2));
    bench.offer(large);
    bench.pass(minutes(1));
    const What outcomes[] = {What::delivered, What::refused, What::deferred};
    std::vector<Due> due = bench.take_due();
    for (std::size_t i = 0; i < due.size(); ++i) bench.settle_all(due[i], outcomes[i], "550 5.1.1 said so");
    bench.spool().tell(due[1].group, bench.moment);
    bench.offer(make_copy({"f@x.example"}, "<held@x>", 4));
}

namespace {

/// A column that may not be NULL may be that now; for this connection alone.
void loosen(Database& database, const std::string& table) {
    database.exec("PRAGMA writable_schema=1");
    database.exec(("UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE name = '" + table + "'").c_str());
    database.exec("PRAGMA writable_schema=RESET");
}

/// What people ask for.
void read_all(const std::string& directory) try {
    Reader reader(directory);
    reader.counts();
    using Which = Reader::Which;
    for (Which which : {Which::held, Which::queued, Which::failed}) reader.list(which, 100);
    for (const GroupRecord& one : reader.list(Which::all, 100)) reader.show(one.id);
    for (const char* id : {"<delivered@x>", "<failed@x>", "<late@x>", "<held@x>"}) reader.why(id);
    reader.why_address("c@x.example", 10);
    reader.why_subject("hello", 10);
    for (const char* table : Reader::tables()) reader.check(table);
} catch (const SpoolError&) {
    // said clearly
}

/// Null: it can't be read.
std::optional<std::string> body_of(const Content& content, SegmentReader& segments) try {
    std::string body = content.body;
    for (const Extent& extent : content.extents) body += segments.read(extent);
    return body;
} catch (const SegmentReader::Damaged&) {
    return std::nullopt;
} catch (const FileError&) {
    return std::nullopt;
}

bool takes_and_forwards(Bench& bench, const char* id, std::uint8_t content) {
    if (bench.offer(make_copy({"new@x.example"}, id, content)).status != Acceptance::Status::accepted) return false;
    bench.pass(minutes(2));
    std::size_t ended = 0;
    for (int turns = 0; ended == 0 && turns < 9; ++turns) {  // who seems to have crashed us goes before, alone
        for (const Due& due : bench.take_due()) {
            const bool ours = due.message_id == id;
            const Settled settled = bench.settle_all(due, ours ? What::delivered : What::deferred);
            if (ours) ended += settled.ended.size();
        }
    }
    return ended == 1;
}

}  // namespace

Damage::Damage() {
    fill(bench_);
    bench_.die();
    fs::copy(bench_.path(), whole_.path(), fs::copy_options::recursive | fs::copy_options::overwrite_existing);
}

std::vector<Cell> Damage::cells() {
    Database database(whole_.path() + "/ledger.db", Database::Mode::read_write, "");
    std::vector<Cell> found;
    for (const char* table : Reader::tables()) {
        std::vector<std::string> columns, keys;
        Statement list(database, "SELECT name, pk FROM pragma_table_info(CAST(? AS TEXT))");
        for (Rows row = list.query(std::string_view(table)); row.next();) {
            columns.push_back(row.text(0));
            if (row.integer(1) > 0) keys.push_back(row.text(0));
        }
        std::string key = "''";
        for (const std::string& one : keys) key += "||' AND " + one + "='||quote(" + one + ")";
        Statement rows(database, ("SELECT substr(" + key + ", 6) FROM " + table).c_str());
        for (Rows row = rows.query(); row.next();) {
            for (const std::string& column : columns) found.push_back({table, column, row.text(0)});
        }
    }
    return found;
}

std::size_t Damage::make(const std::vector<Harm>& harms) {
    bench_.die();
    fs::remove_all(bench_.path());
    fs::copy(whole_.path(), bench_.path(), fs::copy_options::recursive);
    harmed_.clear();
    head_harmed_ = false;
    Database database(bench_.path() + "/ledger.db", Database::Mode::read_write, "");
    database.exec("PRAGMA ignore_check_constraints=1; PRAGMA synchronous=OFF");
    std::size_t made = 0;
    for (const Harm& harm : harms) made += put(database, harm) ? 1 : 0;
    return made;
}

bool Damage::put(Database& database, const Harm& harm) try {
    const auto& [table, column, key] = harm.cell;
    const std::string becomes = harm.value == "half" ? "substr(" + column + ", 1, length(" + column + ") / 2)" : harm.value;
    const bool of_group = table != "ledger" && table != "apart";
    const std::string group = !of_group ? "0" : table == "groups" ? "id" : "group_id";
    if (harm.value == "NULL") loosen(database, table);
    Statement before(database, ("SELECT " + group + " FROM " + table + " WHERE " + key).c_str());
    Statement update(
        database,
        ("UPDATE " + table + " SET " + column + " = " + becomes + " WHERE " + key + " RETURNING " + group).c_str());
    const std::vector<std::int64_t> was = integers(before.query()), is = integers(update.query());
    head_harmed_ = head_harmed_ || (!of_group && !is.empty());
    if (!is.empty()) harmed_.insert(was.begin(), was.end());
    harmed_.insert(is.begin(), is.end());
    return is.size() == 1;
} catch (const SqliteError&) {
    return false;
}

/// As the ledger's thread and a delivery go about it; what it can't read it says, and goes on.
void Damage::forward_all(Forwarded& forwarded) try {
    SegmentReader segments(bench_.path());
    for (int turns = 0; turns < 9; ++turns) {
        const std::vector<Due> all = bench_.take_due();
        if (all.empty()) break;
        for (const Due& due : all) {
            const std::optional<std::string> body = due.content ? body_of(*due.content, segments) : std::nullopt;
            const Settled settled = bench_.settle_all(due, body ? What::delivered : What::refused);
            if (!body || (*body != large_body && *body != small_body)) continue;
            for (const Settled::Ended& one : settled.ended) ++forwarded[{due.message_id, one.address}];
        }
    }
    for (std::int64_t group : bench_.spool().ledger().owing()) bench_.spool().tell(group, bench_.moment);
} catch (const SqliteError&) {
    // told as ledger_unreadable, and tried again
}

/// Of what is whole.
std::string Damage::lost(const Forwarded& forwarded) const {
    if (head_harmed_) return "";
    const std::pair<Group, std::pair<std::string, std::string>> waiting[] = {{late, {"<late@x>", "e@x.example"}},
                                                                             {held, {"<held@x>", "f@x.example"}}};
    for (const auto& [group, what] : waiting) {
        const auto times = forwarded.find(what);
        if (!harmed_.contains(group) && (times == forwarded.end() || times->second != 1))
            return what.first + (times == forwarded.end() ? " is lost" : " is forwarded more than once");
    }
    for (const char* address : {"a@x.example", "b@x.example"}) {
        if (!harmed_.contains(delivered) && forwarded.contains({"<delivered@x>", address})) return "delivered again";
    }
    return "";
}

std::string Damage::live() {
    read_all(bench_.path());
    try {
        bench_.open();
    } catch (const SpoolError&) {
        return head_harmed_ ? "" : "it does not start";
    }
    const bool well = takes_and_forwards(bench_, "<fresh@x>", 9);
    Forwarded forwarded;
    for (int i = 0; i < 3; ++i) {
        bench_.offer(make_copy({"a@x.example", "c@x.example", "z@x.example"}, "<delivered@x>", 1));
        bench_.offer(make_copy({"c@x.example", "d@x.example"}, "<failed@x>", 2));
        bench_.change(i == 0 ? Change::release : Change::retry);
        forward_all(forwarded);
        bench_.pass(minutes(20));
    }
    for (std::int64_t group = 1; group < 9; ++group) {
        bench_.change(Change::drop, {group});
        bench_.change(Change::forget, {group});
    }
    for (int i = 0; i < 3; ++i) {
        bench_.spool().keep_house(true, bench_.moment);
        bench_.pass(std::chrono::hours(24 * 4));
    }
    read_all(bench_.path());
    bench_.close();
    return well ? lost(forwarded) : "other mail is not taken and forwarded";
}

}  // namespace onecopy::ledger::testing
