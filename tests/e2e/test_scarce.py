"""Too few descriptors, and too little memory: who can't be served is put off, and what was accepted arrives."""

import os
import random
import resource
import select
import smtplib
import socket
import threading
import time
import unittest

from harness import PATIENCE, SANITIZED, Case, Refused, expect, in_threads, offer, until
from load import Load, Tally
from messages import Message, copies

DESCRIPTORS = 48
CLIENTS = 120
LOOK = 2.0
# What it may use of a processor while it can accept nobody: a look a second, not a spin.
MOST_CPU = 0.05
MEBIBYTE = 1 << 20
SENDERS = 24
STARVING = 2.5


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def address_space(pid):
    """Bytes."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


class Caller:
    """A fetcher that connects long before it says anything."""

    def __init__(self, daemon, number):
        self.message = Message(number, to=("anna",), kind="large" if number % 4 == 0 else "plain")
        self.refusals = []
        self.taken = False
        self._daemon = daemon
        self._session = smtplib.SMTP(local_hostname="fetcher.example", timeout=4 * PATIENCE)
        self._session.sock = socket.create_connection(("127.0.0.1", daemon.port), timeout=4 * PATIENCE)
        self._fresh = True

    def greeted(self):
        return bool(select.select([self._session.sock], [], [], 0)[0])

    def deliver(self):
        """Tries once; the session stays open where it can."""
        try:
            if self._fresh:
                self._fresh = False
                expect(self._session.getreply(), 220)
            self._session = self._session or self._daemon.client()
            for recipient, data in copies(self.message):
                offer(self._session, self.message.sender, [recipient], data)
            self.taken = True
        except (Refused, OSError, smtplib.SMTPException) as problem:
            self.refusals.append(str(problem))
            if not isinstance(problem, Refused):
                self.leave()

    def leave(self):
        if self._session:
            self._session.close()
        self._session = None

    def run(self):
        """As often as it takes."""
        end = time.monotonic() + 4 * PATIENCE
        while not self.taken:
            self.deliver()
            if self.taken:
                break
            self.leave()
            if time.monotonic() > end:
                raise TimeoutError(f"{self.message.id} is not taken: {self.refusals[-5:]}")
            threading.Event().wait(0.2)
        self.leave()


class Descriptors(Case):
    def setUp(self):
        super().setUp()
        self.received = self.sink()
        self.daemon_ = self.daemon(
            self.received,
            wrapper=["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"],
            grouping={"window": "0s"},
            limits={"connections_per_client": 1000},
        )
        self.callers = [Caller(self.daemon_, number) for number in range(1, CLIENTS + 1)]
        for caller in self.callers:
            self.addCleanup(caller.leave)
        until(lambda: len(self.greeted()) > DESCRIPTORS / 2, what="greetings")

    def greeted(self):
        return [caller for caller in self.callers if caller.greeted()]

    def assert_idle(self):
        """It does not spin, though there are clients whom it can't accept."""
        pid = self.daemon_.daemon_pid()
        before, began = cpu_seconds(pid), time.monotonic()
        threading.Event().wait(LOOK)
        busy = (cpu_seconds(pid) - before) / (time.monotonic() - began)
        self.assertLess(busy, MOST_CPU, "it spins while it can accept nobody")
        self.assertLess(len(self.greeted()), DESCRIPTORS, "it had descriptors for more than that")
        return busy

    def assert_served(self, pid):
        """Everybody in the end, by the same process, and once each."""
        in_threads([caller.run for caller in self.callers], deadline=5 * PATIENCE)
        self.received.wait(CLIENTS, 3 * PATIENCE)
        self.sentinel(self.daemon_, self.received)
        self.assertTrue(self.daemon_.running())
        self.assertEqual(self.daemon_.daemon_pid(), pid)
        for caller in self.callers:
            self.assertEqual(len(self.received.of(caller.message.id)), 1, caller.message.id)
        refusals = [refusal for caller in self.callers for refusal in caller.refusals]
        self.assertEqual([refusal for refusal in refusals if not refusal.startswith("4")], [])
        # What UBSan says here is of no use: it opens a pipe to find out whether an address may be read.
        self.assertNotIn("ERROR: AddressSanitizer", self.daemon_.log())
        return len(refusals)

    def test_more_clients_than_descriptors(self):
        pid = self.daemon_.daemon_pid()
        busy = self.assert_idle()
        refusals = self.assert_served(pid)
        print(f"{CLIENTS} clients, {DESCRIPTORS} descriptors, {busy:.1%} of a processor, {refusals} times put off")

    def test_mail_while_no_descriptor_is_left(self):
        pid = self.daemon_.daemon_pid()
        self.assert_idle()
        first = self.greeted()
        in_threads([caller.deliver for caller in first])
        self.assertTrue(all(caller.taken for caller in first if caller.message.kind == "plain"))
        taken = sum(caller.taken for caller in first)
        busy = self.assert_idle()
        refusals = self.assert_served(pid)
        print(f"{taken} of {len(first)} taken without a descriptor, {busy:.1%} of a processor, {refusals} times put off")


@unittest.skipIf(SANITIZED, "a sanitizer takes terabytes of addresses")
class Memory(Case):
    """The limit, so much beyond what it uses when idle, is set on a running daemon; once it has ended by that, it is started
    without one."""

    def setUp(self):
        super().setUp()
        seed = random.SystemRandom().randrange(1, 1 << 31)
        self.load = Load(None, random.Random(seed), kinds=("megabyte", "megabyte", "large", "plain"))
        self.tally = Tally(self.load)
        self.received = self.sink(on_message=self.tally)
        self.daemon_ = self.daemon(self.received, grouping={"window": "200ms"}, log={"level": "info"})
        self.load.daemon = self.daemon_
        self.ends = []  # (it ran, it had ended)

    def limit(self, memory):
        pid = self.daemon_.daemon_pid()
        resource.prlimit(pid, resource.RLIMIT_AS, (address_space(pid) + memory, resource.RLIM_INFINITY))

    def lift(self):
        resource.prlimit(self.daemon_.daemon_pid(), resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def starve(self):
        """Until it has ended, or has borne it for a while."""
        began = alive = time.monotonic()
        while self.daemon_.running() and time.monotonic() - began < STARVING:
            alive = time.monotonic()
            threading.Event().wait(0.01)
        if self.daemon_.running():
            self.lift()
            threading.Event().wait(0.1)  # what it was refused just before has its consequence by then
        if not self.daemon_.running():
            self.ends.append((alive, time.monotonic()))
            self.daemon_.start()

    def scarcity(self):
        try:
            self.starve()
        finally:
            self.load.stop()

    def play(self, memory):
        self.limit(memory)
        in_threads([self.load.client] * SENDERS + [self.scarcity], deadline=5 * PATIENCE)
        self.tally.wait(3 * PATIENCE)
        self.sentinel(self.daemon_, self.received)
        self.assertEqual(self.tally.changed, [])
        self.assertEqual(self.tally.unexplained(self.ends), [])
        fate = "it ended" if self.ends else "it lived"
        print(f"{memory >> 20} MiB: {fate}, {len(self.load.accepted)} copies accepted, put off: {dict(self.load.put_off)}")

    def test_hardly_any_memory(self):
        self.play(4 * MEBIBYTE)

    def test_little_memory(self):
        self.play(40 * MEBIBYTE)


if __name__ == "__main__":
    unittest.main()
