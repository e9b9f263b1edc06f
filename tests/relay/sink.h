#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/connection.h"
#include "net/listener.h"

namespace onecopy::relay::testing {

/// A mail server in the test's own loop. It takes everything, unless the test's `script` answers otherwise.
class Sink {
public:
    struct Message {
        std::string sender;
        std::vector<std::string> recipients;
        std::string content;  // dots undone, or chunks
        int connection = 0;   // its number, from 1
    };

    class Session : net::Connection::Handler {
    public:
        Session(Sink& sink, int descriptor, int number);

        void say(const std::string& text);
        /// Ends the connection; with `text` as the last words.
        void hang_up(const std::string& text = "");

        const int number;
        std::vector<std::string> commands;
        Message message;  // as it stands

    private:
        friend class Sink;
        void received(std::string_view& bytes) override;
        void closed(net::Connection::Reason reason, const std::string& what) override;
        void take_line(const std::string& line);
        bool take_chunk();
        void run(const std::string& command);
        std::string usual(const std::string& verb);

        Sink& sink_;
        std::unique_ptr<net::Connection> connection_;
        std::string input_;
        bool in_data_ = false;
        std::optional<std::size_t> chunk_;  // what is missing of one
        bool gone_ = false;
    };

    /// What a session says to a command (`connect` for the greeting, `.` for the end of the data or
    /// of the last chunk): nothing to leave it to
    /// the usual answer; an empty text: not a word, for now.
    using Script = std::function<std::optional<std::string>(Session&, const std::string& command)>;

    explicit Sink(net::Loop& loop, const std::string& address = "127.0.0.1:0");

    std::string address() const { return listener_.address(); }
    /// The session with that number, whether or not it is open.
    Session& session(int number);
    std::size_t open() const;

    Script script;
    std::vector<Message> messages;  // answered by 250
    std::list<Session> sessions;

private:
    net::Loop& loop_;
    net::Listener listener_;
};

}  // namespace onecopy::relay::testing
