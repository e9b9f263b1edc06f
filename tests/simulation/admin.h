#pragma once

#include <functional>
#include <string>

#include "ledger/ledger_thread.h"
#include "ledger/reader.h"
#include "mail.h"
#include "record.h"

namespace simulation {

/// Whoever sits at onecopyctl: looks at the list, does something to one message of it, and often fetches its copies again.
class Admin {
public:
    Admin(Record& record, Mail& mail, std::string spool) : record_(record), mail_(mail), spool_(std::move(spool)) {}

    /// Gives up one that waits, or of which somebody failed.
    void drop(onecopy::ledger::LedgerThread& ledger);
    /// Clears the history of one that somebody has. False: there is none yet.
    bool forget(onecopy::ledger::LedgerThread& ledger);
    void pause(onecopy::ledger::LedgerThread& ledger);
    /// To be repeated until paused() says no.
    void resume(onecopy::ledger::LedgerThread& ledger);
    bool paused() const { return !record_.pauses.empty() && !record_.pauses.back().ended; }

private:
    using States = std::initializer_list<onecopy::coalesce::State>;
    std::string subject_of(const onecopy::ledger::GroupRecord& group) const;
    bool change(onecopy::ledger::LedgerThread& ledger, Command::What what, States states);

    Record& record_;
    Mail& mail_;
    std::string spool_;
};

}  // namespace simulation
