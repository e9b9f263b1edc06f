#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "world.h"

namespace simulation {

/// A connection with the process, seen from outside of it. Bytes arrive later, in order, in pieces as chance has it.
class Wire : public std::enable_shared_from_this<Wire> {
public:
    struct Handler {
        std::function<void(const std::string&)> received;
        std::function<void()> ended;  // by the process, or with it
    };
    Handler handler;

    /// `arrived` is called when the process has the last byte of it.
    void send(std::string bytes, std::function<void()> arrived = nullptr);
    void close();  // behind what was sent
    void reset();  // at once; what is under way is lost, both ways
    bool open() const { return open_; }

    /// The side of the process.
    struct Inside {
        std::function<void(const std::string&)> received;
        std::function<void()> closed;
        std::function<void()> reset;
        std::function<void(std::size_t)> drained;  // so many of the bytes that were written have left
    };
    Inside inside;
    void written(std::string bytes);  // by the process
    void left();                      // it has closed its side

private:
    friend void reset_all(const std::vector<std::weak_ptr<Wire>>& wires);
    Microseconds arrival(Microseconds& last);

    bool open_ = true;
    Microseconds last_in_ = 0, last_out_ = 0;
};

/// At once and together, as by the end of the machine behind them.
void reset_all(const std::vector<std::weak_ptr<Wire>>& wires);

/// Connects to where the process listens, from its host or not; null: nobody does.
std::shared_ptr<Wire> dial(const std::string& address, bool from_afar);

/// Who answers when the process connects to 127.0.0.1:port. False: refused.
extern std::function<bool(unsigned port, const std::shared_ptr<Wire>&)> on_connect;

/// All connections of the process end with it: remember() those that are made.
void remember(const std::shared_ptr<Wire>& wire);
void cut_all_wires();

}  // namespace simulation
