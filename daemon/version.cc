#include "version.h"

#include <event2/event.h>
#include <mimetic/version.h>
#include <openssl/crypto.h>
#include <sqlite3.h>

namespace onecopy {

std::string version() {
    return ONECOPY_VERSION;
}

std::string version_text() {
    return "onecopyd " + version() + "\nlibevent " + event_get_version() + "\n" + OpenSSL_version(OPENSSL_VERSION) +
           "\nmimetic " + mimetic::version.str() + "\nyaml-cpp " YAML_CPP_VERSION "\nSQLite " + sqlite3_libversion();
}

}  // namespace onecopy
