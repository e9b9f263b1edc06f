"""Messages a second and what one costs, onecopyd and Postfix in turn: only what was measured in one round compares."""

import contextlib
import dataclasses
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

from relays import (Flushes, Nothing, Onecopy, Others, Relay, Sink, bytes_written, cpu_seconds, flush_milliseconds, load, peak_memory,
                    until, wait_for_quiet)
from ports import free_port  # found by relays

COPIES_WINDOW = {"grouping": {"window": "200ms"}}


@dataclasses.dataclass
class Scenario:
    name: str
    messages: int
    size: int
    sessions: int
    copies: int = 1
    recipients: int = 1
    reconnect: bool = False
    delay: int = 0  # of a flush, in microseconds, beside what the disk takes
    changes: dict = dataclasses.field(default_factory=dict)

    def recipients_in_all(self):
        return self.messages * self.copies * self.recipients


SCENARIOS = [
    Scenario("4 KiB, 1 session", 1000, 4 << 10, 1),
    Scenario("4 KiB, 10 sessions", 5000, 4 << 10, 10),
    Scenario("4 KiB, 100 sessions", 5000, 4 << 10, 100),
    Scenario("64 KiB, 10 sessions", 1500, 64 << 10, 10),
    Scenario("1 MiB, 10 sessions", 150, 1 << 20, 10),
    Scenario("5 copies of 4 KiB, 10 sessions", 1500, 4 << 10, 10, copies=5, changes=COPIES_WINDOW),
    Scenario("4 KiB, 10 sessions, a connection each", 3000, 4 << 10, 10, reconnect=True),
    Scenario("4 KiB, 10 sessions, flushes 5 ms longer", 1500, 4 << 10, 10, delay=5000),
]


def measure(kind, scenario, directory, source=load, behind=Sink):
    """One relay, fresh, through one scenario."""
    with contextlib.ExitStack() as stack:
        place = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="onecopy-bench-", dir=directory)))
        place.chmod(0o755)
        flushes = Flushes(place, scenario.delay)
        sink = stack.enter_context(contextlib.closing(behind()))
        relay = stack.enter_context(contextlib.closing(kind(place, sink, flushes, scenario.changes)))
        options = {name: getattr(scenario, name) for name in ("sessions", "size", "recipients", "copies", "reconnect")}
        warm = 2 * scenario.sessions
        sink.expect(warm * scenario.copies * scenario.recipients)
        source(relay.port, tag="warm", messages=warm, **options)
        before = sink.reached()

        processes = relay.processes()
        used, flushed, written = cpu_seconds(processes), flushes.count(), bytes_written(processes)
        others = Others([*processes, sink.pid])
        sink.expect(before["recipients"] + scenario.recipients_in_all())
        report = source(relay.port, tag="run", messages=scenario.messages, **options)
        after = sink.reached()
        part = others.part()
        processes = relay.processes()
        copies = scenario.messages * scenario.copies
        flushed, written = flushes.count() - flushed, bytes_written(processes) - written
        figures = {
            "others": 100 * part,
            "flush": flush_milliseconds(place, 50),
            "same": flush_milliseconds(place, 50, written // flushed) if flushed else 0,
            "accepted": report["rate"],
            "whole": copies / (after["at"] - report["began"]),
            "cpu": 1000 * (cpu_seconds(processes) - used) / copies,
            "flushes": flushed / copies,
            "written": written / (copies * scenario.size),
            "memory": peak_memory(processes) / (1 << 20),
            "transactions": (after["transactions"] - before["transactions"]) / copies,
        }
        return {**figures, **{name: report[name] for name in ("p50", "p99", "max") if name in report}}


# (figure, how it is called, format); the ratio is ours to theirs or the other way round, so that more is better
FIGURES = [
    ("accepted", "accepted a second", "{:.0f}", True),
    ("whole", "at the sink a second", "{:.0f}", True),
    ("cpu", "CPU ms each", "{:.3f}", False),
    ("flushes", "flushes each", "{:.3f}", False),
    ("written", "bytes written / mail's", "{:.2f}", False),
    ("memory", "peak memory MiB", "{:.1f}", False),
    ("p50", "answer p50 ms", "{:.2f}", False),
    ("p99", "answer p99 ms", "{:.2f}", False),
    ("max", "answer max ms", "{:.2f}", False),
    ("transactions", "deliveries each", "{:.2f}", False),
    ("flush", "a flush of this disk ms", "{:.2f}", False),
    ("same", "a flush of as much ms", "{:.2f}", False),
    ("others", "% of the machine: others", "{:.0f}", False),
]
OF_THE_MACHINE = ("flush", "same", "others")


def spread(values, form):
    return f"{form.format(statistics.median(values))} ({form.format(min(values))} to {form.format(max(values))})"


def ratios(ours, theirs, more_is_better):
    pairs = [(a, b) if more_is_better else (b, a) for a, b in zip(ours, theirs)]
    return [up / down for up, down in pairs if down > 0]


def tell(scenario, rounds):
    """rounds: of each relay, the figures of each round."""
    print(f"\n{scenario.name} ({len(rounds['onecopy'])} rounds, load now {os.getloadavg()[0]:.1f})")
    names = list(rounds)
    print("  " + " " * 26 + "".join(f"{name:34}" for name in names) + "better by, median of rounds")
    for figure, title, form, more in FIGURES:
        columns = {name: [each[figure] for each in rounds[name] if figure in each] for name in names}
        line = "".join(f"{spread(columns[name], form) if columns[name] else '':34}" for name in names)
        found = ratios(columns["onecopy"], columns.get("postfix", []), more) if figure not in OF_THE_MACHINE else []
        print(f"  {title:26}{line}" + (spread(found, "{:.2f}") if found else ""), flush=True)


def run(scenarios, rounds, directory, with_postfix, patience):
    kinds = [Onecopy, *([Relay] if with_postfix else []), Nothing]
    results = {}
    for scenario in scenarios:
        found = {kind.name: [] for kind in kinds}
        for number in range(rounds):
            # Who is first takes turns too.
            for kind in kinds if number % 2 == 0 else reversed(kinds):
                wait_for_quiet(patience)
                found[kind.name].append(measure(kind, scenario, directory))
        tell(scenario, found)
        results[scenario.name] = found
    return results


# A second opinion: the load and the sink that Postfix comes with


class SmtpSink:
    """smtp-sink, which counts on its output."""

    def __init__(self):
        self.port = free_port()
        self._output = tempfile.TemporaryFile()
        command = ["smtp-sink", "-u", "nobody", "-c", f"127.0.0.1:{self.port}", "1000"]
        self._process = subprocess.Popen(command, stdout=self._output, stderr=subprocess.STDOUT)
        self.pid = self._process.pid
        self._expected = 0

    def expect(self, recipients):
        self._expected = recipients

    def reached(self):
        def count():
            size = os.fstat(self._output.fileno()).st_size
            numbers = re.findall(rb"\d+", os.pread(self._output.fileno(), 64, max(0, size - 64)))
            return int(numbers[-1]) if numbers else 0

        until(lambda: count() >= self._expected, deadline=600, what="the last message")
        return {"at": time.monotonic(), "recipients": self._expected, "transactions": self._expected}

    def close(self):
        self._process.terminate()
        self._process.wait()
        self._output.close()


def smtp_source(port, sessions, messages, size, reconnect, **_):
    began = time.monotonic()
    command = ["smtp-source", *(() if reconnect else ("-d",)), "-s", str(sessions), "-l", str(size), "-m", str(messages)]
    addresses = ["-f", "sender@far.example", "-t", "user@corp.example"]
    subprocess.run([*command, *addresses, f"127.0.0.1:{port}"], check=True)
    return {"began": began, "rate": messages / (time.monotonic() - began)}


def second_opinion(rounds, directory):
    scenario = dataclasses.replace(SCENARIOS[1], name=SCENARIOS[1].name + ", by smtp-source and smtp-sink")
    found = {"onecopy": [], "postfix": []}
    for _ in range(rounds):
        for kind in (Onecopy, Relay):
            found[kind.name].append(measure(kind, scenario, directory, smtp_source, SmtpSink))
    tell(scenario, found)
    return {scenario.name: found}
