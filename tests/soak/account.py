"""Who was promised which message, and what became of it: so small that an hour of load fits."""

import collections
import re
import threading
import time

from harness import dot_stuffed
from sink import Sink

OURS = re.compile(rb"^Message-ID: <m(\d+)\.\w+@far\.example>\r$", re.IGNORECASE | re.MULTILINE)
TOLD = re.compile(rb"^Final-Recipient: rfc822; ?(\S+)\r\n(?:[^\r\n]+\r\n)*?Action: (\w+)", re.IGNORECASE | re.MULTILINE)
REPORT = b"multipart/report"
# A delivery may come again only where its answer had no time to be stored before a kill, or was cut off on its way.
UNSTORED = 3.0
# How many faults are told in full.
MOST_TOLD = 40


class Entry:
    """One message: who was offered, promised, served and told."""

    def __init__(self, message, told_to):
        self.message = message
        self.told_to = told_to
        self.offered = set()
        self.promised = set()
        self.served = {}  # address: when last
        self.told = {}
        self.touched = time.monotonic()

    def missing(self):
        return self.promised - self.served.keys() - self.told.keys()


class Account:
    """Entries live until all is settled and nothing more can come; numbers beyond are known to be closed by being gone."""

    def __init__(self, keep):
        self.counts = collections.Counter()
        self.faults = []
        self._keep = keep
        self._entries = {}
        self._last = 0
        self._disturbances = collections.deque(maxlen=1000)
        self._lock = threading.Lock()
        self._counting = threading.Lock()

    def note(self, what):
        with self._counting:
            self.counts[what] += 1

    def fault(self, what):
        self.note("faults")
        if len(self.faults) < MOST_TOLD:
            self.faults.append(what)

    def disturbed(self, what):
        """Noted before it is done: a kill, or an end of the backend's connections."""
        self._disturbances.append(time.monotonic())
        self.note(what)

    def open(self, make, told_to):
        """Makes message number N, and an entry for it; who is to be told if it fails."""
        with self._lock:
            self._last += 1
            message = make(self._last)
            self._entries[self._last] = Entry(message, told_to)
            return message

    def offered(self, number, recipients):
        with self._lock:
            self.note("offered")
            self._entries[number].offered.update(recipients)

    def acknowledged(self, number, recipients):
        with self._lock:
            self.note("acknowledged")
            entry = self._entries[number]
            entry.promised.update(recipients)
            entry.touched = time.monotonic()

    def took(self, transaction):
        """The backend is about to answer 250."""
        head = transaction.wire[:16384].partition(b"\r\n\r\n")[0] + b"\r\n"
        ours = OURS.search(head)
        with self._lock:
            self.note("transactions")
            if ours:
                self._delivered(int(ours[1]), transaction)
            elif REPORT in head:
                self._notice(transaction)
            else:
                self.fault(f"the backend got what nobody sent: {head[:300]!r}")

    def _delivered(self, number, transaction):
        entry = self._entries.get(number)
        if entry is None:
            return self.fault(f"message {number} came to {transaction.recipients} though it was settled, or never sent")
        if not transaction.wire.endswith(dot_stuffed(entry.message.text())):
            self.fault(f"message {number} is changed")
        for address in transaction.recipients:
            self._served(number, entry, address)
        entry.touched = time.monotonic()
        return None

    def _served(self, number, entry, address):
        self.note("delivered")
        if address not in entry.offered:
            self.fault(f"message {number} came to {address}, for whom nobody sent it")
        self._once(entry.served, address, f"message {number} came to {address}", "doubles")

    def _once(self, times, address, what, twice):
        """What happens again needs a reason that lies near the first time."""
        now = time.monotonic()
        before = times.get(address)
        if before is not None and self._explained(before):
            self.note(twice)
        elif before is not None:
            self.fault(f"{what} again {now - before:.1f} s later without a reason")
        times[address] = now

    def _explained(self, moment):
        return any(moment - UNSTORED <= each <= moment + UNSTORED for each in self._disturbances)

    def _notice(self, transaction):
        about = OURS.search(transaction.wire)
        told = TOLD.findall(transaction.wire)
        if not about or not told:
            return self.fault(f"a notice that tells of nothing: {transaction.wire[:2000]!r}")
        for address, action in told:
            self.note(f"told {action.decode()}")
            if action == b"failed":
                self._failed(int(about[1]), address.decode(), transaction.recipients)
        return None

    def _failed(self, number, address, recipients):
        entry = self._entries.get(number)
        if entry is None or address not in entry.offered:
            return self.fault(f"a failure of message {number} for {address} was told, which is settled or was never sent")
        if recipients != [entry.told_to]:
            self.fault(f"the failure of message {number} was told to {recipients}, not to {entry.told_to}")
        self._once(entry.told, address, f"the failure of message {number} for {address} was told", "told doubly")
        entry.touched = time.monotonic()
        return None

    def waiting(self):
        """(number, address) of whom nothing is known yet."""
        with self._lock:
            return [(number, address) for number, entry in self._entries.items() for address in sorted(entry.missing())]

    def open_entries(self):
        return len(self._entries)

    def close_settled(self):
        """Lets go of what nothing more is expected of."""
        before = time.monotonic() - self._keep
        with self._lock:
            settled = [number for number, entry in self._entries.items() if entry.touched < before and not entry.missing()]
            for number in settled:
                del self._entries[number]


class Backend(Sink):
    """A sink that keeps nothing: each message goes into the account and is let go."""

    def __init__(self, account, hooks, **options):
        self._account = account
        super().__init__(hooks, **options)

    def _note(self, command):
        pass

    def _finish(self, transaction):
        if transaction.accepted:
            self._account.took(transaction)
        else:
            self._account.note("not taken")
