// What each floor costs on its own: Google Benchmark. ONECOPY_BENCH_DISK: a directory on the disk that is meant; without it
// the ledger is measured where temporary files are. Ledgers of `memory` stand in /dev/shm.

#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/log.h"
#include "ledger/spool.h"
#include "message/digest.h"
#include "message/identity.h"
#include "message/trace.h"
#include "smtp/content.h"
#include "smtp/server_session.h"

namespace onecopy::bench {
namespace {

std::string header_block() {
    std::string header;
    for (int hop = 0; hop < 5; ++hop) {
        header +=
            "Received: from mx" + std::to_string(hop) +
            ".far.example (mx.far.example [192.0.2.7])\r\n\tby relay.provider.example (Postfix) with ESMTPS id 4F7A21\r\n"
            "\tfor <anna@corp.example>; Mon, 02 Nov 2026 10:00:00 +0000\r\n";
    }
    return header +
           "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=far.example; s=mail;\r\n"
           "\th=from:to:subject:date; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
           "\tb=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZVoG4ZHRNiYzR\r\n"
           "From: Sender <sender@far.example>\r\nTo: Anna <anna@corp.example>, Bert <bert@corp.example>\r\n"
           "Cc: Carl <carl@corp.example>\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n"
           "Subject: =?utf-8?Q?Angebot_f=C3=BCr_Sie?=\r\nMessage-ID: <20261102100000.4711@far.example>\r\n"
           "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nX-Mailer: mailer 1.0\r\n";
}

std::string body_of(std::size_t size) {
    std::string body = "\r\n";
    while (body.size() < size) body += "The quick brown fox jumps over the lazy dog, and nothing comes of it.\r\n";
    return body;
}

/// Takes everything at once.
struct Taker : smtp::ServerSession::Handler {
    smtp::ServerSession* session = nullptr;
    std::optional<smtp::Reply> mail(const std::string&, std::uint64_t, const message::MailOptions&) override { return {}; }
    std::optional<smtp::Reply> recipient(const message::Mailbox&, const message::RecipientOptions&) override { return {}; }
    std::optional<smtp::Reply> data() override { return {}; }
    bool content(std::string_view) override { return true; }
    void end_of_data(smtp::ServerSession::End) override { session->finish({250, "2.0.0", "ok"}); }
    void reset() override {}
    void authenticate(std::string, std::string) override {}
};

void session(benchmark::State& state) {
    Taker taker;
    smtp::ServerSession session({.hostname = "bench.test"}, taker);
    taker.session = &session;
    session.greet();
    std::string_view hello = "EHLO load.example\r\n";
    session.feed(hello);
    const std::string message = "MAIL FROM:<sender@far.example>\r\nRCPT TO:<anna@corp.example>\r\nDATA\r\n" +
                                header_block() + body_of(static_cast<std::size_t>(state.range(0))) + ".\r\n";
    for (auto _ : state) {
        std::string_view bytes = message;
        session.feed(bytes);
        benchmark::DoNotOptimize(session.take_output());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(message.size()));
}
BENCHMARK(session)->Arg(0)->Arg(4 << 10)->Arg(64 << 10);

void decoding(benchmark::State& state) {
    const std::string message = header_block() + body_of(static_cast<std::size_t>(state.range(0))) + ".\r\n";
    std::string out;
    for (auto _ : state) {
        smtp::DataDecoder decoder;
        std::string_view bytes = message;
        out.clear();
        benchmark::DoNotOptimize(decoder.feed(bytes, out));
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(message.size()));
}
BENCHMARK(decoding)->Arg(4 << 10)->Arg(256 << 10);

void identity(benchmark::State& state) {
    const std::string header = header_block(), body = body_of(static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) {
        message::IdentityBuilder builder;
        builder.header(header);
        builder.body(body);
        benchmark::DoNotOptimize(builder.finish());
    }
}
BENCHMARK(identity)->Arg(0)->Arg(4 << 10)->Arg(256 << 10);

void hops(benchmark::State& state) {
    const std::string header = header_block();
    for (auto _ : state) benchmark::DoNotOptimize(message::hops(header));
}
BENCHMARK(hops);

void exposure(benchmark::State& state) {
    const std::string header = header_block();
    for (auto _ : state) benchmark::DoNotOptimize(message::exposure(header));
}
BENCHMARK(exposure);

void forwarded_header(benchmark::State& state) {
    const std::string header =
        message::received_field({"load.example", "127.0.0.1", "ESMTP", base::wall_clock()}, "bench.test", 1) +
        header_block();
    const std::vector<std::string> recipients = {"anna@corp.example"};
    for (auto _ : state) benchmark::DoNotOptimize(message::forwarded_header(header, recipients, {}));
}
BENCHMARK(forwarded_header);

void digest(benchmark::State& state) {
    const std::string id = "<20261102100000.4711@far.example>";
    for (auto _ : state) benchmark::DoNotOptimize(message::digest(id));
}
BENCHMARK(digest);

void log_line(benchmark::State& state) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(base::log::line("copy", {{"client", "192.0.2.7"},
                                                          {"sender", "sender@far.example"},
                                                          {"message_id", "<20261102100000.4711@far.example>"},
                                                          {"reply", "250 2.0.0 Ok: queued as 4711"}}));
    }
}
BENCHMARK(log_line);

/// A spool in a directory of its own.
class Ledger {
public:
    explicit Ledger(const std::string& place) : path_(make(place)) {}
    ~Ledger() { std::filesystem::remove_all(path_); }

    void offer(std::int64_t count) {
        run(count, [this](const ledger::Context& context) { groups_.push_back(spool_.offer(next_copy(), context).group); });
    }
    void settle() {
        std::vector<std::int64_t> groups = std::exchange(groups_, {});
        auto group = groups.begin();
        run(static_cast<std::int64_t>(groups.size()), [&](const ledger::Context& context) {
            ledger::Settlement settlement{*group++, {}, "sink.example:25"};
            settlement.outcomes.push_back({1, coalesce::Outcome::What::delivered, "250 2.0.0 taken"});
            spool_.ledger().settle(settlement, context);
        });
    }
    void load_due() {
        for (std::int64_t group : groups_) benchmark::DoNotOptimize(spool_.load_due(group, moment()));
    }
    void keep_house() { spool_.keep_house(true, moment()); }

private:
    static ledger::Spool::Moment moment() { return {base::boot_clock(), base::wall_clock()}; }
    static std::string make(const std::string& place) {
        std::string pattern = place + "/onecopy-micro-XXXXXX";
        if (!::mkdtemp(pattern.data())) throw std::runtime_error("no directory in " + place);
        return pattern;
    }

    void run(std::int64_t count, const std::function<void(const ledger::Context&)>& one) {
        std::vector<ledger::Spool::Operation> operations(static_cast<std::size_t>(count), {one});
        spool_.transact(operations, moment());
    }
    ledger::Copy next_copy() {
        const std::string id = "<" + std::to_string(++number_) + "@far.example>";
        ledger::Copy copy;
        copy.arriving.sender = "sender@far.example";
        copy.arriving.identity.message_id = id;
        copy.arriving.identity.content = message::digest(id);
        copy.arriving.identity.has_date = true;
        copy.arriving.recipients.push_back({"anna@corp.example"});
        copy.arrival = {"load.example", "127.0.0.1", "ESMTP", base::wall_clock()};
        copy.header = header_;
        copy.body = body_;
        copy.size = header_.size() + body_.size();
        return copy;
    }

    std::string path_;
    ledger::Spool spool_{ledger::posix_files(), path_, "", {"bench.test", 0, {}}, moment()};
    const std::string header_ = header_block(), body_ = body_of(3 << 10);
    std::vector<std::int64_t> groups_;
    std::uint64_t number_ = 0;
};

enum Place { memory, disk };

std::string directory_of(std::int64_t place) {
    if (place == memory) return "/dev/shm";
    const char* chosen = ::getenv("ONECOPY_BENCH_DISK");
    return chosen ? chosen : std::filesystem::temp_directory_path().string();
}

void count(benchmark::State& state) {
    state.SetItemsProcessed(state.iterations() * state.range(1));
}

/// A group's whole life of which only one part is measured.
void offers(benchmark::State& state) {
    Ledger ledger(directory_of(state.range(0)));
    for (auto _ : state) {
        ledger.offer(state.range(1));
        state.PauseTiming();
        ledger.settle();
        ledger.keep_house();
        state.ResumeTiming();
    }
    count(state);
}
void settles(benchmark::State& state) {
    Ledger ledger(directory_of(state.range(0)));
    for (auto _ : state) {
        state.PauseTiming();
        ledger.offer(state.range(1));
        state.ResumeTiming();
        ledger.settle();
    }
    count(state);
}
void load_due(benchmark::State& state) {
    Ledger ledger(directory_of(state.range(0)));
    ledger.offer(state.range(1));
    for (auto _ : state) ledger.load_due();
    count(state);
}

/// The name of its type is the library's own business.
constexpr auto places = [](auto* one) {
    one->ArgNames({"disk", "in one commit"})->ArgsProduct({{memory, disk}, {1, 10, 100}})->UseRealTime();
};
BENCHMARK(offers)->Apply(places);
BENCHMARK(settles)->Apply(places);
BENCHMARK(load_due)->ArgNames({"disk", "in one commit"})->Args({memory, 100});

}  // namespace
}  // namespace onecopy::bench

BENCHMARK_MAIN();
