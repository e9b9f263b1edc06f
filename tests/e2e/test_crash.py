"""kill -9 under load, again and again: nothing that was accepted is lost, and next to nothing comes twice."""

import bisect
import collections
import os
import random
import threading
import time
import unittest

from harness import PATIENCE, Case, in_threads, offer
from load import Load, Tally
from messages import Message, copies, copy_for

KILLS = int(os.environ.get("ONECOPY_KILLS", "25"))
SEED = int(os.environ.get("ONECOPY_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
CLIENTS = 4
# Before a restart, and for the longest of them.
WAITS = (0.02, 0.5)
RESTART = 2.0
# A delivery may come again only where its answer had no time to be stored before a kill: a settlement waits 5 ms, and then
# for a commit.
UNSTORED = 0.35
# What may be on its way at one kill: one transaction on each connection, and what was answered since the last commit, at a
# millisecond each.
UNSURE = 40
# Of what was delivered, so much is offered once more.
RESENT = 1000


class Storm(Case):
    def setUp(self):
        super().setUp()
        self.chance = random.Random(SEED)
        self.load = Load(None, self.chance)
        self.tally = Tally(self.load)
        self.received = self.sink(on_message=self.tally)
        self.daemon_ = self.daemon(
            self.received, grouping={"window": "150ms"}, delivery={"retry": ["100ms"]}, log={"level": "info"}
        )
        self.load.daemon = self.daemon_
        self.kills = []  # (asked for, done)

    def storm(self):
        """Kills and restarts at random moments, then lets the clients finish what they hold."""
        try:
            for _ in range(KILLS):
                threading.Event().wait(self.chance.uniform(*WAITS))
                asked = time.monotonic()
                self.daemon_.kill()
                self.kills.append((asked, time.monotonic()))
                self.daemon_.start()
        finally:
            self.load.stop()

    def kill_between(self, first, second):
        """The kill that ended the process which sent the first of two deliveries, and how long after it; none, where the
        same process sent both."""
        after = bisect.bisect_left(self.kills, first.began, key=lambda kill: kill[1])
        if after == len(self.kills) or self.kills[after][0] > second.began:
            return None, 0
        return after, max(0.0, self.kills[after][0] - first.ended)

    def assert_doubles_only_by_kills(self):
        """What came again was on its way, or just answered, when a kill came; and that is little for each kill."""
        explained, gaps = collections.defaultdict(set), [0.0]
        doubled = 0
        for key, first, second in self.tally.again():
            kill, gap = self.kill_between(first, second)
            self.assertIsNotNone(kill, f"{key} came again without a kill (seed {SEED})")
            self.assertLess(gap, UNSTORED, f"{key} came again, long delivered when the kill came (seed {SEED})")
            explained[kill].add(id(first))
            gaps.append(gap)
            doubled += 1
        most = max(map(len, explained.values()), default=0)
        self.assertLessEqual(most, UNSURE, f"transactions made again after one kill (seed {SEED})")
        return f"{doubled} came twice, {most} transactions at most for one kill, {max(gaps):.3f} s at most before it"

    def assert_resending_makes_no_mail(self):
        before = len(self.received.delivered)
        some = self.chance.sample(self.load.accepted, min(RESENT, len(self.load.accepted)))
        with self.daemon_.client() as session:
            for each in some:
                data = copy_for(each.message, each.recipient.partition("@")[0])
                offer(session, each.message.sender, [each.recipient], data)
        self.sentinel(self.daemon_, self.received)
        new = [each for each in self.received.delivered[before:] if "sentinel" not in each.id]
        self.assertEqual([(each.id, each.recipients) for each in new], [], f"seed {SEED}")

    def test_a_storm_of_kills_loses_nothing(self):
        began = time.monotonic()
        in_threads([self.load.client] * CLIENTS + [self.storm], deadline=10 * PATIENCE + KILLS * (WAITS[1] + RESTART))
        took = time.monotonic() - began
        self.assertGreater(len(self.load.accepted), KILLS)
        self.tally.wait()
        self.sentinel(self.daemon_, self.received)
        self.assertEqual(self.tally.changed, [], f"seed {SEED}")
        doubles = self.assert_doubles_only_by_kills()
        self.assert_resending_makes_no_mail()
        print(f"{len(self.load.accepted)} copies, {KILLS} kills in {took:.0f} s, none lost, {doubles} (seed {SEED})")


class Restarts(Case):
    """What a single restart must keep, one thing at a time."""

    def setUp(self):
        super().setUp()
        self.received = self.sink()
        self.message = Message(1, to=("anna", "bert"), blind=("carl",))

    def send(self, daemon, *indices):
        parts = copies(self.message)
        for index in indices:
            daemon.send(self.message.sender, [parts[index][0]], parts[index][1])

    def restart(self, daemon, how):
        if how == "kill":
            daemon.kill()
        else:
            self.assertEqual(daemon.stop(), 0)
        daemon.start()

    def test_a_window_runs_on_and_copies_before_and_after_become_one(self):
        for how in ("kill", "stop"):
            with self.subTest(how):
                received = self.sink()
                daemon = self.daemon(received, grouping={"window": "1h"})
                self.send(daemon, 0)
                self.restart(daemon, how)
                self.send(daemon, 1, 2)
                daemon.ctl("release", "--all")
                received.wait(1)
                self.assertEqual(received.recipients_of(self.message.id), sorted(self.message.everyone))
                self.assertEqual(len(received.delivered), 1)

    def test_a_window_that_ended_meanwhile_is_over_at_start(self):
        daemon = self.daemon(self.received, grouping={"window": "1s"})
        self.send(daemon, 0, 1)
        daemon.kill()
        threading.Event().wait(1.1)
        began = time.monotonic()
        daemon.start()
        self.received.wait(1)
        self.assertLess(time.monotonic() - began, PATIENCE / 3)
        self.assertEqual(len(self.received.delivered), 1)

    def test_queued_mail_survives_and_the_backend_gets_it_once(self):
        self.received.stop()
        daemon = self.daemon(self.received, grouping={"window": "0s"})
        self.send(daemon, 0, 1)
        daemon.kill()
        daemon.start()
        self.send(daemon, 2)
        self.received.start()
        self.received.wait_for(
            lambda: self.received.recipients_of(self.message.id) == sorted(self.message.everyone), PATIENCE, "all three"
        )
        self.sentinel(daemon, self.received)
        self.assertEqual(self.received.recipients_of(self.message.id), sorted(self.message.everyone))

    def test_history_outlives_a_kill(self):
        daemon = self.daemon(self.received)
        self.send(daemon, 0)
        self.received.wait(1)
        self.sentinel(daemon, self.received)
        self.restart(daemon, "kill")
        self.send(daemon, 0)
        self.sentinel(daemon, self.received)
        self.assertEqual(len(self.received.of(self.message.id)), 1)

    def test_a_copy_cut_off_by_a_kill_is_not_delivered(self):
        daemon = self.daemon(self.received)
        with daemon.raw() as client:
            client.to_data().send(copies(self.message)[0][1])
            daemon.kill()
        daemon.start()
        self.sentinel(daemon, self.received)
        self.assertEqual(self.received.of(self.message.id), [])


if __name__ == "__main__":
    unittest.main()
