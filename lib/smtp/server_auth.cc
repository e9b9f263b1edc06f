#include <utility>

#include "smtp/server_session.h"

namespace onecopy::smtp {

namespace {

constexpr unsigned most_wrong_credentials = 5;

}  // namespace

Reply ServerSession::auth(std::string_view argument) {
    if (options_.auth == Auth::none) return not_implemented(argument);
    if (!options_.may_authenticate) return bad(504, "5.5.4", "AUTH is to be had under TLS alone");
    if (phase_ == Phase::idle && !extended_) return bad(503, "5.5.1", "EHLO comes first");
    if (phase_ != Phase::idle) return out_of_order();
    if (!user_.empty()) return bad(503, "5.5.1", "you have authenticated already");
    const auto [mechanism, response] = first_word(argument);
    auth_ = AuthExchange::begin(mechanism);
    if (!auth_) return bad(504, "5.5.4", "mechanisms are " + std::string(AuthExchange::mechanisms));
    if (!response.empty()) return respond(response == "=" ? std::string_view() : response);
    return {334, "", auth_->challenge()};
}

Reply ServerSession::respond(std::string_view response) {
    const bool cancelled = response == "*";
    const auto step = cancelled ? AuthExchange::Step::malformed : auth_->take(response);
    reader_.wipe();
    if (step == AuthExchange::Step::challenge) return {334, "", auth_->challenge()};
    AuthExchange exchange = *std::exchange(auth_, std::nullopt);
    if (cancelled) return bad(501, "5.7.0", "authentication cancelled");
    if (step == AuthExchange::Step::malformed) return bad(501, "5.5.2", "malformed response");
    enter(Phase::credentials);
    claimed_ = exchange.take_name();
    handler_.authenticate(claimed_, exchange.take_password());
    return {};
}

void ServerSession::authenticated(Credentials credentials) {
    if (phase_ != Phase::credentials) return;
    enter(Phase::idle);
    const std::string name = std::exchange(claimed_, {});
    switch (credentials) {
        case Credentials::right:
            user_ = name;
            return say({235, "2.7.0", "Ok"});
        case Credentials::unavailable:
            return say({454, "4.7.0", "nobody can be authenticated now; try again later"});
        case Credentials::wrong:
            if (++wrong_credentials_ >= most_wrong_credentials) return say({421, "4.7.0", "too many wrong passwords"});
            return say({535, "5.7.8", "wrong name or password"});
    }
}

}  // namespace onecopy::smtp
