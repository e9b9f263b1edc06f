#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace onecopy::smtp {

/// The server's side of one SASL exchange (RFC 4954 4), up to the point where name and password are known: PLAIN
/// (RFC 4616) and LOGIN. What it knows is wiped when it goes.
class AuthExchange {
public:
    static constexpr std::string_view mechanisms = "PLAIN LOGIN";

    /// Nothing where the mechanism, in any case, is none of those.
    static std::optional<AuthExchange> begin(std::string_view mechanism);
    AuthExchange(const AuthExchange&) = delete;
    AuthExchange(AuthExchange&& other) noexcept = default;
    AuthExchange& operator=(AuthExchange&& other) noexcept = default;
    ~AuthExchange();

    enum class Step { challenge, complete, malformed };
    /// A response in base64, without line end; of LOGIN also an initial one (its name). `malformed`: no base64, or not what
    /// the mechanism asks for.
    Step take(std::string_view response);
    /// The text of 334 that asks for the next response.
    std::string_view challenge() const;

    /// After `complete`: not empty, bounded, valid UTF-8 without controls. They can be taken once.
    std::string take_name() { return std::move(name_); }
    std::string take_password() { return std::move(password_); }

private:
    enum class Mechanism { plain, login };
    explicit AuthExchange(Mechanism mechanism) : mechanism_(mechanism) {}
    Step take_plain(std::string_view message);
    Step take_login(std::string_view message);

    Mechanism mechanism_;
    std::string name_;
    std::string password_;
};

}  // namespace onecopy::smtp
