#pragma once

#include <string>
#include <string_view>

/// Whether a text is what its key asks for. Each gives what is wrong and what would be right, nothing where it is fine.
namespace onecopy::config::values {

/// `corp.example`, `[192.0.2.1]`; U-labels are fine.
std::string domain(std::string_view text);
/// A domain as EHLO may name it: ASCII (RFC 5321 2.3.5).
std::string hostname(std::string_view text);
/// `local@domain`, with the lengths of RFC 5321 4.5.3.1.
std::string address(std::string_view text);
/// `host:port` or `[v6]:port`.
std::string server(std::string_view text);
/// What server() takes, `unix:/path` or `systemd:NAME`.
std::string listen_address(std::string_view text);
/// What server() takes, of loopback alone, or `unix:/path`.
std::string web_address(std::string_view text);
/// `10.0.0.0/8`, `::1`, `fd00::/8`.
std::string network(std::string_view text);
/// `/absolute`; the last with the length that a socket's name may have. A file may also be `credential:NAME`, one that
/// systemd passes.
constexpr std::string_view credential_prefix = "credential:";
std::string path(std::string_view text);
std::string file(std::string_view text);
std::string socket_path(std::string_view text);
/// The name of a header field (RFC 5322 2.2).
std::string field_name(std::string_view text);
/// Any text.
std::string anything(std::string_view text);

}  // namespace onecopy::config::values
