#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace onecopy::stateful {

constexpr int users = 6;
constexpr int messages = 8;

/// A message as its author wrote it. Some share a Message-ID, some have none.
struct Original {
    std::string id;  // empty: none
    bool dated = true;
    std::set<int> named;  // in To
    std::string header, body;
};

/// What is sent in a run. The same for every seed.
const Original& original(int message);
std::string address(int user);

/// Knows what the world outside saw, and nothing of how the product works: what clients were told, what servers took. Holds
/// it against what is promised.
class Checker {
public:
    /// A copy was offered; before it is known what becomes of it.
    void offered(int message, const std::vector<int>& to, const std::string& sender);
    /// 250: from here on each of them is ours.
    void promised(int message, const std::vector<int>& to);
    /// The server took it for one of them.
    void taken(int message, int user);
    /// It may have been taken in vain: the answer, or our record of it, was lost.
    void doubted(int message, int user) { ++fates_[{message, user}].allowed; }
    void refused(int message, int user) { fates_[{message, user}].refused = true; }
    /// An admin gave it up, or struck him from the history; perhaps, where a crash came between.
    void given_up(int message, int user) { fates_[{message, user}].given_up = true; }
    void struck(int message, int user);
    /// What is sent: header and body, and to whom it may not show anybody else.
    void sent(int message, const std::string& header, const std::string& body);
    /// A notice was taken.
    void told(const std::string& id, const std::string& text);
    void wrong(const std::string& what) { wrongs_.push_back(what); }

    /// After all is delivered that can be.
    std::vector<std::string> conclude() const;

private:
    struct Fate {
        bool offered = false, promised = false, refused = false, given_up = false;
        int taken = 0;
        int allowed = 1;
        int tellings = 0;               // beside one for each sender
        std::set<std::string> senders;  // each is told of his own mail
        std::set<std::string> notices;
    };
    std::map<std::pair<int, int>, Fate> fates_;
    std::vector<std::string> wrongs_;
};

}  // namespace onecopy::stateful
