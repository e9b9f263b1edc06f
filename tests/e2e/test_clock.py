"""A wall clock that jumps, under a running onecopyd and across a restart: held mail leaves once and in time, and what was
delivered is remembered."""

import glob
import os
import time
import unittest

from harness import PATIENCE, SANITIZED, Case
from messages import Message, copies

LIBRARIES = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
HOUR, DAY, TEN_YEARS = 3600, 86400, 315576000
JUMPS = (f"-{HOUR}", f"+{DAY}", f"+{TEN_YEARS}", f"-{TEN_YEARS}")
WINDOW = 2.0


class Clock:
    """The wall time that a process sees; its monotonic clocks stay true."""

    def __init__(self, directory):
        self._file = directory / "faketime"
        self.set("+0")

    def set(self, offset):
        draft = self._file.with_suffix(".new")
        draft.write_text(offset + "\n", encoding="ascii")
        os.replace(draft, self._file)

    @property
    def environment(self):
        return {
            "LD_PRELOAD": LIBRARIES[0],
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


@unittest.skipUnless(LIBRARIES, "not installed: libfaketime")
@unittest.skipIf(SANITIZED, "the sanitizers and libfaketime do not go together")
class Jumps(Case):
    def setUp(self):
        super().setUp()
        self.message = Message(1, to=("anna", "bert"))

    def start(self, **changes):
        self.received = self.sink()
        self.clock = Clock(self.directory)
        grouping = {"window": f"{int(WINDOW * 1000)}ms"}
        return self.daemon(self.received, environment=self.clock.environment, grouping=grouping, **changes)

    def send(self, daemon, *indices):
        for index in indices:
            recipient, data = copies(self.message)[index]
            daemon.send(self.message.sender, [recipient], data)


    def assert_delivered_once(self, daemon):
        self.received.wait(1)
        self.sentinel(daemon, self.received)
        self.assertEqual(self.received.recipients_of(self.message.id), sorted(self.message.everyone))
        self.assertEqual(len(self.received.of(self.message.id)), 1)

    def assert_remembered(self, daemon):
        self.send(daemon, 0, 1)
        self.sentinel(daemon, self.received)
        self.assertEqual(len(self.received.of(self.message.id)), 1)

    def test_a_jump_while_mail_is_held_changes_no_window(self):
        for offset in JUMPS:
            daemon = self.start()
            began = time.monotonic()
            self.send(daemon, 0)
            self.clock.set(offset)
            self.send(daemon, 1)
            for held in daemon.json("list", "held"):
                self.assertLessEqual(held["due_in_seconds"], WINDOW)
                self.assertGreater(held["due_in_seconds"], -PATIENCE)
            self.received.wait(1)
            waited = self.received.delivered[0].began - began
            self.assertGreater(waited, WINDOW * 0.95)
            self.assertLess(waited, WINDOW + PATIENCE / 3)
            self.assert_delivered_once(daemon)
            self.assert_remembered(daemon)
            daemon.close()

    def test_a_jump_across_a_restart_delays_by_one_window_at_most(self):
        for how in ("stop", "kill"):
            for offset in JUMPS:
                daemon = self.start()
                self.send(daemon, 0, 1)
                getattr(daemon, how)()
                self.clock.set(offset)
                began = time.monotonic()
                daemon.start()
                self.received.wait(1)
                self.assertLess(self.received.delivered[0].began - began, WINDOW + PATIENCE / 3)
                self.assert_delivered_once(daemon)
                self.assert_remembered(daemon)
                daemon.close()

    def test_a_jump_and_back_across_restarts_ends_no_history(self):
        for offset in JUMPS:
            daemon = self.start()
            self.send(daemon, 0, 1)
            self.assert_delivered_once(daemon)
            for step in (offset, "+0", offset):
                daemon.stop()
                self.clock.set(step)
                daemon.start()
                self.assert_remembered(daemon)
            daemon.close()

    def test_a_jump_expires_no_queued_mail(self):
        for offset in JUMPS:
            daemon = self.start(delivery={"retry": ["200ms"], "expire": "5d"})
            self.received.stop()
            self.send(daemon, 0, 1)
            daemon.ctl("release", "--all")
            daemon.stop()
            self.clock.set(offset)
            before = len(daemon.log())
            daemon.start()
            daemon.wait_log("deferred group=1", before)  # an attempt has failed: it alone may end mail
            self.received.start()
            self.assert_delivered_once(daemon)
            daemon.close()

    def test_a_clock_that_runs_backwards_for_good_holds_no_mail(self):
        daemon = self.start()
        for hours in range(1, 6):
            self.clock.set(f"-{hours * 3600}")
            self.sentinel(daemon, self.received)
        self.assertEqual(len(self.received.delivered), 5)


if __name__ == "__main__":
    unittest.main()
