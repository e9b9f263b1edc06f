#include "client_script.h"

#include <doctest/doctest.h>

namespace onecopy::smtp::client_test {

namespace {

std::string name_of(ClientTransaction::Outcome outcome) {
    switch (outcome) {
        case ClientTransaction::Outcome::delivered:
            return "delivered";
        case ClientTransaction::Outcome::deferred:
            return "deferred";
        case ClientTransaction::Outcome::refused:
            return "refused";
        case ClientTransaction::Outcome::again:
            return "again";
        case ClientTransaction::Outcome::unknown:
            return "unknown";
    }
    return "";
}

std::string lines(const Strings& events) {
    std::string lines;
    for (const auto& event : events) lines += event + "\n";
    return lines;
}

void play(const Row& row, std::size_t step) {
    Sender sender;
    sender.transactions = row.transactions;
    for (const auto& [server, client] : row.exchanges) {
        CAPTURE(server);
        for (std::size_t at = 0; at < server.size(); at += step)
            sender.session.feed(std::string_view(server).substr(at, step));
        CHECK(sender.session.take_output() == client);
    }
    if (row.lost) sender.session.lost("connection lost");
    CHECK(lines(sender.events) == lines(row.events));
    const bool ill = !row.events.empty() && row.events.back().starts_with("ill");
    CHECK(sender.session.ill() == ill);
    CHECK(sender.session.dead() == (ill || row.cut));
}

}  // namespace

std::string Sender::hear(const Strings& sayings) {
    std::string said;
    for (const auto& saying : sayings) {
        session.feed(saying);
        said = session.take_output();
    }
    return said;
}

void Sender::send_content() {
    if (!sends_content) return;
    session.content(content);
    session.end_of_content();
}

void Sender::done(const ClientTransaction::Result& result) {
    std::string told = "done:";
    for (const auto& recipient : result.recipients) {
        personal.push_back(recipient.personal);
        told += (recipient.shared ? " shared " : " ") + name_of(recipient.outcome) + " [" + recipient.reply.text() + "]";
    }
    events.push_back(told);
    if (!session.dead()) next();
}

void Sender::ill(const Reply& reply) {
    CHECK(session.dead());
    events.push_back("ill: " + reply.text());
}

void Sender::next() {
    if (started < transactions.size()) session.start(transactions[started++]);
}

void check(const std::vector<Row>& rows) {
    for (const auto& row : rows) {
        CAPTURE(row.name);
        for (const std::size_t step : {std::size_t(100'000), std::size_t(1), std::size_t(3)}) play(row, step);
    }
}

Transaction to(const Strings& recipients, const std::string& sender, std::uint64_t size) {
    Transaction transaction;
    transaction.envelope.sender = sender;
    for (const auto& recipient : recipients) transaction.envelope.recipients.push_back({recipient});
    transaction.size = size;
    return transaction;
}

std::vector<Exchange> grouped(const std::string& sent, std::vector<Exchange> rest) {
    rest.insert(rest.begin(), {greeting, {pipelining, sent}});
    return rest;
}

}  // namespace onecopy::smtp::client_test
