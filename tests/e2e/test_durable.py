"""250 means durable: seen from the kernel, a sync of the spool lies between the final dot and the 250."""

import re
import unittest

from harness import SANITIZED, Case, until
from mailhosts import missing
from messages import Message, copies

SYNCS = ("fdatasync", "fsync")
READS = ("read", "recvfrom", "recvmsg", "readv")
CALLS = ",".join((*SYNCS, *READS, "write", "writev", "sendmsg", "sendto"))


class Call:
    """One line of strace -f -y, with the end of a call that was interrupted put back to its start."""

    PATTERN = re.compile(r"^(\d+)\s+([\d.]+)\s+(\w+)\((.*)\)\s+=\s+(-?\w+)")

    def __init__(self, match, began, ended):
        self.name = match[3]
        self.arguments = match[4]
        self.result = match[5]
        self.began = began
        self.ended = ended


def calls_of(trace):
    """The calls in the order in which they ended."""
    unfinished = {}
    for number, line in enumerate(trace.splitlines()):
        thread = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            unfinished[thread] = (number, line[: -len("<unfinished ...>")].rstrip())
            continue
        resumed = re.match(r"^(\d+)\s+([\d.]+)\s+<\.\.\. \w+ resumed>(.*)$", line)
        began = number
        if resumed and thread in unfinished:
            began, start = unfinished.pop(thread)
            line = start + resumed[3]
        match = Call.PATTERN.match(line)
        if match:
            yield Call(match, began, number)


@unittest.skipIf(missing("strace"), "not installed: strace")
@unittest.skipIf(SANITIZED, "the leak check does not run under strace")
class Durable(Case):
    def start(self, **changes):
        wrapper = ["strace", "-f", "-y", "-ttt", "-s", "65536", "-e", f"trace={CALLS}", "-o", str(self.directory / "trace")]
        return self.daemon(self.sink(), wrapper=wrapper, grouping={"window": "1h"}, **changes)

    def send(self, daemon, message):
        for recipient, data in copies(message):
            daemon.send(message.sender, [recipient], data)

    def answers(self, count):
        """For each message: the calls between the read of its final dot and the write of its 250."""
        until(lambda: len(list(self._answers())) >= count, what="the trace of every answer")
        return list(self._answers())

    def _answers(self):
        """After a 354 the last read before the answer is the one that brought the final dot."""
        since_read = {}  # descriptor: the calls since its last read
        for call in calls_of((self.directory / "trace").read_text(errors="replace")):
            descriptor = re.match(r"\d+<(?:socket|TCP|UNIX)[^>]*>", call.arguments)
            descriptor = descriptor and descriptor[0]
            if call.name in READS and descriptor in since_read:
                since_read[descriptor] = []
            elif descriptor and '"354 ' in call.arguments:
                since_read[descriptor] = []
            elif descriptor in since_read and '"250 ' in call.arguments:
                yield since_read.pop(descriptor)
            for calls in since_read.values():
                calls.append(call)

    def synced(self, daemon, calls):
        """The spool's files that were synced by calls that began and ended in between."""
        first = calls[0].ended if calls else 0
        done = [call for call in calls if call.name in SYNCS and call.result == "0" and call.began > first]
        names = [re.match(r"\d+<(.*?)>", call.arguments)[1] for call in done]
        return [name for name in names if name.startswith(str(daemon.spool))]

    def test_small_mail_is_synced_before_its_250(self):
        daemon = self.start()
        message = Message(1)
        self.send(daemon, message)
        for calls in self.answers(len(message.everyone)):
            self.assertTrue(self.synced(daemon, calls), "250 came without a sync")

    def test_of_a_large_body_segment_and_database_are_synced(self):
        daemon = self.start()
        message = Message(1, to=("anna",), kind="large")
        self.send(daemon, message)
        files = self.synced(daemon, self.answers(1)[0])
        self.assertGreaterEqual(len(set(files)), 2, f"only {files} were synced")
        self.assertRegex(files[-1], "wal", "the database commits last")

    def test_a_copy_that_merges_is_synced_as_well(self):
        daemon = self.start()
        message = Message(1, to=("anna", "bert", "carl"))
        self.send(daemon, message)
        self.assertTrue(all(self.synced(daemon, calls) for calls in self.answers(3)))


if __name__ == "__main__":
    unittest.main()
