#!/usr/bin/env python3
"""Counts the cases in meson's record of a test run, so that a program which ran none is not taken for one that passed.

python3 tests/count.py BUILD/meson-logs/NAME.json    prints: PASSED FAILED SKIPPED
"""

import json
import re
import sys

DOCTEST = re.compile(r"\[doctest\] test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed")
SIMULATION = re.compile(r"^(\d+) runs in .* (\d+) bad$", re.MULTILINE)
UNITTEST = re.compile(r"^Ran (\d+) tests? in .*\n\n(?:OK|FAILED)(?: \((.*)\))?", re.MULTILINE)


def of_unittest(ran, remarks):
    numbers = {name: int(number) for name, number in re.findall(r"([a-z ]+)=(\d+)", remarks or "")}
    bad = sum(numbers.get(name, 0) for name in ("failures", "errors", "unexpected successes"))
    skipped = numbers.get("skipped", 0)
    return max(int(ran) - bad - skipped, 0), bad, skipped


def of_program(test):
    """(passed, failed, skipped) of one test program."""
    text = test.get("stdout", "") + "\n" + test.get("stderr", "")
    counts = [(int(passed), int(failed), 0) for passed, failed in DOCTEST.findall(text)]
    counts += [(int(ran) - int(bad), int(bad), 0) for ran, bad in SIMULATION.findall(text)]
    counts += [of_unittest(*found) for found in UNITTEST.findall(text)]
    passed, failed, skipped = (sum(column) for column in zip((0, 0, 0), *counts))
    good = test["result"] == "OK" and (passed or skipped)
    return passed, failed if failed or good else 1, skipped


def main():
    with open(sys.argv[1], encoding="utf-8") as record:
        counts = [of_program(json.loads(line)) for line in record]
    print(*(sum(column) for column in zip((0, 0, 0), *counts)))


if __name__ == "__main__":
    main()
