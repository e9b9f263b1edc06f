#include "version.h"

#include "ledger/sqlite.h"
#include "message/digest.h"
#include "message/tokens.h"
#include "net/loop.h"

namespace onecopy {

std::string version() {
    return ONECOPY_VERSION;
}

std::string version_text() {
    return "onecopyd " + version() + "\nlibevent " + net::libevent_version() + "\n" + message::openssl_version() +
           "\nmimetic " + message::mimetic_version() + "\nyaml-cpp " YAML_CPP_VERSION "\nSQLite " + ledger::sqlite_version();
}

}  // namespace onecopy
