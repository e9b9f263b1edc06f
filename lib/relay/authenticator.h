#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/worker.h"
#include "relay/users.h"

namespace onecopy::relay {

/// Checks passwords on a thread of its own, since a hash may take seconds: neither the loop nor what else runs beside it
/// waits. All calls come from the loop's thread.
class Authenticator {
public:
    /// More guesses than these are not worth waiting for: 454.
    static constexpr unsigned most_waiting = 20;

    explicit Authenticator(base::Post post);

    /// `answer` is called later, in the loop's thread, unless false is returned: too many wait already.
    bool verify(std::shared_ptr<const Users> users, std::string name, std::string password,
                std::function<void(bool right)> answer);

private:
    base::Post post_;
    std::shared_ptr<unsigned> waiting_ = std::make_shared<unsigned>(0);
    base::Worker worker_;
};

}  // namespace onecopy::relay
