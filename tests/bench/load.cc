// The fetchers in front of a relay: many sessions, each of which gives one message after the other and looks at every
// answer. Prints one JSON line; ends with 1 at the first answer that is not the one it should be.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <deque>
#include <memory>
#include <stdexcept>
#include <vector>

#include "stream.h"

namespace onecopy::bench {
namespace {

struct Options {
    std::uint16_t port = 0;
    std::size_t sessions = 10;
    std::uint64_t messages = 1000;
    std::size_t size = 4096;       // of a message, header and body
    std::uint64_t copies = 1;      // of each message, each for recipients of its own
    std::uint64_t recipients = 1;  // of each copy
    std::string tag = "bench";     // makes the Message-IDs of one run
    bool reconnect = false;        // a connection for each copy
};

/// Hands out the copies in order, those of one message behind each other, and keeps the record.
class Work {
public:
    explicit Work(Options options) : options_(std::move(options)) {
        static constexpr std::string_view line = "The quick brown fox jumps over the lazy dog, and nothing comes of it.\r\n";
        while (body_.size() < options_.size) body_ += line;
    }

    const Options& options() const { return options_; }
    std::uint64_t total() const { return options_.messages * options_.copies; }
    bool done() const { return latencies_.size() == total(); }
    bool all_given() const { return given_ == total(); }
    std::uint64_t next() { return given_++; }

    std::string envelope(std::uint64_t copy) const {
        std::string commands = "MAIL FROM:<sender@far.example>\r\n";
        for (std::uint64_t each = 0; each < options_.recipients; ++each)
            commands += "RCPT TO:<" + recipient(copy % options_.copies * options_.recipients + each) + ">\r\n";
        return commands + "DATA\r\n";
    }

    /// Every copy of a message is the same, byte by byte, and so many as were asked for; with the final dot.
    std::string content(std::uint64_t copy) const {
        const std::string number = std::to_string(copy / options_.copies);
        std::string text =
            "Received: from mx.far.example (mx.far.example [192.0.2.7]) by pop.provider.example with ESMTPS id " + number +
            "\r\n\tfor <catchall@corp.example>; Mon, 02 Nov 2026 10:00:00 +0000\r\n"
            "From: Sender <sender@far.example>\r\nTo: Anna <user0@corp.example>, Bert <user1@corp.example>\r\n"
            "Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nSubject: the message with the number " +
            number + "\r\nMessage-ID: <" + options_.tag + "." + number +
            "@far.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n";
        if (text.size() + 2 < options_.size) text.append(body_, 0, options_.size - text.size() - 2);
        return text + "\r\n.\r\n";
    }

    void answered(double latency) { latencies_.push_back(latency); }

    void report(double began, double ended) {
        std::sort(latencies_.begin(), latencies_.end());
        auto at = [&](double part) {
            return 1000 * latencies_[static_cast<std::size_t>(part * static_cast<double>(latencies_.size() - 1))];
        };
        std::printf(
            "{\"copies\": %lu, \"began\": %.6f, \"ended\": %.6f, \"rate\": %.1f, \"bytes\": %lu, "
            "\"p50\": %.4f, \"p99\": %.4f, \"max\": %.4f}\n",
            total(), began, ended, static_cast<double>(total()) / (ended - began), total() * options_.size, at(0.5),
            at(0.99), at(1));
    }

private:
    static std::string recipient(std::uint64_t number) { return "user" + std::to_string(number) + "@corp.example"; }

    Options options_;
    std::string body_;
    std::uint64_t given_ = 0;
    std::vector<double> latencies_;  // seconds from the final dot to its answer
};

class Session : public Waiter {
public:
    Session(Poll& poll, Work& work) : poll_(poll), work_(work) { connect(); }

    void ready() override {
        const bool alive = stream_->advance();
        note_dot();
        for (std::size_t end; stream_ && (end = stream_->input.find("\r\n")) != std::string::npos;) {
            const std::string line = stream_->input.substr(0, end);
            stream_->input.erase(0, end + 2);
            if (line.size() < 4 || line[3] != '-') take(line);
        }
        if (!alive && stream_ && !finished_) throw std::runtime_error("the relay ended a connection");
        if (!alive) stream_.reset();
    }

private:
    void connect() {
        if (stream_) stream_->write("QUIT\r\n");
        const int descriptor = check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
        const sockaddr_in address = loopback(work_.options().port);
        check(::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
        stream_ = std::make_unique<Stream>(poll_, descriptor, *this);
        awaited_ = {"220"};
        step_ = Step::greeting;
    }

    enum class Step { greeting, hello, envelope, content, quit };

    void take(std::string_view reply) {
        if (awaited_.empty() || !reply.starts_with(awaited_.front()))
            throw std::runtime_error("an answer that should not be: " + std::string(reply));
        awaited_.pop_front();
        if (awaited_.empty()) go_on();
    }

    void go_on() {
        switch (step_) {
            case Step::greeting:
                return say(Step::hello, "EHLO load.example\r\n", {"250"});
            case Step::hello:
                return offer();
            case Step::envelope:
                say(Step::content, work_.content(copy_), {"250"});
                dot_ = 0;
                return note_dot();
            case Step::content:
                work_.answered(seconds_now() - dot_);
                return work_.options().reconnect && !work_.all_given() ? connect() : offer();
            case Step::quit:
                finished_ = true;
        }
    }

    void offer() {
        if (work_.all_given()) return say(Step::quit, "QUIT\r\n", {"221"});
        copy_ = work_.next();
        std::deque<std::string_view> replies(1 + work_.options().recipients, "250");
        replies.push_back("354");
        say(Step::envelope, work_.envelope(copy_), std::move(replies));
    }

    void say(Step step, std::string_view text, std::deque<std::string_view> replies) {
        step_ = step;
        awaited_ = std::move(replies);
        stream_->write(text);
    }

    /// The time runs from when the last byte is with the kernel.
    void note_dot() {
        if (step_ == Step::content && dot_ == 0 && stream_->all_written()) dot_ = seconds_now();
    }

    Poll& poll_;
    Work& work_;
    std::unique_ptr<Stream> stream_;
    std::deque<std::string_view> awaited_;  // codes
    Step step_ = Step::greeting;
    std::uint64_t copy_ = 0;
    double dot_ = 0;
    bool finished_ = false;
};

void run(const Options& options) {
    Poll poll;
    Work work(options);
    const double began = seconds_now();
    std::vector<std::unique_ptr<Session>> sessions;
    for (std::size_t i = 0; i < options.sessions; ++i) sessions.push_back(std::make_unique<Session>(poll, work));
    while (!work.done()) poll.turn();
    work.report(began, seconds_now());
}

}  // namespace
}  // namespace onecopy::bench

int main(int count, char** arguments) try {
    onecopy::bench::Options options;
    CLI::App app("Gives messages to a relay on the loopback, and measures its answers.");
    app.add_option("--port", options.port)->required();
    app.add_option("--sessions", options.sessions);
    app.add_option("--messages", options.messages);
    app.add_option("--size", options.size);
    app.add_option("--copies", options.copies);
    app.add_option("--recipients", options.recipients);
    app.add_option("--tag", options.tag);
    app.add_flag("--reconnect", options.reconnect);
    CLI11_PARSE(app, count, arguments);
    onecopy::bench::run(options);
} catch (const std::exception& error) {
    std::fprintf(stderr, "load: %s\n", error.what());
    return 1;
}
