"""Kills, restarts, and a backend that is down, refuses, puts off, cuts and is slow."""

import contextlib
import random
import threading

from traffic import GONE, NEVER, PICKY
from messages import at
from sink import CLOSE, NOTIFY, RESET, Hooks

MOODS = {"down": 3, "deferring": 3, "cutting": 3, "ill": 2, "few": 2, "slow": 2}


class Moody(Hooks):
    """Some recipients are never taken; the rest depends on its mood."""

    def __init__(self, seed):
        self.mood = "clear"
        self._chance = random.Random(seed)
        self._never = threading.Event()

    def _cut(self, chance):
        return self._chance.choice((CLOSE, NOTIFY, RESET)) if self.mood == "cutting" and self._chance.random() < chance else None

    def greeting(self, connection):
        if self.mood == "ill":
            return self._chance.choice(("421 4.3.2 not now", "554 5.3.2 no", CLOSE))
        return self._cut(0.1)

    def mail(self, transaction):
        return self._cut(0.03)

    def rcpt(self, transaction, address):
        if address == at(GONE):
            return "550 5.1.1 he left the company"
        if address == at(NEVER):
            return "450 4.2.1 his mailbox is locked"
        if self.mood == "deferring" and self._chance.random() < 0.3:
            return "451 4.7.1 greylisted"
        if self.mood == "few" and len(transaction.recipients) >= 2:
            return "452 4.5.3 too many recipients"
        return self._cut(0.03)

    def data(self, transaction):
        return self._cut(0.03)

    def dot(self, transaction):
        if at(PICKY) in transaction.recipients:
            return "554 5.7.1 not for all of them"
        if self.mood == "slow":
            self._never.wait(0.3)
        if self.mood == "deferring" and self._chance.random() < 0.2:
            return "451 4.3.0 later"
        return self._cut(0.1)


class Weather(threading.Thread):
    """Changes the backend's mood now and then, and back."""

    def __init__(self, backend, account, share, seed):
        super().__init__(daemon=True)
        self.rough = threading.Event()
        self._backend = backend
        self._account = account
        self._share = share  # how long an episode and the time to the next may last
        self._chance = random.Random(seed)
        self._stopped = threading.Event()

    @property
    def mood(self):
        return self._backend.hooks.mood

    def stop(self):
        self._stopped.set()
        self.join()

    def run(self):
        while not self._stopped.wait(self._chance.uniform(0.3, 1) * self._share):
            if self.rough.is_set():
                self._episode(self._chance.choices(list(MOODS), list(MOODS.values()))[0])

    def _episode(self, mood):
        self._account.note(f"backend {mood}")
        self._backend.hooks.mood = mood
        if mood == "down":
            self._account.disturbed("backend cut")
            self._backend.stop()
        self._calm(self._chance.uniform(0.1, 0.4) * self._share)
        if mood == "down":
            self._backend.start()
        self._backend.hooks.mood = "clear"

    def _calm(self, seconds):
        """Until the episode is over, by its time or because nobody wants it any more."""
        for _ in range(max(1, int(seconds / 0.2))):
            if self._stopped.wait(0.2) or not self.rough.is_set():
                return


class Life:
    """The daemon from start to start. Who needs it to be there takes steady()."""

    def __init__(self, daemon, http, changes, account):
        self.daemon = daemon
        self.http = http
        self.number = 0
        self._changes = changes
        self._account = account
        self._lock = threading.Lock()

    def start(self):
        with self._lock:
            self.daemon.start()
            self.number += 1

    @contextlib.contextmanager
    def steady(self):
        with self._lock:
            yield

    def reconfigure(self, chance):
        """Writes another configuration that serves as well. Under steady()."""
        backend = {"connections": chance.randrange(2, 6), "tls": chance.choice(("none", "opportunistic"))}
        changes = {**self._changes, "backend": {**self._changes["backend"], **backend}}
        self.daemon.configure(changes)

    def kill(self, pause):
        """kill -9, and a start after so many seconds."""
        with self._lock:
            self._account.disturbed("kills")
            self.daemon.kill()
            threading.Event().wait(pause)
            self.daemon.start()
            self.number += 1

    def restart(self):
        with self._lock:
            self._end()
            self.daemon.start()
            self.number += 1

    def end(self):
        with self._lock:
            self._end()

    def _end(self):
        self._account.note("orderly stops")
        status = self.daemon.stop(deadline=120)
        if status != 0:
            self._account.fault(f"an orderly stop ended with {status}")
