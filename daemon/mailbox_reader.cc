#include "mailbox_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "message/mbox_reader.h"

namespace onecopy::analysis {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t block_size = 256 * 1024;

std::string words_of(int error) {
    return std::generic_category().message(error);
}

base::WallTime changed(const struct stat& status) {
    return base::WallTime(std::chrono::seconds(status.st_mtim.tv_sec));
}

/// What a directory holds, in an order that is the same each time.
std::vector<fs::directory_entry> entries_of(const std::string& path, std::error_code& error) {
    std::vector<fs::directory_entry> entries;
    fs::directory_iterator next(path, error);
    for (; !error && next != fs::directory_iterator(); next.increment(error)) entries.push_back(*next);
    std::ranges::sort(entries, {}, [](const fs::directory_entry& entry) { return entry.path().native(); });
    return entries;
}

bool is_directory(const fs::directory_entry& entry) {
    std::error_code ignored;
    return entry.symlink_status(ignored).type() == fs::file_type::directory;
}

bool holds_messages(const fs::directory_entry& entry) {
    const std::string name = entry.path().filename();
    return (name == "new" || name == "cur") && is_directory(entry);
}

}  // namespace

class MailboxReader::Descriptor {
public:
    Descriptor(const std::string& path, int flags) : number_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | flags)) {
        error_ = number_ < 0 || ::fstat(number_, &status_) < 0 ? errno : 0;
    }
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    int number() const { return number_; }
    int error() const { return error_; }
    const struct stat& status() const { return status_; }

private:
    int number_;
    int error_ = 0;
    struct stat status_ {};
};

/// The messages of one mbox file, into the analysis.
class MailboxReader::Mbox : public message::MboxReader::Handler {
public:
    Mbox(Analysis& analysis, std::uint32_t source) : analysis_(analysis), source_(source) {}

    void message_begins(base::WallTime delivered) override {
        delivered_ = delivered;
        ++messages_;
    }
    void message_text(std::string_view piece) override { reader_.add(piece); }
    void message_ends() override {
        auto sample = reader_.finish(delivered_, Sample::Clock::from_line);
        if (!sample) return analysis_.add_empty();
        sample->source = source_;
        sample->number = messages_;
        analysis_.add(std::move(*sample));
    }
    std::uint32_t messages() const { return messages_; }

private:
    Analysis& analysis_;
    SampleReader reader_;
    std::uint32_t source_;
    std::uint32_t messages_ = 0;
    base::WallTime delivered_{};
};

void MailboxReader::read(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) < 0) return watcher_.wrong(path, words_of(errno));
    if (S_ISDIR(status.st_mode)) return read_directory(path, false);
    Folder alone{path};
    read_file(path, Found::named, alone);
}

void MailboxReader::read_directory(const std::string& path, bool maildir_messages) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && !is_new(status.st_dev, status.st_ino)) return;
    std::error_code error;
    const auto entries = entries_of(path, error);
    if (error) watcher_.wrong(path, error.message());
    const bool maildir = std::ranges::any_of(entries, holds_messages);
    Folder folder{path};
    for (const fs::directory_entry& entry : entries) {
        if (stopped_) return;
        const std::string name = entry.path().filename();
        if (is_directory(entry)) {
            if (maildir && name == "tmp") continue;
            read_directory(entry.path(), maildir && holds_messages(entry));
        } else if (!maildir && !(maildir_messages && name.starts_with('.'))) {
            read_file(entry.path(), maildir_messages ? Found::in_maildir : Found::in_tree, folder);
        }
    }
}

/// A pipe may be named: what a program unpacks.
void MailboxReader::read_file(const std::string& path, Found found, Folder& folder) {
    Descriptor file(path, found == Found::named ? 0 : O_NONBLOCK | O_NOFOLLOW);
    if (file.error() == EINTR && !watcher_.go_on(0)) {
        stopped_ = true;
        return;
    }
    if (file.error() == ELOOP && found != Found::named) return not_mail(path, found, "is a link");
    if (file.error() != 0) return watcher_.wrong(path, words_of(file.error()));
    const struct stat& status = file.status();
    if (found != Found::named && !S_ISREG(status.st_mode)) return not_mail(path, found, "is no file");
    if (S_ISREG(status.st_mode) && !is_new(status.st_dev, status.st_ino)) {
        ++counts_.repeated;
        return;
    }
    std::string block;
    if (!next(file, path, block)) return;
    if (found != Found::in_maildir && message::begins_as_mbox(block)) return read_mbox(file, path, block);
    if (found != Found::in_maildir && !begins_as_message(block))
        return not_mail(path, found, "is neither an mbox nor a message");
    read_message(file, path, block, folder);
}

void MailboxReader::not_mail(const std::string& path, Found found, const std::string& what) {
    ++counts_.skipped;
    if (found == Found::named) watcher_.wrong(path, what);
}

void MailboxReader::read_mbox(Descriptor& file, const std::string& path, std::string& block) {
    ++counts_.mailboxes;
    Mbox mbox(analysis_, analysis_.add_source(path));
    message::MboxReader reader(mbox);
    do reader.feed(block);
    while (next(file, path, block));
    if (cut_short_) return;
    reader.finish();
    if (reader.stray() == 0) return;
    watcher_.wrong(path, mbox.messages() == 0 ? "holds no line `From SENDER DATE`"
                                              : std::to_string(reader.stray()) + " bytes stand before the first message");
}

void MailboxReader::read_message(Descriptor& file, const std::string& path, std::string& block, Folder& folder) {
    SampleReader reader;
    do reader.add(block);
    while (next(file, path, block));
    if (cut_short_) return;
    if (folder.messages++ == 0) {
        folder.source = analysis_.add_source(folder.path);
        ++counts_.mailboxes;
    }
    auto sample = reader.finish(changed(file.status()), Sample::Clock::file);
    if (!sample) return analysis_.add_empty();
    sample->source = folder.source;
    sample->number = folder.messages;
    analysis_.add(std::move(*sample));
}

/// The next bytes of a file; false where there are none. Of a message that is cut short by a fault nothing is known.
bool MailboxReader::next(Descriptor& file, const std::string& path, std::string& block) {
    block.resize(block_size);
    ssize_t length = 0;
    do {
        stopped_ = stopped_ || !watcher_.go_on(counts_.bytes);
        if (stopped_) break;
        length = ::read(file.number(), block.data(), block.size());
    } while (length < 0 && errno == EINTR);
    cut_short_ = stopped_ || length < 0;
    if (length < 0) watcher_.wrong(path, words_of(errno));
    block.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
    counts_.bytes += block.size();
    return !block.empty();
}

bool MailboxReader::is_new(dev_t device, ino_t inode) {
    return seen_.emplace(device, inode).second;
}

std::uint64_t bytes_below(const std::string& path) {
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) {
        const std::uintmax_t size = fs::file_size(path, ignored);
        return ignored ? 0 : size;
    }
    std::uint64_t bytes = 0;
    fs::recursive_directory_iterator next(path, fs::directory_options::skip_permission_denied, ignored);
    for (; !ignored && next != fs::recursive_directory_iterator(); next.increment(ignored)) {
        std::error_code none;
        if (!next->is_regular_file(none)) continue;
        const std::uintmax_t size = next->file_size(none);
        bytes += none ? 0 : size;
    }
    return bytes;
}

}  // namespace onecopy::analysis
