#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coalesce/group.h"
#include "message/mailbox.h"

namespace onecopy::coalesce {

enum class Foreign { accept, ignore, reject };

/// The `recipients` section of the configuration, and what `ignore` needs besides. Domains in normal form.
struct AddressPolicy {
    struct Source {
        std::string field;
        std::string strip;  // taken off the front of the local-part, where it stands there
    };
    std::vector<std::string> local_domains;
    Foreign foreign = Foreign::accept;
    std::vector<Source> recover_from;
    std::vector<std::string> fallback;
    bool fold_case = true;
    std::map<std::string, std::string> rewrite_domains;
    std::string postmaster;
    bool observe = false;
};

/// rewrite_domains: at RCPT, before anything looks at the address.
std::string rewrite(const message::Mailbox& mailbox, const AddressPolicy& policy);
/// No local domains are set, or the domain is one of them, or there is none (postmaster).
bool is_local(std::string_view address, const AddressPolicy& policy);

/// The recipients of a copy once its header is known: envelope (rewritten), foreign ones marked, those that recover_from
/// finds added, fallback left out, postmaster put in where nobody local is left. Whom the envelope did not name has no
/// options.
struct Resolved {
    std::vector<Arriving::Recipient> recipients;
    std::vector<std::string> recovered;  // for the log
    std::vector<std::string> left_out;   // fallback addresses, for the log
    bool to_postmaster = false;
};
Resolved resolve(const std::vector<message::Envelope::Recipient>& rewritten, std::string_view header_block,
                 const AddressPolicy& policy);

}  // namespace onecopy::coalesce
