#!/usr/bin/env python3
"""Every metric is explained in onecopyd(8), and nothing else is; dashboard and alerts use no other."""

import json
import pathlib
import re
import sys

top = pathlib.Path(__file__).resolve().parent.parent
NAME = re.compile(r"onecopy_\w+")
EXPLAINED = re.compile(r"^\.It Cm (onecopy_\w+)$", re.MULTILINE)

known = {name for file in ("lib/base/metrics.cc", "daemon/exposition.cc") for name in NAME.findall((top / file).read_text())}
explained = set(EXPLAINED.findall((top / "man/onecopyd.8").read_text()))
faults = [f"man/onecopyd.8 does not explain {name}" for name in sorted(known - explained)]
faults += [f"man/onecopyd.8 explains {name}, which is no metric" for name in sorted(explained - known)]

dashboard = json.loads((top / "conf/grafana-dashboard.json").read_text())
queries = {
    "conf/grafana-dashboard.json": [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]],
    "conf/alerts.yaml": [(top / "conf/alerts.yaml").read_text()],
}
for file, texts in queries.items():
    used = {name for text in texts for name in NAME.findall(text)}
    if not used:
        faults.append(f"{file} uses no metric: has its way of writing changed?")
    for name in sorted(used):
        if name not in known and re.sub("_(bucket|sum|count)$", "", name) not in known:
            faults.append(f"{file} uses {name}, which is no metric")
if len(known) < 30:
    faults.append(f"only {len(known)} metrics were found: has the way of writing them changed?")
print("\n".join(faults), end="\n" if faults else "")
sys.exit(1 if faults else 0)
