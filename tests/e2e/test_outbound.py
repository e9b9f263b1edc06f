"""What the mail server behind does, and what becomes of the mail then."""

import time
import unittest

from harness import PATIENCE, Case, Refused, until
from messages import Message, at, content_of, copies
from sink import CLOSE, AtMost, First, Hooks, Refuse

ALL = ("anna", "bert", "carl", "dora", "emil")


class LeadsBack(Hooks):
    """A relay that passes mail on to onecopyd itself, before it answers; until well() is called."""

    def __init__(self):
        self.daemon = None
        self.answers = []

    def well(self):
        self.daemon = None

    def dot(self, transaction):
        if self.daemon is None:
            return None
        try:
            self.daemon.send(transaction.sender, transaction.recipients, transaction.message)
            self.answers.append("250")
            return None
        except Refused as refused:
            self.answers.append(str(refused))
            return self.answers[-1]


class Outbound(Case):
    def setUp(self):
        super().setUp()
        self.received = self.sink()
        self.message = Message(1, to=ALL)

    def start(self, *servers, **changes):
        changes.setdefault("grouping", {"window": "1h"})
        return self.daemon(*(servers or [self.received]), **changes)

    def send(self, daemon):
        for recipient, data in copies(self.message):
            daemon.send(self.message.sender, [recipient], data)
        daemon.ctl("release", "--all")

    def wait_for(self, *users, sink=None):
        sink = sink or self.received
        expected = sorted(map(at, users))
        sink.wait_for(lambda: sink.recipients_of(self.message.id) == expected, PATIENCE, f"mail for {expected}")

    def assert_nothing_left(self, daemon):
        until(lambda: not daemon.json("list", "queued") and not daemon.json("list", "held"), what="an empty queue")

    def failed(self, daemon):
        """Recipients who failed for good, as `list failed` tells."""
        text = until(lambda: daemon.ctl("list", "failed").strip(), what="a failed recipient")
        return sorted(user for user in ALL if at(user) in text), text

    def test_one_session_one_transaction(self):
        daemon = self.start()
        self.send(daemon)
        self.wait_for(*ALL)
        self.assertEqual(len(self.received.delivered), 1)

    def test_a_session_is_used_again(self):
        daemon = self.start(grouping={"window": "0s"}, backend={"connections": 1})
        for number in range(10):
            daemon.send("a@far.example", [at("anna")], Message(number).text())
        self.received.wait(10)
        self.assertLess(self.received.connections, 10)

    def test_a_session_ends_after_so_many_messages(self):
        daemon = self.start(grouping={"window": "0s"}, backend={"connections": 1, "messages_per_connection": 2})
        for number in range(6):
            daemon.send("a@far.example", [at("anna")], Message(number).text())
        self.received.wait(6)
        self.assertGreaterEqual(self.received.connections, 3)

    # Recipients

    def test_a_refused_recipient_fails_and_the_others_get_it(self):
        self.received.hooks = Refuse({at("bert"): "550 5.1.1 no such user here"})
        daemon = self.start()
        self.send(daemon)
        self.wait_for("anna", "carl", "dora", "emil")
        users, text = self.failed(daemon)
        self.assertEqual(users, ["bert"] if "anna" not in text else list(ALL), text)
        self.assertIn("no such user here", daemon.ctl("why", self.message.id))
        self.assertIn("no such user here", daemon.log())
        self.assert_nothing_left(daemon)

    def test_a_server_that_leads_back_has_nothing_delivered(self):
        hooks = self.received.hooks = LeadsBack()
        daemon = hooks.daemon = self.start(delivery={"retry": ["1s"]})
        self.send(daemon)
        until(lambda: hooks.answers, what="mail that came back")
        self.assertTrue(all(answer.startswith("451 4.4.6") for answer in hooks.answers), hooks.answers)
        self.assertIn("loop", daemon.log())
        self.assertEqual(len(until(lambda: daemon.json("list", "queued"), what="what is put off")), 1)
        hooks.well()
        self.wait_for(*ALL)

    def test_a_recipient_put_off_is_tried_again_alone(self):
        self.received.hooks = First("rcpt", "451 4.2.0 mailbox busy")
        daemon = self.start()
        self.send(daemon)
        self.wait_for(*ALL)
        self.assertEqual(sorted(len(each.recipients) for each in self.received.delivered), [1, 4])

    def test_all_recipients_put_off(self):
        self.received.hooks = First("rcpt", "450 4.2.0 later", count=len(ALL))
        daemon = self.start()
        self.send(daemon)
        self.wait_for(*ALL)
        self.assertEqual(len(self.received.delivered), 1)

    def test_more_recipients_than_the_server_takes_go_on_at_once(self):
        for reply in ("452 4.5.3 Too many recipients", "552 5.5.3 Too many recipients", "552 Too many recipients"):
            with self.subTest(reply):
                self.received = self.sink(AtMost(2, reply))
                daemon = self.start(delivery={"retry": ["1h"]})
                self.send(daemon)
                self.wait_for(*ALL)
                self.assertEqual(sorted(len(each.recipients) for each in self.received.delivered), [1, 2, 2])
                self.assert_nothing_left(daemon)

    def test_max_recipients_divides_them(self):
        daemon = self.start(backend={"max_recipients": 2})
        self.send(daemon)
        self.wait_for(*ALL)
        self.assertEqual(sorted(len(each.recipients) for each in self.received.delivered), [1, 2, 2])

    def test_452_for_the_first_recipient_is_put_off_like_any_4xx(self):
        self.received.hooks = AtMost(0)
        daemon = self.start()
        self.send(daemon)
        until(lambda: self.received.commands.count(f"RCPT TO:<{at('anna')}>") >= 2, what="a second try")
        self.received.hooks = Hooks()
        self.wait_for(*ALL)

    # The data

    def test_data_put_off_is_tried_again_with_the_same_bytes(self):
        for reply in ("451 4.3.0 later", "421 4.3.2 going down", CLOSE):
            with self.subTest(reply):
                self.received = self.sink(First("dot", reply))
                daemon = self.start()
                self.send(daemon)
                self.wait_for(*ALL)
                first, second = (each.message for each in self.received.transactions)
                self.assertEqual(first, second)

    def test_data_refused_for_several_is_tried_for_each_alone(self):
        class RecipientFilter(Hooks):
            """As Exchange: one bad recipient, and the message is refused to all."""

            def dot(self, transaction):
                return "550 5.1.1 bert is unknown" if at("bert") in transaction.recipients else None

        self.received.hooks = RecipientFilter()
        daemon = self.start()
        self.send(daemon)
        self.wait_for("anna", "carl", "dora", "emil")
        self.assertIn(at("bert"), self.failed(daemon)[1])
        self.assert_nothing_left(daemon)

    def test_a_message_that_is_too_large_for_the_server_fails_for_all_at_once(self):
        self.received.hooks = First("dot", "552 5.3.4 message too big", count=100)
        daemon = self.start()
        self.send(daemon)
        self.assertEqual(self.failed(daemon)[0], sorted(ALL))
        self.assertEqual(len(self.received.transactions), 1)

    def test_a_refused_sender_fails_the_mail(self):
        self.received.hooks = First("mail", "550 5.7.1 not from you", count=100)
        daemon = self.start()
        self.send(daemon)
        self.assertEqual(self.failed(daemon)[0], sorted(ALL))

    # A server that is ill

    def test_a_server_that_is_ill_or_wrongly_set_up_fails_no_mail(self):
        cases = {
            ("greeting", "554 5.3.2 no service"), ("greeting", "421 busy"), ("greeting", CLOSE), ("ehlo", "550 5.7.1 go away"), ("ehlo", "421 no"),
            ("mail", "530 5.7.0 Must issue a STARTTLS command first"), ("mail", "530 5.7.1 Client was not authenticated"),
            ("mail", "550 5.7.1 Client was not authenticated"), ("rcpt", "530 5.7.0 Authentication required"),
            ("data", "530 5.7.0 Authentication required"), ("dot", "530 5.7.0 Authentication required"), ("mail", "421 4.3.2 stop"), ("mail", "451 4.3.0 no"),
        }  # fmt: skip
        for step, reply in sorted(cases):
            with self.subTest(step=step, reply=reply):
                self.received = self.sink(First(step, reply, count=2))
                daemon = self.start()
                self.send(daemon)
                self.wait_for(*ALL)
                self.assertEqual(daemon.json("list", "failed"), [])
                self.assertEqual(len(self.received.delivered), 1)

    def test_a_server_without_EHLO_is_greeted_by_HELO(self):
        self.received.hooks = First("ehlo", "502 5.5.1 not implemented", count=100)
        daemon = self.start()
        self.send(daemon)
        self.wait_for(*ALL)
        self.assertEqual(content_of(self.received.delivered[0].message), content_of(self.message.text()))
        self.assertEqual(self.received.delivered[0].parameters, [])

    def test_a_server_without_extensions_gets_plain_commands(self):
        self.received.hooks.extensions = []
        daemon = self.start()
        self.send(daemon)
        self.wait_for(*ALL)
        self.assertEqual(self.received.delivered[0].parameters, [])

    def test_broken_replies_are_a_reason_to_try_again(self):
        for reply in ("hello", "250-sink\r\n251 other", "100 what", "\x00\x01", "25", "650 x", "x" * 100_000):
            with self.subTest(reply[:10]):
                self.received = self.sink(First("greeting", reply))
                daemon = self.start()
                self.send(daemon)
                self.wait_for(*ALL)

    def test_unknown_codes_count_by_their_first_digit(self):
        self.received.hooks = First("rcpt", "259 fine", count=3)
        daemon = self.start()
        self.send(daemon)
        self.wait_for(*ALL)

    def test_a_server_that_is_down_keeps_mail_queued_and_copies_join(self):
        self.received.stop()
        daemon = self.start()
        parts = copies(self.message)
        for recipient, data in parts[:2]:
            daemon.send(self.message.sender, [recipient], data)
        daemon.ctl("release", "--all")
        until(lambda: daemon.json("list", "queued"), what="a queued group")
        for recipient, data in parts[2:]:
            daemon.send(self.message.sender, [recipient], data)
        self.received.start()
        daemon.ctl("release", "--all")
        self.wait_for(*ALL)
        self.assertLessEqual(len(self.received.delivered), 2)
        self.assert_nothing_left(daemon)

    def test_the_next_server_serves_where_the_first_does_not(self):
        for fault in ("down", "ill"):
            with self.subTest(fault):
                self.received = self.sink()
                first = self.sink(First("greeting", "554 no", count=1000))
                if fault == "down":
                    first.stop()
                daemon = self.start(first, self.received)
                self.send(daemon)
                self.wait_for(*ALL)
                self.assertEqual(first.delivered, [])

    def test_mail_that_can_not_be_delivered_expires(self):
        self.received.hooks = First("rcpt", "450 4.2.0 later", count=100_000)
        daemon = self.start(delivery={"retry": ["100ms"], "expire": "2s"})
        self.send(daemon)
        self.assertEqual(self.failed(daemon)[0], sorted(ALL))
        self.assertEqual(self.received.delivered, [])

    def test_one_mail_that_is_always_put_off_does_not_stop_the_others(self):
        self.received.hooks = Refuse({at("anna"): "450 4.2.0 never"})
        daemon = self.start(grouping={"window": "0s"}, delivery={"retry": ["100ms"]}, backend={"connections": 1})
        daemon.send("a@far.example", [at("anna")], Message(100).text())
        began = time.monotonic()
        for number in range(20):
            daemon.send("a@far.example", [at("bert")], Message(number).text())
        self.received.wait(20)
        self.assertLess(time.monotonic() - began, PATIENCE)

    def test_a_late_copy_tries_a_failed_recipient_again(self):
        self.received.hooks = Refuse({at("bert"): "550 5.1.1 no such user here"})
        daemon = self.start()
        self.send(daemon)
        self.failed(daemon)
        self.received.hooks = Hooks()
        recipient, data = copies(self.message)[1]
        daemon.send(self.message.sender, [recipient], data)
        daemon.ctl("release", "--all")
        self.wait_for(*ALL)

    def test_eight_bit_mail_goes_as_it_is(self):
        self.message = Message(1, to=ALL, kind="eight_bit")
        for extensions in ([], ["8BITMIME"]):
            with self.subTest(extensions):
                self.received = self.sink()
                self.received.hooks.extensions = extensions
                daemon = self.start()
                self.send(daemon)
                self.wait_for(*ALL)
                self.assertEqual(content_of(self.received.delivered[0].message), content_of(self.message.text()))
                self.assertEqual("BODY=8BITMIME" in self.received.delivered[0].parameters, bool(extensions))


if __name__ == "__main__":
    unittest.main()
