#!/usr/bin/env python3
"""Keeps the house as it was drawn: a folder includes itself and what it may use, a foreign library lives in one place.

python3 tests/floors.py [TOP]    one line for each include that is out of place; exit status 1 if there is one
"""

import pathlib
import re
import sys

FLOORS = {
    "base": (),
    "config": ("base",),
    "message": ("base",),
    "net": ("base",),
    "smtp": ("base", "message"),
    "coalesce": ("base", "message"),
    "ledger": ("base", "message", "coalesce"),
    "relay": ("base", "config", "message", "net", "smtp", "coalesce", "ledger"),
    "daemon": ("base", "config", "message", "net", "smtp", "coalesce", "ledger", "relay"),
}

# Headers of foreign libraries and the floors that may know them. `pair`: in one .h and .cc of one name, no more.
LIBRARIES = (
    (r"event2/", {"net"}, ""),
    (r"openssl/ssl\.h|openssl/bio\.h", {"net"}, ""),
    (r"openssl/", {"net", "message", "relay"}, ""),
    (r"yaml-cpp/", {"config"}, ""),
    (r"crypt\.h", {"relay"}, "pair"),
    (r"mimetic/", {"message"}, "pair"),
    (r"sqlite3\.h", {"ledger"}, ""),
    (r"CLI/", {"daemon"}, ""),
    (r"systemd/", {"daemon", "net"}, ""),
)

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def sources(top):
    """(floor, file) for every source of the product and every test that mirrors a floor."""
    for floor in FLOORS:
        folder = top / "daemon" if floor == "daemon" else top / "lib" / floor
        for each in (folder, top / "tests" / floor):
            for path in sorted(each.rglob("*")):
                if path.suffix in (".h", ".cc"):
                    yield floor, path


def wrong_floor(floor, name):
    other = name.split("/")[0]
    return "/" in name and other in FLOORS and other != floor and other not in FLOORS[floor]


def wrong_library(floor, name):
    for pattern, floors, _ in LIBRARIES:
        if re.match(pattern, name):
            return floor not in floors
    return False


def problems(top):
    users = {}
    for floor, path in sources(top):
        place = path.relative_to(top)
        for kind, name in INCLUDE.findall(path.read_text(encoding="utf-8")):
            if kind == '"' and wrong_floor(floor, name):
                yield f"{place}: {floor} may not include {name}"
            if kind == "<" and place.parts[0] != "tests" and wrong_library(floor, name):
                yield f"{place}: {floor} may not use <{name}>"
            for pattern, _, rule in LIBRARIES:
                if rule == "pair" and re.match(pattern, name):
                    users.setdefault(pattern, set()).add(place.with_suffix(""))
    for pattern, places in users.items():
        if len(places) > 1:
            yield f"<{pattern}...> is used in more than one file pair: {', '.join(sorted(map(str, places)))}"


def main():
    top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[1])
    if not any(True for _ in sources(top)):
        sys.exit(f"{top}: no sources here")
    found = list(problems(top))
    print("\n".join(found) if found else "every floor includes itself and what it may use")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
