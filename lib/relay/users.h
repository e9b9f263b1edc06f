#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace onecopy::relay {

/// Who may authenticate (RFC 4954), and by which password. Never changes, so that any thread may ask; verify() takes as
/// long as the hash costs, at worst seconds: it is for the helper thread. Says nothing to the log.
class Users {
public:
    /// Name to hash; an empty hash is one that no password fits.
    explicit Users(std::map<std::string, std::string> hashes);

    /// Names and passwords are compared byte by byte. Takes as long for a name that is not there, or is locked, as for one
    /// of the others: which one depends on the name alone, so that its time tells no two names apart.
    bool verify(const std::string& name, const std::string& password) const;

private:
    const std::string& decoy(const std::string& name) const;

    std::map<std::string, std::string> hashes_;
    std::vector<std::string> decoys_;  // those of them that a password may fit
};

constexpr std::size_t most_users_bytes = 1 << 20;  // in a file
constexpr std::size_t most_password = 255;         // RFC 4616 2 asks for no more; a longer one fits no hash

/// The hashes that are taken, by what crypt(5) calls them, and the dearest of each: about two seconds and 256 MiB.
///
///     $y$ $gy$        yescrypt, gost-yescrypt as crypt_gensalt(3) makes them, N times r up to 2^21
///     $2a$ $2b$ $2y$  bcrypt, cost up to 14
///     $6$ $5$         sha512crypt, sha256crypt, up to 5 000 000 rounds
///
/// DES and MD5 are too weak, and what the rest costs can't be read from the hash.
constexpr unsigned most_yescrypt_bits = 21;
constexpr unsigned most_bcrypt_cost = 14;
constexpr unsigned most_sha_rounds = 5'000'000;

struct UsersReading {
    std::shared_ptr<const Users> users;  // null where there is a problem
    std::vector<std::string> problems;   // `FILE:LINE: what`, all of them, in order; no hash is quoted
};

/// Reads lines `name:hash`. Empty lines and those that begin with `#` count for nothing; a hash that begins with `!` or `*`
/// is locked. A name twice, a blank in a name, a hash that is not taken, or not whole, is a problem, as is a file that is
/// larger than most_users_bytes or none that can be read.
UsersReading read_users(const std::string& path);

}  // namespace onecopy::relay
