#pragma once

#include "coalesce/addressing.h"
#include "coalesce/rules.h"
#include "config/config.h"
#include "message/trace.h"

namespace onecopy::relay {

/// What the rules look at, from the configuration. Under `observe` nothing is held.
coalesce::Policy rules_of(const config::Config& config);

/// The `recipients` section, domains in normal form. Under `observe` foreign recipients are as welcome as any.
coalesce::AddressPolicy addresses_of(const config::Config& config);

/// How else a recipient's address may be written; it is hidden in what is forwarded, and in what is returned to a sender.
message::KnownSpellings spellings_of(const config::Config& config);

}  // namespace onecopy::relay
