#include "config/machine_name.h"

#include <doctest/doctest.h>

#include "config/values.h"

TEST_SUITE_BEGIN("machine_name");

namespace onecopy::config {

TEST_CASE("the machine's name has the domain that the hosts file gives it") {
    const struct {
        std::string hosts;
        std::string name;
    } table[] = {
        {"127.0.0.1 localhost\n127.0.1.1 mail.corp.example mail\n", "mail.corp.example"},
        {"127.0.1.1\tmail\tMail.Corp.Example", "mail.corp.example"},
        {"::1 localhost\r\n192.0.2.1 other mail mail.corp.example # ours\r\n", "mail.corp.example"},
        {"127.0.1.1 mail\n192.0.2.1 mail.corp.example mail\n", "mail.corp.example"},
        {"", "mail"},
        {"127.0.0.1 localhost.localdomain localhost mail\n", "mail"},
        {"192.0.2.1 mail.corp.example\n", "mail"},
        {"192.0.2.1 mail # mail.corp.example\n", "mail"},
        {"# 192.0.2.1 mail.corp.example mail\n", "mail"},
        {"mail.corp.example mail\n", "mail"},  // the first word is the address
        {"192.0.2.1 mail.b\xc3\xbc"
         "cher.example mail. mail.-x mail\n",
         "mail"},
    };
    for (const auto& [hosts, name] : table) {
        CAPTURE(hosts);
        CHECK(fully_qualified("mail", hosts) == name);
    }
    CHECK(fully_qualified("MAIL", "192.0.2.1 mail.corp.example mail\n") == "mail.corp.example");
    CHECK(fully_qualified("mail.here.example", "192.0.2.1 mail.here.example.com mail.here.example\n") ==
          "mail.here.example");
}

TEST_CASE("what the machine calls itself may be said in EHLO") {
    CHECK(values::hostname(machine_name()).empty());
}

}  // namespace onecopy::config

TEST_SUITE_END();
