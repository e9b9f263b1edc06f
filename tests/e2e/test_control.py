"""onecopyctl: what it tells of held, queued, delivered and failed mail, and what it does to it."""

import json
import re
import unittest

from harness import Case, until
from messages import Message, at, copies
from sink import Refuse


class Control(Case):
    def setUp(self):
        super().setUp()
        self.received = self.sink()
        self.message = Message(1, to=("anna", "bert"))

    def start(self, **changes):
        return self.daemon(self.received, grouping={"window": "1h"}, **changes)

    def send(self, daemon, message=None):
        for recipient, data in copies(message or self.message):
            daemon.send((message or self.message).sender, [recipient], data)

    def group(self, daemon, which="held"):
        return until(lambda: daemon.json("list", which), what=f"a {which} group")[0]

    def test_status_counts(self):
        daemon = self.start()
        self.assertEqual(self.counts(daemon), {"held": 0, "queued": 0, "delivered": 0, "suppressed": 0, "failed": 0})
        self.send(daemon)
        self.assertEqual(self.counts(daemon)["held"], 1)
        daemon.ctl("release", "--all")
        until(lambda: self.counts(daemon)["delivered"] == 2, what="two delivered recipients")
        self.send(daemon)
        self.assertEqual(self.counts(daemon), {"held": 0, "queued": 0, "delivered": 2, "suppressed": 2, "failed": 0})

    def counts(self, daemon):
        status = daemon.json("status")
        status = status.get("counts", status)
        return {name: status[name] for name in ("held", "queued", "delivered", "suppressed", "failed")}

    def test_status_tells_of_a_backend_that_is_down(self):
        daemon = self.start()
        self.received.stop()
        self.send(daemon)
        daemon.ctl("release", "--all")
        until(lambda: re.search(r"(?i)refused|down|unreachable", daemon.ctl("status")), what="a word about the backend")
        self.assertIn(self.received.address, daemon.ctl("status"))

    def test_list_shows_groups_by_where_they_stand(self):
        daemon = self.start()
        self.assertEqual([daemon.json("list", which) for which in ("held", "queued", "failed", "all")], [[], [], [], []])
        self.send(daemon)
        for which in ("held", "all"):
            text = daemon.ctl("list", which)
            self.assertIn(at("anna"), text)
            self.assertIn(self.message.sender, text)
        self.assertEqual(daemon.json("list", "queued"), [])
        self.assertEqual(len(daemon.json("list")), 1)

    def test_why_tells_the_whole_story(self):
        self.received.hooks = Refuse({at("bert"): "550 5.1.1 he left the company"})
        daemon = self.start()
        self.send(daemon)
        self.send(daemon)
        daemon.ctl("release", "--all")
        until(lambda: daemon.json("list", "failed"), what="a failed recipient")
        text = daemon.ctl("why", self.message.id)
        for part in (at("anna"), at("bert"), "he left the company", "250 2.0.0 taken", "127.0.0.1"):
            self.assertIn(part, text)
        self.assertEqual(text, daemon.ctl("why", self.message.id.strip("<>")), "brackets may be left out")
        json.dumps(daemon.json("why", self.message.id))

    def test_release_of_one_leaves_the_others(self):
        daemon = self.start()
        self.send(daemon)
        self.send(daemon, Message(2))
        groups = {each["message_id"]: each["id"] for each in daemon.json("list", "held")}
        daemon.ctl("release", str(groups[self.message.id]))
        self.received.wait(1)
        self.assertEqual(self.received.delivered[0].id, self.message.id)
        until(lambda: [each["message_id"] for each in daemon.json("list", "held")] == [Message(2).id], what="the other one alone")

    def test_what_is_not_there_is_told(self):
        daemon = self.start()
        daemon.ctl("why", "<nobody@far.example>", status=1)
        daemon.ctl("release", "999999", status=1)

    def test_wrong_use_is_told(self):
        daemon = self.start()
        for arguments in ((), ("frobnicate",), ("why",), ("release",), ("list", "everything"), ("release", "x y"), ("--bogus",)):
            with self.subTest(arguments):
                daemon.ctl(*arguments, status=2)
        told = daemon.ctl_result("lst").stderr
        for word in ("lst", "status", "list", "why", "release"):
            self.assertIn(word, told)

    def test_without_a_daemon_it_says_so(self):
        daemon = self.daemon(self.received, start=False)
        self.assertEqual(daemon.ctl_result("status").returncode, 69)
        daemon.start()
        daemon.kill()
        self.assertEqual(daemon.ctl_result("status").returncode, 69, "a socket left behind is no daemon")

    def test_the_socket_is_for_its_owner(self):
        daemon = self.start()
        self.assertEqual(daemon.control.stat().st_mode & 0o007, 0)

    def test_hostile_text_is_shown_harmless(self):
        daemon = self.start()
        text = Message(1).text().replace(b"Message-ID: <m1", b"Message-ID: <\x1b]0;x\x07m1")
        daemon.send('"\x1b[31m"@far.example'.replace("\x1b", "e"), [at("anna")], text)
        for output in (daemon.ctl("list"), daemon.ctl("--json", "list")):
            self.assertNotIn("\x1b", output)
            self.assertNotIn("\x07", output)

    def test_bytes_that_are_no_request_harm_nothing(self):
        import socket  # the only test that speaks to the socket itself

        daemon = self.start()
        for request in (b"\n", b"x" * 1_000_000, b"{" * 100_000 + b"\n", b"\xff\x00\n", b'{"command":', b'{"command": 7}\n', b"GET / HTTP/1.0\r\n\r\n"):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(daemon.control))
                try:
                    client.sendall(request)
                except OSError:
                    pass
        daemon.ctl("status")


if __name__ == "__main__":
    unittest.main()
