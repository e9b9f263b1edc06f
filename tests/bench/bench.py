#!/usr/bin/env python3
"""onecopyd against Postfix as a relay with its durable defaults, alternating, on this machine: messages a second from the
first MAIL to the last message at the sink, and CPU a message. Needs Postfix's smtp-source and smtp-sink, and root."""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
os.environ["PATH"] += ":/usr/sbin"

from harness import until
from mailhosts import Postfix
from ports import free_port

TOP = pathlib.Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")


class Sink:
    """Postfix's smtp-sink, which takes everything and keeps nothing; it counts on its output."""

    def __init__(self, directory):
        self.port = free_port()
        self.output = directory / f"sink{self.port}"
        with open(self.output, "wb") as file:
            command = ["smtp-sink", "-u", "nobody", "-c", f"127.0.0.1:{self.port}", "1000"]
            self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)

    def count(self):
        numbers = re.findall(rb"\d+", self.output.read_bytes()[-64:])
        return int(numbers[-1]) if numbers else 0

    def close(self):
        self.process.terminate()
        self.process.wait()


class Onecopy:
    """onecopyd with window 0: each message is forwarded at once."""

    name = "onecopy"

    def __init__(self, directory, program, sink):
        self.port = free_port()
        (directory / "onecopy").mkdir()
        config = directory / "onecopyd.yaml"
        control = directory / "control.sock"
        config.write_text(
            f"hostname: bench.test\nlisten: [{{address: '127.0.0.1:{self.port}'}}]\n"
            f"backend: {{servers: ['127.0.0.1:{sink.port}'], tls: none}}\ngrouping: {{window: 0s}}\n"
            f"spool: {{directory: {directory}/onecopy, min_free: 16M}}\ncontrol: {{socket: {control}}}\n"
        )
        self.log = open(directory / "onecopyd.log", "wb")
        self.process = subprocess.Popen([program, "--config", str(config)], stderr=self.log)
        until(control.exists, what="onecopyd")

    def processes(self):
        return [self.process.pid]

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


class Relay(Postfix):
    """Postfix as a relay for the sink's domain; its queue is as durable as it is by default."""

    name = "postfix"

    def __init__(self, directory, _, sink):
        settings = (
            f"virtual_mailbox_domains =\nrelay_domains = corp.example\nrelayhost = [127.0.0.1]:{sink.port}\n"
            "relay_transport = smtp\nsmtpd_relay_restrictions = permit_mynetworks, reject\n"
        )
        super().__init__(directory / "postfix", (), settings)

    def processes(self):
        children = pathlib.Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return [self._process.pid, *map(int, children)]


def cpu_seconds(processes):
    """Of these and of their children that have ended."""
    total = 0
    for process in processes:
        try:
            fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICK


def measure(kind, options):
    with tempfile.TemporaryDirectory(prefix="onecopy-bench", dir=options.directory) as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        sink = Sink(directory)
        relay = kind(directory, options.onecopyd, sink)
        try:
            source = ["smtp-source", *(() if options.reconnect else ("-d",)), "-s", str(options.sessions)]
            source += ["-l", str(options.size), "-m", str(options.messages), "-f", "sender@far.example"]
            used, began = cpu_seconds(relay.processes()), time.monotonic()
            subprocess.run([*source, "-t", "user@corp.example", f"127.0.0.1:{relay.port}"], check=True)
            accepted = time.monotonic() - began
            until(lambda: sink.count() >= options.messages, deadline=600, what="the last message")
            whole = time.monotonic() - began
            used = cpu_seconds(relay.processes()) - used
        finally:
            relay.close()
            sink.close()
    figures = {"accepted": options.messages / accepted, "whole": options.messages / whole, "cpu": used / options.messages}
    print(
        f"  {relay.name:8} accepted {figures['accepted']:6.0f}/s   at the sink {figures['whole']:6.0f}/s   "
        f"CPU {1000 * figures['cpu']:.3f} ms a message",
        flush=True,
    )
    return figures


def flush_milliseconds(directory):
    """What the disk takes to make 4 KiB durable, which bounds every relay."""
    times = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(200):
            file.write(bytes(4096))
            file.flush()
            began = time.monotonic()
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - began)
    return 1000 * statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--onecopyd", default=str(TOP / "build/daemon/onecopyd"))
    parser.add_argument("--directory", default=".", help="on the disk that is meant (not a tmpfs)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--reconnect", action="store_true", help="a new connection for each message")
    options = parser.parse_args()
    print(f"{options.sessions} sessions, {options.size} bytes, fdatasync takes {flush_milliseconds(options.directory):.2f} ms")
    ratios, cpu = [], []
    for _ in range(options.rounds):
        ours, theirs = measure(Onecopy, options), measure(Relay, options)
        ratios.append(ours["whole"] / theirs["whole"])
        cpu.append(theirs["cpu"] / ours["cpu"])
    print(f"onecopy / postfix at the sink: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"CPU a message, postfix / onecopy: {statistics.median(cpu):.1f}")


if __name__ == "__main__":
    main()
