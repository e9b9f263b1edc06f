// The server behind a relay: takes every message, keeps none, and counts. Prints its port; then, for each line `expect N`
// that it reads, one JSON line as soon as N recipients have come. Ends with its input.

#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <unordered_map>

#include "stream.h"

namespace onecopy::bench {
namespace {

struct Counts {
    std::uint64_t transactions = 0, recipients = 0, bytes = 0, connections = 0;
};

class Sink : public Waiter {
public:
    Sink(Poll& poll, bool chunking);
    ~Sink() override { ::close(listener_); }
    std::uint16_t port() const;
    void ready() override;

    void expect(std::uint64_t recipients) {
        expected_ = recipients;
        tell();
    }
    void taken(std::uint64_t recipients, std::uint64_t bytes) {
        ++counts_.transactions;
        counts_.recipients += recipients;
        counts_.bytes += bytes;
        tell();
    }
    void remove(int descriptor) { sessions_.erase(descriptor); }
    bool chunking() const { return chunking_; }

private:
    void tell();

    Poll& poll_;
    bool chunking_;
    int listener_;
    Counts counts_;
    std::optional<std::uint64_t> expected_;
    std::unordered_map<int, std::unique_ptr<Waiter>> sessions_;
};

class Session : public Waiter {
public:
    Session(Poll& poll, int descriptor, Sink& sink)
        : sink_(sink), descriptor_(descriptor), stream_(poll, descriptor, *this) {
        stream_.write("220 sink.example ESMTP\r\n");
    }

    void ready() override {
        const bool alive = stream_.advance();
        std::string answers;
        while (take(answers)) {
        }
        if (!answers.empty()) stream_.write(answers);
        if (!alive || quit_) sink_.remove(descriptor_);
    }

private:
    enum class Phase { command, data, chunk };

    /// One step of what has come. False: more must come first.
    bool take(std::string& answers) {
        if (phase_ == Phase::data) return take_data(answers);
        if (phase_ == Phase::chunk) return take_chunk(answers);
        const std::size_t end = stream_.input.find("\r\n");
        if (end == std::string::npos || quit_) return false;
        answers += answer(std::string_view(stream_.input).substr(0, end));
        stream_.input.erase(0, end + 2);
        return true;
    }

    std::string answer(std::string_view line) {
        if (line.starts_with("EHLO") || line.starts_with("LHLO")) return extensions();
        if (line.starts_with("MAIL")) return start();
        if (line.starts_with("RCPT")) return ++recipients_, "250 2.1.5 ok\r\n";
        if (line.starts_with("BDAT ")) return chunk(line.substr(5));
        if (line == "DATA") return phase_ = Phase::data, "354 go\r\n";
        if (line == "QUIT") return quit_ = true, "221 2.0.0 bye\r\n";
        if (line == "RSET" || line == "NOOP" || line.starts_with("HELO")) return "250 2.0.0 ok\r\n";
        return "500 5.5.2 what?\r\n";
    }

    std::string extensions() const {
        return std::string("250-sink.example\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n") +
               (sink_.chunking() ? "250-CHUNKING\r\n" : "") + "250 ENHANCEDSTATUSCODES\r\n";
    }

    std::string start() {
        recipients_ = bytes_ = 0;
        return "250 2.1.0 ok\r\n";
    }

    std::string chunk(std::string_view argument) {
        std::from_chars(argument.data(), argument.data() + argument.size(), left_);
        last_ = argument.ends_with("LAST");
        phase_ = Phase::chunk;
        return {};
    }

    /// The dot ends data only behind a line end; of what may be the beginning of that end, four bytes stay.
    bool take_data(std::string& answers) {
        static constexpr std::string_view end_of_data = "\r\n.\r\n";
        std::string& input = stream_.input;
        const std::size_t end = input.find(end_of_data);
        if (end != std::string::npos) {
            bytes_ += end + 2;
            input.erase(0, end + end_of_data.size());
            return taken(answers);
        }
        const std::size_t done = input.size() < end_of_data.size() ? 0 : input.size() - (end_of_data.size() - 1);
        bytes_ += done;
        input.erase(0, done);
        return false;
    }

    bool take_chunk(std::string& answers) {
        const std::size_t size = std::min<std::uint64_t>(left_, stream_.input.size());
        bytes_ += size;
        left_ -= size;
        stream_.input.erase(0, size);
        if (left_ > 0) return false;
        if (last_) return taken(answers);
        answers += "250 2.0.0 ok\r\n";
        phase_ = Phase::command;
        return true;
    }

    bool taken(std::string& answers) {
        answers += "250 2.0.0 taken\r\n";
        phase_ = Phase::command;
        sink_.taken(recipients_, bytes_);
        return true;
    }

    Sink& sink_;
    int descriptor_;
    Phase phase_ = Phase::command;
    bool quit_ = false, last_ = false;
    std::uint64_t recipients_ = 0, bytes_ = 0, left_ = 0;
    Stream stream_;
};

Sink::Sink(Poll& poll, bool chunking)
    : poll_(poll), chunking_(chunking), listener_(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")) {
    const sockaddr_in address = loopback(0);
    check(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
    check(::listen(listener_, 1024), "listen");
    poll_.add(listener_, *this);
}

std::uint16_t Sink::port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    check(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
    return ntohs(address.sin_port);
}

void Sink::ready() {
    const int descriptor = check(::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC), "accept");
    ++counts_.connections;
    sessions_[descriptor] = std::make_unique<Session>(poll_, descriptor, *this);
}

void Sink::tell() {
    if (!expected_ || counts_.recipients < *expected_) return;
    expected_.reset();
    std::printf("{\"at\": %.6f, \"transactions\": %lu, \"recipients\": %lu, \"bytes\": %lu, \"connections\": %lu}\n",
                seconds_now(), counts_.transactions, counts_.recipients, counts_.bytes, counts_.connections);
    std::fflush(stdout);
}

/// Whoever started us, at our standard input.
class Master : public Waiter {
public:
    Master(Poll& poll, Sink& sink) : sink_(sink) { poll.add(STDIN_FILENO, *this); }

    void ready() override {
        std::array<char, 256> bytes;
        const ssize_t size = ::read(STDIN_FILENO, bytes.data(), bytes.size());
        if (size <= 0) gone_ = true;
        if (size > 0) text_.append(bytes.data(), static_cast<std::size_t>(size));
        for (std::size_t end; (end = text_.find('\n')) != std::string::npos; text_.erase(0, end + 1)) {
            if (text_.starts_with("expect ")) sink_.expect(std::stoull(text_.substr(7, end - 7)));
        }
    }
    bool gone() const { return gone_; }

private:
    Sink& sink_;
    std::string text_;
    bool gone_ = false;
};

int run(bool chunking) {
    Poll poll;
    Sink sink(poll, chunking);
    Master master(poll, sink);
    std::printf("%u\n", static_cast<unsigned>(sink.port()));
    std::fflush(stdout);
    while (!master.gone()) poll.turn();
    return 0;
}

}  // namespace
}  // namespace onecopy::bench

int main(int count, char** arguments) try {
    return onecopy::bench::run(count > 1 && std::string_view(arguments[1]) == "--chunking");
} catch (const std::exception& error) {
    std::fprintf(stderr, "sink: %s\n", error.what());
    return 1;
}
