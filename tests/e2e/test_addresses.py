"""A name of the mail server that has two addresses, of which the first one is of no use: the second one serves."""

import contextlib
import socket
import subprocess
import threading
import time
import unittest

from harness import PATIENCE, Case, until
from messages import Message
from sink import Gate, Hooks

NAME = "mail.corp.example"
# The C library sorts them so, whatever the order in the file: the source address has more in common with it (RFC 6724 5).
BAD, GOOD = "127.0.0.1", "127.0.0.2"


def silent(port):
    """What drops every SYN: a listener whose queue is full. The sockets that do it."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
    listener.bind((BAD, port))
    listener.listen(0)
    clients = [socket.socket() for _ in range(3)]
    for each in clients:
        each.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            each.connect((BAD, port))
    return [listener, *clients]


class IllAtMail(Hooks):
    def mail(self, transaction):
        return "421 4.3.2 closing"


class TakesOne(Gate):
    """Connection; its second message waits at the gate."""

    def greeting(self, connection):
        return "421 4.7.0 too many connections" if connection > 1 else None

    def dot(self, transaction):
        return super().dot(transaction) if transaction.id.startswith("<m2.") else None


class Addresses(Case):
    def setUp(self):
        super().setUp()
        self.hosts = self.directory / "hosts"
        self.hosts.write_text(f"{BAD} localhost {NAME}\n{GOOD} {NAME}\n", encoding="ascii")
        self.wrapper = ["unshare", "--mount", "sh", "-c", f'mount --bind {self.hosts} /etc/hosts && exec "$0" "$@"']
        done = subprocess.run([*self.wrapper, "getent", "ahostsv4", NAME], capture_output=True, text=True, check=False)
        if done.returncode:
            self.skipTest(f"no hosts of its own may be given to it here: {done.stderr.strip()}")
        self.assertEqual([line.split()[0] for line in done.stdout.splitlines() if "STREAM" in line], [BAD, GOOD])
        self.received = self.sink(host=GOOD)

    def start(self, **backend):
        backend = backend or {"connections": 1, "messages_per_connection": 1}
        return self.daemon(f"{NAME}:{self.received.port}", wrapper=self.wrapper, backend=backend)

    def refuse_with(self, words):
        listener = socket.create_server((BAD, self.received.port))
        self.addCleanup(listener.close)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    with listener.accept()[0] as client:
                        client.sendall(words)

        threading.Thread(target=serve, daemon=True).start()

    def send(self, daemon, number):
        """How long it took to arrive."""
        began = time.monotonic()
        message = Message(number, ("anna",))
        daemon.send("s@far.example", ["anna@corp.example"], message.text())
        self.received.wait(number)
        return time.monotonic() - began

    def test_refuses(self):
        for words in (b"421 4.3.2 no service here\r\n", b"554 5.3.2 no service here\r\n", b""):
            with self.subTest(words):
                self.received = self.sink(host=GOOD)
                self.refuse_with(words)
                daemon = self.start()
                self.send(daemon, 1)
                self.assertIn(f"address_failed server={NAME}:{self.received.port} address={BAD}", daemon.log())
                self.assertNotIn("server_resting", daemon.log())

    def test_closed(self):
        self.send(self.start(), 1)

    def test_ends_each_transaction(self):
        other = self.sink(IllAtMail(), host=BAD, port=self.received.port)
        daemon = self.start()
        self.send(daemon, 1)
        self.send(daemon, 2)
        self.assertEqual(other.connections, 1)
        self.assertEqual(daemon.log().count("server_resting"), 1)

    def test_full_and_the_other_closed(self):
        one = self.sink(TakesOne(), host=BAD, port=self.received.port)
        self.received.stop()
        daemon = self.start(connections=4)
        for number in (1, 2, 3):
            daemon.send("s@far.example", ["anna@corp.example"], Message(number, ("anna",)).text())
            if number == 1:
                one.wait(1)
            if number == 2:
                self.assertTrue(one.hooks.reached.wait(PATIENCE))
        daemon.wait_log("server_full")
        one.hooks.open()
        one.wait(3)
        self.assertNotIn("server_resting", daemon.log())

    def test_silent(self):
        held = silent(self.received.port)
        self.addCleanup(lambda: [each.close() for each in held])
        daemon = self.start()
        arrived = []
        sender = threading.Thread(target=lambda: arrived.append(self.send(daemon, 1)))
        sender.start()
        until(lambda: daemon.json("status")["backend"][0]["connecting"] == 1, what="a connection under way")
        self.assertRegex(daemon.ctl("status"), r"\d  connecting  connections 0, connecting 1, transactions 0")
        sender.join()
        self.assertGreater(arrived[0], 9)
        self.assertIn(f'address={BAD} reply="no connection within 10s"', daemon.log())
        self.assertLess(self.send(daemon, 2), 5)  # by a connection of its own, which begins at the other
        self.assertEqual(self.received.connections, 2)
        self.assertEqual(daemon.log().count("address_failed"), 1)


if __name__ == "__main__":
    unittest.main()
