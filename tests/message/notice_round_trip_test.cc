// What a notice says, read back by a reader that shares no code with its writer, is what was to be told: thousands of
// notices, of hostile texts too, all of one seed.

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "told_notice.h"

using namespace onecopy::message::testing;

namespace {

class Chance : public Chooser {
public:
    std::size_t below(std::size_t bound) override { return random_() % bound; }
    std::string text() override {
        static const std::vector<std::string> all = {"no such user",
                                                     "",
                                                     "x\r\nAction: delivered\r\n\r\nFinal-Recipient: rfc822; evil@x",
                                                     "\r\n--=_\r\n.\r\n",
                                                     std::string("nul \0 and \x1b[2J and \xff", 20),
                                                     "caf\xc3\xa9 \xe2\x80\xae",
                                                     std::string(700, 'w') + " " + std::string(700, 'v'),
                                                     std::string(3000, 'y'),
                                                     "many    spaces  " + std::string(200, ' ') + "here",
                                                     "550 5.1.1 5.1.1",
                                                     "O'+= x;y"};
        return one_of(all);
    }

private:
    std::mt19937_64 random_{20261129};
};

}  // namespace

TEST_SUITE_BEGIN("notice round trip");

TEST_CASE("a notice is read as it was meant") {
    Chance chance;
    for (int i = 0; i < 3000; ++i) {
        CAPTURE(i);
        for (const std::string& wrong : wrongs(some_notice(chance))) FAIL_CHECK(wrong);
    }
}

TEST_SUITE_END();
