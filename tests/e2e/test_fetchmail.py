"""The whole chain with real parts: Dovecot's POP3 mailbox, fetchmail, onecopyd, and a mail server behind it."""

import os
import unittest

from harness import Case, until
from mailhosts import Dovecot, Fetchmail, Postfix, missing
from messages import Message, at, content_of, header_of, interleaved

USERS = ("anna", "bert", "carl", "dora", "emil")
MESSAGES = (
    Message(1, to=("anna", "bert"), cc=("carl",)),
    Message(2, to=("anna", "bert"), blind=("dora",), kind="large"),
    Message(3, to=("carl",), kind="eight_bit"),
    Message(4, to=("bert",), cc=("anna", "dora"), blind=("emil", "carl")),
    Message(5, to=("emil", "anna", "bert", "carl", "dora"), sender="second@far.example"),
)
MISSING = missing("dovecot", "fetchmail")


def copies_expected(user, with_blind):
    users = [(*each.to, *each.cc, *(each.blind if with_blind else ())) for each in MESSAGES]
    return [message.id for message, named in zip(MESSAGES, users) if user in named]


def doubled(user):
    """Without onecopy: each of n copies goes to everyone whom the header names."""
    return [each.id for each in MESSAGES if user in (*each.to, *each.cc) for _ in each.everyone]


@unittest.skipIf(MISSING, f"not installed: {MISSING}")
class Chain(Case):
    def setUp(self):
        super().setUp()
        self.directory.chmod(0o755)
        self.pop3 = Dovecot(self.directory / "dovecot")
        self.addCleanup(self.pop3.close)
        self.copies = [data for _, data in interleaved(MESSAGES)]
        self.pop3.fill(self.copies)

    def fetch(self, smtp_port, **options):
        fetchmail = Fetchmail(self.directory / f"fetchmail{smtp_port}", self.pop3.port, smtp_port, **options)
        self.assertEqual(fetchmail.run(), 0, fetchmail.output)
        self.assertEqual(self.pop3.count(), 0, fetchmail.output)
        return fetchmail

    def onecopy(self, server, **recipients):
        grouping = {"window": "1h"}  # ended by `release`, so that no slow machine ends it early
        return self.daemon(server, grouping=grouping, recipients={"local_domains": ["corp.example"], **recipients})


class WithSink(Chain):
    """The backend writes down every transaction."""

    def mail_of(self, sink, user):
        return sorted(each.id for each in sink.delivered if at(user) in each.recipients)

    def assert_one_each(self, sink, with_blind):
        for user in USERS:
            self.assertEqual(self.mail_of(sink, user), sorted(copies_expected(user, with_blind)), user)
        for message in MESSAGES:
            with self.subTest(message.id):
                self.assertEqual(len(sink.of(message.id)), 1, "one transaction for the whole group")
                self.assertEqual(content_of(sink.of(message.id)[0].message), content_of(message.text()))

    def assert_blind_stay_blind(self, sink):
        for message in MESSAGES:
            header = header_of(sink.of(message.id)[0].message).decode("latin-1")
            for user in message.blind:
                self.assertNotIn(at(user), header)

    def forward(self, sink, daemon):
        daemon.ctl("release", "--all")
        sink.wait(len(MESSAGES))
        self.sentinel_released(sink, daemon)

    def sentinel_released(self, sink, daemon):
        """Nothing but the expected mail is left to come."""
        until(lambda: not daemon.json("list", "held") and not daemon.json("list", "queued"), what="an empty ledger")
        self.assertEqual(len(sink.delivered), len(MESSAGES))

    def test_without_onecopy_every_user_gets_as_many_copies_as_there_are_recipients(self):
        sink = self.sink()
        self.fetch(sink.port)
        for user in USERS:
            self.assertEqual(self.mail_of(sink, user), sorted(doubled(user)), user)

    def test_routed_by_header_each_user_gets_one(self):
        sink = self.sink()
        daemon = self.onecopy(sink)
        self.fetch(daemon.port)
        self.forward(sink, daemon)
        self.assert_one_each(sink, with_blind=False)

    def test_routed_by_header_with_recovery_the_blind_ones_get_theirs(self):
        sink = self.sink()
        daemon = self.onecopy(sink, recover_from=["Delivered-To"])
        self.fetch(daemon.port)
        self.forward(sink, daemon)
        self.assert_one_each(sink, with_blind=True)
        self.assert_blind_stay_blind(sink)

    def test_routed_by_envelope_one_transaction_serves_all(self):
        sink = self.sink()
        daemon = self.onecopy(sink)
        self.fetch(daemon.port, envelope="Delivered-To")
        self.forward(sink, daemon)
        self.assert_one_each(sink, with_blind=True)
        self.assert_blind_stay_blind(sink)

    def test_localhost_recipients_of_a_plain_fetchmailrc_become_ours(self):
        sink = self.sink()
        daemon = self.onecopy(sink, rewrite_domains={"localhost": "corp.example"})
        self.fetch(daemon.port, smtpaddress=None)
        self.forward(sink, daemon)
        self.assert_one_each(sink, with_blind=False)

    def test_the_same_mailbox_fetched_twice_makes_no_new_mail(self):
        sink = self.sink()
        daemon = self.onecopy(sink, recover_from=["Delivered-To"])
        self.fetch(daemon.port)
        self.forward(sink, daemon)
        self.pop3.fill(self.copies)
        (self.directory / f"fetchmail{daemon.port}").rename(self.directory / "first")
        self.fetch(daemon.port)
        daemon.ctl("release", "--all")
        self.sentinel_released(sink, daemon)

    def test_mail_fetched_while_the_backend_is_down_comes_once_when_it_is_up(self):
        sink = self.sink()
        sink.stop()
        daemon = self.onecopy(sink, recover_from=["Delivered-To"])
        self.fetch(daemon.port)
        daemon.ctl("release", "--all")
        self.pop3.fill(self.copies)
        (self.directory / f"fetchmail{daemon.port}").rename(self.directory / "first")
        self.fetch(daemon.port)
        sink.start()
        sink.wait(len(MESSAGES))
        self.assert_one_each(sink, with_blind=True)


@unittest.skipIf(missing("master"), "not installed: postfix")
@unittest.skipIf(os.geteuid() != 0, "Postfix needs root")
class WithPostfix(Chain):
    """The backend is a Postfix, and what counts is what stands in the mailboxes."""

    def setUp(self):
        super().setUp()
        self.postfix = Postfix(self.directory / "postfix", USERS)
        self.addCleanup(self.postfix.close)

    def ids_in(self, user):
        mails = self.postfix.mailbox(user)
        return sorted(line[12:].decode() for mail in mails for line in mail.split(b"\n") if line.startswith(b"Message-ID: "))

    def assert_mailboxes(self, expected):
        total = sum(len(expected(user)) for user in USERS)
        until(lambda: self.postfix.mails() >= total, what=f"{total} mails in the mailboxes")
        until(self.postfix.settled, what="an empty queue")
        for user in USERS:
            self.assertEqual(self.ids_in(user), sorted(expected(user)), user)

    def test_without_onecopy_the_mailboxes_hold_doubled_mail(self):
        self.fetch(self.postfix.port)
        self.assert_mailboxes(doubled)

    def test_routed_by_header_each_mailbox_holds_one(self):
        daemon = self.onecopy(f"127.0.0.1:{self.postfix.port}")
        self.fetch(daemon.port)
        daemon.ctl("release", "--all")
        self.assert_mailboxes(lambda user: copies_expected(user, with_blind=False))

    def test_routed_by_envelope_the_blind_ones_have_theirs(self):
        daemon = self.onecopy(f"127.0.0.1:{self.postfix.port}")
        self.fetch(daemon.port, envelope="Delivered-To")
        daemon.ctl("release", "--all")
        self.assert_mailboxes(lambda user: copies_expected(user, with_blind=True))

    def test_with_recovery_nobody_learns_who_was_blind_copied(self):
        daemon = self.onecopy(f"127.0.0.1:{self.postfix.port}", recover_from=["Delivered-To", "X-Original-To"])
        self.fetch(daemon.port)
        daemon.ctl("release", "--all")
        self.assert_mailboxes(lambda user: copies_expected(user, with_blind=True))
        for message in MESSAGES:
            for user in {*message.to, *message.cc}:
                self.assert_hidden(message, user)

    def assert_hidden(self, message, user):
        for mail in self.postfix.mailbox(user):
            if message.id.encode() in mail:
                text = mail.decode("latin-1").replace(f"Delivered-To: {at(user)}\n", "")
                for blind in message.blind:
                    self.assertNotIn(at(blind), text)


if __name__ == "__main__":
    unittest.main()
