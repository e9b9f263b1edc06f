"""What an hour of fetchers, idle callers, strangers and an admin do to onecopyd."""

import base64
import contextlib
import dataclasses
import heapq
import http.client
import json
import math
import queue
import random
import signal
import smtplib
import ssl
import threading
import time

import messages
from harness import PATIENCE, Raw, Refused, dot_stuffed, expect, offer

USERS = [f"user{number:02}" for number in range(40)]
GONE, NEVER, PICKY = "gone", "never", "picky"  # 550 at RCPT; 450 for ever; 554 to the data for all who are with him
SENDERS = ("sender@far.example", "list@far.example", "other@elsewhere.example", "")
LINE = 78
POOL = base64.encodebytes(random.Random(1).randbytes(3 << 20)).replace(b"\n", b"\r\n")


def body_of(size):
    """A body of about that size, other for each message; some of its lines begin with a dot."""

    def body(number):
        start = number * 7919 % ((len(POOL) - size) // LINE) * LINE
        head = f"Content-Type: text/plain\r\n\r\nmessage {number}\r\n.\r\n..\r\n.x\r\n".encode()
        return head + POOL[start : start + size // LINE * LINE]

    return body


SIZES = {"small": 4 << 10, "medium": 100 << 10, "huge": 2 << 20}
messages.BODIES.update({kind: body_of(size) for kind, size in SIZES.items()})


@dataclasses.dataclass(frozen=True)
class Copy:
    message: messages.Message
    envelope: str
    recipients: tuple
    trace_for: str
    fate: str = "heard"  # heard: until a 250 was read; unheard: the first answer is lost; half: ends within the data

    def data(self):
        return messages.copy_for(self.message, self.trace_for)


def trusting():
    """Clients do not look at our certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Author(threading.Thread):
    """Writes mail at some rate and lays its copies before the clients; some come late, some once more."""

    def __init__(self, account, rate, latest, seed):
        super().__init__(daemon=True)
        self.ready = queue.Queue(200)
        self.recent = []
        self.writing = threading.Event()
        self._account = account
        self._rate = rate
        self._began = time.monotonic()
        self._latest = latest
        self._chance = random.Random(seed)
        self._later = []
        self._order = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def stop(self):
        self._stopped.set()

    def later(self, copy, seconds):
        with self._lock:
            self._order += 1
            heapq.heappush(self._later, (time.monotonic() + seconds, self._order, copy))

    def idle(self):
        return self.ready.empty() and not self._later

    def run(self):
        due = time.monotonic()
        while not self._stopped.is_set():
            pieces = self._due() or (self._write() if self.writing.is_set() else [])
            for copy in pieces:
                self.ready.put(copy)
                due = max(due, time.monotonic() - 0.1) + 1 / self._now()
                self._stopped.wait(max(0, due - time.monotonic()))
            if not pieces:
                self._stopped.wait(0.1)

    def _now(self):
        """Copies a second: a third more or less, in waves of some minutes."""
        return self._rate * (1 + math.sin((time.monotonic() - self._began) / 40) / 3)

    def _due(self):
        with self._lock:
            due = bool(self._later) and self._later[0][0] <= time.monotonic()
            return [heapq.heappop(self._later)[2]] if due else []

    def _users(self):
        users = self._chance.sample(USERS, self._chance.randrange(1, 5))
        special = self._chance.choices((None, GONE, NEVER, PICKY), (960, 20, 4, 16))[0]
        return users[:3] + [special] if special else users

    def _write(self):
        users = self._users()
        blind = users[3:] if self._chance.random() < 0.5 else []
        visible = [user for user in users if user not in blind]
        kind = self._chance.choices(list(SIZES), (800, 196, 4))[0]
        envelope = self._chance.choices(SENDERS, (50, 30, 15, 5))[0]
        sender = envelope or SENDERS[0]
        message = self._account.open(
            lambda number: messages.Message(number, to=tuple(visible), blind=tuple(blind), kind=kind, sender=sender),
            told_to=envelope or messages.at("postmaster"),
        )
        self.recent = [*self.recent[-20:], message]
        return self._split(message, envelope, [*visible, *blind])

    def _split(self, message, envelope, users):
        """A copy for each; every other message as a connector brings it, each copy for all whom the header names."""
        all_visible = self._chance.random() < 0.5
        if self._chance.random() < 0.01:
            return [Copy(message, envelope, (messages.at(users[0]),), users[0], "half")]
        pieces = []
        for user in users:
            named = all_visible and messages.at(user) in message.visible
            everyone = tuple(message.visible) if named else (messages.at(user),)
            fate = "unheard" if self._chance.random() < 0.02 else "heard"
            piece = Copy(message, envelope, everyone, user, fate)
            if self._chance.random() < 0.04:
                self.later(piece, self._chance.uniform(0, self._latest))
            else:
                pieces.append(piece)
        return pieces


class Client(threading.Thread):
    """A fetcher: one session after the other, each copy until it has its 250."""

    def __init__(self, author, account, ports, latest, seed):
        super().__init__(daemon=True)
        self._author = author
        self._account = account
        self._ports = ports  # plain, and with STARTTLS
        self._latest = latest
        self._chance = random.Random(seed)
        self._session = None
        self._left = 0
        self._stopped = threading.Event()
        self._context = trusting()

    def stop(self):
        self._stopped.set()

    def run(self):
        while not (self._stopped.is_set() and self._author.ready.empty()):
            try:
                copy = self._author.ready.get(timeout=1)
            except queue.Empty:
                self._leave(orderly=True)
                continue
            self._bring(copy)
        self._leave(orderly=True)

    def _bring(self, copy):
        """Until it is taken: a broken session tells nothing of it, so it is offered again."""
        number = copy.message.number
        while True:
            try:
                if copy.fate != "heard":
                    return self._cut(copy)
                self._account.offered(number, copy.recipients)
                offer(self._open(), copy.envelope, copy.recipients, copy.data())
                return self._account.acknowledged(number, copy.recipients)
            except Refused as refused:
                if refused.code >= 500:
                    return self._account.fault(f"good mail was refused: {refused}")
                self._account.note("put off at our door")
            except (OSError, smtplib.SMTPException):
                self._account.note("sessions broken")
            self._leave(orderly=False)
            self._stopped.wait(0.1)

    def _open(self):
        if self._session and self._left > 0:
            self._left -= 1
            return self._session
        self._leave(orderly=self._chance.random() < 0.8)
        secure = self._chance.random() < 0.3
        session = smtplib.SMTP("127.0.0.1", self._ports[secure], local_hostname="fetcher.example", timeout=PATIENCE)
        self._session = session
        if secure:
            session.starttls(context=self._context)
        self._left = self._chance.randrange(1, 80)
        return session

    def _leave(self, orderly):
        session, self._session = self._session, None
        if session:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                session.docmd("QUIT") if orderly else None
            session.close()

    def _cut(self, copy):
        """The data, whole or half, and nobody waits for an answer; what was whole comes again."""
        whole = copy.fate == "unheard"
        if whole:
            self._account.offered(copy.message.number, copy.recipients)
        session = self._open()
        session.ehlo_or_helo_if_needed()
        for command in (f"MAIL FROM:<{copy.envelope}>", *(f"RCPT TO:<{each}>" for each in copy.recipients), "DATA"):
            expect(session.docmd(command), 250, 354)
        data = dot_stuffed(copy.data())
        session.send(data + b".\r\n" if whole else data[: len(data) // 2])
        self._leave(orderly=False)
        self._account.note(copy.fate)
        if whole:
            self._author.later(dataclasses.replace(copy, fate="heard"), self._chance.uniform(0, self._latest / 2))


class Loiterers(threading.Thread):
    """Connections that come, say little, stay for a while and go."""

    def __init__(self, ports, account, seed):
        super().__init__(daemon=True)
        self.welcome = threading.Event()
        self._ports = ports
        self._account = account
        self._chance = random.Random(seed)
        self._standing = []
        self._context = trusting()
        self._stopped = threading.Event()

    def stop(self):
        self._stopped.set()

    def run(self):
        while not self._stopped.wait(self._chance.uniform(0.05, 1)):
            wanted = self._chance.randrange(0, 40) if self.welcome.is_set() else 0
            for _ in range(max(0, len(self._standing) - wanted)):
                self._standing.pop(self._chance.randrange(len(self._standing))).socket.close()
            for _ in range(min(5, wanted - len(self._standing))):
                self._come()

    def _come(self):
        try:
            caller = Raw("127.0.0.1", self._ports[0])
            self._standing.append(caller)
            caller.reply()
            step = self._chance.randrange(5)
            if step > 0:
                caller.ask("EHLO idle.example")
            if step == 2:
                caller.ask("MAIL FROM:<idle@far.example>")
            if step == 3:
                self._secure()
            self._account.note("idle connections")
        except OSError:
            self._account.note("idle connections broken")

    def _secure(self):
        caller = self._standing[-1] = Raw("127.0.0.1", self._ports[1])
        caller.reply()
        caller.ask("EHLO idle.example")
        caller.ask("STARTTLS")
        caller.socket = self._context.wrap_socket(caller.socket)


RUDE = (
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"DATA\r\nRCPT TO:<x@y>\r\nMAIL\r\n",
    b"EHLO x\r\n" + b"NONSENSE\r\n" * 30,
    b"EHLO " + b"x" * 100_000 + b"\r\n",
    b"\0\xff\r\n" * 50,
    b"EHLO x\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<user01@corp.example>\r\nBDAT 99999999999\r\n",
    b"EHLO x\r\nMAIL FROM:<a@far.example> BODY=9BIT\r\nMAIL FROM:<\x1b[31m>\r\nRSET\r\nVRFY x\r\nQUIT\r\n",
    b"EHLO x\r\nSTARTTLS\r\n\x16\x03\x01\x02\x00\x01nonsense" + b"z" * 600,
    b"EHLO x\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<user01@corp.example>\r\nDATA\r\nX: y\r\n" + b"z" * 300_000,
)


class Strangers(threading.Thread):
    """Say what is no SMTP, and go, some without listening. Nobody of them ends a message."""

    def __init__(self, ports, account, seed):
        super().__init__(daemon=True)
        self.welcome = threading.Event()
        self._ports = ports
        self._account = account
        self._chance = random.Random(seed)
        self._stopped = threading.Event()

    def stop(self):
        self._stopped.set()

    def run(self):
        while not self._stopped.wait(self._chance.uniform(0.2, 2)):
            if self.welcome.is_set():
                self._call()

    def _call(self):
        with contextlib.suppress(OSError), Raw("127.0.0.1", self._chance.choice(self._ports)) as caller:
            self._account.note("bad SMTP")
            caller.socket.settimeout(2)
            caller.send(self._chance.choice(RUDE))
            for _ in range(self._chance.randrange(40)):
                if not caller.line():
                    return


class Admin(threading.Thread):
    """Asks and steers. The daemon is not killed while a command runs, so each must succeed."""

    def __init__(self, life, author, account, seed):
        super().__init__(daemon=True)
        self.busy = threading.Event()
        self._life = life
        self._author = author
        self._account = account
        self._chance = random.Random(seed)
        self._stopped = threading.Event()
        self._paused = False
        self._doings = {
            self._ask: 30,
            self._why: 15,
            self._release: 5,
            self._pause: 4,
            self._reload: 4,
            self._page: 10,
        }

    def stop(self):
        self._stopped.set()

    def run(self):
        while not self._stopped.wait(self._chance.uniform(0.5, 3)):
            with self._life.steady():
                if self._paused or not self.busy.is_set():
                    self.resume()
                else:
                    self._chance.choices(list(self._doings), list(self._doings.values()))[0]()

    def _ctl(self, *arguments, codes=(0,)):
        done = self._life.daemon.ctl_result("--json", *arguments)
        self._account.note("onecopyctl")
        if done.returncode not in codes:
            self._account.fault(f"onecopyctl {arguments}: {done.returncode} {done.stdout[-500:]}{done.stderr[-500:]}")
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None

    def resume(self):
        if self._paused:
            self._ctl("resume")
            self._paused = False

    def _ask(self):
        self._ctl(*self._chance.choice((("status",), ("list",), ("list", "queued"), ("list", "failed"), ("list", "all"))))

    def _why(self):
        """Of something new, and of what it was merged into; it may not have come yet."""
        if not self._author.recent:
            return
        message = self._chance.choice(self._author.recent)
        about = self._chance.choice((message.id, message.visible[0], f"message {message.number},", "no such subject"))
        found = self._ctl("why", about, codes=(0, 1))
        if found:
            self._ctl("show", str(found[0]["id"]), codes=(0, 1))

    def _release(self):
        self._ctl("release", "--all")

    def _pause(self):
        """Until the next turn."""
        self._ctl("pause")
        self._paused = True

    def _reload(self):
        self._life.reconfigure(self._chance)
        if self._chance.random() < 0.5:
            self._life.daemon.signal(signal.SIGHUP)
        else:
            self._ctl("reload")
        self._account.note("reloads")

    def _page(self):
        for path in ("/", "/healthz"):
            connection = http.client.HTTPConnection("127.0.0.1", self._life.http, timeout=PATIENCE)
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            if answer.status not in (200, 503):
                self._account.fault(f"{path}: {answer.status}")
