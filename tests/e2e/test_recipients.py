"""Whom a copy is for: rewriting, foreign recipients, recovery of blind ones, the fetcher's fallback."""

import unittest

from harness import Case, Refused, until
from messages import Message, at, copy_for
from sink import Refuse


class Recipients(Case):
    def setUp(self):
        super().setUp()
        self.received = self.sink()
        self.message = Message(1, to=("anna", "bert"), blind=("carl",))

    def start(self, **recipients):
        return self.daemon(
            self.received, grouping={"window": "1h"}, recipients={"local_domains": ["corp.example"], **recipients}
        )

    def assert_out(self, daemon, *users):
        daemon.ctl("release", "--all")
        if users:
            self.received.wait(1)
        until(lambda: not daemon.json("list", "held") and not daemon.json("list", "queued"), what="an empty queue")
        self.assertEqual(self.received.recipients_of(self.message.id), sorted(map(at, users)))

    def send(self, daemon, recipients, copy_of="anna"):
        return daemon.send(self.message.sender, recipients, copy_for(self.message, copy_of))

    # rewrite_domains

    def test_the_fetchers_own_domain_becomes_ours(self):
        daemon = self.start(rewrite_domains={"localhost": "corp.example", "mail.localdomain": "corp.example"})
        self.send(daemon, ["anna@localhost", "bert@LOCALHOST", "carl@mail.localdomain", "anna@corp.example"])
        self.assert_out(daemon, "anna", "bert", "carl")

    def test_who_is_named_in_To_is_not_blind_under_the_fetchers_domain_either(self):
        daemon = self.start(rewrite_domains={"localhost": "corp.example"})
        trace = (
            b"Received: from pop3.far.example by fetcher.example for <anna@localhost> (single-drop);\r\n"
            b"\tMon, 02 Nov 2026 10:00:00 +0000\r\n"
        )
        blind = b"X-A: carl@localhost\r\n"
        daemon.send(self.message.sender, ["anna@localhost", "carl@localhost"], trace + blind + self.message.text())
        daemon.ctl("release", "--all")
        self.received.wait(1)
        self.assertIn(trace, self.received.delivered[0].message)
        self.assertNotIn(b"carl@", self.received.delivered[0].message)

    def test_a_recovered_one_is_shown_neither_with_what_is_stripped_nor_in_what_is_returned(self):
        self.received.hooks = Refuse({at("bert"): "550 5.1.1 he left the company"})
        for strip in ("mbox-corp-", "corp_", "corp."):
            with self.subTest(strip):
                known = {"recover_from": [{"field": "Delivered-To", "strip": strip}], "rewrite_domains": {"localhost": "corp.example"}}
                daemon = self.daemon(self.received, delivery={"notify": "sender"}, recipients={"local_domains": ["corp.example"], **known})
                before = len(self.received.delivered)
                trace = "".join(
                    f"Received: from mx by pop for <{strip}carl@{domain}>; Mon, 02 Nov 2026 10:00:00 +0000\r\nX-A: {strip}carl@{domain}\r\n"
                    for domain in ("corp.example", "localhost")
                )
                trace = f"Delivered-To: {strip}carl@corp.example\r\n{trace}".encode("ascii")
                daemon.send(self.message.sender, [at("anna"), at("bert")], trace + self.message.text())
                self.received.wait(before + 2)
                mail, notice = self.received.delivered[before:]
                self.assertEqual(sorted(mail.recipients), [at("anna"), at("carl")])
                self.assertEqual(notice.recipients, [self.message.sender])
                self.assertIn(b"Received: from mx by pop;", notice.message)
                for shown in (mail.message, notice.message):
                    self.assertNotIn(b"carl@", shown)

    def test_the_largest_header_that_is_compared_shows_no_blind_one(self):
        daemon = self.start()
        private = b"Bcc: carl@corp.example\r\nDelivered-To: carl@corp.example\r\nX-A: carl@corp.example\r\n"
        lines = self.message.text().split(b"\r\n\r\n")[0].split(b"\r\n")
        fields = sum(not line.startswith((b" ", b"\t")) for line in lines)
        filling = b"X-B: b\r\n" * (10_000 - 3 - fields)
        daemon.send(self.message.sender, [at("anna"), at("carl")], private + filling + self.message.text())
        daemon.ctl("release", "--all")
        self.received.wait(1)
        out = self.received.delivered[0].message
        self.assertEqual(out.count(b"X-B: b\r\n"), 10_000 - 3 - fields)
        self.assertNotIn(b"carl@", out)

    def test_a_line_that_looks_like_more_of_our_Received_shows_no_blind_one(self):
        daemon = self.start()
        daemon.send(self.message.sender, [at("anna"), at("carl")], b" carl@corp.example\r\n" + self.message.text())
        daemon.ctl("release", "--all")
        self.received.wait(1)
        self.assertNotIn(b"carl@", self.received.delivered[0].message)

    def test_postmaster_without_a_domain_is_taken_and_may_be_given_one(self):
        daemon = self.start(rewrite_domains={"": "corp.example"})
        self.send(daemon, ["Postmaster"])
        daemon.ctl("release", "--all")
        self.received.wait(1)
        self.assertEqual(self.received.delivered[0].recipients, ["Postmaster@corp.example"])

    # foreign

    def test_foreign_recipients_are_accepted_by_default(self):
        daemon = self.start()
        self.send(daemon, [at("anna"), "other@else.example"])
        self.assert_out(daemon, "anna", "other@else.example")

    def test_foreign_recipients_are_ignored(self):
        daemon = self.start(foreign="ignore")
        self.send(daemon, [at("anna"), "other@else.example"])
        self.assert_out(daemon, "anna")

    def test_mail_for_none_but_ignored_ones_goes_to_the_postmaster(self):
        daemon = self.start(foreign="ignore")
        self.send(daemon, ["other@else.example"])
        self.assert_out(daemon, "postmaster")

    def test_foreign_recipients_are_rejected(self):
        daemon = self.start(foreign="reject")
        with self.assertRaises(Refused) as refused:
            self.send(daemon, ["other@else.example"])
        self.assertIn(refused.exception.code, range(550, 556))
        self.send(daemon, [at("anna")])
        self.assert_out(daemon, "anna")

    # recover_from

    def test_blind_recipients_are_read_from_the_topmost_instance(self):
        daemon = self.start(recover_from=["Delivered-To"])
        self.send(daemon, [at("anna"), at("bert")], copy_of="anna")
        daemon.send(self.message.sender, [at("anna"), at("bert")],
                    b"Delivered-To: carl@corp.example\r\nDelivered-To: older@corp.example\r\n" + self.message.text())  # fmt: skip
        self.assert_out(daemon, "anna", "bert", "carl")

    def test_a_prefix_is_stripped(self):
        daemon = self.start(recover_from=[{"field": "X-Envelope-To", "strip": "mbox-corp-"}])
        daemon.send(self.message.sender, [at("anna")], b"X-Envelope-To: mbox-corp-carl@corp.example\r\n" + self.message.text())
        self.assert_out(daemon, "anna", "carl")

    def test_an_address_of_another_domain_is_not_recovered(self):
        daemon = self.start(recover_from=["Delivered-To"])
        daemon.send(self.message.sender, [at("anna")], b"Delivered-To: account@provider.example\r\n" + self.message.text())
        self.assert_out(daemon, "anna")

    # fallback

    def test_the_fallback_is_left_out_once_somebody_was_recovered(self):
        daemon = self.start(recover_from=["Delivered-To"], fallback=["postmaster@corp.example"])
        self.send(daemon, [at("postmaster")], copy_of="carl")
        self.assert_out(daemon, "carl")

    def test_the_fallback_gets_it_where_nobody_was_recovered(self):
        daemon = self.start(recover_from=["X-Envelope-To"], fallback=["postmaster@corp.example"])
        self.send(daemon, [at("postmaster")], copy_of="carl")
        self.assert_out(daemon, "postmaster")

    # forms of an address

    def test_an_address_goes_out_as_it_came(self):
        daemon = self.start()
        addresses = ['"a b"@corp.example', '"a@b"@corp.example', '"a>b"@corp.example', "Anna+tag@Corp.Example", "u@[192.0.2.1]"]
        self.send(daemon, addresses)
        self.assert_out(daemon, *addresses)

    def test_a_route_is_dropped(self):
        daemon = self.start()
        self.send(daemon, ["@one.example,@two.example:anna@corp.example"])
        self.assert_out(daemon, "anna")

    def test_what_is_no_address_is_refused_for_good(self):
        daemon = self.start()
        with daemon.raw() as client:
            client.reply()
            client.ask("EHLO x")
            client.ask("MAIL FROM:<a@far.example>")
            for path in ("<>", "<@>", "<a@>", "<a b@corp.example>", "<a@b@corp.example>", "<anna@corp.example", "anna@@corp.example"):
                with self.subTest(path):
                    self.assertRegex(client.ask(f"RCPT TO:{path}"), "^5")


if __name__ == "__main__":
    unittest.main()
