#include "relay/policy.h"

#include <doctest/doctest.h>

using namespace onecopy;
using namespace onecopy::relay;

TEST_SUITE_BEGIN("policy");

TEST_CASE("the rules look at what grouping and delivery say") {
    config::Config config;
    config.grouping.window = std::chrono::seconds(7);
    config.grouping.quiet = std::chrono::seconds(3);
    config.grouping.history = std::chrono::hours(5);
    config.grouping.match = {config::Part::message_id, config::Part::sender};
    config.recipients.fold_case = false;
    config.delivery.keep_failed = std::chrono::hours(6);
    config.delivery.retry = {std::chrono::seconds(1), std::chrono::seconds(2)};
    config.delivery.expire = std::chrono::hours(9);
    coalesce::Policy policy = rules_of(config);
    CHECK(policy.window == std::chrono::seconds(7));
    CHECK(policy.quiet == std::chrono::seconds(3));
    CHECK(policy.history == std::chrono::hours(5));
    CHECK(policy.match_id);
    CHECK(policy.match_sender);
    CHECK_FALSE(policy.match_content);
    CHECK_FALSE(policy.fold_case);
    CHECK(policy.keep_failed == std::chrono::hours(6));
    CHECK(policy.retry == std::vector<base::Duration>{std::chrono::seconds(1), std::chrono::seconds(2)});
    CHECK(policy.expire == std::chrono::hours(9));
    config.grouping.match = {config::Part::content};
    CHECK(rules_of(config).match_content);
    CHECK_FALSE(rules_of(config).match_id);
    CHECK_FALSE(rules_of(config).match_sender);
}

TEST_CASE("under observe nothing is held, and addresses know of it") {
    config::Config config;
    config.grouping.quiet = std::chrono::seconds(3);
    config.grouping.observe = true;
    config.recipients.foreign = config::Foreign::reject;
    CHECK(rules_of(config).window == base::Duration(0));
    CHECK(rules_of(config).quiet == base::Duration(0));
    CHECK(addresses_of(config).observe);
    CHECK_MESSAGE(addresses_of(config).foreign == coalesce::Foreign::accept, "foreign has no effect");
}

TEST_CASE("addresses are treated as recipients says, with domains in normal form") {
    config::Config config;
    config.recipients.local_domains = {"Corp.Example", "other.example"};
    config.recipients.recover_from = {{"Delivered-To", "mbox-"}, {"X-Original-To", ""}};
    config.recipients.fallback = {"postmaster@corp.example"};
    config.recipients.fold_case = false;
    config.recipients.rewrite_domains = {{"LocalHost", "corp.example"}, {"", "corp.example"}};
    config.delivery.postmaster = "pm@corp.example";
    coalesce::AddressPolicy policy = addresses_of(config);
    CHECK(policy.local_domains == std::vector<std::string>{"corp.example", "other.example"});
    REQUIRE(policy.recover_from.size() == 2);
    CHECK(policy.recover_from[0].field == "Delivered-To");
    CHECK(policy.recover_from[0].strip == "mbox-");
    CHECK(policy.fallback == std::vector<std::string>{"postmaster@corp.example"});
    CHECK_FALSE(policy.fold_case);
    CHECK(policy.rewrite_domains == std::map<std::string, std::string>{{"", "corp.example"}, {"localhost", "corp.example"}});
    CHECK(policy.postmaster == "pm@corp.example");
    CHECK_FALSE(policy.observe);
    CHECK(rules_of(config).spellings.rewrite_domains == policy.rewrite_domains);
    CHECK(rules_of(config).spellings.prefixes == std::vector<std::string>{"mbox-"});
}

TEST_CASE("what becomes of foreign recipients has the same names on both sides") {
    const std::pair<config::Foreign, coalesce::Foreign> table[] = {
        {config::Foreign::accept, coalesce::Foreign::accept},
        {config::Foreign::ignore, coalesce::Foreign::ignore},
        {config::Foreign::reject, coalesce::Foreign::reject},
    };
    for (const auto& [configured, expected] : table) {
        config::Config config;
        config.recipients.foreign = configured;
        CHECK(addresses_of(config).foreign == expected);
    }
}

TEST_SUITE_END();
