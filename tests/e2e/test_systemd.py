"""What onecopyd does for systemd, and takes from it: sockets, words on its state, the watchdog, credentials."""

import os
import pathlib
import socket
import subprocess
import sys
import unittest

from callers import Callers
from harness import ONECOPYD, PATIENCE, Case, until
from messages import Message, at

# Passes a socket on as systemd does: as descriptor 3, named, to the process of this id (sd_listen_fds(3)).
HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="smtp")
os.execv(sys.argv[2], sys.argv[2:])
"""


class Handover(Case):
    def test_through_restarts_under_a_socket_that_stays_no_connection_is_lost(self):
        received = self.sink()
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.addCleanup(listener.close)
        daemon = self.daemon(received, start=False, listen=[{"address": "systemd:smtp"}])
        daemon.port = listener.getsockname()[1]
        daemon.inherited = [listener.fileno()]
        daemon.wrapper = [sys.executable, "-c", HAND_OVER, str(listener.fileno())]
        with Callers(daemon.port) as callers:
            for number in range(3):
                daemon.start()
                before = callers.greeted
                until(lambda: callers.greeted > before + 20, what="callers")  # pylint: disable=cell-var-from-loop
                daemon.send("a@far.example", [at("anna")], Message(number).text())
                self.assertEqual(daemon.stop(), 0)
            daemon.start()
            before = callers.greeted
            until(lambda: callers.greeted > before + 20, what="callers after the restarts")
        self.assertEqual(callers.lost, [])
        received.wait(3)


class Notified(Case):
    """systemd's end of the notification socket (sd_notify(3))."""

    def setUp(self):
        super().setUp()
        self.received = self.sink()
        self.path = self.directory / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(str(self.path))
        self.words = []

    def run_daemon(self, **options):
        daemon = self.daemon(self.received, start=False, **options)
        daemon.environment["NOTIFY_SOCKET"] = str(self.path)
        daemon._spawn({})
        self.wait("READY=1")
        return daemon

    def wait(self, text):
        """The next word that begins so."""
        self.socket.settimeout(PATIENCE)
        while True:
            words = self.socket.recv(4096).decode().split("\n")
            self.words += words
            found = [word for word in words if word.startswith(text)]
            if found:
                return found[0]

    def test_the_state_is_told_and_told_anew_when_it_changes(self):
        daemon = self.run_daemon(grouping={"window": "1h"})
        listening = f"STATUS=listening on 127.0.0.1:{daemon.port}; held"
        self.assertEqual(self.wait("STATUS="), f"{listening} 0, queued 0, failed 0")
        daemon.send("a@far.example", [at("anna")], Message(1).text())
        self.assertEqual(self.wait("STATUS="), f"{listening} 1, queued 0, failed 0")
        daemon.ctl("pause")
        self.assertRegex(self.wait("STATUS="), "^STATUS=paused, listening on ")
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.wait("STOPPING="), "STOPPING=1")

    def test_what_falls_due_while_nothing_happens_is_told(self):
        daemon = self.run_daemon(grouping={"window": "2s"})
        daemon.ctl("pause")
        daemon.send("a@far.example", [at("anna")], Message(1).text())
        until(lambda: self.wait("STATUS=").endswith("; held 0, queued 1, failed 0"), what="a line that says so")

    def test_a_reload_says_when_it_began_and_when_it_is_done(self):
        daemon = self.run_daemon()
        daemon.ctl("reload")
        self.assertEqual(self.wait("RELOADING="), "RELOADING=1")
        self.assertRegex("\n".join(self.words), r"(?m)^MONOTONIC_USEC=[0-9]+$")
        self.wait("READY=1")

    def test_the_watchdog_is_fed_twice_in_its_time(self):
        self.run_daemon(environment={"WATCHDOG_USEC": "400000"})
        for _ in range(5):
            self.wait("WATCHDOG=1")


class Process(Case):
    def test_nothing_is_readable_by_others_dumped_or_gained(self):
        daemon = self.daemon(self.sink())
        pid = daemon.daemon_pid()
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        self.assertRegex(status, r"(?m)^Umask:\s0077$")
        self.assertRegex(status, r"(?m)^NoNewPrivs:\s1$")
        self.assertRegex(pathlib.Path(f"/proc/{pid}/limits").read_text(encoding="ascii"), r"Max core file size +0 +0 ")

    def test_credentials_are_read_where_systemd_puts_them(self):
        daemon = self.daemon(self.sink(), start=False, backend={"username": "onecopy", "password_file": "credential:password"})
        check = [ONECOPYD, "--check-config", "--config", str(daemon.file)]
        environment = {name: value for name, value in os.environ.items() if name != "CREDENTIALS_DIRECTORY"}
        without = subprocess.run(check, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(without.returncode, 78)
        self.assertIn("credential:password: no credentials were passed", without.stderr)
        (self.directory / "password").write_text("secret\n", encoding="ascii")
        environment["CREDENTIALS_DIRECTORY"] = str(self.directory)
        done = subprocess.run(check, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
