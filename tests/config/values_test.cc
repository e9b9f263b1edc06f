#include "config/values.h"

#include <doctest/doctest.h>

#include <string>

TEST_SUITE_BEGIN("values");

namespace onecopy::config::values {

namespace {

struct Row {
    std::string text, wrong;
};

/// Rows whose second column is empty are fine.
template <std::size_t Size>
void check(std::string (*wrong)(std::string_view), const Row (&rows)[Size]) {
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(wrong(row.text) == row.wrong);
    }
}

}  // namespace

TEST_CASE("a domain is a name or an address literal") {
    const std::string no = "is no domain such as corp.example";
    const Row rows[] = {
        {"corp.example", ""},
        {"localhost", ""},
        {"Corp-1.Example", ""},
        {"my_host.example", ""},
        {"xn--bcher-kva.example", ""},
        {"b\xc3\xbc"
         "cher.example",
         ""},
        {"[192.0.2.1]", ""},
        {"[IPv6:2001:db8::1]", ""},
        {std::string(63, 'a') + ".example", ""},
        {std::string(64, 'a') + ".example", no},
        {std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." + std::string(63, 'd'), ""},
        {std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." + std::string(62, 'd') + ".e",
         no},
        {"", "is empty; a domain is asked for"},
        {"*.corp.example", "has a wildcard, and there are none: name each domain"},
        {"me@corp.example", "is no domain: write corp.example"},
        {"@corp.example", "is no domain: write corp.example"},
        {"corp.example.", "ends with a dot: write it without"},
        {".", no},
        {".corp.example", no},
        {"corp..example", no},
        {"-corp.example", no},
        {"corp-.example", no},
        {"corp example", no},
        {"corp/example", no},
        {"[192.0.2]", no},
        {"[2001:db8::1]", no},
        {"[IPv6:192.0.2.1]", no},
        {"[]", no},
        {"me@", no},
    };
    check(domain, rows);
}

TEST_CASE("the name that we greet with is ASCII") {
    const Row rows[] = {
        {"proxy.corp.example", ""},
        {"[192.0.2.1]", ""},
        {"b\xc3\xbc"
         "cher.example",
         "must be ASCII: write the domain with its xn-- labels"},
        {"a b", "is no domain such as corp.example"},
    };
    check(hostname, rows);
}

TEST_CASE("an address has a local-part and a domain, within the lengths of SMTP") {
    const std::string no = "is no address such as postmaster@corp.example";
    const Row rows[] = {
        {"postmaster@corp.example", ""},
        {"a.b+c@[192.0.2.1]", ""},
        {"\"a b\"@corp.example", ""},
        {"\"a@b\"@corp.example", ""},
        {std::string(64, 'a') + "@corp.example", ""},
        {std::string(65, 'a') + "@corp.example", no},
        {"a@" + std::string(63, 'b') + "." + std::string(63, 'c') + "." + std::string(63, 'd') + "." + std::string(60, 'e'),
         ""},
        {"a@" + std::string(63, 'b') + "." + std::string(63, 'c') + "." + std::string(63, 'd') + "." + std::string(61, 'e'),
         no},
        {"postmaster", "is no address: the domain is missing, as in postmaster@corp.example"},
        {"", "is no address: the domain is missing, as in postmaster@corp.example"},
        {"<a@corp.example>", "has angle brackets: write it without"},
        {"a@", no},
        {"@corp.example", no},
        {"a b@corp.example", no},
        {".a@corp.example", no},
        {"a.@corp.example", no},
        {"a..b@corp.example", no},
        {"\"\"@corp.example", no},
        {"\"a\"b\"@corp.example", no},
        {"a@b@corp.example", no},
        {"Me <a@corp.example>", no},
    };
    check(address, rows);
}

TEST_CASE("a server is a host and a port") {
    const Row rows[] = {
        {"mail.example:25", ""},
        {"mail:65535", ""},
        {"192.0.2.1:1", ""},
        {"[2001:db8::1]:25", ""},
        {"mail.example", "has no port: add :25"},
        {"192.0.2.1", "has no port: add :25"},
        {"[::1]", "has no port: add :25"},
        {"mail:", "has the port ``, which is no number from 1 to 65535"},
        {"mail:0", "has the port `0`, which is no number from 1 to 65535"},
        {"mail:025", "has the port `025`, which is no number from 1 to 65535"},
        {"mail:65536", "has the port `65536`, which is no number from 1 to 65535"},
        {"mail:25 ", "has the port `25 `, which is no number from 1 to 65535"},
        {"mail:+25", "has the port `+25`, which is no number from 1 to 65535"},
        {"[::1]:smtp", "has the port `smtp`, which is no number from 1 to 65535"},
        {"[::1]25", "is neither host:port nor [v6]:port"},
        {"[::1", "has no IPv6 address in its brackets: write it as [::1]:25"},
        {"[]:25", "has no IPv6 address in its brackets: write it as [::1]:25"},
        {"[192.0.2.1]:25", "has no IPv6 address in its brackets: write it as [::1]:25"},
        {"2001:db8::1", "is an IPv6 address without brackets: write [2001:db8::1]:25"},
        {"::1:25", "is an IPv6 address without brackets: write [::1]:25 or [::1:25]:25"},
        {"25", "is a port alone: a host belongs before it, as in 127.0.0.1:25"},
        {"", "names no host: a backend is named as host:port"},
        {":25", "names no host: a backend is named as host:port"},
        {"smtp://mail:25", "is a URL: write host:port alone"},
        {"unix:/run/mail", "is a socket: a backend is named as host:port"},
        {"1.2.3:25", "has the host `1.2.3`, which is no name, IPv4 address or [IPv6 address]"},
        {"999.0.0.1:25", "has the host `999.0.0.1`, which is no name, IPv4 address or [IPv6 address]"},
        {"a b:25", "has the host `a b`, which is no name, IPv4 address or [IPv6 address]"},
    };
    check(server, rows);
}

TEST_CASE("what we listen on is a host and a port, a path or a socket of systemd") {
    const std::string everywhere = "names no host: for every address write 0.0.0.0 or [::] before the port";
    const std::string no_name = "needs the FileDescriptorName of a socket unit after systemd:";
    const Row rows[] = {
        {"127.0.0.1:2525", ""},
        {"0.0.0.0:25", ""},
        {"[::]:25", ""},
        {"localhost:2525", ""},
        {"unix:/run/onecopy/smtp.sock", ""},
        {"systemd:smtp", ""},
        {"127.0.0.1", "has no port: add :2525"},
        {"2525", "is a port alone: a host belongs before it, as in 127.0.0.1:2525"},
        {":25", everywhere},
        {"*:25", everywhere},
        {"", everywhere},
        {"unix:smtp.sock", "is no absolute path of a socket such as /run/onecopy/smtp.sock"},
        {"unix:", "is no absolute path of a socket such as /run/onecopy/smtp.sock"},
        {"systemd:", no_name},
        {"systemd:a b", no_name},
        {"systemd:a:b", no_name},
        {"systemd:" + std::string(255, 'a'), ""},
        {"systemd:" + std::string(256, 'a'), no_name},
    };
    check(listen_address, rows);
}

TEST_CASE("a network is an address, or one whose last bits are clear") {
    const std::string no = "is no network such as 192.0.2.0/24, 127.0.0.1 or \"fd00::/8\"";
    const std::string bits_4 = "needs a number of bits from 0 to 32 after its /";
    const std::string bits_6 = "needs a number of bits from 0 to 128 after its /";
    const Row rows[] = {
        {"127.0.0.1", ""},
        {"127.0.0.0/8", ""},
        {"0.0.0.0/0", ""},
        {"192.0.2.1/32", ""},
        {"::1", ""},
        {"::/0", ""},
        {"fd00::/8", ""},
        {"2001:db8::1/128", ""},
        {"192.0.2.1/24", "has bits beyond the first 24: write 192.0.2.0/24"},
        {"10.0.0.128/24", "has bits beyond the first 24: write 10.0.0.0/24"},
        {"fd12::1/8", "has bits beyond the first 8: write fd00::/8"},
        {"10.0.0.0/33", bits_4},
        {"10.0.0.0/", bits_4},
        {"10.0.0.0/08", bits_4},
        {"10.0.0.0/-1", bits_4},
        {"10.0.0.0/255.0.0.0", bits_4},
        {"::/129", bits_6},
        {"::ffff:192.0.2.1", "is IPv4 within IPv6: write the IPv4 network, such as 192.0.2.0/24"},
        {"", no},
        {"any", no},
        {"localhost", no},
        {"10.0.0", no},
        {"[::1]", no},
    };
    check(network, rows);
}

TEST_CASE("a path is absolute, and a socket's is short") {
    const Row paths[] = {
        {"/", ""},
        {"/var/lib/onecopy", ""},
        {"/" + std::string(4094, 'a'), ""},
        {"/" + std::string(4095, 'a'), "is longer than a path may be"},
        {"", "is no absolute path: it must begin with /"},
        {"~/spool", "is no absolute path: it must begin with /"},
        {"./spool", "is no absolute path: it must begin with /"},
    };
    check(path, paths);
    const std::string name = "needs the name of a LoadCredential= after credential:";
    const Row files[] = {
        {"/etc/onecopy/password", ""},
        {"credential:password", ""},
        {"credential:", name},
        {"credential:/etc/shadow", name},
        {"credential:..", name},
        {"credential:" + std::string(256, 'a'), name},
        {"password", "is no absolute path: it must begin with /"},
    };
    check(file, files);
    const std::string no = "is no absolute path of a socket such as /run/onecopy/smtp.sock";
    const Row sockets[] = {
        {"/run/onecopy/control.sock", ""},
        {"/" + std::string(106, 'a'), ""},
        {"/" + std::string(107, 'a'), "is too long: the path of a socket has at most 107 bytes"},
        {"control.sock", no},
        {"/run/", no},
        {"", no},
    };
    check(socket_path, sockets);
}

TEST_CASE("a field's name has no colon and no blank") {
    const std::string no = "is no name of a header field such as Delivered-To";
    const Row rows[] = {
        {"Delivered-To", ""},
        {"X", ""},
        {std::string(76, 'X'), ""},
        {std::string(77, 'X'), no},
        {"Delivered-To:", "has a colon: write the name of the field without it"},
        {"", no},
        {"Delivered To", no},
        {"X:Y", no},
        {"\xc3\xa4", no},
    };
    check(field_name, rows);
}

}  // namespace onecopy::config::values

TEST_SUITE_END();
