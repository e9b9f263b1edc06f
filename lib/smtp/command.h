#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace onecopy::smtp {

/// A command line (RFC 5321 4.1.1) taken apart; views into the line.
struct CommandLine {
    std::string verb;           // upper-case
    std::string_view argument;  // without the white space around it
};

CommandLine parse_command(std::string_view line);

/// One ESMTP parameter (RFC 5321 4.1.2).
struct Parameter {
    std::string name;                       // upper-case
    std::optional<std::string_view> value;  // none: no `=`; never empty
};

/// The argument of MAIL or RCPT.
struct PathArgument {
    std::string_view path;  // between `<` and `>`, unchecked
    std::vector<Parameter> parameters;
};

/// `keyword` is `FROM:` or `TO:`; white space behind it is let pass, a path without `<>` is not. A `>` in a quoted string
/// does not end the path. Nothing where the syntax is wrong.
std::optional<PathArgument> parse_path_argument(std::string_view argument, std::string_view keyword);

/// The value of SIZE= (RFC 1870 4): 1 to 20 digits that fit.
std::optional<std::uint64_t> parse_size_value(std::string_view value);

/// The argument of BDAT (RFC 3030 2): `size [LAST]`. Nothing where it is malformed, or no size that can be counted.
struct ChunkArgument {
    std::uint64_t size = 0;
    bool last = false;
};
std::optional<ChunkArgument> parse_chunk_argument(std::string_view argument);

/// `PLAIN dGVzdA==` (RFC 4954 4): the first word of an argument, and what stands behind it.
std::pair<std::string_view, std::string_view> first_word(std::string_view argument);

}  // namespace onecopy::smtp
