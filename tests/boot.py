#!/usr/bin/env python3
"""Boots a root that has onecopy installed, with systemd as its first process, and does to the service what an admin does.

    boot.py ROOT PACKAGE    (PACKAGE: the .deb, as a path within the root; exit 77: no machine can be booted here)

The machine has namespaces of its own (processes, mounts, host name, network, control groups); clients and the mail server
are threads of this program, which lives in the machine's network."""

import contextlib
import os
import pathlib
import re
import smtplib
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "e2e"))

from callers import Callers  # noqa: E402
from harness import Certificate, Raw, offer, until  # noqa: E402
from messages import Message, at  # noqa: E402
from sink import Sink  # noqa: E402

PATIENCE = 60
SKIPPED = 77
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# What the first process finds, as a container manager would lay it out.
INIT = r"""
set -e
root=$1
umount -R "$root/dev"
mount -t cgroup2 cgroup "$root/sys/fs/cgroup" 2>/dev/null || {
    mount -t sysfs -o ro sys "$root/sys"
    mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
}
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=755 run "$root/run"
mkdir -p "$root/old"
cd "$root"
pivot_root . old
umount -l /old
mount --make-rshared /
exec env -i container=onecopy PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=null --show-status=no
"""

CONFIGURATION = """
listen:
  - address: {address}
backend:
  servers: ["{backend}"]
  tls: required
  username: onecopy
  password_file: credential:password
grouping:
  window: {window}
recipients:
  local_domains: [corp.example]
"""


class NoMachine(Exception):
    pass


def groups_of_control():
    """A control group of our own, in the second version's tree."""
    mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text(encoding="ascii").splitlines()]
    trees = [pathlib.Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"]
    if not trees:
        raise NoMachine("no control groups of version 2")
    try:
        return pathlib.Path(tempfile.mkdtemp(prefix="onecopy-boot-", dir=trees[0]))
    except OSError as problem:
        raise NoMachine(f"no control group can be made: {problem}") from problem


def remove_groups(top):
    for folder, _, _ in os.walk(top, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


class Machine:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.groups = groups_of_control()

    def __enter__(self):
        self.log = tempfile.TemporaryFile()
        command = ["unshare", "--cgroup", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "bash", "-c", INIT, "init"]
        self.process = subprocess.Popen(
            [*command, str(self.root)], preexec_fn=self._join, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )
        try:
            self.first = until(self._child, PATIENCE, "the machine's first process")
            until(self._booted, PATIENCE, "the end of the boot")
        except (TimeoutError, NoMachine) as problem:
            self.__exit__()
            raise NoMachine(str(problem)) from problem
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        until(lambda: not (self.groups / "cgroup.procs").read_text(encoding="ascii").strip(), PATIENCE, "the machine's end")
        until(lambda: remove_groups(self.groups) or not self.groups.exists(), PATIENCE, "the end of its control groups")

    def _join(self):
        (self.groups / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")

    def _child(self):
        if self.process.poll() is not None:
            self.log.seek(0)
            raise NoMachine(self.log.read().decode())
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return int(children) if children else None

    def _booted(self):
        self._child()
        name = pathlib.Path(f"/proc/{self.first}/comm").read_text(encoding="ascii").strip()
        return name == "systemd" and self.run("systemctl", "is-system-running", check=False) in ("running", "degraded")

    def run(self, *command, check=True):
        """Runs a command in the machine: what it says."""
        enter = ["nsenter", "--target", str(self.first), "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root", "--wd=/"]
        environment = {"PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run([*enter, *command], env=environment, capture_output=True, text=True, timeout=300, check=False)
        if check and done.returncode:
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
        return (done.stdout + done.stderr).strip()

    @contextlib.contextmanager
    def log_of_failure(self):
        try:
            yield
        except BaseException:
            print(self.run("journalctl", "--no-pager", "--lines=40", check=False))
            raise

    def show(self, unit, name):
        return self.run("systemctl", "show", "--value", "--property", name, unit)

    def write(self, path, text):
        (pathlib.Path(f"/proc/{self.first}/root") / path.lstrip("/")).write_text(text, encoding="utf-8")

    def configure(self, **changes):
        self.write("/etc/onecopy/onecopyd.yaml", CONFIGURATION.format(**changes))


def mail_server():
    """Takes no mail without the password, which it is told under TLS."""
    with tempfile.TemporaryDirectory() as folder:
        certificate = Certificate(folder)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate.certificate, certificate.key)
    return Sink(users={"onecopy": "secret"}, tls=tls)


def client():
    return smtplib.SMTP("127.0.0.1", 2525, local_hostname="fetcher.example", timeout=PATIENCE)


def send(number):
    with client() as session:
        offer(session, "a@far.example", [at("anna"), at("bert")], Message(number).text())


def status_text(machine, pattern):
    found = until(lambda: re.search(pattern, machine.show("onecopyd", "StatusText")), PATIENCE, f"the status {pattern}")
    print(f"  status: {found.string}")


def as_installed(machine):
    """The service runs with the configuration of the package."""
    assert machine.show("onecopyd", "ActiveState") == "active", machine.run("journalctl", "-u", "onecopyd")
    status_text(machine, r"^listening on 127\.0\.0\.1:2525; held 0, queued 0, failed 0$")
    Raw("127.0.0.1", 2525).socket.close()


def restrictions(machine):
    """What the kernel says of the process."""
    pid = machine.show("onecopyd", "MainPID")
    facts = dict(line.split(":\t", 1) for line in machine.run("cat", f"/proc/{pid}/status").splitlines() if ":\t" in line)
    bind = f"{1 << 10:016x}"  # CAP_NET_BIND_SERVICE
    expected = {"NoNewPrivs": "1", "Seccomp": "2", "CapBnd": bind, "CapEff": bind, "CapAmb": bind}
    assert {name: facts[name] for name in expected} == expected, facts
    assert facts["Uid"].split()[0] == machine.run("id", "-u", "onecopy")
    assert "Max core file size        0 " in machine.run("cat", f"/proc/{pid}/limits")
    mounts = machine.run("cat", f"/proc/{pid}/mounts").splitlines()
    root = [line.split() for line in mounts if line.split()[1] == "/"][-1]
    assert "ro" in root[3].split(","), root


def credentials_and_mail(machine, sink):
    """A password that onecopy's user can't read, a reload, and mail that passes."""
    machine.write("/etc/onecopy/password", "secret\n")
    machine.run("chmod", "600", "/etc/onecopy/password")
    machine.run("mkdir", "-p", "/etc/systemd/system/onecopyd.service.d")
    machine.write("/etc/systemd/system/onecopyd.service.d/password.conf", "[Service]\nLoadCredential=password:/etc/onecopy/password\n")
    machine.configure(address="127.0.0.1:2525", backend=sink.address, window="100ms")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "onecopyd")
    send(1)
    send(1)
    sink.wait_for(lambda: sink.of(Message(1).id), PATIENCE, "mail")
    before = machine.show("onecopyd", "MainPID")
    machine.configure(address="127.0.0.1:2525", backend=sink.address, window="1h")
    machine.run("systemctl", "reload", "onecopyd")
    until(lambda: "reloaded" in machine.run("journalctl", "-u", "onecopyd"), PATIENCE, "the reload in the log")
    send(2)
    status_text(machine, "; held 1, queued 0, failed 0$")
    assert machine.show("onecopyd", "MainPID") == before
    machine.run("onecopyctl", "pause")
    status_text(machine, "^paused, ")
    machine.run("onecopyctl", "resume")
    machine.run("onecopyctl", "release", "--all")
    sink.wait_for(lambda: sink.of(Message(2).id), PATIENCE, "mail that was released")


def below_1024(machine, sink):
    machine.configure(address="127.0.0.1:25", backend=sink.address, window="100ms")
    machine.run("systemctl", "restart", "onecopyd")
    Raw("127.0.0.1", 25).socket.close()


def socket_and_restart(machine, sink):
    """systemd holds the socket: through restarts nobody is refused."""
    machine.run("systemctl", "stop", "onecopyd")
    machine.configure(address="systemd:smtp", backend=sink.address, window="100ms")
    machine.run("systemctl", "enable", "--now", "onecopyd.socket")
    machine.run("systemctl", "start", "onecopyd")
    with Callers(2525) as callers:
        for turn in range(3):
            before = callers.greeted
            until(lambda: callers.greeted > before + 20, PATIENCE, "callers")  # pylint: disable=cell-var-from-loop
            machine.run("systemctl", "restart", "onecopyd")
            send(10 + turn)
        before = callers.greeted
        until(lambda: callers.greeted > before + 20, PATIENCE, "callers after the restarts")
    assert not callers.lost, callers.lost
    print(f"  three restarts under the socket unit: {callers.greeted} greeted, {callers.turned_away} told to come again, none lost")
    for turn in range(3):
        sink.wait_for(lambda: sink.of(Message(10 + turn).id), PATIENCE, "mail")  # pylint: disable=cell-var-from-loop
    machine.run("systemctl", "disable", "--now", "onecopyd.socket")
    machine.configure(address="127.0.0.1:2525", backend=sink.address, window="100ms")


def watchdog(machine):
    """A daemon that stands still is ended and started anew."""
    machine.write("/etc/systemd/system/onecopyd.service.d/watchdog.conf", "[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "onecopyd")
    pid = machine.show("onecopyd", "MainPID")
    time.sleep(5)  # longer than the watchdog waits: it is fed
    assert machine.show("onecopyd", "MainPID") == pid
    machine.run("systemctl", "kill", "--signal=STOP", "onecopyd")
    until(lambda: machine.show("onecopyd", "MainPID") not in ("0", pid), PATIENCE, "a new daemon")
    assert machine.show("onecopyd", "NRestarts") == "1"
    machine.run("rm", "/etc/systemd/system/onecopyd.service.d/watchdog.conf")
    machine.run("systemctl", "daemon-reload")


def wrong_configuration(machine, sink):
    """Ends with 78 and is not tried again; a reload of a wrong one changes nothing."""
    machine.configure(address="127.0.0.1:2525", backend=sink.address, window="1h")
    machine.run("systemctl", "restart", "onecopyd")
    machine.configure(address="127.0.0.1:2525", backend=sink.address, window="forever")
    machine.run("systemctl", "reload", "onecopyd")
    until(lambda: "reload_refused" in machine.run("journalctl", "-u", "onecopyd"), PATIENCE, "the refusal in the log")
    Raw("127.0.0.1", 2525).socket.close()
    machine.run("systemctl", "restart", "onecopyd", check=False)
    assert machine.show("onecopyd", "ExecMainStatus") == "78"
    assert machine.show("onecopyd", "ActiveState") == "failed"
    machine.configure(address="127.0.0.1:2525", backend=sink.address, window="1h")
    machine.run("systemctl", "start", "onecopyd")


def upgrade_and_removal(machine, sink, package):
    """An upgrade restarts the service. A purge keeps mail that waits, and an installation after it delivers that mail."""
    send(20)
    pid = machine.show("onecopyd", "MainPID")
    machine.run("dpkg", "--install", package)
    assert machine.show("onecopyd", "MainPID") not in ("0", pid)
    assert machine.show("onecopyd", "ActiveState") == "active"
    said = machine.run("apt-get", "remove", "-y", "onecopy")
    assert "was not delivered yet" in said, said
    assert "is kept" in machine.run("apt-get", "purge", "-y", "onecopy")
    machine.run("mkdir", "-p", "/etc/onecopy")
    machine.configure(address="127.0.0.1:2525", backend=sink.address, window="100ms")
    machine.write("/etc/onecopy/password", "secret\n")
    machine.run("dpkg", "--force-confold", "--install", package)
    machine.run("onecopyctl", "release", "--all")
    sink.wait_for(lambda: sink.of(Message(20).id), PATIENCE, "mail from before the purge")
    status_text(machine, "; held 0, queued 0, failed 0$")
    machine.run("rm", "-r", "/etc/onecopy/password", "/etc/systemd/system/onecopyd.service.d")
    machine.run("apt-get", "remove", "-y", "onecopy")


def main(root, package):
    with Machine(root) as machine, machine.log_of_failure(), mail_server() as sink:
        as_installed(machine)
        restrictions(machine)
        credentials_and_mail(machine, sink)
        below_1024(machine, sink)
        socket_and_restart(machine, sink)
        watchdog(machine)
        wrong_configuration(machine, sink)
        upgrade_and_removal(machine, sink, package)
    print("  the service did all of it under its restrictions")


if __name__ == "__main__":
    if os.environ.get("ONECOPY_NETWORK") is None:  # the machine's network, before there is a machine
        os.execvpe("unshare", ["unshare", "--net", sys.executable, *sys.argv], {**os.environ, "ONECOPY_NETWORK": "own"})
    try:
        main(*sys.argv[1:])
    except NoMachine as problem:
        print(f"no machine can be booted: {problem}")
        sys.exit(SKIPPED)
