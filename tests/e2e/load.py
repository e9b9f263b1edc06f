"""Clients that bring split copies without a pause, and what a sink must have of them in the end.

    load = Load(daemon, random.Random(seed))
    sink = Sink(on_message=Tally(load))
    in_threads([load.client] * 4 + [...])         with load.stop() at the end of the last job
"""

import collections
import smtplib
import threading
import time

from harness import PATIENCE, Refused, offer, until
from messages import Message, copies

USERS = ("anna", "bert", "carl", "dora", "emil", "fred")
KINDS = ("plain", "plain", "plain", "eight_bit", "large")
# Before the same copy is offered again.
PAUSE = 0.02

Accepted = collections.namedtuple("Accepted", "message recipient moment")


class Load:
    """Each client sends the copies of one message after the other, each again and again until it has a 250 for it, as a
    fetcher does: a session that broke tells nothing of it, and 4xx puts it off."""

    def __init__(self, daemon, chance, kinds=KINDS):
        self.daemon = daemon  # may be set later, and may be started anew at any moment
        self.messages = {}  # what was offered: Message-ID to message
        self.accepted = []  # in the order of their 250
        self.put_off = collections.Counter()  # the codes of 4xx
        self._chance = chance
        self._kinds = kinds
        self._ended = threading.Event()  # no further message
        self._hurried = threading.Event()  # and none of the copies that were not taken yet
        self._lock = threading.Lock()

    def stop(self, finish=True):
        """finish: what has begun is offered until it is taken."""
        self._ended.set()
        if not finish:
            self._hurried.set()

    def obligations(self, since=0.0):
        """What was accepted, as (Message-ID, recipient)."""
        with self._lock:
            return {(each.message.id, each.recipient) for each in self.accepted if each.moment >= since}

    def client(self):
        session = None
        while not self._ended.is_set():
            message = self._next()
            for recipient, data in copies(message):
                session = self._deliver(session, message, recipient, data)
        if session:
            session.close()

    def _next(self):
        with self._lock:
            users = self._chance.sample(USERS, self._chance.randrange(1, 5))
            message = Message(
                len(self.messages) + 1, to=tuple(users[:2]), blind=tuple(users[2:]), kind=self._chance.choice(self._kinds)
            )
            self.messages[message.id] = message
            return message

    def _deliver(self, session, message, recipient, data):
        """The session that is left for the next copy."""
        end = time.monotonic() + 4 * PATIENCE
        while not self._hurried.is_set():
            try:
                session = session or self.daemon.client()
                offer(session, message.sender, [recipient], data)
                with self._lock:
                    self.accepted.append(Accepted(message, recipient, time.monotonic()))
                return session
            except (Refused, OSError, smtplib.SMTPException) as problem:
                self._note(problem)
                if session:
                    session.close()
                session = None
            if time.monotonic() > end:
                raise TimeoutError(f"a copy was not taken for {4 * PATIENCE} s")
            self._hurried.wait(PAUSE)
        return session

    def _note(self, problem):
        code = getattr(problem, "code", None) or getattr(problem, "smtp_code", None)
        if code and code >= 500:
            raise AssertionError(f"a fetcher would delete it: {problem}") from problem
        if code and code > 0:
            with self._lock:
                self.put_off[code] += 1


class Tally:
    """Of each (Message-ID, recipient) the transactions that a sink accepted for it. Contents are compared as they come, and
    then forgotten: a long run brings more than fits into memory."""

    def __init__(self, load):
        self.changed = []  # Message-IDs of what came with other content than was sent
        self._load = load
        self._taken = collections.defaultdict(list)
        self._lock = threading.Lock()

    def __call__(self, transaction):
        message = self._load.messages.get(transaction.id)
        if not message or not transaction.accepted:
            return
        whole = transaction.message.endswith(message.text())
        transaction.wire = b""
        with self._lock:
            if not whole:
                self.changed.append(message.id)
            for recipient in transaction.recipients:
                self._taken[message.id, recipient].append(transaction)

    def taken(self):
        with self._lock:
            return {key: list(transactions) for key, transactions in self._taken.items()}

    def missing(self):
        """What was accepted of the clients and did not come."""
        with self._lock:
            return self._load.obligations() - self._taken.keys()

    def unexplained(self, ends):
        """What came again although the process that sent it first was not ended in between. `ends`: (before, after)."""
        return [
            (key, first.ended, second.began)
            for key, first, second in self.again()
            if not any(first.began <= after and before <= second.began for before, after in ends)
        ]

    def again(self):
        """(key, a transaction, the one that brought the same once more), for all that came more often than once."""
        for key, transactions in self.taken().items():
            ordered = sorted(transactions, key=lambda each: each.began)
            yield from ((key, first, second) for first, second in zip(ordered, ordered[1:]))

    def wait(self, deadline=2 * PATIENCE, but=frozenset()):
        """Until all that was accepted has come; `but` may be missing."""
        try:
            until(lambda: not self.missing() - but, deadline, "all that was accepted")
        except TimeoutError as late:
            missing = sorted(self.missing() - but)
            raise AssertionError(f"{len(missing)} of {len(self._load.accepted)} did not come: {missing[:5]}") from late
