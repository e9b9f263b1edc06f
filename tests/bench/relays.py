"""What is measured, and the programs around it: the load in front, the sink behind, onecopyd or Postfix between them."""

import json
import mmap
import os
import pathlib
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/e2e"))
os.environ["PATH"] += ":/usr/sbin"
os.environ.setdefault("ONECOPYD", str(TOP / "build-release/daemon/onecopyd"))

from harness import Daemon, until
from mailhosts import Postfix, postfix_missing

BENCH = pathlib.Path(os.environ.get("ONECOPY_BENCH", TOP / "build-release/tests/bench"))
TICK = os.sysconf("SC_CLK_TCK")


class Flushes:
    """Counts the flushes of whoever is started with its environment, and makes each so many microseconds longer."""

    def __init__(self, directory, delay=0):
        self.path = pathlib.Path(directory) / "flushes"
        self.path.write_bytes(bytes(8))
        self.path.chmod(0o666)
        with open(self.path, "r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8)
        self.environment = {
            "LD_PRELOAD": str(BENCH / "flushes.so"), "FLUSH_COUNT": str(self.path), "FLUSH_DELAY": str(delay)
        }

    def count(self):
        return struct.unpack("Q", self._shared)[0]


class Onecopy(Daemon):
    """onecopyd as it is by default but for window 0, where each message is forwarded at once, and for its limits."""

    name = "onecopy"

    def __init__(self, directory, sink, flushes, changes=None):
        directory = pathlib.Path(directory) / "onecopy"
        directory.mkdir(exist_ok=True)
        settings = {
            "grouping": {"window": "0s"},
            "limits": {"connections_per_client": 2000, "connections": 2000},
            "log": {"level": "info"},
        }
        super().__init__(directory, [f"127.0.0.1:{sink.port}"], {**settings, **(changes or {})}, environment=flushes.environment)
        self.start()

    def configure(self, changes=None):
        """Where there is a certificate, STARTTLS is offered."""
        if changes and "tls" in changes:
            changes["listen"] = [{"address": f"127.0.0.1:{self.port}", "tls": "starttls"}]
        super().configure(changes)

    def processes(self):
        return [self.process.pid]


class Relay(Postfix):
    """Postfix as a relay for the sink's domain; its queue is as durable as it is by default. Its master keeps of its
    environment only what it is told to."""

    name = "postfix"

    def __init__(self, directory, sink, flushes, changes=None):
        del changes
        kept = " ".join(f"{name}={value}" for name, value in flushes.environment.items())
        settings = (
            f"relay_domains = corp.example\nrelayhost = [127.0.0.1]:{sink.port}\n"
            "relay_transport = smtp\nsmtpd_relay_restrictions = permit_mynetworks, reject\nsmtpd_client_connection_count_limit = 0\n"
            f"smtpd_client_connection_rate_limit = 0\ndefault_process_limit = 200\nimport_environment = MAIL_CONFIG MAIL_LOGTAG {kept}\n"
        )
        super().__init__(pathlib.Path(directory) / "postfix", (), settings)

    @staticmethod
    def _main(directory, users):
        """Without what is set otherwise: each program of Postfix would warn of it, more than its log takes at once."""
        changed = ("virtual_", "smtpd_relay_restrictions")
        lines = Postfix._main(directory, users).splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith(changed))

    def processes(self):
        children = pathlib.Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return [self._process.pid, *map(int, children)]


class Nothing:
    """No relay: what load and sink do on their own."""

    name = "none"

    def __init__(self, directory, sink, flushes, changes=None):
        del directory, flushes, changes
        self.port = sink.port

    def processes(self):
        return []

    def close(self):
        pass


class Sink:
    """bench-sink: takes everything and keeps nothing."""

    def __init__(self, chunking=False):
        command = [BENCH / "bench-sink", *(["--chunking"] if chunking else [])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        self.port = int(self._process.stdout.readline())

    def expect(self, recipients):
        self._process.stdin.write(f"expect {recipients}\n")
        self._process.stdin.flush()

    def reached(self):
        """What it had counted when the recipients that were expected had come."""
        return json.loads(self._process.stdout.readline())

    def counts(self):
        self.expect(0)
        return self.reached()

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def load(port, **options):
    """One run of bench-load; its report."""
    arguments = [f"--{name}" if value is True else f"--{name}={value}" for name, value in options.items() if value is not False]
    done = subprocess.run([BENCH / "bench-load", f"--port={port}", *arguments], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


# What the kernel says of a relay's processes, and of their children that have ended


def _of_each(processes, name, pattern):
    for process in processes:
        try:
            text = pathlib.Path(f"/proc/{process}/{name}").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield re.search(pattern, text, re.DOTALL)


def cpu_seconds(processes):
    found = _of_each(processes, "stat", r"\) (.*)")
    return sum(sum(map(int, each[1].split()[11:15])) for each in found) / TICK


class Others:
    """What part of the machine others than ours used since this was made. Ours: this process, its children that ended, and
    the processes that are named."""

    def __init__(self, processes):
        self._processes = [*processes, os.getpid()]
        self._before = self._read()

    def _read(self):
        with open("/proc/stat", encoding="ascii") as file:
            fields = [int(each) / TICK for each in file.readline().split()[1:9]]
        idle = fields[3] + fields[4]
        return sum(fields), sum(fields) - idle - cpu_seconds(self._processes)

    def part(self):
        whole, busy = (after - before for after, before in zip(self._read(), self._before))
        return busy / whole


def wait_for_quiet(patience):
    """Until the machine was idle for a second, or patience (in seconds) is over."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        others = Others([])
        time.sleep(1)
        if others.part() < 0.1:
            return


def bytes_written(processes):
    """To the disk, in pages."""
    return sum(int(each[1]) for each in _of_each(processes, "io", r"\nwrite_bytes: (\d+)"))


def peak_memory(processes):
    """The most that each had, in bytes, without the pages of files, which they share."""
    found = _of_each(processes, "status", r"VmHWM:\s*(\d+).*RssFile:\s*(\d+)")
    return 1024 * sum(int(each[1]) - int(each[2]) for each in found if each)


def flush_milliseconds(directory, times=100, size=4096):
    """What the disk takes now to make so many bytes durable, at the end of a file."""
    taken = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(times):
            file.write(bytes(size))
            file.flush()
            began = time.monotonic()
            os.fdatasync(file.fileno())
            taken.append(time.monotonic() - began)
    return 1000 * statistics.median(taken)


__all__ = [
    "Flushes", "Nothing", "Onecopy", "Others", "Relay", "Sink", "bytes_written", "cpu_seconds", "flush_milliseconds", "load",
    "peak_memory", "postfix_missing", "until", "wait_for_quiet",
]
