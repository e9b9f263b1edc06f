#include "smtp/auth_exchange.h"

#include <utility>

#include "base/base64.h"
#include "base/escape.h"
#include "base/secret.h"
#include "message/utf8.h"

namespace onecopy::smtp {

namespace {

constexpr std::size_t most_octets = 255;  // of a name, of a password (RFC 4616 2)

bool is_credential(std::string_view text) {
    return !text.empty() && text.size() <= most_octets && message::is_legible(text);
}

}  // namespace

std::optional<AuthExchange> AuthExchange::begin(std::string_view mechanism) {
    if (base::equal_ignoring_case(mechanism, "PLAIN")) return AuthExchange(Mechanism::plain);
    if (base::equal_ignoring_case(mechanism, "LOGIN")) return AuthExchange(Mechanism::login);
    return std::nullopt;
}

AuthExchange::~AuthExchange() {
    base::wipe(name_);
    base::wipe(password_);
}

AuthExchange::Step AuthExchange::take(std::string_view response) {
    auto message = base::decode_base64(response);
    if (!message) return Step::malformed;
    const Step step = mechanism_ == Mechanism::login ? take_login(*message) : take_plain(*message);
    base::wipe(*message);
    return step;
}

/// authzid NUL authcid NUL password. Nobody acts for another one here.
AuthExchange::Step AuthExchange::take_plain(std::string_view message) {
    const auto first = message.find('\0');
    const auto second = first == message.npos ? first : message.find('\0', first + 1);
    if (second == message.npos) return Step::malformed;
    const auto identity = message.substr(0, first);
    const auto name = message.substr(first + 1, second - first - 1);
    const auto password = message.substr(second + 1);
    if (!identity.empty() && identity != name) return Step::malformed;
    if (!is_credential(name) || !is_credential(password)) return Step::malformed;
    name_ = name;
    password_ = password;
    return Step::complete;
}

AuthExchange::Step AuthExchange::take_login(std::string_view message) {
    if (!is_credential(message)) return Step::malformed;
    const bool has_name = !name_.empty();
    (has_name ? password_ : name_) = message;
    return has_name ? Step::complete : Step::challenge;
}

std::string_view AuthExchange::challenge() const {
    constexpr std::string_view username = "VXNlcm5hbWU6";  // "Username:"
    constexpr std::string_view password = "UGFzc3dvcmQ6";  // "Password:"
    if (mechanism_ == Mechanism::plain) return "";
    return name_.empty() ? username : password;
}

}  // namespace onecopy::smtp
