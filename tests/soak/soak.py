#!/usr/bin/env python3
"""onecopyd under a mixed load with faults for an hour or as long as is wanted: nothing grows beyond what is held, and every
promise is kept. See README.md."""

import argparse
import contextlib
import json
import pathlib
import random
import shutil
import ssl
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import faults
import samples
import traffic
import verdict
from account import Account, Backend
from harness import Certificate, Daemon, until
from plot import Plot
from ports import free_port

KILL, RESTART = "#d62728", "#1f77b4"
CLIENTS = 6
START = 5  # seconds of nothing at all, to know what that takes


class Plan:
    """What happens when, for a run of any length."""

    def __init__(self, seconds, seed):
        chance = random.Random(seed)
        self.seconds = seconds
        self.cycle = max(40, min(600, seconds / 3))
        self.quiet = min(60, max(12, self.cycle / 6))
        self.warm_up = min(360, 0.15 * seconds)
        self.keep = int(max(20, min(120, seconds / 6)))
        self.expire = int(max(20, min(180, seconds / 4)))
        self.latest = min(20, self.keep / 4)
        self.episode = min(30, seconds / 20)
        self.ends = self._ends(chance)

    def phase(self, time_):
        if time_ < START:
            return "start"
        if time_ >= self.seconds:
            return "drain"
        return "quiet" if time_ % self.cycle >= self.cycle - self.quiet else "load"

    def _ends(self, chance):
        """(when, whether orderly): kills, in place of each fourth a restart, in the first 40 %; then one long life; then two kills more."""
        step = min(150, self.seconds / 12)
        moments = [step * (number + chance.uniform(0.6, 1)) for number in range(int(0.4 * self.seconds / step))]
        last = self.seconds - self.quiet
        moments += [last - 0.05 * self.seconds, last - 0.02 * self.seconds]
        under_load = [moment for moment in moments if self.phase(moment) == "load"]
        return [(moment, number % 4 == 2) for number, moment in enumerate(under_load)]


def configuration(directory, plan, http):
    certificate = Certificate(directory)
    plain, secure = free_port(), free_port()
    listen = [{"address": f"127.0.0.1:{plain}"}, {"address": f"127.0.0.1:{secure}", "tls": "starttls"}]
    changes = {
        "listen": listen,
        "tls": certificate.settings,
        "backend": {"tls": "opportunistic", "connections": 4, "messages_per_connection": 50, "connection_lifetime": "20s"},
        "grouping": {"window": "1s", "history": f"{plan.keep}s"},
        "delivery": {
            "retry": ["1s", "5s"],
            "expire": f"{plan.expire}s",
            "warn_after": f"{plan.expire // 3}s",
            "notify": "sender",
            "keep_failed": f"{plan.keep}s",
        },
        "http": {"address": f"127.0.0.1:{http}"},
        "log": {"level": "info"},
    }
    return changes, (plain, secure), certificate


class Soak:
    """All that takes part, and the order of a run."""

    def __init__(self, options, directory):
        self.options = options
        self.plan = Plan(60 * options.minutes, options.seed)
        self.account = Account(60 + 3 * self.plan.latest)
        self.marks = []
        self.chance = random.Random(options.seed)
        http = free_port()
        changes, ports, certificate = configuration(directory, self.plan, http)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        seed = options.seed
        self.backend = Backend(self.account, faults.Moody(seed), tls=context)
        # As under systemd, so that the log tells how bad a line is.
        daemon = Daemon(directory, [self.backend.address], changes, environment={"JOURNAL_STREAM": "1:1"})
        self.life = faults.Life(daemon, http, changes, self.account)
        self.log = samples.Log(daemon.log_file, self.account)
        self.author = traffic.Author(self.account, options.rate, self.plan.latest, seed)
        self.clients = [traffic.Client(self.author, self.account, ports, self.plan.latest, seed + n) for n in range(CLIENTS)]
        self.loiterers = traffic.Loiterers(ports, self.account, seed)
        self.strangers = traffic.Strangers(ports, self.account, seed)
        self.admin = traffic.Admin(self.life, self.author, self.account, seed)
        self.weather = faults.Weather(self.backend, self.account, self.plan.episode, seed)
        self.sampler = samples.Sampler(self.life, self.account, self.log, self.state)
        self.phase = "start"

    def state(self):
        return {"phase": self.phase, "mood": self.weather.mood}

    def now(self):
        return time.monotonic() - self.began

    def run(self):
        self.life.start()
        self.began = time.monotonic()
        for each in (self.sampler, self.author, *self.clients, self.loiterers, self.strangers, self.admin, self.weather):
            each.start()
        ends = list(self.plan.ends)
        pause = threading.Event()
        while self.phase != "drain":
            pause.wait(0.2)
            self.enter(self.plan.phase(self.now()))
            if ends and self.now() >= ends[0][0]:
                self.end_of_life(ends.pop(0)[1])

    def enter(self, phase):
        """Who makes trouble does so under load alone."""
        if phase == self.phase:
            return
        self.phase = phase
        counts = self.account.counts
        print(f"{self.now() / 60:5.1f} min  {phase}: {counts['acknowledged']} copies taken, {counts['faults']} faults", flush=True)
        for each in (self.author.writing, self.loiterers.welcome, self.strangers.welcome, self.admin.busy, self.weather.rough):
            if phase == "load":
                each.set()
            else:
                each.clear()

    def end_of_life(self, orderly):
        if orderly:
            self.marks.append((self.now(), "restart", RESTART))
            self.life.restart()
        else:
            self.marks.append((self.now(), "kill -9", KILL))
            self.life.kill(self.chance.uniform(0, 1.5))

    def drain(self):
        """All mail leaves, fails, or is told to be missing; then all is forgotten."""
        until(self.author.idle, 120, "the last copies")
        self.author.stop()
        for each in (*self.clients, self.loiterers, self.strangers, self.weather):
            each.stop()
        for each in self.clients:
            each.join(120)
        with self.life.steady():
            self.admin.stop()
            self.admin.resume()
            self.life.daemon.ctl("reload")  # servers that rest are tried again
        with contextlib.suppress(TimeoutError):
            until(lambda: not self.account.waiting() and self.nothing_waits(), self.plan.expire + 90, "the end of all mail")
        missing = self.account.waiting()
        with contextlib.suppress(TimeoutError):
            until(self.all_forgotten, self.plan.keep + 60, "the end of the history")
        self.sampler.stop()
        return missing

    def nothing_waits(self):
        row = self.sampler.rows[-1]
        return row["phase"] == "drain" and not row["held"] + row["queued"] + row["in_flight"]

    def all_forgotten(self):
        return verdict.afterwards(self.sampler.rows[-1]).holds

    def judge(self, missing):
        rows = self.sampler.rows
        verdicts = verdict.Judge(rows, self.plan.warm_up, self.plan.seconds).all()
        verdicts.append(verdict.afterwards(rows[-1]))
        busy = self.plan.seconds * (1 - self.plan.quiet / self.plan.cycle)
        verdicts.append(verdict.load(self.account, self.options.rate * busy))
        verdicts += [verdict.counted(self.account, rows[-1]), verdict.promises(self.account, missing)]
        return verdicts

    def close(self):
        self.life.daemon.close()
        self.backend.stop()


def columns(rows):
    return {name: [row[name] for row in rows] for name in rows[0]}


def report(soak, missing, verdicts, out):
    figures = {
        "minutes": soak.options.minutes,
        "rate": soak.options.rate,
        "seed": soak.options.seed,
        "verdicts": [{"name": each.name, "holds": each.holds, "figures": each.figures} for each in verdicts],
        "faults": soak.account.faults,
        "missing": missing[:100],
        "counts": dict(sorted(soak.account.counts.items())),
        "events": dict(sorted(soak.log.events.items())),
        "marks": soak.marks,
        "rows": columns(soak.sampler.rows),
    }
    (out / "soak.json").write_text(json.dumps(figures), encoding="utf-8")
    counts = soak.account.counts
    title = f"onecopyd for {soak.options.minutes:g} minutes: {counts['acknowledged']} copies, {counts['kills']} kills"
    (out / "soak.svg").write_text(Plot(soak.sampler.rows, soak.marks, title).svg(), encoding="utf-8")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=75, help="copies a second")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1 << 31))
    parser.add_argument("--out", default=".", help="directory for soak.json and soak.svg")
    parser.add_argument("--directory", help="on the disk that is meant (default: the one for temporary files)")
    return parser.parse_args()


def main():
    options = arguments()
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    print(f"{options.minutes:g} minutes, {options.rate:g} copies a second, seed {options.seed}", flush=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="onecopy-soak-", dir=options.directory))
    soak = Soak(options, directory)
    try:
        soak.run()
        missing = soak.drain()
        soak.life.end()
        soak.log.follow()
    finally:
        soak.close()
    verdicts = soak.judge(missing)
    report(soak, missing, verdicts, out)
    print("\n".join([str(each) for each in verdicts] + [f"    {each}" for each in soak.account.faults]))
    good = all(each.holds is not False for each in verdicts)
    print("nothing grows, nothing is lost" if good else f"SOMETHING DOES NOT HOLD; the spool and the log are in {directory}")
    if good:
        shutil.rmtree(directory)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
