"""Bad input at the SMTP door: a clear answer, and neither a crash, a hang, a loss nor unbounded memory."""

import socket
import unittest

from harness import PATIENCE, SANITIZED, Case, Refused, offer, until
from messages import Message, content_of, copies

# What stands between two lines of a message and is not its end. (RFC 5321 2.3.8, 4.1.1.4)
NOT_THE_END = {
    "LF dot LF": b"\n.\n",
    "LF dot CRLF": b"\n.\r\n",
    "CRLF dot LF": b"\r\n.\n",
    "CR dot CR": b"\r.\r",
    "CR dot LF": b"\r.\n",
    "LF dot CR": b"\n.\r",
    "CR dot CRLF": b"\r.\r\n",
    "CRLF dot CR": b"\r\n.\r",
    "CRLF dot CR CRLF": b"\r\n.\r\r\n",
    "CR CRLF dot CR CRLF": b"\r\r\n.\r\r\n",
    "CRLF CR dot CRLF": b"\r\n\r.\r\n",
    "CRLF NUL dot CRLF": b"\r\n\x00.\r\n",
    "CRLF dot NUL CRLF": b"\r\n.\x00\r\n",
    "CRLF dot blank CRLF": b"\r\n. \r\n",
    "CRLF dot tab CRLF": b"\r\n.\t\r\n",
    "CRLF blank dot CRLF": b"\r\n .\r\n",
    "vertical tab": b"\x0b.\x0b",
    "form feed": b"\x0c.\x0c",
    "NEL": b"\x85.\x85",
    "line separator": "\u2028.\u2028".encode(),
    "two dots": b"\r\n..\r\n",
    "boundary of a buffer at 1000": b"x" * 998 + b"\n.\r\n",
    "boundary of a buffer at 4096": b"x" * 4095 + b".\r\n",
    "boundary of a buffer at 65536": b"x" * 65535 + b"\n.\r\n",
}
SMUGGLED = b"MAIL FROM:<evil@far.example>\r\nRCPT TO:<victim@corp.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n"
HEAD = b"From: a@far.example\r\nTo: anna@corp.example\r\nDate: Mon, 02 Nov 2026 10:00:00 +0100\r\n"


def resident(pid):
    """Bytes of memory that a process holds."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))


class Hostile(Case):
    window = "0s"

    def setUp(self):
        super().setUp()
        self.received = self.sink()
        self.daemon_ = self.daemon(self.received, grouping={"window": self.window}, **self.changes())

    def changes(self):
        return {}

    def still_well(self):
        self.sentinel(self.daemon_, self.received)
        self.assertTrue(self.daemon_.running())
        self.assert_sound(self.daemon_)


class Smuggling(Hostile):
    def test_nothing_but_CRLF_dot_CRLF_ends_a_message(self):
        for number, (name, sequence) in enumerate(NOT_THE_END.items(), 1):
            with self.subTest(name):
                identity = f"<smuggle{number}@far.example>"
                with self.daemon_.raw() as client:
                    client.to_data()
                    client.send(HEAD + f"Message-ID: {identity}\r\n\r\nbefore".encode() + sequence + SMUGGLED + b"\r\n.\r\n")
                    self.assertRegex(client.reply(), "^250 ")
                    self.assertRegex(client.ask("QUIT"), "^221 ")
                self.received.wait_for(lambda: self.received.of(identity), PATIENCE, name)
                transaction = self.received.of(identity)[0]
                self.assertIn(b"Subject: smuggled", transaction.message)
                wire = transaction.wire.replace(b"\r\n", b"")
                self.assertNotIn(b"\r", wire, "a bare CR went out")
                self.assertNotIn(b"\n", wire, "a bare LF went out")
        self.assertEqual([each.recipients for each in self.received.delivered if "victim@corp.example" in each.recipients], [])

    def test_line_ends_that_are_refused_by_configuration(self):
        self.daemon_.configure({"listen": [{"address": f"127.0.0.1:{self.daemon_.port}", "line_endings": "reject"}]})
        self.daemon_.stop()
        self.daemon_.start()
        with self.daemon_.raw() as client:
            client.to_data()
            client.send(HEAD + b"Message-ID: <bare@far.example>\r\n\r\none\ntwo\r\n.\r\n")
            self.assertRegex(client.reply(), r"^550 5\.5\.2")
        self.still_well()
        self.assertEqual(self.received.of("<bare@far.example>"), [])

    def test_a_line_end_inside_a_command_ends_nothing(self):
        for command in (b"RCPT TO:<a@b>\rDATA\r\n", b"RCPT TO:<anna@corp.example>\nDATA\r\n", b"RCPT TO:<a\x00@corp.example>\r\n"):
            with self.subTest(command), self.daemon_.raw() as client:
                client.reply()
                client.ask("EHLO x")
                client.ask("MAIL FROM:<a@far.example>")
                client.send(command)
                self.assertRegex(client.reply(), "^(5|421)")


class Sizes(Hostile):
    def test_a_hundred_megabytes_without_a_line_end(self):
        with self.daemon_.raw() as client:
            client.reply()
            before = resident(self.daemon_.daemon_pid())
            piece = b"A" * (1 << 20)
            try:
                for _ in range(100):
                    client.send(piece)
                client.send(b"\r\n")
                self.assertRegex(client.reply(), r"^(500|421) ")
            except (ConnectionError, BrokenPipeError):
                pass  # it may hang up on such a client
        if not SANITIZED:
            self.assertLess(resident(self.daemon_.daemon_pid()) - before, 32 << 20)
        self.still_well()

    def test_a_hundred_megabytes_of_message_without_a_line_end(self):
        with self.daemon_.raw() as client:
            client.to_data()
            client.send(HEAD + b"Message-ID: <huge@far.example>\r\n\r\n")
            before = resident(self.daemon_.daemon_pid())
            piece = b"A" * (1 << 20)
            for _ in range(100):
                client.send(piece)
            client.send(b"\r\n.\r\n")
            self.assertRegex(client.reply(), r"^552 5\.3\.4")
            self.assertRegex(client.ask("NOOP"), "^250 ")
        if not SANITIZED:
            self.assertLess(resident(self.daemon_.daemon_pid()) - before, 96 << 20)
        self.still_well()

    def test_a_message_up_to_the_limit_is_taken_as_one_line(self):
        body = b"B" * (20 << 20)
        self.daemon_.send("a@far.example", ["anna@corp.example"], HEAD + b"Message-ID: <line@far.example>\r\n\r\n" + body)
        self.received.wait(1)
        self.assertTrue(self.received.delivered[0].message.endswith(b"\r\n\r\n" + body + b"\r\n"))

    def test_a_size_declared_beyond_the_limit_is_refused_at_once(self):
        with self.daemon_.client() as client:
            client.ehlo()
            self.assertEqual(client.docmd("MAIL", "FROM:<a@far.example> SIZE=99999999999")[0], 552)
            self.assertEqual(client.docmd("MAIL", "FROM:<a@far.example> SIZE=-1")[0], 501)
            self.assertEqual(client.docmd("MAIL", "FROM:<a@far.example> SIZE=1000")[0], 250)

    def test_a_hundred_thousand_recipients(self):
        with self.daemon_.raw() as client:
            client.reply()
            client.ask("EHLO fetcher.example")
            client.ask("MAIL FROM:<a@far.example>")
            codes = []
            for start in range(0, 100_000, 500):
                lines = (f"RCPT TO:<user{n}@corp.example>\r\n" for n in range(start, start + 500))
                client.send("".join(lines).encode())
                codes.extend(client.reply()[:9] for _ in range(500))
            self.assertEqual(codes[:1000], ["250 2.1.5"] * 1000)
            self.assertEqual(set(codes[1000:]), {"452 4.5.3"})
            self.assertRegex(client.ask("DATA"), "^354")
            client.send(HEAD + b"Message-ID: <many@far.example>\r\n\r\nx\r\n.\r\n")
            self.assertRegex(client.reply(), "^250 ")
        self.received.wait(10)
        recipients = self.received.recipients_of("<many@far.example>")
        self.assertEqual(recipients, sorted(f"user{n}@corp.example" for n in range(1000)))
        self.still_well()

    def test_a_header_of_ten_megabytes_goes_alone_and_as_it_came(self):
        header = HEAD + b"Message-ID: <wide@far.example>\r\nDelivered-To: anna@corp.example\r\n"
        header += b"".join(b"X-Filler-%d: %s\r\n" % (n, b"y" * 900) for n in range(11_000))
        for recipient in ("anna@corp.example", "bert@corp.example"):
            self.daemon_.send("a@far.example", [recipient], header + b"\r\nbody\r\n")
        self.received.wait(2)
        for each in self.received.delivered:
            self.assertTrue(each.message.endswith(header + b"\r\nbody\r\n"))
            self.assertEqual(len(each.recipients), 1)
        self.still_well()

    def test_ten_thousand_and_one_fields(self):
        header = HEAD + b"Message-ID: <fields@far.example>\r\n" + b"X: y\r\n" * 10_001
        self.daemon_.send("a@far.example", ["anna@corp.example"], header + b"\r\nbody\r\n")
        self.received.wait(1)
        self.assertTrue(self.received.delivered[0].message.endswith(header + b"\r\nbody\r\n"))

    def test_more_hops_than_allowed_are_a_loop(self):
        header = b"Received: by x; Mon, 02 Nov 2026 10:00:00 +0100\r\n" * 60 + HEAD
        with self.assertRaisesRegex(Refused, r"^554 5\.4\.6"):
            self.daemon_.send("a@far.example", ["anna@corp.example"], header + b"\r\nbody\r\n")


class Content(Hostile):
    window = "1h"

    def pass_through(self, *messages):
        """Each message as a copy for anna and one for bert; what came out, and for whom."""
        for data in messages:
            for recipient in ("anna@corp.example", "bert@corp.example"):
                self.daemon_.send("a@far.example", [recipient], data)
        self.daemon_.ctl("release", "--all")
        self.received.wait(len(messages))
        return self.received.delivered

    def assert_each_once(self, *messages):
        out = self.pass_through(*messages)
        self.assertEqual(len(out), len(messages))
        for each in out:
            self.assertEqual(sorted(each.recipients), ["anna@corp.example", "bert@corp.example"])
        self.assertEqual(sorted(each.message.partition(b"From: a@")[2] for each in out),
                         sorted(data.partition(b"From: a@")[2] for data in messages))

    def test_bytes_of_every_value_go_through_unchanged(self):
        every = bytes(value for value in range(256) if value not in b"\r\n")
        self.assert_each_once(HEAD + b"Message-ID: <bytes@far.example>\r\nSubject: " + every + b"\r\n\r\n" + every * 100 + b"\r\n")

    def test_strange_message_ids(self):
        identities = [
            b"<" + b"i" * 10_000 + b"@far.example>", b"<a\x00b@far.example>", b"<gr\xfc\xdfe@far.example>", b"<>", b"", b"no brackets",
            b"<open@far.example", b"(c) <comment@far.example> (d)", b"\r\n <folded@far.example>", b"<two@far.example> <three@far.example>",
            b'<"a b"@far.example>', b"<x@[192.0.2.1]>",
        ]  # fmt: skip
        self.assert_each_once(*(
            HEAD + b"Subject: %d\r\nMessage-ID: " % number + identity + b"\r\n\r\nbody\r\n" for number, identity in enumerate(identities)
        ))  # fmt: skip

    def test_messages_without_a_header_or_a_body(self):
        self.assert_each_once(
            HEAD + b"Message-ID: <nobody@far.example>\r\n",
            HEAD + b"\r\nno id\r\n",
            HEAD + b"Message-ID: <one@far.example>\r\nMessage-ID: <two@far.example>\r\n\r\ntwo ids\r\n",
            HEAD + b"this is no field\r\nMessage-ID: <odd@far.example>\r\n\r\nodd\r\n",
        )

    def test_an_empty_message(self):
        with self.daemon_.raw() as client:
            client.to_data().send(b".\r\n")
            self.assertRegex(client.reply(), "^250 ")
        self.daemon_.ctl("release", "--all")
        self.received.wait(1)

    def test_a_bare_CR_starts_no_field(self):
        data = HEAD + b"Subject: a\rMessage-ID: <injected@far.example>\r\nMessage-ID: <true@far.example>\r\n\r\nbody\r\n"
        with self.daemon_.raw() as client:
            client.to_data().send(data + b".\r\n")
            self.assertRegex(client.reply(), "^250 ")
        self.daemon_.ctl("why", "<injected@far.example>", status=1)
        self.daemon_.ctl("why", "<true@far.example>")

    def test_hostile_names_and_addresses_stay_on_their_log_line(self):
        with self.daemon_.raw() as client:
            client.reply()
            client.send(b"EHLO x\x1b]0;title\x07\xff\r\n")
            client.reply()
            client.send(b'MAIL FROM:<"a\x1bb c=d"@far.example>\r\n')
            client.reply()
        self.send_with_hostile_id()
        log = self.daemon_.log_file.read_bytes()
        for byte in b"\x1b\x07\x7f\x00":
            self.assertNotIn(bytes([byte]), log)
        self.assertNotIn(b"\nforged", log)

    def send_with_hostile_id(self):
        data = HEAD + b"Message-ID: <a\x1b\x07b@far.example>\r\n\tforged queued=1\r\n\r\nbody\r\n"
        self.daemon_.send("a@far.example", ["anna@corp.example"], data)


class Connections(Hostile):
    def changes(self):
        return {"limits": {"connections": 6, "connections_per_client": 4, "errors": 5}}

    def wait_until_gone(self, count):
        """Until the daemon has noticed that so many connections have ended: before that they count for its limits."""
        until(lambda: self.daemon_.log().count("disconnect client=") >= count, what=f"{count} disconnects")

    def test_a_half_closed_connection_gets_its_replies(self):
        message = Message(1, to=("anna",))
        with self.daemon_.raw() as client:
            client.reply()
            commands = "EHLO x\r\n"
            client.send(commands.encode())
            client.reply()
            client.send(b"MAIL FROM:<sender@far.example>\r\nRCPT TO:<anna@corp.example>\r\nDATA\r\n")
            client.send(copies(message)[0][1].replace(b"\r\n.", b"\r\n..") + b".\r\n")
            client.socket.shutdown(socket.SHUT_WR)
            self.assertEqual([client.reply()[:3] for _ in range(4)], ["250", "250", "354", "250"])
            self.assertTrue(client.closed())
        self.received.wait(1)
        self.assertEqual(content_of(self.received.delivered[0].message), content_of(message.text()))

    def test_a_connection_that_ends_before_the_dot_leaves_nothing(self):
        for end in (b"", b"\r\n", b"\r\n.", b"\r\n.\r"):
            with self.subTest(end), self.daemon_.raw() as client:
                client.to_data().send(HEAD + b"Message-ID: <cut@far.example>\r\n\r\nbody" + end)
        self.wait_until_gone(4)
        self.still_well()
        self.assertEqual(self.received.of("<cut@far.example>"), [])

    def test_more_connections_than_one_client_may_have_are_told_which_key_to_change(self):
        clients = [self.daemon_.raw() for _ in range(4)]
        for client in clients:
            self.addCleanup(client.socket.close)
            self.assertRegex(client.reply(), "^220 ")
        with self.daemon_.raw() as refused:
            self.assertRegex(refused.reply(), r"^421 4\.7\.0 .*connections_per_client")
            self.assertTrue(refused.closed())
        clients[0].ask("QUIT")
        clients[0].socket.close()
        self.wait_until_gone(1)
        self.still_well()

    def test_a_network_that_is_not_allowed_is_told_which_key_to_change(self):
        self.daemon_.stop()
        self.daemon_.configure({"listen": [{"address": f"127.0.0.1:{self.daemon_.port}", "allow": ["192.0.2.0/24"]}]})
        self.daemon_.start()
        with self.daemon_.raw() as refused:
            self.assertRegex(refused.reply(), r"^421 4\.7\.0 .*allow")
            self.assertTrue(refused.closed())

    def test_too_many_errors_end_the_session(self):
        with self.daemon_.raw() as client:
            client.reply()
            answers = [client.ask("FOO")[:3] for _ in range(5)]
            self.assertIn("421", answers + [client.line()[:3]])
            self.assertTrue(client.closed())

    def test_other_protocols_are_shown_the_door(self):
        for opening in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n"):
            with self.subTest(opening), self.daemon_.raw() as client:
                client.reply()
                client.send(opening)
                self.assertRegex(client.reply(), "^(5|421|$)")
        self.still_well()

    def test_an_error_before_a_good_message_harms_nothing(self):
        with self.daemon_.client() as client:
            client.docmd("EHLO")
            client.docmd("FOO")
            client.docmd("RCPT", "TO:<early@corp.example>")
            offer(client, "a@far.example", ["anna@corp.example"], HEAD + b"Message-ID: <after@far.example>\r\n\r\nbody\r\n")
        self.received.wait(1)


class SlowClients(Hostile):
    def changes(self):
        return {"limits": {"timeout": "1s"}}

    def test_a_silent_client_is_dismissed(self):
        with self.daemon_.raw() as client:
            self.assertRegex(client.reply(), "^220 ")
            self.assertRegex(client.line(), "^421 ")
            self.assertTrue(client.closed())

    def test_a_client_that_drips_a_command_is_dismissed(self):
        with self.daemon_.raw() as client:
            client.reply()
            client.socket.settimeout(0.1)
            answer = self.drip(client)
        self.assertRegex(answer, "^(421|$)")

    def drip(self, client):
        for _ in range(int(10 * PATIENCE)):
            try:
                client.send(b"N")
                return client.line()
            except TimeoutError:
                continue
            except ConnectionError:
                return ""
        self.fail("a client may drip for ever")


if __name__ == "__main__":
    unittest.main()
