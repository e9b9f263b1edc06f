#pragma once

#include <string>
#include <vector>

#include "fetcher.h"
#include "record.h"

namespace simulation {

/// What authors write, and what the host of the mailbox makes of it: copies, each brought by a fetcher of its own.
class Mail {
public:
    explicit Mail(Record& record) : record_(record) {}
    /// From the ninth on they are international.
    static std::string person(std::uint64_t number);

    /// Some messages, of equal Message-ID or under two senders here and there, in the first minutes.
    void come_all();
    /// One from now on whose body is too large for the ledger's row.
    void large_one_comes();
    /// One with which the process will crash whenever it begins to send it: known by its sender.
    void poison_comes();
    static constexpr const char* poisoner = "poison@outside.example";
    /// One whose body no server behind takes, in whatever it is.
    void unwelcome_comes();
    static constexpr const char* unwelcome_words = "what no scanner lets pass";
    void international_one_comes();
    /// A small one for a single recipient now, which nobody brings again once it was refused.
    void one_comes_once();

    /// The mailbox is fetched once more: every copy of a message comes again.
    void comes_again(const std::string& token, const std::string& sender);

private:
    enum class Body { any, small, large };
    Message write(Body body, unsigned international = 70);  // chance that it is, where some mail is
    static void write_header(Message& message);
    static void write_body(Message& message, Body body);
    std::string spelled(const std::string& recipient) const;
    std::string trace_for(const std::string& owner);
    std::vector<std::string> named_for(const Message& message, const std::string& recipient, unsigned along);
    void come_from_elsewhere(Message message, std::size_t number);
    void comes_with_other_content();
    /// Every copy of it, from `begin` on.
    void bring(std::size_t number, Microseconds begin, Fetcher::Manner manner);
    /// The copy for one of its recipients, at `when`.
    void bring_one(std::size_t number, const std::string& owner, std::vector<std::string> named, Microseconds when,
                   Fetcher::Manner manner);

    Record& record_;
    std::size_t written_ = 0, copies_ = 0;
    bool chunks_ = world->chance(40);  // fetchers know CHUNKING
};

}  // namespace simulation
