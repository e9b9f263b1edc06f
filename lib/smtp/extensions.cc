#include "smtp/extensions.h"

#include "base/escape.h"
#include "smtp/command.h"

namespace onecopy::smtp {

Extensions Extensions::read(const Reply& reply) {
    Extensions extensions;
    for (std::size_t i = 1; i < reply.lines.size(); ++i) {  // the first line names the server
        const auto [keyword, argument] = parse_command(reply.lines[i]);
        if (keyword == "PIPELINING") extensions.pipelining = true;
        if (keyword == "8BITMIME") extensions.eight_bit = true;
        if (keyword == "CHUNKING") extensions.chunking = true;
        if (keyword == "DSN") extensions.dsn = true;
        if (keyword == "SMTPUTF8") extensions.smtputf8 = true;
        if (keyword == "STARTTLS") extensions.start_tls = true;
        if (keyword == "AUTH") extensions.take_mechanisms(argument);
        if (keyword.starts_with("AUTH="))
            extensions.take_mechanisms(std::string_view(reply.lines[i]).substr(5));  // old servers
        if (keyword == "SIZE") {
            extensions.size = true;
            extensions.most_size = parse_size_value(argument).value_or(0);
        }
    }
    return extensions;
}

void Extensions::take_mechanisms(std::string_view words) {
    while (!words.empty()) {
        const auto [word, rest] = first_word(words);
        auth_plain = auth_plain || base::equal_ignoring_case(word, "PLAIN");
        auth_login = auth_login || base::equal_ignoring_case(word, "LOGIN");
        words = rest;
    }
}

}  // namespace onecopy::smtp
