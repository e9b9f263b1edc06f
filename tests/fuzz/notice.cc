// A notice of any texts: a reader that shares no code with its writer finds what was to be told.

#include "../message/told_notice.h"
#include "input.h"

using namespace onecopy;

namespace {

class Bytes : public message::testing::Chooser {
public:
    Bytes(const std::uint8_t* bytes, std::size_t size) : input_(bytes, size) {}

    std::size_t below(std::size_t bound) override {
        std::size_t number = 0;
        for (std::size_t largest = bound - 1; largest > 0; largest >>= 8) number = number << 8 | input_.byte();
        return number % bound;
    }
    /// A length, and so many bytes; some of the last again and again, for what is long.
    std::string text() override {
        std::string text;
        for (std::size_t left = below(256); left > 0 && !input_.rest().empty(); --left)
            text += static_cast<char>(input_.byte());
        const std::size_t times = below(16);
        if (times > 8) text += repeated(text.substr(text.size() - std::min<std::size_t>(text.size(), times - 8)));
        return text;
    }

private:
    std::string repeated(const std::string& piece) {
        std::string text;
        for (std::size_t times = below(256); times > 0; --times) text += piece;
        return text;
    }

    fuzz::Input input_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    Bytes chooser(bytes, size);
    for (const std::string& wrong : message::testing::wrongs(message::testing::some_notice(chooser)))
        fuzz::must(false, wrong.c_str());
    return 0;
}
