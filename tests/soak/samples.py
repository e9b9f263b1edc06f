"""What the process and its spool take, second by second."""

import collections
import contextlib
import http.client
import os
import pathlib
import re
import sqlite3
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
HELD = """SELECT (SELECT coalesce(sum(length), 0) FROM extents),
(SELECT coalesce(sum(length(header) + length(body)), 0) FROM content),
(SELECT count(*) FROM groups), (SELECT count(*) FROM copies), (SELECT count(*) FROM content)"""
COUNTERS = ("copies_total", "recipients_delivered_total", "recipients_failed_total")
METRICS = (*COUNTERS, "held", "queued", "failed", "in_flight", "sessions")
BAD = r"^(?:<\d>)?(?:crashed|set_aside|damaged|content_missing)\b"
TROUBLE = re.compile(rf"^<3>|{BAD}|runtime error:|AddressSanitizer|terminate called")
MOST_LOG = 8 << 20


def of_process(pid):
    """Bytes, counts and seconds of a process that runs."""
    proc = pathlib.Path(f"/proc/{pid}")
    rollup = dict(re.findall(r"^(\w+):\s+(\d+) kB", (proc / "smaps_rollup").read_text(), re.MULTILINE))
    status = dict(re.findall(r"^(\w+):\s+(\d+)", (proc / "status").read_text(), re.MULTILINE))
    times = (proc / "stat").read_text().rpartition(")")[2].split()
    descriptors = collections.Counter(kind_of(each) for each in (proc / "fd").iterdir())
    return {
        "rss": 1024 * int(rollup["Rss"]),
        "pss": 1024 * int(rollup["Pss"]),
        "data": 1024 * int(status["VmData"]),
        "threads": int(status["Threads"]),
        "descriptors": descriptors.total(),
        "sockets": descriptors["socket"],
        "files": descriptors["file"],
        "cpu": (int(times[11]) + int(times[12])) / TICKS,
    }


def kind_of(descriptor):
    try:
        target = os.readlink(descriptor)
    except OSError:  # closed meanwhile
        return "gone"
    return "file" if target.startswith("/") else target.partition(":")[0]


def size(path):
    return path.stat().st_size if path.exists() else 0


def of_spool(spool):
    segments = 0
    for each in (spool / "segments").glob("*"):
        with contextlib.suppress(FileNotFoundError):
            segments += each.stat().st_size
    return {"ledger": size(spool / "ledger.db"), "wal": size(spool / "ledger.db-wal"), "segments": segments}


def of_ledger(spool):
    """What is really held, as the database says."""
    with contextlib.closing(sqlite3.connect(f"file:{spool}/ledger.db?mode=ro", uri=True, timeout=1)) as database:
        names = ("held_segments", "held_ledger", "groups", "copies", "contents")
        return dict(zip(names, database.execute(HELD).fetchone(), strict=True))


def of_metrics(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    found = {name: float(value) for name, value in re.findall(r"^onecopy_(\w+) ([\d.e+]+)$", text, re.MULTILINE)}
    backend = sum(float(value) for value in re.findall(r"^onecopy_backend_connections\{[^}]*\} ([\d.e+]+)$", text, re.MULTILINE))
    return {**{name: found.get(name) for name in METRICS}, "backend_connections": backend}


class Log:
    """Reads what the daemon says, counts its events, and keeps the file short."""

    def __init__(self, file, account):
        self.events = collections.Counter()
        self._file = file
        self._account = account
        self._read = 0

    def follow(self):
        with open(self._file, "rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines():
            self._line(line)
        if self._read > MOST_LOG and self._file.stat().st_size == self._read:
            os.truncate(self._file, 0)  # it is written by appending
            self._read = 0

    def _line(self, line):
        event = re.match(r"(?:<\d>)?(\w+)", line)
        self.events[event[1] if event else "?"] += 1
        if TROUBLE.search(line):
            self._account.fault(f"the log says: {line[:500]}")


class Sampler(threading.Thread):
    """One row a second. While the daemon is down there is none."""

    def __init__(self, life, account, log, state):
        super().__init__(daemon=True)
        self.rows = []
        self._life = life
        self._account = account
        self._log = log
        self._state = state  # what the run is at: further columns
        self._held = {}
        self._before = (0, 0, 0)  # life, its CPU seconds, those of all lives before
        self._began = time.monotonic()
        self._stopped = threading.Event()

    def stop(self):
        self._stopped.set()
        self.join()

    def run(self):
        number = 0
        while not self._stopped.wait(max(0, self._began + number - time.monotonic())):
            number = int(time.monotonic() - self._began) + 1
            self._log.follow()
            self._account.close_settled()
            with contextlib.suppress(OSError, http.client.HTTPException, sqlite3.OperationalError, KeyError):
                self._sample(number)

    def _sample(self, number):
        """It may be killed in between; then there is no row."""
        life, daemon = self._life.number, self._life.daemon
        if number % 5 == 0 or not self._held:
            self._held = of_ledger(daemon.spool)
        row = {"time": round(time.monotonic() - self._began, 2), "life": life, **self._state()}
        row.update(of_metrics(self._life.http))
        row.update(of_process(daemon.process.pid))
        row.update(of_spool(daemon.spool))
        row.update(self._held)
        row.update({"open_entries": self._account.open_entries(), "acknowledged": self._account.counts["acknowledged"]})
        row["test_rss"] = 1024 * int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[1])
        if life == self._life.number:
            row["cpu"] = self._cpu(life, row["cpu"])
            self.rows.append(row)

    def _cpu(self, life, seconds):
        """Of all lives together."""
        known, last, before = self._before
        if life != known:
            before += last
        self._before = (life, seconds, before)
        return round(before + seconds, 2)
