"""A mail server that keeps what it gets, and does what a test tells it to.

In a test:   with Sink() as sink: ...; sink.wait(1); sink.delivered[0].recipients
As program:  python3 sink.py --record FILE   (prints its port, then writes one JSON line for each message)

Strict where a lax server would hide a fault of the client: a message ends by CRLF.CRLF alone, and the bytes are kept
as they stood on the wire.
"""

import argparse
import base64
import contextlib
import functools
import itertools
import json
import signal
import socket
import ssl
import struct
import threading
import time

from ports import free_port

# Returned by a hook: the connection ends without a word; with the end of TLS first; by a reset.
CLOSE, NOTIFY, RESET = "close", "notify", "reset"


class Transaction:
    """One message that was offered: by whom, for whom, and what became of it."""

    def __init__(self, connection, sender, parameters):
        self.connection = connection
        self.sender = sender
        self.parameters = parameters
        self.recipients = []  # accepted
        self.refused = {}  # address: reply
        self.wire = b""  # what came after 354, without the final dot
        self.reply = ""  # to the final dot
        self.began = time.monotonic()
        self.ended = None

    @property
    def message(self):
        """The message without the transparency dots (RFC 5321 4.5.2)."""
        return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in self.wire.split(b"\r\n"))

    @property
    def accepted(self):
        return self.reply.startswith("2")

    def header(self, name):
        """The values of a field, unfolded."""
        block = self.message.split(b"\r\n\r\n", 1)[0].decode("latin-1")
        lines = block.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n")
        return [line.partition(":")[2].strip() for line in lines if line.partition(":")[0].lower() == name.lower()]

    @functools.cached_property
    def id(self):
        return (self.header("Message-ID") or [""])[0]


class Hooks:
    """What to answer at each step. A hook returns a reply, CLOSE, or None for the usual one."""

    extensions = ["PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES"]

    def greeting(self, connection):
        return None

    def ehlo(self, connection, name):
        return None

    def start_tls(self):
        return None

    def mail(self, transaction):
        return None

    def rcpt(self, transaction, address):
        return None

    def data(self, transaction):
        return None

    def dot(self, transaction):
        return None


class Refuse(Hooks):
    """Refuses recipients: Refuse({"nobody@corp.example": "550 5.1.1 unknown"})."""

    def __init__(self, replies):
        self.replies = replies

    def rcpt(self, transaction, address):
        return self.replies.get(address)


class AtMost(Hooks):
    """Takes so many recipients in a transaction, and answers `reply` to more."""

    def __init__(self, count, reply="452 4.5.3 Too many recipients"):
        self.count = count
        self.reply = reply

    def rcpt(self, transaction, address):
        return self.reply if len(transaction.recipients) >= self.count else None


class First(Hooks):
    """Answers the first `count` uses of a step with `reply`, further ones as usual."""

    def __init__(self, step, reply, count=1):
        left = itertools.chain([reply] * count, itertools.repeat(None))
        lock = threading.Lock()

        def answer(*_):
            with lock:
                return next(left)

        setattr(self, step, answer)


class Gate(Hooks):
    """Holds the answer to the final dot until open() was called."""

    def __init__(self):
        self.reached = threading.Event()
        self._open = threading.Event()

    def open(self):
        self._open.set()

    def dot(self, transaction):
        self.reached.set()
        self._open.wait(60)
        return None


class Sink:
    def __init__(self, hooks=None, host="127.0.0.1", port=0, on_message=None, tls=None, users=None, lmtp=False):
        self.hooks = hooks or Hooks()
        self.tls = tls  # an ssl.SSLContext: STARTTLS is offered
        self.users = users  # name to password: AUTH is offered under TLS, and asked for
        self.lmtp = lmtp
        self.transactions = []  # those whose final dot was answered, in that order
        self._accepted = []
        self.connections = 0
        self.commands = []  # every command line of every connection
        self._changed = threading.Condition()
        self._on_message = on_message
        self._sockets = set()
        self._host = host
        self._listener = None
        self.port = port or free_port(host)
        self.start()

    # Life

    def start(self):
        """Listens, on the same port as before after a stop()."""
        self._listener = socket.create_server((self._host, self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self):
        """Ends the listener and every connection, as a server that dies does."""
        with self._changed:
            sockets, self._sockets = self._sockets, set()
        for each in [self._listener, *sockets]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def address(self):
        return f"{self._host}:{self.port}"

    # What came

    @property
    def delivered(self):
        with self._changed:
            return list(self._accepted)

    def of(self, message_id):
        return [each for each in self.delivered if each.id == message_id]

    def recipients_of(self, message_id):
        return sorted(itertools.chain.from_iterable(each.recipients for each in self.of(message_id)))

    def wait(self, count, deadline=30):
        """Until so many messages were accepted."""
        return self.wait_for(lambda: len(self._accepted) >= count, deadline, f"{count} messages")

    def wait_for(self, condition, deadline=30, what="such state"):
        with self._changed:
            if not self._changed.wait_for(condition, deadline):
                raise TimeoutError(f"no {what} at the sink within {deadline} s; it has {len(self.transactions)} transactions")
        return self.delivered

    # The protocol

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._sockets.add(connection)
                self.connections += 1
                number = self.connections
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection, number):
        session = _Session(self, connection, number)
        try:
            session.run()
        except OSError:
            pass
        finally:
            with self._changed:
                self._sockets.discard(connection)
            session.connection.close()
            connection.close()

    def _note(self, command):
        with self._changed:
            self.commands.append(command)
            self._changed.notify_all()

    def _finish(self, transaction):
        with self._changed:
            self.transactions.append(transaction)
            if transaction.accepted:
                self._accepted.append(transaction)
            self._changed.notify_all()
        if self._on_message:
            self._on_message(transaction)


class _Closed(Exception):
    pass


class _Session:
    def __init__(self, sink, connection, number):
        self.sink = sink
        self.connection = connection
        self.number = number
        self.buffer = b""
        self.transaction = None
        self.secure = False
        self.user = None

    def run(self):
        try:
            self.say(self.sink.hooks.greeting(self.number) or "220 sink.example ESMTP")
            while self.command(self.line().decode("latin-1")):
                pass
        except (_Closed, ssl.SSLError):
            pass

    def say(self, reply):
        if reply in (CLOSE, NOTIFY, RESET):
            self.end(reply)
        self.connection.sendall(reply.encode("latin-1") + b"\r\n")

    def end(self, how):
        if how == NOTIFY and self.secure:
            with contextlib.suppress(OSError):
                self.connection.unwrap()
        if how == RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise _Closed

    def fill(self):
        data = self.connection.recv(65536)
        if not data:
            raise _Closed
        self.buffer += data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def content(self):
        pieces = [b"\r\n"]  # so that a dot on the first line is found as well
        tail = self.buffer
        while True:
            seen = (pieces[-1][-4:] if len(pieces[-1]) >= 4 else b"".join(pieces)[-4:]) + tail
            end = seen.find(b"\r\n.\r\n")
            if end >= 0:
                whole = b"".join(pieces) + tail
                cut = len(whole) - len(seen) + end
                self.buffer = whole[cut + 5 :]
                return whole[2 : cut + 2]
            pieces.append(tail)
            self.buffer = b""
            self.fill()
            tail = self.buffer

    def command(self, line):
        self.sink._note(line)
        verb, _, rest = line.partition(" ")
        verb = verb.upper()
        if verb in (("LHLO",) if self.sink.lmtp else ("EHLO", "HELO")):
            self.hello(verb, rest)
        elif verb == "STARTTLS" and self.sink.tls and not self.secure:
            self.start_tls()
        elif verb == "AUTH" and self.sink.users is not None and self.secure:
            self.auth(*rest.split())
        elif verb == "MAIL" and self.sink.users is not None and self.user is None:
            self.say("530 5.7.0 authentication required")
        elif verb == "MAIL":
            self.mail(rest)
        elif verb == "RCPT" and self.transaction:
            self.rcpt(rest)
        elif verb == "DATA" and self.transaction:
            self.data()
        elif verb in ("RSET", "NOOP"):
            self.transaction = None if verb == "RSET" else self.transaction
            self.say("250 2.0.0 ok")
        elif verb == "QUIT":
            self.say("221 2.0.0 bye")
            return False
        else:
            self.say("503 5.5.1 not now")
        return True

    def hello(self, verb, name):
        usual = "250 sink.example"
        if verb != "HELO":
            lines = ["sink.example", *self.sink.hooks.extensions, *self.offers()]
            usual = "\r\n".join(f"250{' ' if n == len(lines) - 1 else '-'}{text}" for n, text in enumerate(lines))
        answer = self.sink.hooks.ehlo(self.number, name) if verb == "EHLO" else None
        self.say(answer or usual)

    def offers(self):
        if self.sink.tls and not self.secure:
            yield "STARTTLS"
        if self.sink.users is not None and self.secure:
            yield "AUTH LOGIN" if "LOGIN" in self.sink.users else "AUTH PLAIN LOGIN"

    def start_tls(self):
        answer = self.sink.hooks.start_tls() or "220 2.0.0 go"
        self.say(answer)
        if answer.startswith("2"):
            self.connection = self.sink.tls.wrap_socket(self.connection, server_side=True)
            self.buffer, self.transaction, self.secure = b"", None, True

    def auth(self, mechanism, response=None):
        if mechanism == "PLAIN":
            _, name, password = base64.b64decode(response).split(b"\0")
        else:
            self.say("334 VXNlcm5hbWU6")
            name = base64.b64decode(self.line())
            self.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self.line())
        right = self.sink.users.get(name.decode()) == password.decode()
        self.user = name.decode() if right else None
        self.say("235 2.7.0 welcome" if right else "535 5.7.8 wrong")

    @staticmethod
    def path(rest):
        path = rest.partition(":")[2].strip()
        inside, _, parameters = path[1:].rpartition(">")
        return inside, parameters.split()

    def mail(self, rest):
        transaction = Transaction(self.number, *self.path(rest))
        answer = self.sink.hooks.mail(transaction) or "250 2.1.0 ok"
        if answer.startswith("2"):
            self.transaction = transaction
        self.say(answer)

    def rcpt(self, rest):
        address, _ = self.path(rest)
        answer = self.sink.hooks.rcpt(self.transaction, address) or "250 2.1.5 ok"
        if answer.startswith("2"):
            self.transaction.recipients.append(address)
        else:
            self.transaction.refused[address] = answer
        self.say(answer)

    def data(self):
        transaction = self.transaction
        if not transaction.recipients:
            return self.say("554 5.5.1 no valid recipients")
        answer = self.sink.hooks.data(transaction) or "354 go on"
        self.say(answer)
        if not answer.startswith("3"):
            return None
        transaction.wire = self.content()
        self.transaction = None
        transaction.secure, transaction.user = self.secure, self.user
        transaction.reply = self.sink.hooks.dot(transaction) or "250 2.0.0 taken"
        transaction.ended = time.monotonic()
        self.sink._finish(transaction)
        for _ in transaction.recipients if self.sink.lmtp else (1,):
            self.say(transaction.reply)
        return None


def record_of(transaction):
    return {
        "sender": transaction.sender,
        "recipients": transaction.recipients,
        "id": transaction.id,
        "message": base64.b64encode(transaction.message).decode(),
    }


def main():
    arguments = argparse.ArgumentParser(description="An SMTP server that takes everything and writes it down.")
    arguments.add_argument("--record", required=True, help="file for one JSON line a message")
    record = open(arguments.parse_args().record, "a", encoding="ascii")

    def write(transaction):
        record.write(json.dumps(record_of(transaction)) + "\n")
        record.flush()

    signal.signal(signal.SIGTERM, lambda *_: exit(0))
    sink = Sink(on_message=write)
    print(sink.port, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


if __name__ == "__main__":
    main()
