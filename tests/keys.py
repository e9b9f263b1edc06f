#!/usr/bin/env python3
"""Every key of the configuration is explained in onecopyd.yaml(5), and nothing else is."""

import pathlib
import re
import sys

top = pathlib.Path(__file__).resolve().parent.parent
KEY = re.compile(r'\bkey\("([^"]+)"')
EXPLAINED = re.compile(r"^\.It Cm (\S+) :", re.MULTILINE)

known = set(KEY.findall((top / "lib/config/table.cc").read_text()))
explained = set(EXPLAINED.findall((top / "man/onecopyd.yaml.5").read_text()))

for key in sorted(known - explained):
    print(f"man/onecopyd.yaml.5 does not explain {key}")
for key in sorted(explained - known):
    print(f"man/onecopyd.yaml.5 explains {key}, which is no key")
if len(known) < 50:
    print(f"only {len(known)} keys were found in the table: has its way of writing changed?")
sys.exit(0 if known == explained and len(known) >= 50 else 1)
