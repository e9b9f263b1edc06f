#include "relay/users.h"

#include <crypt.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <system_error>

#include "base/escape.h"
#include "base/file.h"
#include "message/digest.h"

namespace onecopy::relay {
namespace {

constexpr std::string_view crypt_alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

enum class Flaw { none, cut, dear };

/// What stands between the dollars of a hash.
using Parts = std::vector<std::string_view>;

Parts split(std::string_view hash) {
    Parts parts;
    for (std::size_t from = 0; from <= hash.size();) {
        std::size_t end = std::min(hash.find('$', from), hash.size());
        parts.push_back(hash.substr(from, end - from));
        from = end + 1;
    }
    return parts;
}

std::optional<unsigned> number(std::string_view text) {
    unsigned value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// `$6$SALT$HASH` or `$6$rounds=N$SALT$HASH`.
Flaw flaw_of_sha(const Parts& parts) {
    constexpr std::string_view key = "rounds=";
    constexpr std::size_t most_salt = 16;  // crypt(3) cuts a longer one, and then no password fits
    bool has_rounds = parts.size() == 5;
    if ((parts.size() != 4 && !has_rounds) || parts[parts.size() - 2].size() > most_salt) return Flaw::cut;
    if (!has_rounds) return Flaw::none;
    if (!parts[2].starts_with(key)) return Flaw::cut;
    std::string_view digits = parts[2].substr(key.size());
    if (digits.find_first_not_of("0123456789") != digits.npos || digits.starts_with('0')) return Flaw::cut;
    std::optional<unsigned> rounds = number(digits);
    if (!rounds || *rounds > most_sha_rounds) return digits.empty() ? Flaw::cut : Flaw::dear;
    return *rounds < 1000 ? Flaw::cut : Flaw::none;
}

/// `$2b$COST$`, the salt and the hash in one.
Flaw flaw_of_bcrypt(const Parts& parts) {
    if (parts.size() != 4 || parts[2].size() != 2) return Flaw::cut;
    std::optional<unsigned> cost = number(parts[2]);
    if (!cost || *cost < 4) return Flaw::cut;
    return *cost > most_bcrypt_cost ? Flaw::dear : Flaw::none;
}

/// `$y$PARAMETERS$SALT$HASH`: `j` for the usual flavour, then log2 of N, then r, each less one. Further parameters make it
/// dearer in ways of their own.
Flaw flaw_of_yescrypt(const Parts& parts) {
    constexpr std::size_t most_digit = 47;  // above, a number goes on in further digits
    if (parts.size() != 5) return Flaw::cut;
    std::string_view parameters = parts[2];
    if (parameters.size() < 3) return Flaw::cut;
    std::size_t n = crypt_alphabet.find(parameters[1]), r = crypt_alphabet.find(parameters[2]);
    if (parameters.size() > 3 || parameters[0] != 'j' || n > most_digit || r > most_digit) return Flaw::dear;
    return std::uint64_t{r + 1} << (n + 1) > std::uint64_t{1} << most_yescrypt_bits ? Flaw::dear : Flaw::none;
}

struct Kind {
    std::string_view name;  // between the first two dollars
    std::size_t last;       // how long what stands behind the last dollar is
    Flaw (*flaw)(const Parts& parts);
};
constexpr std::array kinds = {
    Kind{"y", 43, flaw_of_yescrypt}, Kind{"gy", 43, flaw_of_yescrypt}, Kind{"2a", 53, flaw_of_bcrypt},
    Kind{"2b", 53, flaw_of_bcrypt},  Kind{"2y", 53, flaw_of_bcrypt},   Kind{"6", 86, flaw_of_sha},
    Kind{"5", 43, flaw_of_sha},
};

constexpr const char* taken = "; taken are yescrypt, bcrypt, sha512crypt and sha256crypt, as `mkpasswd` makes them";

/// Empty: it may be used.
std::string wrong_hash(std::string_view hash) {
    if (hash.empty()) return "no hash stands behind the `:`; `!` locks a user";
    Parts parts = split(hash);
    const Kind* kind = parts.size() < 3 || !parts[0].empty() ? kinds.end() : std::ranges::find(kinds, parts[1], &Kind::name);
    if (kind == kinds.end()) return std::string("this is not a hash of a kind that is taken") + taken;
    bool strange = hash.find_first_not_of(std::string(crypt_alphabet) + "$=") != hash.npos;
    Flaw flaw = strange || parts.back().size() != kind->last ? Flaw::cut : kind->flaw(parts);
    if (flaw == Flaw::cut) return "the hash is not whole, or something stands behind it";
    if (flaw == Flaw::dear) return "the hash costs too much time or memory for each try; make one with fewer rounds";
    return "";
}

std::string wrong_name(std::string_view name) {
    if (name.empty()) return "no name stands in front of the `:`";
    bool strange = std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
    return strange ? "a blank or a control stands in the name" : "";
}

bool is_locked(std::string_view hash) {
    return hash.starts_with('!') || hash.starts_with('*');
}

/// Takes the lines of a file.
class UsersReader {
public:
    explicit UsersReader(const std::string& path) : file_(base::printable(path, path.size())) {}

    void wrong_file(const std::string& what) { problems_.push_back(file_ + ": " + what); }

    void read(std::string_view text) {
        if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
        while (!text.empty()) {
            std::string_view line = text.substr(0, text.find('\n'));
            text.remove_prefix(std::min(line.size() + 1, text.size()));
            if (line.ends_with('\r')) line.remove_suffix(1);
            ++number_;
            if (line.find_first_not_of(" \t") != line.npos && !line.starts_with('#')) take(line);
        }
    }

    UsersReading finish() {
        UsersReading reading;
        if (problems_.empty()) reading.users = std::make_shared<const Users>(std::move(hashes_));
        reading.problems = std::move(problems_);
        return reading;
    }

private:
    void wrong(const std::string& what) { problems_.push_back(file_ + ":" + std::to_string(number_) + ": " + what); }

    void take(std::string_view line) {
        std::size_t colon = line.find(':');
        if (colon == line.npos) return wrong("this is not `name:hash`");
        std::string_view name = line.substr(0, colon), hash = line.substr(colon + 1);
        std::string what = wrong_name(name);
        if (what.empty()) what = named_before(name);
        if (what.empty() && !is_locked(hash)) what = wrong_hash(hash);
        if (!what.empty()) return wrong(what);
        hashes_.emplace(name, is_locked(hash) ? std::string_view() : hash);
    }

    std::string named_before(std::string_view name) {
        auto [first, added] = lines_.emplace(name, number_);
        if (added) return "";
        return "`" + base::printable(name, 80) + "` stands in line " + std::to_string(first->second) + " already";
    }

    std::string file_;
    std::size_t number_ = 0;
    std::map<std::string, std::size_t> lines_;
    std::map<std::string, std::string> hashes_;
    std::vector<std::string> problems_;
};

/// By crypt_rn(3): under ASan crypt_r would be the sanitizer's, which then finds no libcrypt behind it.
bool fits(const std::string& hash, const std::string& password) {
    auto data = std::make_unique<crypt_data>();  // 32 KiB: not for a stack
    const char* made = ::crypt_rn(password.c_str(), hash.c_str(), data.get(), sizeof *data);
    std::string_view result = made ? made : "";
    return result.size() == hash.size() && CRYPTO_memcmp(result.data(), hash.data(), hash.size()) == 0;
}

}  // namespace

Users::Users(std::map<std::string, std::string> hashes) : hashes_(std::move(hashes)) {
    for (const auto& [name, hash] : hashes_) {
        if (!hash.empty()) decoys_.push_back(hash);
    }
}

const std::string& Users::decoy(const std::string& name) const {
    message::Digest digest = message::digest(name);
    std::size_t number = 0;
    std::memcpy(&number, digest.data(), sizeof number);
    return decoys_[number % decoys_.size()];
}

bool Users::verify(const std::string& name, const std::string& password) const {
    bool possible = password.size() <= most_password && password.find('\0') == password.npos;
    if (decoys_.empty() || !possible) return false;
    auto user = hashes_.find(name);
    bool known = user != hashes_.end() && !user->second.empty();
    return fits(known ? user->second : decoy(name), password) && known;
}

UsersReading read_users(const std::string& path) {
    UsersReader reader(path);
    base::FileText file = base::read_file(path, most_users_bytes);
    if (file.text.size() > most_users_bytes) file.wrong = "larger than 1 MiB: is it a file of users?";
    if (file.wrong.empty()) {
        reader.read(file.text);
    } else {
        reader.wrong_file(file.wrong);
    }
    return reader.finish();
}

}  // namespace onecopy::relay
