#include "coalesce/addressing.h"

#include <algorithm>
#include <set>

#include "base/escape.h"
#include "message/addresses.h"
#include "message/header.h"

namespace onecopy::coalesce {

namespace {

constexpr std::size_t most_recovered = 1000;  // from one copy's header, as many as one transaction may name

using NormalForms = std::set<std::string, std::less<>>;

std::string normal(std::string_view address, const AddressPolicy& policy) {
    return message::normal_form(address, policy.fold_case);
}

// Of an address that did not come through rewrite() yet: from a header, from the configuration.
std::string normal_rewritten(std::string_view address, const AddressPolicy& policy) {
    const auto mailbox = message::parse_mailbox(address);
    return normal(mailbox ? rewrite(*mailbox, policy) : std::string(address), policy);
}

// The address without what a provider's delivery put in front of it (qmail: `mbox-corp-user@x.example`).
std::string_view stripped(std::string_view address, std::string_view prefix) {
    const bool there = base::equal_ignoring_case(address.substr(0, prefix.size()), prefix);
    return there ? address.substr(prefix.size()) : address;
}

// The topmost instance alone: it is the one that the last delivery wrote.
void recover(const AddressPolicy::Source& source, const message::Header& header, const AddressPolicy& policy,
             std::vector<std::string>& found) {
    const auto* field = header.find(source.field);
    if (field == nullptr) return;
    for (const auto& address : message::addresses_in(field->value)) {
        const auto mailbox = message::parse_mailbox(stripped(address, source.strip));
        if (!mailbox || found.size() == most_recovered) continue;
        auto rewritten = rewrite(*mailbox, policy);
        if (is_local(rewritten, policy)) found.push_back(std::move(rewritten));
    }
}

std::vector<std::string> recover_all(const message::Header& header, const AddressPolicy& policy) {
    std::vector<std::string> found;
    for (const auto& source : policy.recover_from) recover(source, header, policy, found);
    return found;
}

void add_recovered(Resolved& resolved, const std::vector<std::string>& found, const AddressPolicy& policy) {
    NormalForms known;
    for (const auto& recipient : resolved.recipients) known.insert(normal(recipient.address, policy));
    for (const auto& address : found) {
        if (!known.insert(normal(address, policy)).second) continue;
        resolved.recipients.push_back({address, true, false});
        resolved.recovered.push_back(address);
    }
}

NormalForms named_in_to_or_cc(const message::Header& header, const AddressPolicy& policy) {
    NormalForms named;
    for (const auto& field : header.fields()) {
        if (!field.is("To") && !field.is("Cc")) continue;
        for (const auto& address : message::addresses_shown_in(field.value)) named.insert(normal_rewritten(address, policy));
    }
    return named;
}

// Whom the fetcher named since it knew nobody; not whom the author or the recovered field names.
NormalForms needless_fallback(const message::Header& header, const std::vector<std::string>& found,
                              const AddressPolicy& policy) {
    NormalForms needless;
    for (const auto& address : policy.fallback) needless.insert(normal_rewritten(address, policy));
    for (const auto& address : found) needless.erase(normal(address, policy));
    if (needless.empty()) return needless;
    for (const auto& address : named_in_to_or_cc(header, policy)) needless.erase(address);
    return needless;
}

void leave_out(Resolved& resolved, const NormalForms& needless, const AddressPolicy& policy) {
    if (needless.empty()) return;
    std::erase_if(resolved.recipients, [&](const Arriving::Recipient& recipient) {
        const bool out = needless.contains(normal(recipient.address, policy));
        if (out) resolved.left_out.push_back(recipient.address);
        return out;
    });
}

// Without a postmaster to turn to, nobody is ignored: better mail too much than mail that is lost.
void ignore_foreign(Resolved& resolved, const AddressPolicy& policy) {
    if (policy.postmaster.empty()) return;
    bool nobody = true;
    for (auto& recipient : resolved.recipients) {
        recipient.ignored = !is_local(recipient.address, policy);
        nobody = nobody && recipient.ignored;
    }
    if (!nobody) return;
    resolved.recipients.push_back({policy.postmaster, false, false});
    resolved.to_postmaster = true;
}

}  // namespace

std::string rewrite(const message::Mailbox& mailbox, const AddressPolicy& policy) {
    if (policy.rewrite_domains.empty()) return mailbox.text();
    const auto found = policy.rewrite_domains.find(message::normal_domain(mailbox.domain));
    if (found == policy.rewrite_domains.end()) return mailbox.text();
    return message::Mailbox{mailbox.local_part, found->second}.text();
}

bool is_local(std::string_view address, const AddressPolicy& policy) {
    const auto& local = policy.local_domains;
    if (local.empty()) return true;
    const auto domain = message::normal_domain(message::domain_of(address));
    return domain.empty() || std::find(local.begin(), local.end(), domain) != local.end();
}

Resolved resolve(const std::vector<message::Envelope::Recipient>& rewritten, std::string_view header_block,
                 const AddressPolicy& policy) {
    Resolved resolved;
    for (const auto& [address, options] : rewritten) resolved.recipients.push_back({address, false, false, options});
    if (policy.observe) return resolved;
    if (!policy.recover_from.empty()) {
        const message::Header header(header_block);
        const auto found = recover_all(header, policy);
        add_recovered(resolved, found, policy);
        if (!found.empty()) leave_out(resolved, needless_fallback(header, found, policy), policy);
    }
    if (policy.foreign == Foreign::ignore) ignore_foreign(resolved, policy);
    return resolved;
}

}  // namespace onecopy::coalesce
