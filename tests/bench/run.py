#!/usr/bin/env python3
"""onecopyd measured on this machine: against Postfix, and with much to keep. See README.md. Needs a release build, and for
Postfix root."""

import argparse
import json
import os
import sys

import rates
import states
from relays import BENCH, postfix_missing


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("rates", "states", "all"), nargs="?", default="all")
    parser.add_argument("--directory", default=str(BENCH), help="on the disk that is meant, not a tmpfs (default: the build)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="scenarios whose name has this")
    parser.add_argument("--postfix-tools", action="store_true", help="also by smtp-source and smtp-sink")
    parser.add_argument("--history", type=int, default=1_000_000, help="groups that were delivered")
    parser.add_argument("--large", action="store_true", help="ten million groups of history")
    parser.add_argument("--held", type=int, default=1_000_000, help="groups that wait")
    parser.add_argument("--patience", type=float, default=0, help="seconds to wait before each measurement for an idle machine")
    parser.add_argument("--json", help="the figures of each round, to be plotted")
    return parser.parse_args()


def main():
    options = arguments()
    if options.large:
        options.history = 10_000_000
    missing = postfix_missing()
    if missing:
        print(f"without Postfix: {missing}", file=sys.stderr)
    results = {}
    if options.what in ("rates", "all"):
        chosen = [each for each in rates.SCENARIOS if options.only in each.name]
        results["rates"] = rates.run(chosen, options.rounds, options.directory, not missing, options.patience)
        if options.postfix_tools and not missing:
            results["rates"].update(rates.second_opinion(options.rounds, options.directory))
    if options.what in ("states", "all"):
        results["states"] = states.run(options)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"load": os.getloadavg(), **results}, file, indent=1)


if __name__ == "__main__":
    main()
