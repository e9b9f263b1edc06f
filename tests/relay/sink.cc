#include "sink.h"

#include <algorithm>
#include <stdexcept>

namespace onecopy::relay::testing {

using net::Connection;

Sink::Sink(net::Loop& loop, const std::string& address)
    : loop_(loop), listener_(loop, address, [this](int descriptor, const sockaddr*) {
          sessions.emplace_back(*this, descriptor, static_cast<int>(sessions.size()) + 1);
          sessions.back().run("connect");
      }) {}

Sink::Session& Sink::session(int number) {
    auto found = std::ranges::find(sessions, number, &Session::number);
    if (found == sessions.end()) throw std::out_of_range("no such session");
    return *found;
}

std::size_t Sink::open() const {
    return static_cast<std::size_t>(std::ranges::count(sessions, false, &Session::gone_));
}

Sink::Session::Session(Sink& sink, int descriptor, int which)
    : number(which), sink_(sink), connection_(Connection::accepted(sink.loop_, descriptor, *this)) {}

void Sink::Session::say(const std::string& text) {
    if (connection_) connection_->write(text + "\r\n");
}

void Sink::Session::hang_up(const std::string& text) {
    if (!connection_) return;
    if (!text.empty()) say(text);
    connection_->close_after_writing(Connection::Reason::done);
}

void Sink::Session::closed(Connection::Reason, const std::string&) {
    gone_ = true;
    connection_.reset();
}

void Sink::Session::received(std::string_view& bytes) {
    input_ += std::exchange(bytes, {});
    for (std::size_t end; !take_chunk() && (end = input_.find("\r\n")) != input_.npos;) {
        const std::string line = input_.substr(0, end);
        input_.erase(0, end + 2);
        take_line(line);
    }
}

/// True while more of it is to come.
bool Sink::Session::take_chunk() {
    if (!chunk_) return false;
    message.content += input_.substr(0, *chunk_);
    const std::size_t taken = std::min(*chunk_, input_.size());
    input_.erase(0, taken);
    *chunk_ -= taken;
    if (*chunk_ > 0) return true;
    chunk_.reset();
    run(".");
    return false;
}

void Sink::Session::take_line(const std::string& line) {
    if (!in_data_) return run(line);
    if (line != ".") {
        message.content += line.substr(line.starts_with('.') ? 1 : 0) + "\r\n";
        return;
    }
    in_data_ = false;
    run(line);
}

void Sink::Session::run(const std::string& command) {
    commands.push_back(command);
    const std::string verb = command.substr(0, 4);
    if (verb == "BDAT") return void(chunk_ = std::stoul(command.substr(5)));
    if (verb == "MAIL") message = {command.substr(11, command.find('>') - 11), {}, "", number};
    std::optional<std::string> own;
    if (sink_.script) own = sink_.script(*this, command);
    const std::string reply = own ? *own : usual(verb);
    const bool positive = reply.starts_with('2');
    if (verb == "RCPT" && positive) message.recipients.push_back(command.substr(9, command.find('>') - 9));
    if (verb == "DATA") in_data_ = reply.starts_with('3');
    if (verb == "." && positive) sink_.messages.push_back(message);
    if (!reply.empty()) say(reply);
    if (verb == "QUIT") hang_up();
}

std::string Sink::Session::usual(const std::string& verb) {
    if (verb == "DATA" && message.recipients.empty()) return "554 5.5.1 no valid recipients";
    if (verb == "conn") return "220 sink.example ESMTP";
    if (verb == "EHLO") return "250-sink.example\r\n250-PIPELINING\r\n250 8BITMIME";
    if (verb == "DATA") return "354 go on";
    if (verb == "QUIT") return "221 2.0.0 bye";
    return "250 2.0.0 ok";
}

}  // namespace onecopy::relay::testing
