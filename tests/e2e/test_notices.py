"""Who is told when mail fails, comes late, or goes where nobody tells: the notices themselves, read by another parser."""

import email
import email.policy
import os
import signal
import unittest

from harness import PATIENCE, SANITIZED, Case, until
from messages import Message, at, copies
from sink import CLOSE, Hooks, Refuse

SENDER = "sender@far.example"
POSTMASTER = "postmaster@corp.example"
NO_BERT = {at("bert"): "550 5.1.1 no such user here"}


class Report:
    """A notice as RFC 3464 wants it, or an AssertionError."""

    def __init__(self, test, transaction):
        self.to = transaction.recipients
        self.message = email.message_from_bytes(transaction.message, policy=email.policy.SMTP)
        test.assertEqual(transaction.sender, "")
        test.assertEqual([str(each) for each in self.message.defects], [])
        test.assertEqual(self.message.get_content_type(), "multipart/report")
        test.assertEqual(self.message.get_param("report-type"), "delivery-status")
        test.assertEqual(self.message["Auto-Submitted"], "auto-replied")
        test.assertEqual(self.message["To"].addresses[0].addr_spec, self.to[0])
        for name in ("Date", "From", "Message-ID", "Subject", "MIME-Version"):
            test.assertEqual(len(self.message.get_all(name, [])), 1, name)
        text, status, *returned = self.message.iter_parts()
        self.returned = returned[0] if returned else None
        self.text = text.get_content()
        self.mail, *self.recipients = status.get_payload()

    def of(self, user):
        return next(each for each in self.recipients if each["Final-Recipient"].endswith(at(user)))

    def named(self):
        return sorted(each["Final-Recipient"].partition(";")[2].strip() for each in self.recipients)

    def returned_text(self):
        payload = self.returned.get_payload()
        return payload if isinstance(payload, str) else payload[0].as_string()


class Notices(Case):
    notify = "sender"

    def setUp(self):
        super().setUp()
        self.received = self.sink(Refuse(NO_BERT))
        self.message = Message(1, to=("anna", "bert", "carl"))

    def start(self, **changes):
        changes.setdefault("grouping", {"window": "0s"})
        changes["delivery"] = {"retry": ["200ms"], "warn_after": "0s", "notify": self.notify, "postmaster": POSTMASTER} | changes.get("delivery", {})
        return self.daemon(self.received, **changes)

    def notices(self, count=1):
        def found():
            return [each for each in self.received.delivered if each.sender == ""]

        self.received.wait_for(lambda: len(found()) >= count, PATIENCE, f"{count} notices")
        return [Report(self, each) for each in found()]

    def no_more_than(self, daemon, count):
        """Whatever was owed is told by now: everything that waits has left."""
        self.sentinel(daemon, self.received)
        until(lambda: not daemon.json("list", "queued") and not daemon.json("list", "held"), what="an empty queue")
        found = [each for each in self.received.delivered if each.sender == ""]
        self.assertEqual(len(found), count, [each.recipients for each in found])


class ToTheSender(Notices):
    def test_a_refused_recipient_is_told_with_the_servers_words(self):
        daemon = self.start()
        daemon.send(SENDER, self.message.everyone, self.message.text())
        (report,) = self.notices()
        self.assertEqual(report.to, [SENDER])
        self.assertEqual(report.named(), [at("bert")])
        bert = report.of("bert")
        self.assertEqual((bert["Action"], bert["Status"]), ("failed", "5.1.1"))
        self.assertEqual(bert["Diagnostic-Code"], "smtp; 550 5.1.1 no such user here")
        self.assertEqual(bert["Remote-MTA"], "dns; 127.0.0.1")
        self.assertEqual(report.mail["Reporting-MTA"], "dns; proxy.corp.example")
        self.assertIn("no such user here", report.text)
        self.assertEqual(report.returned.get_content_type(), "text/rfc822-headers")
        self.assertIn(self.message.id, report.returned_text())
        self.assertNotIn("Hello, this is message", report.returned_text())
        self.no_more_than(daemon, 1)

    def test_where_the_server_can_not_bear_the_sender_postmaster_gets_his_mail(self):
        """He is taken as he is, since his mail is there already; the server judges."""

        odd = ("a@b@far.example", "host!user")

        class Strict(Hooks):
            def mail(self, transaction):
                return "501 5.1.7 bad address syntax" if transaction.sender in odd else None

        self.received.hooks = Strict()
        daemon = self.start()
        for number, sender in enumerate(odd):
            message = Message(10 + number, to=("anna",))
            daemon.send(sender, [at("anna")], message.text())
            self.received.wait_for(lambda: len(self.received.delivered) > number, PATIENCE, "a notice")  # pylint: disable=cell-var-from-loop
            notice = self.received.delivered[number]
            self.assertEqual((notice.sender, notice.recipients), ("", [POSTMASTER]))
            for words in (message.id, f"The message is from <{sender}>", "bad address syntax", "Hello, this is message"):
                self.assertIn(words.encode("ascii"), notice.message)
        until(lambda: daemon.json("status")["counts"]["untold"] == 0, what="an end")
        self.received.hooks = Hooks()
        daemon.send(odd[0], [at("anna")], self.message.text())
        self.received.wait(3)
        self.assertEqual((self.received.delivered[2].sender, self.received.delivered[2].recipients), (odd[0], [at("anna")]))

    def test_one_notice_names_all_who_failed_in_one_attempt(self):
        self.received.hooks = Refuse({at(user): f"550 5.1.1 no {user}" for user in ("bert", "carl")})
        daemon = self.start()
        daemon.send(SENDER, self.message.everyone, self.message.text())
        self.assertEqual(self.notices()[0].named(), [at("bert"), at("carl")])
        self.no_more_than(daemon, 1)

    def test_one_notice_though_each_was_tried_alone(self):
        class Filter(Hooks):
            def dot(self, transaction):
                return "550 5.7.1 not for them" if set(transaction.recipients) & {at("bert"), at("carl")} else None

        self.received.hooks = Filter()
        daemon = self.start()
        daemon.send(SENDER, self.message.everyone, self.message.text())
        self.assertEqual(self.notices()[0].named(), [at("bert"), at("carl")])
        self.no_more_than(daemon, 1)

    def test_each_sender_hears_of_his_own(self):
        daemon = self.start(grouping={"window": "1h", "match": ["message-id", "content"]})
        self.received.hooks = Refuse({at(user): "550 5.1.1 no" for user in ("bert", "carl")})
        daemon.send("one@far.example", [at("bert")], self.message.text())
        daemon.send("two@far.example", [at("carl")], self.message.text())
        daemon.ctl("release", "--all")
        told = {report.to[0]: report.named() for report in self.notices(2)}
        self.assertEqual(told, {"one@far.example": [at("bert")], "two@far.example": [at("carl")]})

    def test_what_the_sender_asked_for(self):
        """(RET, NOTIFY): whether a notice comes, and whether it brings the body back."""
        rows = {("", ""): "header", ("FULL", ""): "body", ("HDRS", "FAILURE"): "header", ("FULL", "SUCCESS"): None, ("", "NEVER"): None, ("", "DELAY"): None}
        daemon = self.start()
        for number, ((ret, notify), expected) in enumerate(rows.items(), 10):
            message = Message(number, to=("bert",))
            with self.subTest(ret=ret, notify=notify), daemon.client() as client:
                client.ehlo()
                client.docmd("MAIL", f"FROM:<{SENDER}> ENVID=Q{number}+2B" + (f" RET={ret}" if ret else ""))
                client.docmd("RCPT", f"TO:<{at('bert')}> ORCPT=rfc822;ber+74@corp.example" + (f" NOTIFY={notify}" if notify else ""))
                self.assertEqual(client.data(message.text().decode())[0], 250)
        wanted = [number for number, expected in enumerate(rows.values(), 10) if expected]
        reports = {int(each.mail["Original-Envelope-Id"].strip("Q+")): each for each in self.notices(len(wanted))}
        self.assertEqual(sorted(reports), wanted)
        for number, expected in enumerate(rows.values(), 10):
            if expected:
                self.assertEqual(reports[number].returned.get_content_type(), "message/rfc822" if expected == "body" else "text/rfc822-headers")
                self.assertEqual(f"Hello, this is message {number}." in reports[number].returned_text(), expected == "body")
                self.assertEqual(reports[number].of("bert")["Original-Recipient"], "rfc822; bert@corp.example")
        self.no_more_than(daemon, len(wanted))

    def test_a_sender_is_told_once_for_a_message_and_a_recipient(self):
        daemon = self.start()
        for _ in range(3):
            daemon.send(SENDER, [at("bert")], self.message.text())
            until(lambda: "no such user" in daemon.ctl("list", "failed"), what="the failure")
        self.notices()
        daemon.ctl("retry", "--all")
        self.no_more_than(daemon, 1)
        self.assertGreaterEqual(self.received.commands.count(f"RCPT TO:<{at('bert')}>"), 4)

    def test_expiry(self):
        self.received.hooks = Refuse({at("bert"): "450 4.2.1 not today"})
        daemon = self.start(delivery={"expire": "1s"})
        daemon.send(SENDER, self.message.everyone, self.message.text())
        (report,) = self.notices()
        self.assertEqual(report.of("bert")["Status"], "4.4.7")
        self.assertIn("450 4.2.1 not today", report.of("bert")["Diagnostic-Code"])
        self.no_more_than(daemon, 1)

    def test_a_server_that_writes_lines_and_parts_of_its_own(self):
        hostile = "550 5.1.1 x\x1b]0;t\x07\xe9 --=_x \t Action: delivered " + "y" * 600
        self.received.hooks = Refuse({at("bert"): hostile})
        daemon = self.start()
        daemon.send(SENDER, self.message.everyone, self.message.text())
        (report,) = self.notices()
        self.assertEqual(report.of("bert")["Action"], "failed")
        raw = next(each for each in self.received.delivered if each.sender == "").message
        self.assertTrue(all(0x20 <= byte < 0x7F or byte in (9, 10, 13) for byte in raw))
        self.assertTrue(all(len(line) <= 998 for line in raw.split(b"\r\n")))

    def test_what_comes_back_shows_no_blind_recipient(self):
        message = Message(3, to=("bert",), blind=("carl",))
        daemon = self.start(grouping={"window": "1h"})
        for recipient, data in copies(message):
            daemon.send(SENDER, [recipient], data)
        daemon.ctl("release", "--all")
        (report,) = self.notices()
        self.assertNotIn("carl", report.message.as_string())

    def test_where_senders_are_not_told_but_nobody_is_lost(self):
        self.notify = "none"
        daemon = self.start()
        daemon.send(SENDER, self.message.everyone, self.message.text())
        until(lambda: "no such user" in daemon.ctl("list", "failed"), what="the failure")
        self.no_more_than(daemon, 0)

    def test_a_kill_right_after_the_failure(self):
        """Whether it falls before or behind the notice: it comes, and comes once, but for a lost answer."""
        for number in range(6):
            with self.subTest(number):
                self.received = self.sink(Refuse(NO_BERT))
                daemon = self.start()
                daemon.send(SENDER, self.message.everyone, self.message.text())
                daemon.wait_log("transaction " if number % 2 else "failed group")
                daemon.kill()
                daemon.start()
                self.notices()
                self.sentinel(daemon, self.received)
                found = [each for each in self.received.delivered if each.sender == ""]
                self.assertEqual(len({each.id for each in found}), 1)


class ToPostmaster(Notices):
    def test_all_failures_with_the_whole_message(self):
        self.notify = "postmaster"
        daemon = self.start()
        daemon.send(SENDER, self.message.everyone, self.message.text())
        (report,) = self.notices()
        self.assertEqual(report.to, [POSTMASTER])
        self.assertEqual(report.returned.get_content_type(), "message/rfc822")
        self.assertIn("Hello, this is message 1.", report.returned_text())
        self.assertIn(SENDER, report.text)
        self.no_more_than(daemon, 1)

    def test_the_null_sender(self):
        for kind in ("plain", "large"):
            with self.subTest(kind):
                self.received = self.sink(Refuse(NO_BERT))
                message = Message(2, to=("bert",), kind=kind)
                daemon = self.start()
                daemon.send("", [at("bert")], message.text())
                (report,) = self.notices()
                self.assertEqual(report.to, [POSTMASTER])
                raw = next(each for each in self.received.delivered if each.sender == "").message
                self.assertIn(message.body(), raw)
                self.no_more_than(daemon, 1)

    def test_a_recipient_whom_the_sender_does_not_know_of(self):
        daemon = self.start(recipients={"local_domains": ["corp.example"], "recover_from": ["X-Envelope-To"]})
        message = Message(4, to=("anna",), extra=f"X-Envelope-To: {at('bert')}\r\n")
        daemon.send(SENDER, [at("anna")], message.text())
        (report,) = self.notices()
        self.assertEqual(report.to, [POSTMASTER])
        self.assertEqual(report.named(), [at("bert")])
        self.no_more_than(daemon, 1)

    def test_a_refused_notice_and_then_nobody(self):
        self.received.hooks = Refuse({**NO_BERT, SENDER: "550 5.7.1 no relaying"})
        daemon = self.start()
        daemon.send(SENDER, self.message.everyone, self.message.text())
        (report,) = self.notices()
        self.assertEqual(report.to, [POSTMASTER])
        self.assertIn("no such user here", report.message.as_string())
        self.assertIn("no relaying", report.message.as_string())
        self.no_more_than(daemon, 1)
        self.assertIn(SENDER, daemon.ctl("list", "failed"))

    def test_postmaster_refused_as_well(self):
        self.received.hooks = Refuse({**NO_BERT, POSTMASTER: "550 5.1.1 no postmaster"})
        daemon = self.start()
        daemon.send("", [at("bert")], self.message.text())
        daemon.wait_log("untold ")
        self.no_more_than(daemon, 0)
        self.assertEqual(daemon.json("status")["counts"]["untold"], 1)
        self.assertIn("nobody was told", daemon.ctl("status"))

    def test_no_postmaster(self):
        daemon = self.start(delivery={"postmaster": ""}, recipients={"local_domains": []})
        self.assertIn("delivery.postmaster is not set", daemon.log())
        daemon.send("", [at("bert")], self.message.text())
        daemon.wait_log("untold ")
        self.no_more_than(daemon, 0)
        self.assertIn(at("bert"), daemon.ctl("list", "failed"))
        daemon.stop()
        before = len(daemon.log())
        daemon.start()
        daemon.wait_log("untold_failures", before)

    def test_a_delay_once(self):
        self.received.hooks = Refuse({at("bert"): "450 4.2.1 not today"})
        daemon = self.start(delivery={"warn_after": "600ms"})
        daemon.send(SENDER, self.message.everyone, self.message.text())
        (report,) = self.notices()
        self.assertEqual(report.to, [POSTMASTER])
        self.assertEqual((report.of("bert")["Action"], report.of("bert")["Status"]), ("delayed", "4.2.1"))
        tries = self.received.commands.count(f"RCPT TO:<{at('bert')}>")
        until(lambda: self.received.commands.count(f"RCPT TO:<{at('bert')}>") > tries + 2, what="further attempts")
        self.received.hooks = Hooks()
        self.received.wait_for(lambda: at("bert") in self.received.recipients_of(self.message.id), PATIENCE, "bert")
        self.no_more_than(daemon, 1)

    def test_settings_of_a_reload_hold_for_what_is_queued(self):
        self.notify = "none"
        self.received.hooks = Refuse({at("bert"): "450 4.2.1 not today"})
        daemon = self.start(delivery={"expire": "1h"})
        daemon.send(SENDER, self.message.everyone, self.message.text())
        until(lambda: "not today" in daemon.ctl("list", "queued"), what="an attempt")
        daemon.configure({"delivery": {"expire": "1s", "notify": "postmaster"}})
        daemon.ctl("reload")
        self.assertEqual(self.notices()[0].to, [POSTMASTER])


class Words(Hooks):
    """Refuses, at the dot, whatever holds one of these words, a notice too."""

    def __init__(self, *words):
        self.words = words

    def dot(self, transaction):
        return "554 5.7.1 virus found" if any(word in transaction.message for word in self.words) else None


class Small(Hooks):
    """Takes no large message, and says so in its EHLO reply, or at the dot alone."""

    MOST = 60_000

    def __init__(self, says_so):
        if says_so:
            self.extensions = [*Hooks.extensions, f"SIZE {self.MOST}"]

    def dot(self, transaction):
        return "552 5.3.4 Message size exceeds fixed maximum message size" if len(transaction.message) > self.MOST else None


class RefusedForWhatItHolds(Notices):
    """What the server does not take it does not take in a notice either: the notice comes with less in it."""

    notify = "postmaster"

    def refused(self, hooks, message, sender=SENDER, to=POSTMASTER, **changes):
        self.received = self.sink(hooks)
        daemon = self.start(**changes)
        daemon.send(sender, [at("bert")], message)
        (report,) = self.notices()
        self.assertEqual((report.to, report.named()), ([to], [at("bert")]))
        self.assertIn("This notice was refused with more of the message in it.", report.text)
        self.no_more_than(daemon, 1)
        self.assertEqual(daemon.json("status")["counts"]["untold"], 0)
        self.assertEqual(len(daemon.json("list", "failed")), 1)
        return daemon, report

    def test_by_content(self):
        for notify, sender in (("postmaster", SENDER), ("sender", "")):
            with self.subTest(notify):
                self.notify = notify
                daemon, report = self.refused(Words(b"Hello, this is message 1."), self.message.text(), sender)
                self.assertEqual(report.of("bert")["Diagnostic-Code"], "smtp; 554 5.7.1 virus found")
                self.assertEqual(report.returned.get_content_type(), "text/rfc822-headers")
                self.assertIn(self.message.id, report.returned_text())
                group = str(daemon.json("list", "failed")[0]["id"])
                self.assertIn(f"    onecopyctl retry {group}", report.text.splitlines())
                self.received.hooks = Hooks()
                daemon.ctl("retry", group)
                self.received.wait_for(lambda: self.received.recipients_of(self.message.id) == [at("bert")], PATIENCE, "bert")

    def test_by_its_header(self):
        _, report = self.refused(Words(b"Subject: message 1,"), self.message.text())
        self.assertIsNone(report.returned)
        self.assertEqual(report.of("bert")["Diagnostic-Code"], "smtp; 554 5.7.1 virus found")

    def test_by_size(self):
        message = Message(2, to=("bert",), kind="large")
        self.assertGreater(len(message.text()), Small.MOST)
        for says_so in (True, False):
            with self.subTest(says_so=says_so):
                _, report = self.refused(Small(says_so), message.text())
                self.assertIn("552 5.3.4", report.of("bert")["Diagnostic-Code"])
                self.assertIn(message.id, report.returned_text())

    def test_a_sender_who_wanted_all_of_it_back(self):
        self.notify = "sender"
        self.received = self.sink(Words(b"Hello, this is message 1."))
        daemon = self.start()
        with daemon.client() as client:
            client.ehlo()
            client.docmd("MAIL", f"FROM:<{SENDER}> RET=FULL")
            client.docmd("RCPT", f"TO:<{at('bert')}>")
            self.assertEqual(client.data(self.message.text().decode())[0], 250)
        (report,) = self.notices()
        self.assertEqual((report.to, report.named()), ([SENDER], [at("bert")]))
        self.assertEqual(report.returned.get_content_type(), "text/rfc822-headers")
        self.no_more_than(daemon, 1)

    def test_whoever_it_is_to_decides_at_RCPT(self):
        self.received = self.sink(Refuse({**NO_BERT, POSTMASTER: "550 5.1.1 no postmaster"}))
        daemon = self.start()
        daemon.send(SENDER, [at("bert")], self.message.text())
        daemon.wait_log("untold ")
        self.assertEqual(self.received.commands.count(f"RCPT TO:<{POSTMASTER}>"), 1)

    def test_a_kill_between_two_forms(self):
        """Whether it falls before or behind what was stored of the refusal: one of them comes, and comes once."""
        for line in ("transaction group=2 ", "shortened group=2"):
            with self.subTest(line):
                self.received = self.sink(Words(b"Hello, this is message 1."))
                daemon = self.start(log={"level": "info"})
                daemon.send(SENDER, [at("bert")], self.message.text())
                daemon.wait_log(line)
                daemon.kill()
                daemon.start()
                (report,) = self.notices()[:1]
                self.assertEqual(report.returned.get_content_type(), "text/rfc822-headers")
                self.sentinel(daemon, self.received)
                found = [each for each in self.received.delivered if each.sender == ""]
                self.assertEqual(len({each.id for each in found}), 1)


class Relayed(Notices):
    def test_SUCCESS_where_the_server_has_no_DSN(self):
        daemon = self.start()
        with daemon.client() as client:
            client.ehlo()
            client.docmd("MAIL", f"FROM:<{SENDER}>")
            client.docmd("RCPT", f"TO:<{at('anna')}> NOTIFY=SUCCESS")
            client.docmd("RCPT", f"TO:<{at('carl')}>")
            self.assertEqual(client.data(self.message.text().decode())[0], 250)
        (report,) = self.notices()
        self.assertEqual(report.to, [SENDER])
        self.assertEqual(report.named(), [at("anna")])
        self.assertEqual(report.of("anna")["Action"], "relayed")
        self.no_more_than(daemon, 1)

    def test_SUCCESS_where_it_has(self):
        self.received.hooks.extensions = [*Hooks.extensions, "DSN"]
        daemon = self.start()
        with daemon.client() as client:
            client.ehlo()
            client.docmd("MAIL", f"FROM:<{SENDER}>")
            client.docmd("RCPT", f"TO:<{at('anna')}> NOTIFY=SUCCESS")
            self.assertEqual(client.data(self.message.text().decode())[0], 250)
        self.no_more_than(daemon, 0)
        self.assertIn(f"RCPT TO:<{at('anna')}> NOTIFY=SUCCESS", self.received.commands)


class ByHand(Notices):
    """What an admin does to mail that failed or waits."""

    def group(self, daemon, which="all"):
        return str(daemon.json("list", which)[-1]["id"])

    def failed(self):
        self.notify = "none"
        daemon = self.start()
        daemon.send(SENDER, self.message.everyone, self.message.text())
        until(lambda: "no such user" in daemon.ctl("list", "failed"), what="the failure")
        return daemon

    def test_retry_sends_failed_mail_again(self):
        daemon = self.failed()
        self.received.hooks = Hooks()
        self.assertEqual(daemon.json("retry", self.group(daemon)), {"retried": 1})
        self.received.wait_for(lambda: self.received.recipients_of(self.message.id) == self.message.everyone, PATIENCE, "bert")
        first, second = (each.message for each in self.received.delivered)
        self.assertEqual(first.split(b"\r\n\r\n", 1)[1], second.split(b"\r\n\r\n", 1)[1])
        daemon.ctl("retry", self.group(daemon), status=1)

    def test_retry_wakes_a_server_that_rests(self):
        self.notify = "none"
        self.received.hooks = Hooks()
        self.received.hooks.greeting = lambda _: "421 4.3.2 not now"
        daemon = self.start()
        daemon.send(SENDER, self.message.everyone, self.message.text())
        until(lambda: daemon.json("status")["backend"][0]["rests_for_seconds"] > 4, what="a long rest")
        self.received.hooks = Hooks()
        daemon.ctl("retry", "--all")
        self.received.wait(1, deadline=3.5)

    def test_drop_gives_up(self):
        daemon = self.failed()
        group = self.group(daemon)
        refused = daemon.ctl_result("drop", group)
        self.assertEqual((refused.returncode, self.received.delivered[0].recipients), (1, [at("anna"), at("carl")]))
        self.assertEqual(daemon.json("drop", "--yes", group), {"dropped": 1})
        self.assertEqual(daemon.json("list", "failed"), [])
        self.assertIn("dropped", daemon.ctl("show", group))
        daemon.ctl("drop", "--yes", group, status=1)
        daemon.send(SENDER, self.message.everyone, self.message.text())
        self.no_more_than(daemon, 0)
        self.assertEqual(self.received.commands.count(f"RCPT TO:<{at('bert')}>"), 1)

    def test_drop_is_refused_while_a_final_dot_is_open(self):
        from sink import Gate

        self.received.hooks = Gate()
        daemon = self.start()
        daemon.send(SENDER, self.message.everyone, self.message.text())
        self.assertTrue(self.received.hooks.reached.wait(PATIENCE))
        refused = daemon.ctl_result("drop", "--yes", self.group(daemon))
        self.assertEqual(refused.returncode, 1)
        self.assertIn("being sent", refused.stderr)
        self.received.hooks.open()
        self.received.wait(1)

    def test_show_prints_the_header(self):
        daemon = self.failed()
        shown = daemon.ctl("show", self.group(daemon))
        self.assertIn("Subject: message 1,", shown)
        self.assertIn("Received: from", shown)
        self.assertIn("copy 1 from sender@far.example", shown)
        self.assertIn("no such user here", shown)
        self.assertIn("Subject: message 1", daemon.json("show", self.group(daemon))[0]["header"])
        daemon.ctl("show", "4711", status=1)

    def test_forget_lets_a_further_copy_through(self):
        self.received.hooks = Hooks()
        daemon = self.start()
        for which in (self.message.id, self.message.id.strip("<>"), None):
            before = len(self.received.delivered)
            daemon.send(SENDER, self.message.everyone, self.message.text())
            self.received.wait(before + 1)
            until(lambda: not daemon.json("list", "queued") + daemon.json("list", "held"), what="the record of it")
            self.assertEqual(daemon.json("forget", which or self.group(daemon)), {"forgotten": 1})
        daemon.ctl("forget", "<nobody@far.example>", status=1)

    def test_pause_holds_all_and_survives_a_restart(self):
        self.received.hooks = Hooks()
        daemon = self.start()
        daemon.ctl("pause")
        daemon.send(SENDER, self.message.everyone, self.message.text())
        self.assertTrue(daemon.json("status")["paused"])
        daemon.stop()
        daemon.start()
        self.assertTrue(daemon.json("status")["paused"])
        self.assertIn("PAUSED", daemon.ctl("status"))
        daemon.ctl("release", "--all")
        self.assertEqual(self.received.delivered, [])
        daemon.ctl("resume")
        self.received.wait(1)
        self.assertFalse(daemon.json("status")["paused"])

    def test_reload_says_what_is_wrong(self):
        daemon = self.start()
        self.assertEqual(daemon.ctl("reload").strip(), "done")
        daemon.file.write_text("listen: []\n", encoding="utf-8")
        refused = daemon.ctl_result("reload")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("stays in force", refused.stderr)


@unittest.skipIf(SANITIZED, "a sanitizer handles the signal itself")
class Poison(Notices):
    def test_what_crashes_it_three_times_is_set_aside_and_told_and_the_rest_goes_out(self):
        """The fault is a signal that comes whenever one message is at its final dot."""
        daemon = None

        class Fatal(Hooks):
            def dot(self, transaction):
                if transaction.id != poison.id:
                    return None
                os.kill(daemon.daemon_pid(), signal.SIGSEGV)
                return CLOSE

        poison, other = Message(1, to=("anna",)), Message(2, to=("anna",))
        self.received.hooks = Fatal()
        daemon = self.start(backend={"connections": 1})
        daemon.ctl("pause")
        for message in (poison, other):
            daemon.send(SENDER, message.everyone, message.text())
        daemon.ctl_result("resume")  # whose answer may not come any more
        for _ in range(3):
            self.assertEqual(daemon.process.wait(PATIENCE), -signal.SIGSEGV)
            daemon.start()
        (report,) = self.notices()
        self.assertEqual(report.named(), [at("anna")])
        self.assertIn("crashed three times", report.of("anna")["Diagnostic-Code"])
        self.received.wait_for(lambda: self.received.recipients_of(other.id) == other.everyone, PATIENCE, "the other one")
        self.assertTrue(daemon.running())
        self.assertIn("set_aside", daemon.log())
        self.no_more_than(daemon, 1)


class SentApart(Notices):
    """Who spoils a transaction for others is remembered, and never failed untried."""

    class Filter(Hooks):
        def dot(self, transaction):
            return "550 5.1.1 one of you is unknown" if at("bert") in transaction.recipients else None

    def recipients(self):
        return [each.recipients for each in self.received.transactions]

    def test_for_an_hour_in_other_mail_too(self):
        self.received.hooks = self.Filter()
        self.notify = "none"
        daemon = self.start()
        daemon.send(SENDER, self.message.everyone, self.message.text())
        until(lambda: "unknown" in daemon.ctl("list", "failed"), what="the failure")
        until(lambda: not daemon.json("list", "queued"), what="an empty queue")
        self.assertEqual(self.recipients(), [self.message.everyone, [at("anna")], [at("bert")], [at("carl")]])
        daemon.kill()
        daemon.start()
        self.received.hooks = Hooks()
        other = Message(2, to=("anna", "bert", "carl"))
        daemon.send(SENDER, other.everyone, other.text())
        self.received.wait_for(lambda: self.received.recipients_of(other.id) == other.everyone, PATIENCE, "all of them")
        self.assertEqual(self.recipients()[4:], [[at("anna"), at("carl")], [at("bert")]])

    def test_a_crash_in_the_midst_merges_nobody_again(self):
        hooks = self.Filter()
        usual = hooks.dot
        daemon = None

        def dot(transaction):
            if transaction.recipients == [at("anna")]:
                os.kill(daemon.daemon_pid(), 9)
                hooks.dot = usual
                return CLOSE
            return usual(transaction)

        hooks.dot = dot
        self.received.hooks = hooks
        daemon = self.start()
        daemon.send(SENDER, self.message.everyone, self.message.text())
        daemon.process.wait(PATIENCE)
        daemon.start()
        (report,) = self.notices()
        self.assertEqual(report.named(), [at("bert")])
        tried = [each.recipients for each in self.received.transactions if each.sender]
        self.assertEqual(tried.count(self.message.everyone), 1)
        self.assertEqual(sorted(tried[1:]), sorted([[at("anna")], [at("anna")], [at("bert")], [at("carl")]]))
        self.no_more_than(daemon, 1)


if __name__ == "__main__":
    unittest.main()
