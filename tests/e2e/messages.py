"""Mail as a provider's catch-all mailbox holds it: messages split into one copy for each recipient (KB264249)."""

import base64
import dataclasses
import functools
import hashlib
import itertools

DOMAIN = "corp.example"


def at(user):
    return user if "@" in user else f"{user}@{DOMAIN}"


@dataclasses.dataclass(frozen=True)
class Message:
    """What its author wrote; `blind` got a copy and stand in no field of his."""

    number: int
    to: tuple = ("anna", "bert")
    cc: tuple = ()
    blind: tuple = ()
    sender: str = "sender@far.example"
    kind: str = "plain"
    extra: str = ""  # further header lines of the author's, each with its CRLF

    @property
    def id(self):
        return f"<m{self.number}.{self.kind}@far.example>"

    @property
    def visible(self):
        return [at(user) for user in (*self.to, *self.cc)]

    @property
    def everyone(self):
        return [at(user) for user in (*self.to, *self.cc, *self.blind)]

    def author_header(self):
        lines = [
            f"From: The Sender <{self.sender}>",
            "To: " + ",\r\n\t".join(f'"User {user}" <{at(user)}>' for user in self.to),
        ]
        if self.cc:
            lines.append("Cc: " + ", ".join(at(user) for user in self.cc))
        lines += [
            f"Subject: message {self.number},\r\n folded  as it pleases",
            f"Date: Mon, 02 Nov 2026 10:{self.number % 60:02}:00 +0100",
            f"Message-ID: {self.id}",
            "MIME-Version: 1.0",
        ]
        return "".join(line + "\r\n" for line in lines).encode() + self.extra.encode()

    def body(self):
        return BODIES[self.kind](self.number)

    def text(self):
        """As it left its author."""
        return self.author_header() + self.body()


def _plain(number):
    return f"Content-Type: text/plain\r\n\r\nHello, this is message {number}.\r\n.\r\n..\r\n.x\r\nBye\r\n".encode()


def _eight_bit(number):
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    return head + f"Grüße Nr. {number}, ".encode() + b"\xff\xfe latin \xe4\r\n"


def _empty(_):
    return b"\r\n"


@functools.lru_cache(maxsize=64)  # asked for again for every copy
def _large(number):
    """Beyond what a ledger row holds, with attachments that differ from message to message."""
    boundary = f"=_{number}"
    seed = hashlib.sha256(str(number).encode()).digest()
    data = b"".join(hashlib.sha256(seed + index.to_bytes(4, "big")).digest() for index in range(3000 + number % 7 * 1000))
    encoded = base64.encodebytes(data).replace(b"\n", b"\r\n")
    return (
        f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\nno MIME\r\n--{boundary}\r\n\r\ntext\r\n--{boundary}\r\n'
        "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    ).encode() + encoded + f"--{boundary}--\r\n".encode()


def _megabyte(number):
    line = f"{number:08} ".encode() * 7 + b"\r\n"
    return b"\r\n" + line * ((1 << 20) // len(line))


BODIES = {"plain": _plain, "eight_bit": _eight_bit, "empty": _empty, "large": _large, "megabyte": _megabyte}


def copy_for(message, user):
    """The copy that the provider stored for one recipient: trace fields name him, everything below is the author's."""
    number = int.from_bytes(hashlib.sha256(f"{message.id}{user}".encode()).digest()[:4], "big")
    trace = (
        f"Return-Path: <{message.sender}>\r\n"
        f"Delivered-To: {at(user)}\r\n"
        f"X-Original-To: {at(user)}\r\n"
        f"Received: from mx.far.example (mx.far.example [192.0.2.7])\r\n"
        f"\tby mail.provider.example (Postfix) with ESMTP id {number:08X}\r\n"
        f"\tfor <{at(user)}>; Mon, 2 Nov 2026 10:00:{number % 60:02} +0100 (CET)\r\n"
    )
    return trace.encode() + message.text()


def copies(message):
    """(recipient, bytes) for everyone, the blind ones too."""
    return [(at(user), copy_for(message, user)) for user in (*message.to, *message.cc, *message.blind)]


def interleaved(messages):
    """The copies of many messages as they lie in the mailbox: one of each in turn."""
    rounds = itertools.zip_longest(*(copies(message) for message in messages))
    return [each for turn in rounds for each in turn if each is not None]


def header_of(data):
    return data.split(b"\r\n\r\n", 1)[0]


def content_of(data):
    """Body, and the author's fields as they stand, without what a copy picks up on its way."""
    head, _, body = data.partition(b"\r\n\r\n")
    start = head.find(b"From: The Sender")
    return head[start:], body
