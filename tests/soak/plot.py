"""Draws the rows of a run as SVG: one panel a theme, one line a column, kills and quiet times behind them."""

MIB = 1 << 20
WIDTH, LEFT, RIGHT, TOP, PANEL, GAP = 1100, 70, 170, 66, 130, 34
POINTS = 300
COLOURS = ("#1b6ca8", "#d1495b", "#2e8b57", "#8e5ea2", "#c98a00")
# Title, unit, what a value is divided by, columns and their names.
PANELS = (
    ("memory", "MiB", MIB, {"rss": "resident", "pss": "proportional", "data": "data segment"}),
    ("descriptors", "", 1, {"descriptors": "all", "sessions": "clients", "backend_connections": "to the backend"}),
    ("spool", "MiB", MIB, {"ledger": "ledger.db", "wal": "write-ahead log", "segments": "segments", "held": "held content"}),
    ("messages", "", 1, {"groups": "in the history", "waiting": "wait", "failed": "failed"}),
    ("a second", "", 1, {"copies_rate": "copies accepted", "delivered_rate": "delivered"}),
    ("CPU", "%", 1, {"cpu_rate": "of one core"}),
)


def derived(rows):
    """With columns that follow from others: rates over ten seconds, sums."""
    made = []
    for index, row in enumerate(rows):
        before = rows[max(0, index - 10)]
        seconds = row["time"] - before["time"] or 1
        rates = {
            "copies_rate": (row["copies_total"] - before["copies_total"]) / seconds,
            "delivered_rate": (row["recipients_delivered_total"] - before["recipients_delivered_total"]) / seconds,
            "cpu_rate": 100 * (row["cpu"] - before["cpu"]) / seconds,
        }
        sums = {"held": row["held_segments"] + row["held_ledger"], "waiting": row["held"] + row["queued"] + row["in_flight"]}
        made.append({**row, **rates, **sums})
    return made


def thinned(rows, column, end):
    """(time, least, most) of at most POINTS stretches."""
    stretches = {}
    for row in rows:
        stretches.setdefault(int(POINTS * row["time"] / end), []).append(row)
    return [(each[0]["time"], min(r[column] for r in each), max(r[column] for r in each)) for each in stretches.values()]


def nice(most):
    """A round number that is not less."""
    if most <= 0:
        return 1
    power = 10 ** (len(str(int(most))) - 1)
    return next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= most)


class Plot:
    def __init__(self, rows, marks, title):
        self.rows = derived(rows)
        self.end = max(row["time"] for row in rows)
        self.marks = marks  # (time, what, colour)
        self.title = title
        self.lines = []

    def x(self, time):
        return LEFT + (WIDTH - LEFT - RIGHT) * time / self.end

    def add(self, line):
        self.lines.append(line)

    def text(self, x, y, words, more=""):
        self.add(f'<text x="{x:.1f}" y="{y:.1f}" {more}>{words}</text>')

    def box(self, x, y, width, height, more):
        self.add(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" {more}/>')

    def bands(self, top):
        """Quiet times grey, and the time after the load."""
        for phase, colour in (("quiet", "#e6e9ee"), ("drain", "#eef3e6")):
            for begin, end in self.stretches(phase):
                self.box(self.x(begin), top, self.x(end) - self.x(begin), PANEL, f'fill="{colour}"')
        for time, _, colour in self.marks:
            self.add(f'<path d="M{self.x(time):.1f} {top}v{PANEL}" stroke="{colour}" stroke-width="0.8"/>')

    def stretches(self, phase):
        found = []
        for before, row in zip(self.rows, self.rows[1:]):
            if row["phase"] == phase and before["phase"] != phase:
                found.append([row["time"], row["time"]])
            if row["phase"] == phase and found:
                found[-1][1] = row["time"]
        return found

    def panel(self, number, title, unit, divisor, columns):
        top = TOP + number * (PANEL + GAP)
        self.bands(top)
        most = nice(max(row[column] for row in self.rows for column in columns) / divisor)

        def y(value):
            return top + PANEL * (1 - value / divisor / most)

        for step in range(5):
            level = most * step / 4
            self.add(f'<path d="M{LEFT} {y(level * divisor):.1f}H{WIDTH - RIGHT}" stroke="#ccc" stroke-width="0.5"/>')
            self.text(LEFT - 6, y(level * divisor) + 4, f"{level:g}", 'text-anchor="end"')
        self.text(LEFT, top - 6, f"{title}{', ' + unit if unit else ''}", 'font-weight="bold"')
        for index, (column, name) in enumerate(columns.items()):
            self.curve(column, y, COLOURS[index])
            self.text(WIDTH - RIGHT + 12, top + 14 + 18 * index, name, f'fill="{COLOURS[index]}"')
        for minutes in self.minutes():
            self.text(self.x(60 * minutes), top + PANEL + 14, f"{minutes:g}", 'text-anchor="middle" fill="#666"')

    def minutes(self):
        """At most ten, at round numbers."""
        step = next(each for each in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 600) if self.end / 60 / each < 10)
        return [round(number * step, 1) for number in range(int(self.end / 60 / step) + 1)]

    def curve(self, column, y, colour):
        """Up and down between the least and the most of each stretch, so that no peak is lost."""
        points = []
        for time, least, most in thinned(self.rows, column, self.end):
            points.append(f"{self.x(time):.0f} {y(most):.0f}")
            if round(y(least)) != round(y(most)):
                points.append(f"{self.x(time):.0f} {y(least):.0f}")
        self.add(f'<path d="M{"L".join(points)}" fill="none" stroke="{colour}" stroke-width="1.2"/>')

    def legend(self):
        self.text(LEFT, 20, self.title, 'font-size="15" font-weight="bold"')
        x = LEFT
        for colour, words in (("#e6e9ee", "quiet"), ("#eef3e6", "load has ended")):
            self.box(x, 27, 14, 10, f'fill="{colour}" stroke="#bbb" stroke-width="0.5"')
            self.text(x + 18, 36, words)
            x += 130
        for what, colour in dict((what, colour) for _, what, colour in self.marks).items():
            self.add(f'<path d="M{x + 7} 27v10" stroke="{colour}" stroke-width="2"/>')
            self.text(x + 18, 36, what)
            x += 130

    def svg(self):
        for number, panel in enumerate(PANELS):
            self.panel(number, *panel)
        self.legend()
        height = TOP + len(PANELS) * (PANEL + GAP)
        self.text(WIDTH - RIGHT + 12, height - GAP + 14, "minutes", 'fill="#666"')
        size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
        return "\n".join([head, f'<rect width="{WIDTH}" height="{height}" fill="white"/>', *self.lines, "</svg>\n"])
