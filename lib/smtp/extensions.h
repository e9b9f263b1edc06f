#pragma once

#include <cstdint>
#include <string_view>

#include "smtp/reply.h"

namespace onecopy::smtp {

/// What a server offered in its reply to EHLO, as far as we use it.
struct Extensions {
    bool pipelining = false;      // RFC 2920
    bool eight_bit = false;       // RFC 6152
    bool size = false;            // RFC 1870
    std::uint64_t most_size = 0;  // 0: no limit was named
    bool chunking = false;        // RFC 3030
    bool dsn = false;             // RFC 3461
    bool smtputf8 = false;        // RFC 6531
    bool start_tls = false;       // RFC 3207
    bool auth_plain = false;      // RFC 4616
    bool auth_login = false;

    static Extensions read(const Reply& reply);
    bool too_large(std::uint64_t size) const { return most_size != 0 && size > most_size; }

private:
    void take_mechanisms(std::string_view words);
};

}  // namespace onecopy::smtp
