#pragma once

#include <string_view>

namespace onecopy::message {

/// The author's fields, which are part of what a message says: they count in the content digest and are never touched.
bool is_content(std::string_view field_name);

/// The fields that tell for whom one copy was: never forwarded.
bool always_goes(std::string_view field_name);

}  // namespace onecopy::message
