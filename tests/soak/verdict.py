"""Says of the rows of a run whether anything grows beyond what is held."""

import dataclasses

MIB = 1 << 20
# What memory and database may differ between two thirds of a run, besides a tenth.
SLACK = 4 * MIB
MOST_LOG = 64 * MIB  # then it is written back
SEGMENT = 64 * MIB  # when a new one is begun
# A segment is emptied when less than this part of it is alive.
LEAST_ALIVE = 1 / 4
# Outages of a dozen seconds and the rests that follow are shorter, and so is each pause of the admin's.
LONGEST_STANDSTILL = 60
# Shorter runs do not come to an equilibrium.
LEAST_SECONDS = 20 * 60


@dataclasses.dataclass
class Verdict:
    name: str
    holds: bool | None  # None: the run was too short to say
    figures: str

    def __str__(self):
        return f"{ {True: 'holds', False: 'DOES NOT HOLD', None: 'not judged'}[self.holds]:14}{self.name}: {self.figures}"


def mib(number):
    return f"{number / MIB:.1f}"


def thirds(rows, warm_up):
    """The rows after the warm-up in three parts of equal length."""
    begin, end = rows[0]["time"] + warm_up, rows[-1]["time"]
    parts = [[], [], []]
    for row in rows:
        if row["time"] >= begin:
            parts[min(2, int(3 * (row["time"] - begin) / max(1, end - begin)))].append(row)
    return parts


def longest_life(rows):
    lives = {}
    for row in rows:
        lives.setdefault(row["life"], []).append(row)
    return max(lives.values(), key=len)


def quiets(rows):
    """The last third of each quiet time."""
    found, before = [], None
    for row in rows:
        if row["phase"] == "quiet":
            if before != "quiet":
                found.append([])
            found[-1].append(row)
        before = row["phase"]
    return [each[-max(1, len(each) // 3) :] for each in found]


class Judge:
    def __init__(self, rows, warm_up, ended):
        self.rows = rows
        self.verdicts = []
        self._warm_up = warm_up
        self._long_enough = ended >= LEAST_SECONDS
        self._loaded = [row for row in rows if row["phase"] in ("load", "quiet")]
        self._life = [row for row in longest_life(rows) if row["phase"] in ("load", "quiet")]

    def say(self, name, holds, figures):
        self.verdicts.append(Verdict(name, holds, figures))

    def grow(self, name, rows, key, slack, warm_up):
        """The most of the last third against the most of the second."""
        maxima = [max((row[key] for row in part), default=0) for part in thirds(rows, warm_up)]
        holds = maxima[2] <= 1.1 * maxima[1] + slack if self._long_enough else None
        self.say(name, holds, " -> ".join(map(mib, maxima)) + " MiB, most of each third")

    def all(self):
        lasted = self._life[-1]["time"] - self._life[0]["time"]
        for key, name in (("rss", "resident memory"), ("pss", "proportional memory"), ("data", "data segment")):
            self.grow(f"{name} of the longest life", self._life, key, SLACK, 0.15 * lasted)
        self.grow("ledger.db", self._loaded, "ledger", SLACK, self._warm_up)
        self.grow("segments", self._loaded, "segments", SEGMENT, self._warm_up)
        self.log()
        self.idle()
        self.cpu()
        self.progress()
        return self.verdicts

    def log(self):
        most = max(row["wal"] for row in self.rows)
        self.say("write-ahead log", most <= MOST_LOG + 16 * MIB, f"at most {mib(most)} MiB")

    def idle(self):
        """In each quiet time all comes back to where it was."""
        times = quiets(self.rows)
        base = self.descriptors([row for row in self.rows if row["phase"] == "start"])
        beyond = [self.descriptors(each) - base for each in times]
        # Two segments; and who asks for the sample has a connection, which may be gone again by then.
        self.say("descriptors when idle", all(each <= 3 for each in beyond), f"{base} before the load, then beyond that {beyond}")
        threads = [sorted({row["threads"] for row in each}) for each in times]  # the check after a start has one of its own
        self.say("threads when idle", len({str(each) for each in threads}) == 1 and len(threads[0]) == 1, f"{threads}")
        self.idle_segments(times)
        self.idle_memory()

    @staticmethod
    def descriptors(rows):
        """But for connections; the least of each kind."""
        sockets = min(row["sockets"] - row["backend_connections"] - row["sessions"] for row in rows)
        return sockets + min(row["descriptors"] - row["sockets"] for row in rows)

    def idle_segments(self, times):
        pairs = [min(((row["segments"], row["held_segments"]) for row in each)) for each in times]
        holds = all(segments <= held / LEAST_ALIVE + SEGMENT + MIB for segments, held in pairs)
        figures = ", ".join(f"{mib(segments)} of which {mib(held)} held" for segments, held in pairs)
        self.say("segments when idle", holds, f"{figures} MiB")

    def idle_memory(self):
        memory = [each[-1]["rss"] for each in quiets(self._life)]
        holds = memory[-1] <= 1.1 * memory[0] + SLACK if len(memory) > 1 and self._long_enough else None
        self.say("resident memory when idle, in the longest life", holds, f"{[mib(each) for each in memory]} MiB")

    def cpu(self):
        """What a copy takes must not depend on how long it has been running."""
        costs = []
        for part in thirds(self._loaded, self._warm_up):
            copies = part[-1]["acknowledged"] - part[0]["acknowledged"] if part else 0
            costs.append(1000 * (part[-1]["cpu"] - part[0]["cpu"]) / copies if copies else 0)
        holds = costs[2] <= 1.5 * costs[1] if self._long_enough else None
        self.say("CPU a copy", holds, " -> ".join(f"{each:.2f}" for each in costs) + " ms, in each third")


    def progress(self):
        """Something is delivered all the time, while something is in its window or beyond."""
        longest, since = 0, None
        for row in self._loaded:
            delivered = row["recipients_delivered_total"]
            if row["held"] == 0 or since is None or delivered > since["recipients_delivered_total"]:
                since = row
            longest = max(longest, row["time"] - since["time"])
        self.say("progress", longest <= LONGEST_STANDSTILL, f"at most {longest:.0f} s without a delivery")


def afterwards(row):
    """When all has ended and is forgotten."""
    left = {name: row[name] for name in ("groups", "contents", "held_segments", "segments")}
    return Verdict("nothing is left when all is forgotten", not any(left.values()), f"{left}, ledger.db {mib(row['ledger'])} MiB")


def load(account, planned):
    """A run without load and faults would show nothing."""
    counts = account.counts
    taken, kills, doubles = counts["acknowledged"], counts["kills"], counts["doubles"]
    restarts = counts["orderly stops"] - 1
    holds = taken >= 0.6 * planned and kills > 0 and restarts > 0 and doubles <= 0.01 * taken
    figures = f"{taken} copies of {planned:.0f} planned, {kills} kills, {restarts} restarts, {doubles} came twice, as they may"
    return Verdict("load", holds, figures)


def promises(account, missing):
    counts = account.counts
    good = f"{counts['delivered']} delivered, {counts['told failed']} failures told"
    figures = f"{good}, {len(missing)} missing, {counts['faults']} faults"
    return Verdict("every promise", not missing and not counts["faults"], figures)


def counted(account, row):
    """Its own count: all that it answered, and nothing that was not offered; of some it could not tell anybody."""
    counts = account.counts
    holds = counts["acknowledged"] <= row["copies_total"] <= counts["offered"]
    figures = f"{row['copies_total']:.0f}; {counts['acknowledged']} were acknowledged, {counts['offered']} offered"
    return Verdict("copies counted", holds, figures)
