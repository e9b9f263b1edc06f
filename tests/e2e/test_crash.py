"""kill -9 under load, again and again: nothing that was accepted is lost, and next to nothing comes twice."""

import collections
import os
import random
import smtplib
import threading
import time
import unittest

from harness import PATIENCE, Case, Refused, in_threads, offer, until
from messages import Message, copies

KILLS = int(os.environ.get("ONECOPY_KILLS", "25"))
SEED = int(os.environ.get("ONECOPY_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
USERS = ("anna", "bert", "carl", "dora", "emil", "fred")
CLIENTS = 4
# A delivery may come again only where its answer had no time to be stored before a kill.
UNSTORED = 2.0


class Load:
    """Clients that send split copies in random order until stopped, each until it has a 250 for it."""

    def __init__(self, daemon, chance):
        self.daemon = daemon
        self.accepted = []  # (message, recipient, bytes)
        self._chance = chance
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._number = 0

    def stop(self):
        self._stopped.set()

    def _next(self):
        with self._lock:
            self._number += 1
            kind = self._chance.choice(("plain", "plain", "plain", "eight_bit", "large"))
            users = self._chance.sample(USERS, self._chance.randrange(1, 5))
            return Message(self._number, to=tuple(users[:2]), blind=tuple(users[2:]), kind=kind)

    def client(self):
        session = None
        while not self._stopped.is_set():
            message = self._next()
            for recipient, data in copies(message):
                session = self._deliver(session, message, recipient, data)
        if session:
            session.close()

    def _deliver(self, session, message, recipient, data):
        """Offers one copy until it is taken; a broken session tells nothing of it, so it is offered again."""
        end = time.monotonic() + 4 * PATIENCE
        while time.monotonic() < end:
            try:
                session = session or self.daemon.client()
                offer(session, message.sender, [recipient], data)
                with self._lock:
                    self.accepted.append((message, recipient, data))
                return session
            except Refused as refused:
                if refused.code >= 500:
                    raise
                session = None
            except (OSError, smtplib.SMTPException):
                session = None
                self._stopped.wait(0.02)
        raise TimeoutError(f"a copy was not taken for {4 * PATIENCE} s")


class Storm(Case):
    def setUp(self):
        super().setUp()
        self.chance = random.Random(SEED)
        self.received = self.sink()
        self.daemon_ = self.daemon(
            self.received, grouping={"window": "150ms"}, delivery={"retry": ["100ms"]}, log={"level": "info"}
        )
        self.kills = []

    def storm(self, load):
        """Kills and restarts at random moments, then lets the clients finish what they hold."""
        try:
            for _ in range(KILLS):
                threading.Event().wait(self.chance.uniform(0.02, 0.5))
                self.kills.append(time.monotonic())
                self.daemon_.kill()
                self.daemon_.start()
        finally:
            load.stop()

    def obligations(self, load):
        return {(message.id, recipient) for message, recipient, _ in load.accepted}

    def deliveries(self):
        found = collections.defaultdict(list)
        for each in self.received.delivered:
            for recipient in each.recipients:
                found[each.id, recipient].append(each.ended)
        return found

    def assert_all_arrive(self, load):
        obligations = self.obligations(load)
        until(lambda: obligations <= self.deliveries().keys(), 2 * PATIENCE, "every accepted message")

    def assert_doubles_only_by_kills(self):
        """Whatever came twice came first just before a kill, and once for each kill at most."""
        for key, times in self.deliveries().items():
            for moment in sorted(times)[:-1]:
                near = [kill for kill in self.kills if kill - UNSTORED <= moment <= kill + UNSTORED]
                self.assertTrue(near, f"{key} came again without a kill (seed {SEED})")
        doubled = sum(len(times) - 1 for times in self.deliveries().values())
        most = KILLS * 4 * len(USERS) * 2
        self.assertLessEqual(doubled, most, f"seed {SEED}")
        return doubled

    def assert_content(self, load):
        expected = {message.id: message.text() for message, _, _ in load.accepted}
        for each in self.received.delivered:
            if each.id in expected:
                self.assertTrue(each.message.endswith(expected[each.id]), f"{each.id} is changed (seed {SEED})")

    def assert_resending_makes_no_mail(self, load):
        before = len(self.received.delivered)
        with self.daemon_.client() as session:
            for message, recipient, data in load.accepted:
                offer(session, message.sender, [recipient], data)
        self.sentinel(self.daemon_, self.received)
        new = [each for each in self.received.delivered[before:] if "sentinel" not in each.id]
        self.assertEqual([(each.id, each.recipients) for each in new], [], f"seed {SEED}")

    def test_a_storm_of_kills_loses_nothing(self):
        load = Load(self.daemon_, self.chance)
        in_threads([load.client] * CLIENTS + [lambda: self.storm(load)], deadline=10 * PATIENCE)
        self.assertGreater(len(load.accepted), KILLS)
        self.assert_all_arrive(load)
        self.sentinel(self.daemon_, self.received)
        doubled = self.assert_doubles_only_by_kills()
        self.assert_content(load)
        self.assert_resending_makes_no_mail(load)
        print(f"{len(load.accepted)} copies, {KILLS} kills, {doubled} came twice (seed {SEED})")


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
