#include "base/secret.h"

#include <cstring>

namespace onecopy::base {

void wipe(std::string& text) {
    text.resize(text.capacity());  // no new memory: bytes behind the end may be left from a longer text
    explicit_bzero(text.data(), text.size());
    text.clear();
}

}  // namespace onecopy::base
