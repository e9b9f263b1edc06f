"""Runs the real onecopyd for a test: configuration, start, log, signals, control, and clients that speak to it."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from ports import free_port
from sink import Sink

TOP = pathlib.Path(__file__).resolve().parents[2]
ONECOPYD = os.environ.get("ONECOPYD", str(TOP / "build/daemon/onecopyd"))
ONECOPYCTL = os.environ.get("ONECOPYCTL", str(TOP / "build/daemon/onecopyctl"))
SANITIZED = bool(os.environ.get("ONECOPY_SANITIZED"))
# Seconds that an event may take before a test gives up.
PATIENCE = float(os.environ.get("ONECOPY_PATIENCE", "60" if SANITIZED else "30"))


def until(condition, deadline=None, what="the expected state"):
    """Polls until the condition holds; gives back what it returned."""
    end = time.monotonic() + (deadline or PATIENCE)
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come")
        time.sleep(0.01)


def yaml_of(configuration):
    """Sections as YAML blocks, their values in the flow style that JSON and YAML share."""
    lines = []
    for key, value in configuration.items():
        if not isinstance(value, dict):
            lines.append(f"{key}: {json.dumps(value)}")
            continue
        lines.append(f"{key}:")
        lines.extend(f"  {name}: {json.dumps(each)}" for name, each in value.items())
    return "\n".join(lines) + "\n"


def merged(base, changes):
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = {**result[key], **value} if both else value
    return result


class Died(Exception):
    """onecopyd ended where it should not have; the text is its log."""


class Daemon:
    """One onecopyd with a spool of its own. `changes` are laid over a configuration fit for a test."""

    def __init__(self, directory, servers, changes=None, wrapper=(), environment=None):
        self.directory = pathlib.Path(directory)
        self.port = free_port()
        self.control = self.directory / "control.sock"
        self.spool = self.directory / "spool"
        self.log_file = self.directory / "onecopyd.log"
        self.file = self.directory / "onecopyd.yaml"
        self.wrapper = list(wrapper)
        self.environment = dict(environment or {})
        self.inherited = []  # descriptors that it is started with
        self.process = None
        self._servers = servers
        self.configure(changes)

    def configure(self, changes=None):
        """Writes the configuration file; a running daemon learns of it by reload()."""
        base = {
            "hostname": "proxy.corp.example",
            "listen": [{"address": f"127.0.0.1:{self.port}"}],
            "backend": {"servers": self._servers, "tls": "none"},
            "grouping": {"window": "200ms"},
            "recipients": {"local_domains": ["corp.example"]},
            "delivery": {"retry": ["200ms"], "warn_after": "0s", "notify": "none", "postmaster": "postmaster@corp.example"},
            "spool": {"directory": str(self.spool), "min_free": "1M"},
            "control": {"socket": str(self.control)},
            "log": {"level": "debug"},
        }
        self.configuration = merged(base, changes or {})
        self.file.write_text(yaml_of(self.configuration), encoding="utf-8")

    # Life

    def start(self):
        """Starts it and returns when it says that it is ready (sd_notify)."""
        with self._notifications() as ready:
            self._spawn({"NOTIFY_SOCKET": ready.getsockname()})
            end = time.monotonic() + PATIENCE
            while b"READY=1" not in self._notification(ready):
                if self.process.poll() is not None:
                    raise Died(f"exit status {self.process.returncode}\n{self.log()}")
                if time.monotonic() > end:
                    raise TimeoutError(f"onecopyd is not ready\n{self.log()}")
        return self

    def _spawn(self, environment):
        self.spool.mkdir(mode=0o700, exist_ok=True)
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, ONECOPYD, "--config", str(self.file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment, **self.environment},
                start_new_session=True,
                pass_fds=self.inherited,
            )

    @contextlib.contextmanager
    def _notifications(self):
        path = self.directory / f"notify.{time.monotonic_ns()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(str(path))
            receiver.settimeout(0.05)
            yield receiver
        path.unlink()

    @staticmethod
    def _notification(receiver):
        try:
            return receiver.recv(4096)
        except TimeoutError:
            return b""

    def run_to_end(self, deadline=None):
        """Starts it where it is expected to end by itself: exit status and log."""
        self._spawn({})
        return self.process.wait(deadline or PATIENCE), self.log()

    def stop(self, deadline=None):
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        return self.process.wait(deadline or PATIENCE)

    def kill(self):
        """kill -9, as a crash would end it, with whatever wrapper stands before it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def signal(self, number):
        os.kill(self.daemon_pid(), number)

    def daemon_pid(self):
        """Of onecopyd itself: a wrapper (strace) is its parent."""
        if not self.wrapper:
            return self.process.pid
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return int(children.split()[0]) if children.split() else self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def close(self):
        if self.running():
            self.kill()

    # What it says

    def log(self):
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    def wait_log(self, text, after=0, deadline=None):
        return until(lambda: text in self.log()[after:], deadline, f"'{text}' in the log")

    def ctl(self, *arguments, status=0):
        """Runs onecopyctl: its standard output, once the exit status was as expected."""
        done = self.ctl_result(*arguments)
        if done.returncode != status:
            raise AssertionError(f"onecopyctl {arguments}: {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
        return done.stdout

    def ctl_result(self, *arguments, patience=PATIENCE):
        command = [ONECOPYCTL, "--socket", str(self.control), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=patience, check=False)

    def json(self, *arguments):
        return json.loads(self.ctl("--json", *arguments))

    # Clients

    def client(self, **options):
        return smtplib.SMTP("127.0.0.1", self.port, local_hostname="fetcher.example", timeout=PATIENCE, **options)

    def send(self, sender, recipients, message):
        """One message in one session, as it is (smtplib would change its line ends)."""
        with self.client() as client:
            return offer(client, sender, recipients, message)

    def raw(self):
        return Raw("127.0.0.1", self.port)


class Certificate:
    """A certificate and its key, in files, and as onecopyd is told of them: of its own making, or issued by another. What
    was made `-3d` is out of date by now."""

    def __init__(self, directory, name="cert", names="DNS:proxy.corp.example,IP:127.0.0.1", days=2, issuer=None, made="0"):
        self.certificate = pathlib.Path(directory) / f"{name}.pem"
        self.key = pathlib.Path(directory) / f"{name}.key"
        command = ["faketime", "-f", made] if made != "0" else []
        command += ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days)]
        if issuer:
            command += ["-extensions", "usr_cert", "-CA", str(issuer.certificate), "-CAkey", str(issuer.key)]
        files = ["-keyout", str(self.key), "-out", str(self.certificate)]
        subprocess.run([*command, *files, "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}"], capture_output=True, check=True)

    @property
    def settings(self):
        return {"certificate": str(self.certificate), "key": str(self.key)}


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code} {text}")
        self.code = code


def dot_stuffed(message):
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    stuffed = b"." + stuffed if stuffed.startswith(b".") else stuffed
    return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"


def expect(answer, *codes):
    code, text = answer
    if code not in codes:
        raise Refused(code, text.decode("utf-8", "replace"))
    return code, text.decode("utf-8", "replace")


def offer(client, sender, recipients, message):
    """A whole transaction; the answer to the final dot, or Refused by whatever step said no."""
    client.ehlo_or_helo_if_needed()
    try:
        expect(client.docmd("MAIL", f"FROM:<{sender}>"), 250)
        for each in recipients:
            expect(client.docmd("RCPT", f"TO:<{each}>"), 250, 251)
        expect(client.docmd("DATA"), 354)
    except Refused:
        client.rset()
        raise
    client.send(dot_stuffed(message) + b".\r\n")
    return expect(client.getreply(), 250)[1]


class Raw:
    """Bytes to the daemon and replies from it, with nothing in between."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=PATIENCE)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        """One line, or nothing where the connection ended."""
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                return ""
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")

    def reply(self):
        """One reply, its last line."""
        while True:
            line = self.line()
            if line[3:4] != "-":
                return line

    def ask(self, command):
        self.send(command.encode("latin-1") + b"\r\n")
        return self.reply()

    def to_data(self, sender="sender@far.example", recipients=("anna@corp.example",)):
        """Greeting to 354."""
        self.reply()
        for command in ("EHLO fetcher.example", f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{r}>" for r in recipients), "DATA"):
            answer = self.ask(command)
            if answer[:1] not in "23":
                raise Refused(int(answer[:3] or 0), answer)
        return self

    def closed(self):
        """Whether the daemon ended the connection (waits for it)."""
        try:
            return not self.line()
        except ConnectionResetError:
            return True


class Case(unittest.TestCase):
    """A test with a directory of its own, that leaves nothing running."""

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="onecopy-e2e-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def sink(self, hooks=None, **options):
        sink = Sink(hooks, **options)
        self.addCleanup(sink.stop)
        return sink

    def daemon(self, *servers, start=True, **options):
        """A onecopyd in front of these sinks (or addresses); keyword arguments: those of Daemon, and sections."""
        known = {name: options.pop(name) for name in ("wrapper", "environment", "directory") if name in options}
        directory = known.pop("directory", None) or pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        addresses = [each.address if isinstance(each, Sink) else each for each in servers]
        daemon = Daemon(directory, addresses, options, **known)
        self.addCleanup(self._end, daemon)
        return daemon.start() if start else daemon

    def _end(self, daemon):
        daemon.close()
        result = self._outcome.result
        failed = any(test is self for test, _ in [*result.failures, *result.errors])
        if failed or "runtime error:" in daemon.log() or "ERROR: AddressSanitizer" in daemon.log():
            print(f"--- log of {self.id()} ---\n{daemon.log()[-8000:]}")

    def assert_sound(self, daemon):
        self.assertNotIn("runtime error:", daemon.log())
        self.assertNotIn("ERROR: AddressSanitizer", daemon.log())

    def sentinel(self, daemon, sink):
        """Sends one more message and waits until it is out: what was due before it has left as well."""
        identity = f"<sentinel.{time.monotonic_ns()}@far.example>"
        text = f"Message-ID: {identity}\r\nFrom: s@far.example\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n\r\nlast\r\n"
        daemon.send("sentinel@far.example", ["sentinel@corp.example"], text.encode())
        sink.wait_for(lambda: sink.of(identity), PATIENCE, "sentinel")
        return identity


def in_threads(jobs, deadline=120):
    """Runs all the jobs at once; the first exception of any is raised here."""
    problems = []

    def guarded(job):
        try:
            job()
        except BaseException as problem:  # pylint: disable=broad-except
            problems.append(problem)

    threads = [threading.Thread(target=guarded, args=(job,), daemon=True) for job in jobs]
    for each in threads:
        each.start()
    for each in threads:
        each.join(deadline)
        if each.is_alive():
            raise TimeoutError("a client hangs")
    if problems:
        raise problems[0]
