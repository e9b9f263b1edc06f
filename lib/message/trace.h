#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace onecopy::message {

/// What our Received field tells of how a copy came (RFC 5321 4.4).
struct Arrival {
    std::string helo;      // as given; made safe when written
    std::string client;    // address of the peer, `unix` for a local socket
    std::string protocol;  // SMTP, ESMTPSA, LMTP, UTF8SMTPS, ... (RFC 3848; RFC 6531 4.3)
    base::WallTime time{};
    std::string tls{};  // what the connection was protected by, `TLSv1.3 TLS_AES_256_GCM_SHA384`; empty: by nothing
};

/// Our Received field, folded, with its CRLF. No `for` clause, ever.
std::string received_field(const Arrival& arrival, std::string_view hostname, std::int64_t group);

/// How long that field is at the front of a header block that begins with it. Not by folding: what a message begins with
/// may look like one more line of it.
std::size_t received_field_size(std::string_view header_block);

/// How many addresses that are in no To or Cc the header would still show in its `for` clauses and in other fields
/// that are not content, once the fields that always go are gone. Less is better.
std::size_t exposure(std::string_view header_block);

/// One recipient: his address, and the others that stand for him (as he was before rewrite_domains).
using Addresses = std::vector<std::string>;

/// The header block as it may be forwarded: without the fields that name one copy's recipient, without any other
/// field that is not content and holds an address of one of `recipients` none of whose addresses is in To or Cc, and
/// without such a `for` clause, or the whole Received field where it shows such an address elsewhere too (other than the
/// author's). Everything else byte for byte as it came, Message-ID always, and all of a header beyond the limits (header.h),
/// which goes alone. A `for` clause also names a recipient by the local-part where its domain is missing or has no dot, as
/// fetchers write `joe@localhost`. Each of `prefixes` may stand in front of an address where it is not to be shown; in To or
/// Cc such a one is somebody else's.
std::string without_private(std::string_view header_block, std::span<const Addresses> recipients,
                            std::span<const std::string> prefixes = {});

/// What rewrite_domains says: a domain (lower case) and what stands for it.
using RewriteDomains = std::map<std::string, std::string>;

/// What the configuration says of how else a recipient's address may stand in what a provider wrote.
struct KnownSpellings {
    RewriteDomains rewrite_domains;
    std::vector<std::string> prefixes;  // what recover_from takes off an address (`strip`), none of them empty
};

/// The header of a message of ours, our Received on top, as it goes out to any of `recipients`: without_private() of all but
/// our own field, which is made to be seen and counts for no limit.
std::string forwarded_header(std::string_view header_block, std::span<const std::string> recipients,
                             const KnownSpellings& known);

/// The number of Received fields (RFC 5321 6.3).
std::size_t hops(std::string_view header_block);

/// Whether a Received field says `by HOSTNAME`: our own, so that the message went round.
bool passed_through(std::string_view header_block, std::string_view hostname);

}  // namespace onecopy::message
