"""A mail server behind a bad network: all that was accepted arrives, nobody gets it twice but where the last reply was lost,
and once the network is well everything has soon ended."""

import os
import random
import threading
import time
import unittest

from harness import PATIENCE, Case, in_threads, until
from load import Load, Tally
from messages import Message, copies
from network import END, RESET, SILENCE, Fate, Namespace, Network
from sink import Sink

SEED = int(os.environ.get("ONECOPY_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
CLIENTS = 3
BAD = 6.0
OUTAGE = 3.0
# As many servers, so that one is there mostly while others rest from what befell them.
DOORS = 8
# A server rests for a minute at most, and nothing is retried more seldom here.
SOON = 60 + PATIENCE
# How many cuts are tried of all; 0: each.
CUTS = int(os.environ.get("ONECOPY_CUTS", "60"))
SIDE_BY_SIDE = 6


class Weather:
    """Random fates, one for each connection."""

    def __init__(self, chance):
        self._chance = chance

    def __iter__(self):
        return self

    def __next__(self):
        chance = self._chance
        kinds = {
            "well": lambda: Fate(),
            "slow": lambda: Fate(delay=chance.uniform(0.001, 0.03)),
            "hole": lambda: Fate(hole=True, silent_for=chance.uniform(0.1, 1)),
            "replies": lambda: Fate(replies=chance.randrange(1, 600), how=chance.choice((END, RESET, SILENCE))),
            "sent": lambda: Fate(sent=chance.randrange(1, 200_000), how=chance.choice((END, RESET, SILENCE))),
        }
        return kinds[chance.choices(list(kinds), weights=(4, 2, 1, 3, 2))[0]]()


class BadNetwork(Case):
    def setUp(self):
        super().setUp()
        self.chance = random.Random(SEED)
        self.load = Load(None, self.chance)
        self.tally = Tally(self.load)
        self.received = self.sink(on_message=self.tally)

    def network(self, fates):
        network = Network(self.received, fates, DOORS)
        self.addCleanup(network.stop)
        return network

    def for_a_while(self, network):
        """Every now and then all connections end at once."""
        try:
            end = time.monotonic() + BAD
            while time.monotonic() < end:
                threading.Event().wait(self.chance.uniform(0.05, 0.6))
                network.sever()
        finally:
            self.load.stop()

    def assert_doubles_only_by_lost_replies(self, network):
        """What came again was the last that its connection brought, and that was cut."""
        last = {}
        for each in self.received.delivered:
            last[each.connection] = max(last.get(each.connection, 0.0), each.began)
        doubled = 0
        for key, first, _ in self.tally.again():
            self.assertIn(first.connection, network.spoiled, f"{key} came again, though nothing was lost (seed {SEED})")
            self.assertEqual(first.began, last[first.connection], f"{key} came again, though answered (seed {SEED})")
            doubled += 1
        return doubled

    def test_everything_that_can_befall_a_connection(self):
        network = self.network(Weather(self.chance))
        daemon = self.daemon(
            *network.addresses,
            grouping={"window": "100ms"},
            delivery={"retry": ["100ms"]},
            backend={"messages_per_connection": 5, "connections": 8},
            log={"level": "info"},
        )
        self.load.daemon = daemon
        in_threads([self.load.client] * CLIENTS + [lambda: self.for_a_while(network)], deadline=5 * PATIENCE)
        network.heal()
        healed = time.monotonic()
        self.tally.wait(SOON)
        took = time.monotonic() - healed
        self.sentinel(daemon, self.received)
        self.assertEqual(self.tally.changed, [], f"seed {SEED}")
        doubled = self.assert_doubles_only_by_lost_replies(network)
        until(lambda: not daemon.json("list", "queued"), what="an empty queue")
        print(f"{len(self.load.accepted)} copies, {dict(network.met)}, {doubled} came twice, {took:.1f} s after (seed {SEED})")


class Cuts(Case):
    """A connection cut behind each byte, one after the other."""

    def of_all(self):
        everywhere = [{"replies": count} for count in range(1, 240)] + [{"sent": count} for count in range(1, 760, 2)]
        every = [(where, how) for where in everywhere for how in (END, RESET, SILENCE)]
        return random.Random(SEED).sample(every, CUTS) if CUTS else every

    def cut(self, cuts, number):
        received = self.sink()
        network = Network(received)
        self.addCleanup(network.stop)
        daemon = self.daemon(
            *network.addresses,
            grouping={"window": "0s"},
            delivery={"retry": ["100ms"]},
            backend={"messages_per_connection": 1},
        )
        for count, (where, how) in enumerate(cuts):
            network.befall(Fate(**where, how=how, silent_for=0.1))
            message = Message(number * 10_000 + count, to=("anna", "bert"))
            daemon.send(message.sender, message.everyone, copies(message)[0][1])
            known = f"message_id={message.id} "
            until(lambda: any(known in line and "delivered=2" in line for line in daemon.log().splitlines()), what=str(where))
            found = received.of(message.id)
            twice = len(found) > 1 and found[0].connection in network.spoiled
            self.assertEqual(len(found), 2 if twice else 1, f"{where} {how}")
            self.twice += twice
        return network.met

    def test_behind_each_byte(self):
        self.twice = 0
        cuts = self.of_all()
        parts = [cuts[start::SIDE_BY_SIDE] for start in range(SIDE_BY_SIDE)]
        in_threads([lambda p=p, n=n: self.cut(p, n) for n, p in enumerate(parts, 1)], deadline=len(cuts) * PATIENCE)
        print(f"{len(cuts)} cuts, {self.twice} came twice (seed {SEED})")


class Cable(Case):
    """The server on another network, to which the only cable is pulled out for a while: nothing is lost on the wire, for TCP
    sends it again, and so nothing comes twice."""

    def setUp(self):
        super().setUp()
        try:
            self.far = Namespace()
        except OSError as error:
            self.skipTest(f"no network may be made here: {error}")
        self.addCleanup(self.far.forget)
        self.load = Load(None, random.Random(SEED))
        self.tally = Tally(self.load)
        self.received = self.far.inside(lambda: Sink(host=self.far.host, on_message=self.tally))
        self.addCleanup(self.received.stop)

    def outage(self):
        try:
            threading.Event().wait(1)
            self.far.pull_out()
            self.before = len(self.received.delivered)
            threading.Event().wait(OUTAGE)
            self.during = len(self.received.delivered) - self.before
            self.far.plug_in()
            self.plugged = time.monotonic()
        finally:
            self.load.stop()

    def test_pulled_out_and_put_back(self):
        daemon = self.daemon(self.received, delivery={"retry": ["100ms"]}, log={"level": "info"})
        self.load.daemon = daemon
        in_threads([self.load.client] * CLIENTS + [self.outage], deadline=5 * PATIENCE)
        self.tally.wait(SOON)
        took = time.monotonic() - self.plugged
        self.sentinel(daemon, self.received)
        self.assertGreater(self.before, 0)
        self.assertLess(self.during, 10)
        self.assertEqual(self.tally.changed, [], f"seed {SEED}")
        self.assertEqual(list(self.tally.again()), [], f"seed {SEED}")
        print(f"{len(self.load.accepted)} copies, all there {took:.1f} s after the outage (seed {SEED})")


if __name__ == "__main__":
    unittest.main()
