#include "relay/authenticator.h"

#include <utility>

#include "base/secret.h"

namespace onecopy::relay {

Authenticator::Authenticator(base::Post post) : post_(std::move(post)) {}

bool Authenticator::verify(std::shared_ptr<const Users> users, std::string name, std::string password,
                           std::function<void(bool right)> answer) {
    if (*waiting_ >= most_waiting) {
        base::wipe(password);
        return false;
    }
    ++*waiting_;
    worker_.run([post = post_, waiting = waiting_, users = std::move(users), name = std::move(name),
                 password = std::move(password), answer = std::move(answer)]() mutable {
        const bool right = users->verify(name, password);
        base::wipe(password);
        post([waiting, right, answer = std::move(answer)] {
            --*waiting;
            answer(right);
        });
    });
    return true;
}

}  // namespace onecopy::relay
