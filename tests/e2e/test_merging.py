"""Which copies become one message, when it leaves, and what of its header is shown."""

import re
import threading
import time
import unittest

from harness import PATIENCE, Case, in_threads, offer, until
from messages import Message, at, content_of, copies, copy_for, header_of, interleaved
from sink import Gate


class Merging(Case):
    window = "1h"

    def setUp(self):
        super().setUp()
        self.received = self.sink()

    def start(self, *servers, **changes):
        grouping = {"window": self.window, **changes.pop("grouping", {})}
        return self.daemon(*(servers or [self.received]), grouping=grouping, **changes)

    def send(self, daemon, message, users=None, sender=None):
        for user in users or (*message.to, *message.cc, *message.blind):
            daemon.send(sender or message.sender, [at(user)], copy_for(message, user))

    def release(self, daemon, count):
        """Lets go what is held; what came out once nothing more is to come."""
        daemon.ctl("release", "--all")
        self.received.wait(count)
        until(lambda: not daemon.json("list", "held") and not daemon.json("list", "queued"), what="an empty queue")
        self.assertEqual(len(self.received.delivered), count)
        return self.received.delivered

    def assert_out(self, daemon, *expected):
        """Exactly these transactions, as sorted lists of recipients."""
        out = self.release(daemon, len(expected))
        self.assertEqual(sorted(sorted(each.recipients) for each in out), sorted(sorted(map(at, users)) for users in expected))


class Copies(Merging):
    def test_split_copies_leave_as_one_transaction_to_everyone(self):
        daemon = self.start()
        message = Message(1, to=("anna", "bert"), cc=("carl",), blind=("dora",))
        self.send(daemon, message)
        self.assert_out(daemon, message.everyone)
        self.assertEqual(self.received.delivered[0].sender, message.sender)

    def test_the_forwarded_message_is_a_copy_and_one_field_of_ours(self):
        for kind in ("plain", "eight_bit", "empty", "large"):
            with self.subTest(kind):
                received = self.received = self.sink()
                daemon = self.start()
                message = Message(1, kind=kind)
                self.send(daemon, message)
                self.release(daemon, 1)
                data = received.delivered[0].message
                self.assertEqual(content_of(data), content_of(message.text()))
                fields = received.delivered[0].header("Received")
                self.assertEqual(len(fields), 2)
                self.assertRegex(fields[0], r"^from fetcher\.example .*by proxy\.corp\.example .*with E?SMTP .*id ")
                self.assertTrue(data.startswith(b"Received:"))
                self.assertNotIn("for <", fields[0])

    def test_many_messages_interleaved_over_several_sessions(self):
        daemon = self.start()
        messages = [Message(n, cc=("carl",), blind=("dora",), kind=("plain", "large")[n % 10 == 0]) for n in range(60)]
        parts = interleaved(messages)

        def session(share):
            with daemon.client() as client:
                for recipient, data in share:
                    offer(client, messages[0].sender, [recipient], data)

        in_threads([lambda n=n: session(parts[n::6]) for n in range(6)])
        out = self.release(daemon, len(messages))
        for message in messages:
            self.assertEqual(self.received.recipients_of(message.id), sorted(message.everyone))
        self.assertEqual(len({each.id for each in out}), len(messages))

    def test_the_same_recipient_twice_gets_one(self):
        daemon = self.start()
        message = Message(1)
        for _ in range(2):
            daemon.send(message.sender, ["anna@corp.example", "Anna@Corp.Example", "anna@corp.example"], message.text())
        self.assert_out(daemon, ["anna"])

    def test_what_a_copy_picks_up_on_its_way_makes_no_other_message(self):
        daemon = self.start()
        message = Message(1)
        for number, user in enumerate(message.to):
            trace = f"X-Spam-Score: {number}\r\nAuthentication-Results: x; dkim=pass {number}\r\nX-UIDL: {number}\r\nBcc: {at(user)}\r\n"
            daemon.send(message.sender, [at(user)], trace.encode() + copy_for(message, user))
        self.assert_out(daemon, ["anna", "bert"])
        self.assertNotIn(b"Bcc:", self.received.delivered[0].message)

    def test_another_body_under_the_same_id_is_another_mail(self):
        daemon = self.start()
        message = Message(1)
        self.send(daemon, message, ["anna"])
        daemon.send(message.sender, ["bert@corp.example"], copy_for(message, "bert").replace(b"Bye", b"Buy"))
        self.assert_out(daemon, ["anna"], ["bert"])
        self.assertIn(message.id, daemon.log())

    def test_another_id_with_the_same_body_is_another_mail(self):
        daemon = self.start()
        message = Message(1)
        self.send(daemon, message, ["anna"])
        daemon.send(message.sender, ["bert@corp.example"], message.text().replace(b"<m1.", b"<M1."))
        self.assert_out(daemon, ["anna"], ["bert"])

    def test_another_sender_makes_another_transaction_but_nobody_gets_two(self):
        daemon = self.start()
        message = Message(1)
        daemon.send("bounce+anna@far.example", ["anna@corp.example"], message.text())
        daemon.send("bounce+bert@far.example", ["bert@corp.example", "anna@corp.example"], message.text())
        self.assert_out(daemon, ["anna"], ["bert"])
        self.assertEqual({each.sender for each in self.received.delivered}, {"bounce+anna@far.example", "bounce+bert@far.example"})

    def test_the_null_sender_keeps_to_itself(self):
        daemon = self.start()
        message = Message(1)
        daemon.send("", ["anna@corp.example"], message.text())
        daemon.send("", ["bert@corp.example"], message.text())
        self.assert_out(daemon, ["anna", "bert"])
        self.assertEqual(self.received.delivered[0].sender, "")

    def test_without_an_id_the_content_decides(self):
        daemon = self.start()
        text = Message(1).text().replace(b"Message-ID: ", b"X-Old-ID: ")
        for user in ("anna", "bert"):
            daemon.send("sender@far.example", [at(user)], text)
        daemon.send("sender@far.example", ["carl@corp.example"], text.replace(b"Bye", b"Buy"))
        self.assert_out(daemon, ["anna", "bert"], ["carl"])


class Match(Merging):
    def variants(self, daemon):
        message = Message(1)
        daemon.send("one@far.example", ["anna@corp.example"], message.text())
        daemon.send("one@far.example", ["bert@corp.example"], message.text().replace(b"Bye", b"Buy"))
        daemon.send("two@far.example", ["carl@corp.example"], message.text())
        daemon.send("one@far.example", ["dora@corp.example"], message.text().replace(b"<m1.", b"<n1."))

    def test_by_id_alone(self):
        daemon = self.start(grouping={"match": ["message-id"]})
        self.variants(daemon)
        self.assert_out(daemon, ["anna", "bert", "carl"], ["dora"])
        self.assertTrue(self.received.of("<m1.plain@far.example>")[0].message.endswith(b"Bye\r\n"))

    def test_by_id_and_content(self):
        daemon = self.start(grouping={"match": ["message-id", "content"]})
        self.variants(daemon)
        self.assert_out(daemon, ["anna", "carl"], ["bert"], ["dora"])

    def test_by_content_alone(self):
        daemon = self.start(grouping={"match": ["content"]})
        self.variants(daemon)
        self.assert_out(daemon, ["anna", "carl", "dora"], ["bert"])

    def test_by_everything(self):
        daemon = self.start()
        self.variants(daemon)
        self.assert_out(daemon, ["anna"], ["bert"], ["carl"], ["dora"])

    def test_local_parts_with_case(self):
        daemon = self.start(recipients={"fold_case": False})
        daemon.send("a@far.example", ["anna@corp.example", "Anna@CORP.example", "anna@CORP.EXAMPLE"], Message(1).text())
        out = self.release(daemon, 1)
        self.assertEqual(sorted(out[0].recipients), ["Anna@CORP.example", "anna@corp.example"])


class Windows(Merging):
    def test_the_window_counts_from_the_first_copy(self):
        daemon = self.start(grouping={"window": "2s"})
        message = Message(1, to=("anna", "bert", "carl"))
        began = time.monotonic()
        for user in message.to:
            self.send(daemon, message, [user])
            threading.Event().wait(0.4)
        self.received.wait(1)
        waited = self.received.delivered[0].began - began
        self.assertGreater(waited, 1.9)
        self.assertLess(waited, 2 + PATIENCE / 3)
        self.assertEqual(self.received.recipients_of(message.id), sorted(message.everyone))

    def test_quiet_ends_it_early(self):
        daemon = self.start(grouping={"window": "1h", "quiet": "500ms"})
        message = Message(1)
        self.send(daemon, message)
        self.received.wait(1)
        self.assertEqual(self.received.recipients_of(message.id), sorted(message.everyone))

    def test_without_a_window_each_copy_goes_at_once_and_nobody_gets_two(self):
        daemon = self.start(grouping={"window": "0s"})
        message = Message(1, to=("anna", "bert"))
        self.send(daemon, message, ["anna"])
        self.received.wait(1)
        self.send(daemon, message, ["anna", "bert"])
        self.received.wait(2)
        self.sentinel(daemon, self.received)
        self.assertEqual(self.received.recipients_of(message.id), sorted(message.everyone))

    def test_250_does_not_wait_for_the_window_or_the_backend(self):
        self.received.stop()
        daemon = self.start()
        began = time.monotonic()
        self.send(daemon, Message(1))
        self.assertLess(time.monotonic() - began, PATIENCE / 3)


class LateCopies(Merging):
    def delivered(self, daemon, message, users):
        self.send(daemon, message, users)
        self.release(daemon, 1)

    def test_one_for_a_new_recipient_goes_to_him_alone(self):
        daemon = self.start()
        message = Message(1, to=("anna", "bert", "carl"))
        self.delivered(daemon, message, ["anna", "bert"])
        daemon.send(message.sender, [at("anna"), at("carl")], copy_for(message, "carl"))
        self.release(daemon, 2)
        self.assertEqual(self.received.delivered[1].recipients, [at("carl")])

    def test_one_that_names_nobody_new_is_taken_and_makes_no_mail(self):
        daemon = self.start()
        message = Message(1)
        self.delivered(daemon, message, message.to)
        self.send(daemon, message)
        self.assertEqual(daemon.json("list", "held"), [])
        self.assertEqual(len(self.received.delivered), 1)
        self.assertRegex(daemon.log(), r"suppressed")

    def test_one_that_comes_while_the_backend_is_at_the_final_dot_waits_its_turn(self):
        gate = Gate()
        self.received.hooks = gate
        daemon = self.start()
        message = Message(1, to=("anna", "bert"))
        self.send(daemon, message, ["anna"])
        daemon.ctl("release", "--all")
        self.assertTrue(gate.reached.wait(PATIENCE))
        self.send(daemon, message, ["anna", "bert"])
        gate.open()
        self.release(daemon, 2)
        self.assertEqual([each.recipients for each in self.received.delivered], [[at("anna")], [at("bert")]])

    def test_history_of_nothing_forgets_at_once(self):
        daemon = self.start(grouping={"history": "0s"}, delivery={"keep_failed": "0s"})
        message = Message(1)
        self.send(daemon, message, ["anna"])
        self.release(daemon, 1)
        self.send(daemon, message, ["anna"])
        self.release(daemon, 2)
        self.assertEqual(self.received.recipients_of(message.id), [at("anna")] * 2)

    def test_a_changed_match_orphans_no_history(self):
        daemon = self.start()
        message = Message(1)
        self.delivered(daemon, message, message.to)
        daemon.stop()
        daemon.configure({"grouping": {"window": "0s", "match": ["content"]}})
        daemon.start()
        self.send(daemon, message)
        self.sentinel(daemon, self.received)
        self.assertEqual(len(self.received.of(message.id)), 1)


class Observe(Merging):
    def test_every_copy_goes_at_once_as_it_came_and_the_log_tells(self):
        daemon = self.start(grouping={"observe": True}, recipients={"recover_from": ["Delivered-To"]})
        message = Message(1, blind=("carl",))
        for user in ("anna", "bert", "carl"):
            daemon.send(message.sender, [at("anna"), at("bert")], copy_for(message, user))
        self.received.wait(3)
        self.sentinel(daemon, self.received)
        found = self.received.of(message.id)
        self.assertEqual([sorted(each.recipients) for each in found], [[at("anna"), at("bert")]] * 3)
        for user, each in zip(("anna", "bert", "carl"), sorted(found, key=lambda each: each.header("Delivered-To"))):
            self.assertTrue(each.message.endswith(copy_for(message, user)))
        self.assertEqual(daemon.log().count("would_merge "), 2)

    def test_what_would_go_alone_is_not_told_to_merge(self):
        daemon = self.start(grouping={"observe": True})
        message = Message(1)
        for letter in (b"a", b"b"):
            daemon.send(message.sender, [at("anna")], b"X-A: b\r\n" * 10_001 + copy_for(message, "anna") + letter + b"\r\n")
        self.received.wait(2)
        self.assertNotIn("would_merge", daemon.log())

    def test_it_leaves_no_history(self):
        daemon = self.start(grouping={"observe": True})
        message = Message(1)
        self.send(daemon, message)
        self.received.wait(2)
        daemon.stop()
        daemon.configure({"grouping": {"window": "0s"}})
        daemon.start()
        self.send(daemon, message)
        self.received.wait(4)
        self.assertEqual(self.received.recipients_of(message.id), [at("anna")] * 2 + [at("bert")] * 2)


class Privacy(Merging):
    def test_fields_that_name_one_copys_recipient_go(self):
        daemon = self.start()
        message = Message(1, blind=("carl",))
        names = (
            "X-Envelope-To", "Envelope-To", "X-Delivered-To", "X-Rcpt-To", "Apparently-To", "X-Forwarded-To", "X-Apparently-To",
            "Original-Recipient", "X-VPOP3-ORIGRCPT", "X-Receiver", "X-MDaemon-Deliver-To", "Resent-Bcc", "X-Bcc", "Delivery-Date",
        )  # fmt: skip
        for user in ("anna", "bert", "carl"):
            fields = "".join(f"{name}: {at(user)}\r\n" for name in names)
            daemon.send(message.sender, [at(user)], fields.encode() + copy_for(message, user))
        self.assert_out(daemon, message.everyone)
        header = header_of(self.received.delivered[0].message).decode()
        for name in (*names, "Delivered-To", "X-Original-To", "Return-Path"):
            self.assertIsNone(re.search(rf"(?im)^{name}:", header), name)
        self.assertNotIn("carl", header)

    def test_the_copy_that_shows_least_lends_its_header(self):
        daemon = self.start()
        message = Message(1, to=("anna",), blind=("carl", "dora"))
        shown = copy_for(message, "carl")
        daemon.send(message.sender, [at("carl")], b"Received: by x for <dora@corp.example>; Mon, 2 Nov 2026 10:00:00 +0100\r\n" + shown)
        daemon.send(message.sender, [at("dora")], shown)
        daemon.send(message.sender, [at("anna")], copy_for(message, "anna"))
        self.assert_out(daemon, message.everyone)
        data = self.received.delivered[0].message
        self.assertTrue(data.split(b"\r\n\r\n")[0].find(b"for <anna@corp.example>") > 0, "the clean copy's header came out")
        self.assertNotIn(b"dora", header_of(data))
        self.assertNotIn(b"carl", header_of(data))

    def test_a_for_clause_of_the_only_copy_goes_and_nothing_else_does(self):
        daemon = self.start()
        message = Message(1, to=("anna",), blind=("carl",))
        daemon.send(message.sender, [at("carl")], copy_for(message, "carl"))
        self.assert_out(daemon, ["carl"])
        header = header_of(self.received.delivered[0].message).decode()
        self.assertNotIn("carl", header)
        self.assertIn("by mail.provider.example (Postfix) with ESMTP id", header)

    def test_any_other_field_that_names_a_blind_one_goes(self):
        daemon = self.start()
        message = Message(1, to=("anna",), blind=("carl",))
        extra = b"X-Loop-Guard: x carl=corp.example@list\r\nX-Whatever: for carl@corp.example\r\nX-Note: anna@corp.example\r\n"
        daemon.send(message.sender, [at("carl"), at("anna")], extra + message.text())
        self.assert_out(daemon, ["anna", "carl"])
        header = header_of(self.received.delivered[0].message)
        self.assertNotIn(b"carl", header)
        self.assertIn(b"X-Note: anna@corp.example", header)


if __name__ == "__main__":
    unittest.main()
