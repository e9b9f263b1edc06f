#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "analysis.h"

namespace onecopy::analysis {

/// Reads what stands below a path into an Analysis: an mbox file, a message in a file of its own, a maildir (with its
/// folders), a directory tree of all these. Symbolic links are followed where they are named, not where they are met;
/// nothing is read twice, however many names it has. Holds a block of one file and the names of the directories on the way
/// to it.
class MailboxReader {
public:
    struct Watcher {
        virtual ~Watcher() = default;
        /// Called with each block; false: it is enough.
        virtual bool go_on(std::uint64_t bytes) = 0;
        /// Something could not be read.
        virtual void wrong(const std::string& path, const std::string& what) = 0;
    };

    struct Counts {
        std::uint64_t mailboxes = 0;  // mbox files, and directories with messages
        std::uint64_t bytes = 0;
        std::uint64_t skipped = 0;   // files that were met and are no mail
        std::uint64_t repeated = 0;  // files that were met a second time
    };

    MailboxReader(Analysis& analysis, Watcher& watcher) : analysis_(analysis), watcher_(watcher) {}

    void read(const std::string& path);
    /// The watcher had enough.
    bool stopped() const { return stopped_; }
    const Counts& counts() const { return counts_; }

private:
    /// How a file was come by, which decides what it may be.
    enum class Found { named, in_tree, in_maildir };
    class Mbox;
    class Descriptor;
    struct Folder {
        std::string path;
        std::uint32_t source = 0;
        std::uint32_t messages = 0;  // so far; the source is there with the first
    };

    void read_directory(const std::string& path, bool maildir_messages);
    void read_file(const std::string& path, Found found, Folder& folder);
    void read_mbox(Descriptor& file, const std::string& path, std::string& block);
    void read_message(Descriptor& file, const std::string& path, std::string& block, Folder& folder);
    bool next(Descriptor& file, const std::string& path, std::string& block);
    bool is_new(dev_t device, ino_t inode);
    void not_mail(const std::string& path, Found found, const std::string& what);

    Analysis& analysis_;
    Watcher& watcher_;
    Counts counts_;
    bool stopped_ = false;
    bool cut_short_ = false;  // the file that is being read
    std::set<std::pair<dev_t, ino_t>> seen_;
};

/// How many bytes stand below a path, roughly: to tell how far a reader is. 0 where it cannot be known.
std::uint64_t bytes_below(const std::string& path);

}  // namespace onecopy::analysis
