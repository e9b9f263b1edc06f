#include "tls_end.h"

#include <algorithm>
#include <cstdlib>

namespace simulation {
namespace {

// The types of RFC 8446 5.1. A handshake or an alert is a line, a record its size and its bytes.
constexpr char alert = 0x15, handshake = 0x16, record = 0x17;
constexpr std::size_t digits = 8;

std::string line(char type, const std::string& text) {
    return type + text + "\n";
}

std::string turned(std::string bytes) {
    for (char& c : bytes) c = static_cast<char>(~c);
    return bytes;
}

}  // namespace

std::string TlsEnd::begin() const {
    return role_ == Role::client ? line(handshake, "for " + name_) : std::string();
}

std::string TlsEnd::sealed(const std::string& plain) {
    const std::string size = std::to_string(plain.size());
    return record + std::string(digits - size.size(), '0') + size + turned(plain);
}

std::string TlsEnd::close_notify() {
    return line(alert, "");
}

std::string TlsEnd::feed(const std::string& bytes, std::string& plain) {
    input_ += bytes;
    std::string answer;
    while (!input_.empty() && (state_ == State::handshake || state_ == State::secure)) {
        const char type = input_[0];
        if (type == record && state_ == State::secure) {
            if (!take_record(plain)) break;
            continue;
        }
        if (type != alert && (type != handshake || state_ == State::secure)) return answer + fail("wrong version number");
        const std::size_t end = input_.find('\n');
        if (end == input_.npos) break;
        const std::string text = input_.substr(1, end - 1);
        input_.erase(0, end + 1);
        type == alert ? take_alert(text) : void(answer += take_handshake(text));
    }
    return answer;
}

std::string TlsEnd::take_handshake(const std::string& text) {
    if (role_ == Role::server && !greeted_) {
        greeted_ = true;
        return line(handshake, name_);
    }
    if (role_ == Role::client) genuine_ = text == name_;
    if (role_ == Role::client && verifies_ && !genuine_) return fail("certificate verify failed");
    state_ = State::secure;
    return role_ == Role::client ? line(handshake, "done") : std::string();
}

void TlsEnd::take_alert(const std::string& text) {
    words_ = text;
    state_ = text.empty() ? State::ended : State::broken;
}

/// False: more of it has to come.
bool TlsEnd::take_record(std::string& plain) {
    if (input_.size() < 1 + digits) return false;
    const std::size_t size = std::strtoull(input_.substr(1, digits).c_str(), nullptr, 10);
    if (input_.size() < 1 + digits + size) return false;
    plain += turned(input_.substr(1 + digits, size));
    input_.erase(0, 1 + digits + size);
    return true;
}

std::string TlsEnd::fail(const std::string& why) {
    words_ = why;
    state_ = State::broken;
    return line(alert, why);
}

}  // namespace simulation
