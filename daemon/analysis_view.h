#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "analysis.h"
#include "mailbox_reader.h"

/// What an analysis found, as a document and as people read it.
namespace onecopy::analysis {

/// `complete`: all that was named was read.
nlohmann::json document(const Report& report, const MailboxReader::Counts& counts, bool complete);

/// Texts that came with mail are made safe for a terminal.
std::string tell(const nlohmann::json& document);

/// `1.2 GB`, in powers of 1000.
std::string rough_size(std::uint64_t bytes);

}  // namespace onecopy::analysis
