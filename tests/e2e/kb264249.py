"""Plays the case of KB264249 before a running onecopyd and tells what came in and what went out (see quickstart).

A message for two users and a blind one; the provider put a copy for each into the one mailbox; a fetcher passes every
copy to all whom To and Cc name. Exit status 0: one copy came out, for exactly the three, and it names no blind one.
"""

import argparse
import base64
import json
import pathlib
import smtplib
import sys
import time

from messages import Message, copies, header_of

MESSAGE = Message(264249, to=("anna",), cc=("bert",), blind=("carl",))
LATER = Message(265739, to=("anna",))
DEADLINE = 30


def short(addresses):
    return ", ".join(address.partition("@")[0] for address in addresses)


def pass_on(port):
    """What a fetcher does with the mailbox."""
    with smtplib.SMTP("127.0.0.1", port, timeout=DEADLINE) as client:
        for number, (recipient, data) in enumerate(copies(MESSAGE), 1):
            client.sendmail(MESSAGE.sender, MESSAGE.visible, data)
            whose = "blind" if recipient not in MESSAGE.visible else "named"
            print(f"  copy {number}   Delivered-To: {recipient} ({whose})   the fetcher names: {short(MESSAGE.visible)}")


def follow_up(port):
    """A message behind it: when that has come out, whatever else was to come has come."""
    with smtplib.SMTP("127.0.0.1", port, timeout=DEADLINE) as client:
        for recipient, data in copies(LATER):
            client.sendmail(LATER.sender, [recipient], data)


def recorded(record):
    lines = record.read_text(encoding="ascii").splitlines() if record.exists() else []
    return [json.loads(line) for line in lines]


def wait_for(record, identity):
    end = time.monotonic() + DEADLINE
    while not any(each["id"] == identity for each in recorded(record)):
        if time.monotonic() > end:
            sys.exit(f"  {identity} did not come out within {DEADLINE} seconds")
        time.sleep(0.1)


def tell(found):
    for each in found:
        print(f"  copy     {each['id']}   in one transaction to: {short(each['recipients'])}")
        header = header_of(base64.b64decode(each["message"])).decode("latin-1")
        shown = [user for user in MESSAGE.blind if user in header]
        print(f"           its header names {short(shown) if shown else 'no blind recipient'}")
        yield sorted(each["recipients"]) == sorted(MESSAGE.everyone) and not shown


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--smtp", type=int, required=True)
    arguments.add_argument("--record", type=pathlib.Path, required=True)
    options = arguments.parse_args()

    print(f"What comes in: {MESSAGE.id} to anna, Cc bert, blind carl, as the provider split it\n")
    pass_on(options.smtp)
    without = len(copies(MESSAGE))
    print(f"\n  Without onecopy anna and bert would get {without} each, and carl none.\n")
    print("What goes out, as the mail server behind recorded it\n")
    wait_for(options.record, MESSAGE.id)
    follow_up(options.smtp)
    wait_for(options.record, LATER.id)
    verdicts = list(tell([each for each in recorded(options.record) if each["id"] == MESSAGE.id]))
    good = verdicts == [True]
    print("\n  One copy for each." if good else f"\n  This is not right: {len(verdicts)} copies came out.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
