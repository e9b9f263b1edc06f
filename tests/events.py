#!/usr/bin/env python3
"""Every event that the code logs is explained in onecopyd(8), and nothing else is."""

import pathlib
import re
import sys

top = pathlib.Path(__file__).resolve().parent.parent
LOGGED = re.compile(r'(?:log::(?:error|warning|info|debug)|notice)\(\s*(?:base::Level::\w+,\s*)?"(\w+)"')
EXPLAINED = re.compile(r"^\.It Cm (.*)$", re.MULTILINE)

sources = [path for folder in ("lib", "daemon") for path in sorted((top / folder).rglob("*.cc"))]
logged = {event for path in sources for event in LOGGED.findall(path.read_text())}
page = (top / "man/onecopyd.8").read_text()
events = page[page.index(".Ss Events") : page.index(".Ss Metrics")]
explained = {event for line in EXPLAINED.findall(events) for event in line.split(" , ")}

for event in sorted(logged - explained):
    print(f"man/onecopyd.8 does not explain the event {event}")
for event in sorted(explained - logged):
    print(f"man/onecopyd.8 explains {event}, which nothing logs")
if len(logged) < 30:
    print(f"only {len(logged)} events were found in the sources: has the way of logging changed?")
sys.exit(0 if logged == explained and len(logged) >= 30 else 1)
