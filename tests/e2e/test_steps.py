"""Every step by which onecopyd leaves a trace on the disk or the wire, one by one: killed there, or refused by the system; and
every question to the system that may be refused, memory among them. And each of them made a second late.

A scenario is played once to count its steps, and then once for each of them and each fault. A fetcher sends what was not answered
again, the daemon is started again without the fault, and when nothing is left to do a checker looks at what the servers took: nothing
is lost, nothing is doubled that a lost answer does not explain, and of each failure its sender is told by one notice. What is
only late changes nothing at all.
"""

import collections
import concurrent.futures
import email
import os
import pathlib
import random
import re
import shutil
import smtplib
import struct
import subprocess
import tempfile
import time
import unittest

from harness import PATIENCE, SANITIZED, Daemon, Died, Refused
from messages import Message, at
from ports import free_port
from sink import CLOSE, AtMost, Hooks, Sink

FAULTS = os.environ.get("ONECOPY_FAULTS", "")
STRIDE = int(os.environ.get("ONECOPY_STRIDE", "1"))  # 1: every step
DELAYS = int(os.environ.get("ONECOPY_DELAYS", "60"))  # how many steps are delayed, of all; 0: each
ALLOCATIONS = int(os.environ.get("ONECOPY_ALLOCATIONS", "80"))  # how many fail, of all
SEED = int(os.environ.get("ONECOPY_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
SLEEPING = 12  # at a time
WHERES = ("disk", "wire", "ask", "memory")
SENDER = "sender@far.example"
POSTMASTER = "postmaster@corp.example"


class PartlyRefused(Hooks):
    """One recipient is refused, one put off at first."""

    def __init__(self):
        self.put_off = {at("carl")}

    def rcpt(self, transaction, address):
        if address == at("bert"):
            return "550 5.1.1 no such user"
        if address in self.put_off:
            self.put_off.discard(address)
            return "450 4.2.1 busy"
        return None


class RefusedForAll(Hooks):
    def dot(self, transaction):
        return "550 5.1.1 one of you is unknown" if at("bert") in transaction.recipients else None


class NoticesRefused(PartlyRefused):
    def rcpt(self, transaction, address):
        return "550 5.7.1 no relaying" if address == SENDER else super().rcpt(transaction, address)


class LosesOneAnswer(Hooks):
    def __init__(self):
        self.left = 1

    def dot(self, transaction):
        self.left -= 1
        return CLOSE if self.left >= 0 else None


class Scenario:
    """What is sent, what the servers do, and what must have become of each recipient."""

    def __init__(self, least, hooks=(Hooks,), sender=SENDER, to=("anna", "bert", "carl"), kind="plain", failed=None, doubts=0, **changes):
        self.least = least  # steps on the disk, and on the wire: fewer, and the test does not see what it should
        self.hooks = hooks
        self.message = Message(1, to=to, kind=kind)
        self.sender = sender
        self.failed = failed or {}  # user: who is told
        self.doubts = doubts  # answers that the servers lose by themselves
        self.changes = changes


SCENARIOS = {
    "partly refused": Scenario((95, 20), (PartlyRefused,), failed={"bert": SENDER}),
    "more recipients than the server takes": Scenario((88, 15), (lambda: AtMost(2),)),
    "refused for all": Scenario((92, 21), (RefusedForAll,), failed={"bert": SENDER}),
    "the notice is refused": Scenario((100, 21), (NoticesRefused,), failed={"bert": POSTMASTER}),
    "a large message of the null sender": Scenario((102, 26), (PartlyRefused,), sender="", kind="large", failed={"bert": POSTMASTER}),
    "the first server loses its answer": Scenario((90, 19), (LosesOneAnswer, Hooks), doubts=1),
}


class Run:
    """A scenario with one fault."""

    def __init__(self, scenario, fault=""):
        self.scenario = scenario
        self.fault = fault
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="onecopy-steps-"))
        self.count = self.directory / "count"
        self.count.write_bytes(bytes(8 * len(WHERES)))
        self.sinks = [Sink(hooks()) for hooks in scenario.hooks]
        environment = {"LD_PRELOAD": FAULTS, "FAULT": fault, "COUNT": str(self.count)}
        self.changes = {
            "grouping": {"window": "0s"},
            "delivery": {"retry": ["100ms"], "notify": "sender", "postmaster": POSTMASTER},
        } | scenario.changes
        self.daemon = Daemon(self.directory, [sink.address for sink in self.sinks], self.changes, environment=environment)

    def steps(self):
        """How many there were, by where."""
        return dict(zip(WHERES, struct.unpack(f"{len(WHERES)}Q", self.count.read_bytes())))

    def play(self):
        """What is wrong in the end; nothing, hopefully."""
        try:
            self.live()
            self.fetch()
            self.wait_until_nothing_is_left()
            self.daemon.stop()
            return self.wrongs()
        except (AssertionError, TimeoutError, Died) as error:
            return [f"{type(error).__name__}: {error}"]
        finally:
            self.daemon.close()
            for sink in self.sinks:
                sink.stop()

    def live(self):
        """It runs; where the fault ended it, without one."""
        if self.daemon.running():
            return
        if self.daemon.process is not None:
            self.daemon.environment = {}
        for _ in range(5):
            try:
                self.daemon.start()
                return
            except Died:
                if "Address already in use" in self.daemon.log():
                    self.move()
                else:
                    self.daemon.environment = {}
        raise TimeoutError(f"it does not start\n{self.daemon.log()}")

    def move(self):
        """Somebody else had the port first: the same again on another one."""
        self.daemon.port = free_port()
        self.daemon.configure(self.changes)
        self.daemon.log_file.unlink()
        self.count.write_bytes(bytes(8 * len(WHERES)))

    def fetch(self):
        """As a fetcher does: again, until it has its 250."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                self.daemon.send(self.scenario.sender, self.scenario.message.everyone, self.scenario.message.text())
                return
            except (Refused, OSError, smtplib.SMTPException) as refused:
                if isinstance(refused, Refused) and refused.code >= 500:
                    raise AssertionError(f"a fetcher would delete it: {refused}") from refused
                time.sleep(0.02)
            self.live()
        raise TimeoutError("it takes no mail")

    def wait_until_nothing_is_left(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.live()
            counts = re.findall(r'"(?:held|queued|in_flight)": (\d+)', self.status())
            if counts == ["0", "0", "0"] and not self.missing():
                return
            time.sleep(0.02)
        raise TimeoutError(f"something is left: {self.missing()}\n{self.daemon.ctl_result('list', 'all').stdout}")

    def status(self):
        """What onecopyctl says; nothing where it got no answer, since its question may have met the fault."""
        try:
            return self.daemon.ctl_result("--json", "status", patience=PATIENCE / 6).stdout
        except subprocess.TimeoutExpired:
            return ""

    def taken(self):
        return [each for sink in self.sinks for each in sink.transactions if each.accepted]

    def deliveries(self):
        return collections.Counter(r for each in self.taken() if each.id == self.scenario.message.id for r in each.recipients)

    def notices(self):
        """Message-ID: (to whom, of whom)."""
        found = {}
        for each in self.taken():
            if each.sender or each.id == self.scenario.message.id:
                continue
            text = each.message.decode("latin-1")
            named = frozenset(re.findall(r"^Final-Recipient: rfc822; (\S+)\r$", text, re.MULTILINE))
            assert email.message_from_string(text).get_content_type() == "multipart/report"
            found[each.id] = (each.recipients[0], named)
        return found

    def missing(self):
        got, told = self.deliveries(), [to for to, _ in self.notices().values()]
        wanted = [r for r in self.scenario.message.everyone if r.split("@")[0] not in self.scenario.failed]
        return [r for r in wanted if not got[r]] + [to for to in set(self.scenario.failed.values()) if to not in told]

    def lost_answers(self):
        """How many answers of the servers may not have been heard."""
        return self.scenario.doubts + bool(self.fault)

    def wrongs(self):
        scenario, found = self.scenario, self.missing()
        most = 1 + self.lost_answers()
        for recipient, times in self.deliveries().items():
            if recipient.split("@")[0] in scenario.failed:
                found.append(f"{recipient} was refused and got it")
            if times > most:
                found.append(f"{recipient} got it {times} times")
        notices = list(self.notices().values())
        for user, to in scenario.failed.items():
            about = [told for told, named in notices if at(user) in named]
            if about != [to]:
                found.append(f"of {user} were told: {about}, not {to}")
        if len(notices) != len(set(scenario.failed.values())):
            found.append(f"notices: {notices}")
        bodies = {each.message.partition(b"\r\n\r\n")[2] for each in self.taken() if each.id == scenario.message.id}
        if bodies != {scenario.message.text().partition(b"\r\n\r\n")[2]}:
            found.append("other bytes than were sent")
        return found

    def forget(self):
        shutil.rmtree(self.directory, ignore_errors=True)


class LateRun(Run):
    """A step is only late: the first try is taken, the same process does it all, and it ends well."""

    def lost_answers(self):
        return self.scenario.doubts

    def fetch(self):
        self.first = self.daemon.process
        try:
            self.daemon.send(self.scenario.sender, self.scenario.message.everyone, self.scenario.message.text())
        except (Refused, OSError, smtplib.SMTPException) as problem:
            raise AssertionError(f"not taken: {problem}") from problem

    def wrongs(self):
        found = super().wrongs()
        if self.daemon.process is not self.first or self.first.returncode != 0:
            found.append(f"it ended: {self.first.returncode}")
        return found


@unittest.skipIf(SANITIZED or not FAULTS, "a sanitizer wants to be the first library")
class EveryStep(unittest.TestCase):
    def play(self, name, ask_stride=3):
        scenario = SCENARIOS[name]
        steps = self.steps_of(name)
        print(f"{name}: {steps['disk']} steps on the disk, {steps['wire']} on the wire, {steps['ask']} questions")
        for where, least in zip(("disk", "wire"), scenario.least):
            self.assertGreaterEqual(steps[where], least, f"steps on the {where}")
        faults = [f"{where}:{number}:{how}" for where in ("disk", "wire") for number in range(1, steps[where] + 1, STRIDE) for how in ("kill", "fail")]
        faults += [f"ask:{number}:fail" for number in range(1, steps["ask"] + 1, ask_stride * STRIDE)]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for fault, wrong in zip(faults, pool.map(lambda fault: self.play_with(scenario, fault), faults)):
                with self.subTest(fault):
                    self.assertEqual(wrong, "")

    def steps_of(self, name):
        """Those of a run without a fault."""
        first = Run(SCENARIOS[name])
        self.assertEqual(first.play(), [], first.daemon.log())
        steps = first.steps()
        first.forget()
        return steps

    @staticmethod
    def play_with(scenario, fault, kind=Run):
        run = kind(scenario, fault)
        wrong = run.play()
        text = "\n".join([fault, *wrong, run.daemon.log()[-6000:]]) if wrong else ""
        run.forget()
        return text

    def test_a_second_late(self):
        late = []
        for name in ("partly refused", "a large message of the null sender"):
            steps = self.steps_of(name)
            late += [(name, f"{where}:{number}:delay") for where in WHERES[:3] for number in range(1, steps[where] + 1)]
        chosen = random.Random(SEED).sample(late, DELAYS) if DELAYS else late
        print(f"{len(chosen)} of {len(late)} steps, each a second late (seed {SEED})")
        with concurrent.futures.ThreadPoolExecutor(SLEEPING) as pool:
            wrongs = pool.map(lambda one: self.play_with(SCENARIOS[one[0]], one[1], LateRun), chosen)
            for (name, fault), wrong in zip(chosen, wrongs):
                with self.subTest(f"{name}: {fault}"):
                    self.assertEqual(wrong, "")

    def test_without_memory(self):
        """It may end by it; what is wrong with a system where that happens is not mended by going on."""
        chance, faults = random.Random(SEED), []
        for name in ("partly refused", "a large message of the null sender"):
            count = self.steps_of(name)["memory"]
            faults += [(name, f"memory:{number}:fail") for number in chance.sample(range(1, count + 1), min(count, ALLOCATIONS // 2))]
        print(f"{len(faults)} allocations fail (seed {SEED})")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            wrongs = pool.map(lambda one: self.play_with(SCENARIOS[one[0]], one[1]), faults)
            for (name, fault), wrong in zip(faults, wrongs):
                with self.subTest(f"{name}: {fault}"):
                    self.assertEqual(wrong, "")

    def test_partly_refused(self):
        self.play("partly refused", ask_stride=1)

    def test_more_recipients_than_the_server_takes(self):
        self.play("more recipients than the server takes")

    def test_refused_for_all(self):
        self.play("refused for all")

    def test_the_notice_is_refused(self):
        self.play("the notice is refused")

    def test_a_large_message_of_the_null_sender(self):
        self.play("a large message of the null sender", ask_stride=1)

    def test_the_first_server_loses_its_answer(self):
        self.play("the first server loses its answer")


if __name__ == "__main__":
    unittest.main()
