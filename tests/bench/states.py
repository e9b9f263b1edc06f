"""What onecopyd takes when it has much to keep: idle connections, held groups, years of history, a disk that stands still."""

import contextlib
import dataclasses
import pathlib
import re
import resource
import ssl
import statistics
import subprocess
import tempfile
import threading
import time

from rates import SCENARIOS, spread
from relays import BENCH, Flushes, Onecopy, Sink, flush_milliseconds, load
from harness import Certificate, Raw  # found by relays

IDLE = 1000


@contextlib.contextmanager
def standing(directory, delay=0, changes=None, fill=None):
    """A daemon with a sink behind it, in a spool that was filled: the daemon, and how long its start took."""
    with tempfile.TemporaryDirectory(prefix="onecopy-bench-", dir=directory) as name:
        place = pathlib.Path(name)
        if fill:
            (place / "onecopy").mkdir()
            subprocess.run([BENCH / "bench-fill", place / "onecopy/spool", *map(str, fill)], check=True)
        with contextlib.closing(Sink()) as sink, contextlib.ExitStack() as stack:
            flushes = Flushes(place, delay)
            began = time.monotonic()
            daemon = stack.enter_context(contextlib.closing(Onecopy(place, sink, flushes, changes)))
            load(daemon.port, sessions=1, messages=1, tag="first")
            yield daemon, sink, time.monotonic() - began


def resident(daemon):
    text = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    return 1024 * int(re.search(r"VmRSS:\s*(\d+)", text)[1])


def peak(daemon):
    text = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", text)[1]) / 1024


def connect(port, context):
    """Greeted, and greeting back; idle from here on."""
    raw = Raw("127.0.0.1", port)
    raw.reply()
    raw.ask("EHLO idle.example")
    if context:
        raw.ask("STARTTLS")
        raw.socket = context.wrap_socket(raw.socket)
        raw.ask("EHLO idle.example")
    return raw


def idle(directory, tls):
    """Bytes of memory for a connection."""
    with tempfile.TemporaryDirectory() as keys, contextlib.ExitStack() as stack:
        changes, context = {}, None
        if tls:
            certificate = Certificate(keys)
            changes = {"tls": certificate.settings}
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        daemon, _, _ = stack.enter_context(standing(directory, changes=changes))
        connections = [connect(daemon.port, context) for _ in range(10)]
        before = resident(daemon)
        connections += [connect(daemon.port, context) for _ in range(IDLE)]
        each = (resident(daemon) - before) / IDLE
        for connection in connections:
            connection.socket.close()
        return each


def rate(daemon, sink, number):
    scenario = SCENARIOS[1]
    sink.expect(sink.counts()["recipients"] + scenario.messages)
    report = load(daemon.port, sessions=scenario.sessions, messages=scenario.messages, size=scenario.size, tag=f"rate{number}")
    return scenario.messages / (sink.reached()["at"] - report["began"])


def kept(directory, what, groups, rounds):
    """Against an empty ledger, in turns; both daemons stand all the while."""
    with standing(directory) as (empty, empty_sink, _), standing(directory, fill=(what, groups)) as (full, full_sink, start):
        pairs = [(rate(full, full_sink, each), rate(empty, empty_sink, each)) for each in range(rounds)]
        return {
            "groups": groups,
            "first 250 after (s)": start,
            "peak memory (MiB)": peak(full),
            "rates": pairs,
            "rate to that of an empty one": [ours / theirs for ours, theirs in pairs],
        }


def noop_milliseconds(daemon, until_done):
    """How long each of many NOOPs takes, one after the other."""
    taken = []
    with connect(daemon.port, None) as raw:
        while not until_done.is_set():
            began = time.monotonic()
            raw.ask("NOOP")
            taken.append(1000 * (time.monotonic() - began))
            until_done.wait(0.005)
    return sorted(taken)


def stalled(directory):
    """NOOPs while every flush takes two seconds longer, and mail comes."""
    with standing(directory, delay=2_000_000) as (daemon, _, _):
        done = threading.Event()

        def mail():
            load(daemon.port, sessions=10, messages=30, tag="slow")
            done.set()

        thread = threading.Thread(target=mail)
        thread.start()
        taken = noop_milliseconds(daemon, done)
        thread.join()
        return {"p50": statistics.median(taken), "p99": taken[int(0.99 * (len(taken) - 1))], "max": taken[-1], "count": len(taken)}


def run(options):
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    print(f"\na flush of this disk: {flush_milliseconds(options.directory):.2f} ms")
    results = {}
    for name, tls in (("plain", False), ("TLS", True)):
        results[f"idle {name}"] = idle(options.directory, tls)
        print(f"{IDLE} idle connections, {name}: {results[f'idle {name}'] / 1024:.1f} KiB each", flush=True)
    results["NOOP"] = stalled(options.directory)
    print("NOOP while a flush takes 2 s longer, ms: " + ", ".join(f"{key} {value:.3g}" for key, value in results["NOOP"].items()))
    for what, groups in (("held", options.held), ("history", options.history)):
        found = results[what] = kept(options.directory, what, groups, options.rounds)
        print(
            f"{groups} groups, {what}: first 250 after {found['first 250 after (s)']:.2f} s, peak "
            f"{found['peak memory (MiB)']:.1f} MiB, rate to that of an empty ledger "
            f"{spread(found['rate to that of an empty one'], '{:.2f}')}",
            flush=True,
        )
    return results
