#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "world.h"

namespace simulation {

/// One message as its author wrote it: what all copies of it share.
struct Message {
    std::string token;  // in its subject and its body; equal tokens: equal content, under different senders
    std::string message_id;
    std::string sender;
    std::string mail_parameters;          // RET and ENVID, of MAIL
    bool international = false;           // by SMTPUTF8, with addresses beyond ASCII
    std::string notify;                   // NOTIFY= of each recipient; empty: none
    std::vector<std::string> shown;       // To and Cc
    std::vector<std::string> recipients;  // all of ours, the blind ones too
    std::vector<std::string> foreign;     // in To, and named by fetchers too
    bool one_copy = false;                // the host keeps one for all of them
    std::string author_fields, body;
};

/// One transaction of a fetcher.
struct Submission {
    std::size_t message = 0;
    std::vector<std::string> recipients;  // whom RCPT took, as it named them
    std::string header;                   // trace fields and the author's
    std::vector<int> replies;             // to the data, as far as they were read: one; by LMTP one for each recipient
    Microseconds offered = 0, replied = 0;
    bool finished = false;                   // all its bytes were sent
    bool secure = false, logged_in = false;  // the session that it was made in

    bool acknowledged() const { return !replies.empty() && replies.front() == 250; }
    /// It was taken, or nobody knows.
    bool may_come() const { return replies.empty() ? finished : acknowledged(); }
};

/// One transaction that the backend took; by LMTP it takes it for each recipient apart.
struct Taken {
    std::size_t transaction = 0;
    Microseconds at = 0;
    std::optional<Microseconds> told;     // when its 250 was with the process
    std::optional<Microseconds> hung_up;  // when the process did, before that
    Microseconds ended = 0;               // when the last of the transaction's answers was given, or it was cut
    std::string mail;                     // the command
    std::vector<std::string> recipients, parameters;
    std::string content;
};

/// What a server of the backend heard at the beginning of something that not everybody may hear.
struct Heard {
    enum class What { mail, password };
    What what = What::mail;
    bool secure = false;     // under TLS
    bool genuine = false;    // and from who holds the right certificate
    bool greeted = false;    // after EHLO, anew under TLS
    bool logged_in = false;  // by the right password
};

/// What a fetcher tried that must not be had.
struct Attempt {
    std::string what;
    int code = 0;  // the answer
};

/// What an admin did to one message, as he saw it listed.
struct Command {
    enum class What { drop, forget };
    What what = What::drop;
    std::string token, message_id, sender;
    std::vector<std::string> recipients;  // drop: who waited or failed; forget: who had it, or was dropped
    Microseconds asked = 0;
    std::optional<Microseconds> done;  // when he was told so; none: nobody knows
    bool denied = false;               // he was told that there is nothing to do
};

/// Forwarding was stopped by hand.
struct Pause {
    std::optional<Microseconds> begun;  // when he was told so
    std::optional<Microseconds> over;   // when he asked for it to go on, the first time that may have been heard
    bool ended = false;                 // and was told that it does
};

/// What stands in a spool, read without the process.
struct SpoolImage {
    std::int64_t version = 0;
    std::set<std::string> schema;                  // each column and index in words
    std::map<std::string, std::uint64_t> content;  // of each table; of what each start changes; of the files beside it
};

/// A start met a spool that another version had left.
struct Meeting {
    SpoolImage met;
    std::optional<SpoolImage> grown;  // an older one: what is to become of it; none: it is a newer one
    bool opened = false;
    std::string words;                // where it was refused by a process that lived, on a disk that was well
    std::optional<SpoolImage> found;  // afterwards
    std::string unreadable;           // why it can't be looked at
};

/// What a run is held against; nothing in it comes from the process but what it said and sent.
struct Record {
    std::vector<Message> messages;
    std::vector<Submission> submissions;
    std::vector<Taken> taken;
    std::vector<Command> commands;
    std::vector<Pause> pauses;
    std::vector<Meeting> meetings;
    std::string poison;                          // the token of a message with which the process crashes; empty: none
    std::string unwelcome;                       // and of one whose content the backend never takes
    std::optional<Microseconds> last_crash;      // by it
    std::size_t late_crashes = 0;                // by it, after the trouble was over
    std::map<std::string, std::string> refused;  // recipient -> how the backend refused him for good, at least once
    std::set<std::string> put_off;               // who is put off for ever
    std::vector<Microseconds> deaths;            // of the process, and its orderly ends
    std::vector<Microseconds> starts;
    std::vector<std::pair<Microseconds, Microseconds>> bad_disk;
    std::vector<std::string> turned_away;  // recipients, by 5xx
    std::vector<std::string> rebuffs;      // 5xx to what was neither a recipient nor the data
    std::vector<std::string> unusable;     // spools that were refused while the disk was well
    Microseconds window = 0;
    std::size_t most_recipients = 0;
    bool calm = false;   // no fault, no jump, no restart: what is promised for good weather is looked at too
    std::string notify;  // sender, postmaster
    std::string postmaster;
    std::set<std::string> match;       // what makes copies of one message
    bool lmtp = false;                 // is spoken by fetchers
    bool international = false;        // some mail is
    bool plain = false;                // no mail asks for anything by RET, ENVID, NOTIFY
    bool has_strangers = false;        // people elsewhere, too, are in To
    std::string foreign = "accept";    // what recipients elsewhere get: accept, ignore, reject
    std::set<std::string> rewritten;   // domains that stand for ours where the fetcher, or the host's fields, say them
    bool recovers = false;             // further recipients are read from Delivered-To,
    std::string fallback;              // and then this one is left out
    bool observe = false;              // every copy goes as it came, and nothing else counts
    bool dsn = true;                   // the backend has it
    std::string client_tls = "none";   // listen.tls
    std::string client_auth = "none";  // listen.auth
    bool from_afar = false;            // fetchers are on another host
    std::string backend_tls = "none";  // backend.tls
    bool backend_afar = false;         // its servers are on other hosts
    bool backend_log_in = false;       // backend.username
    std::vector<Heard> heard;
    std::vector<Attempt> attempts;
    std::uint64_t counted_delivered = 0;  // recipients, by the ledger
    std::uint64_t left = 0;               // groups that wait at the end
};

/// What is wrong with it; empty: nothing.
std::vector<std::string> check(const Record& record);

}  // namespace simulation
