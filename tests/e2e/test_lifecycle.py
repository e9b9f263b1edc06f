"""Start, stop, reload, and what is wrong with a configuration or a spool."""

import pathlib
import re
import signal
import socket
import sqlite3
import subprocess
import unittest

from harness import ONECOPYD, PATIENCE, Case, Refused, offer, until
from messages import Message, at, copies
from sink import Gate

GOOD = "listen:\n  - address: 127.0.0.1:2525\nbackend:\n  servers: [mail.corp.example:25]\n"

# Text, line, column, and what the message says. Columns point at the key or the value that is wrong.
WRONG = {
    "unknown key": (GOOD + "groping:\n  window: 30s\n", 5, 1, "groping.*grouping"),
    "unknown key below": (GOOD + "grouping:\n  windw: 30s\n", 6, 3, "windw.*window"),
    "repeated key": (GOOD + "grouping:\n  window: 30s\n  window: 40s\n", 7, 3, "window"),
    "no unit": (GOOD + "grouping:\n  window: 30\n", 6, 11, "30"),
    "wrong type": (GOOD + "grouping:\n  window: [30s]\n", 6, 11, ""),
    "negative": (GOOD + "backend:\n  servers: [x:25]\n  connections: -1\n", 5, 1, "backend"),
    "size": (GOOD + "limits:\n  message_size: 50Q\n", 6, 17, "50Q"),
    "enumeration": (GOOD + "recipients:\n  foreign: perhaps\n", 6, 12, "accept.*ignore.*reject"),
    "boolean": (GOOD + "grouping:\n  observe: maybe\n", 6, 12, "true|false"),
    "match": (GOOD + "grouping:\n  match: [sender]\n", 6, 10, "message-id.*content"),
    "network": ("listen:\n  - address: 127.0.0.1:2525\n    allow: [300.0.0.0/8]\nbackend:\n  servers: [x:25]\n", 3, 13, "300"),
    "no listen": ("backend:\n  servers: [x:25]\n", None, None, "listen"),
    "to itself": ("listen:\n  - address: 0.0.0.0:2525\nbackend:\n  servers: [localhost:2525]\n", 4, 12, "this onecopyd itself"),
    "no servers": ("listen:\n  - address: 127.0.0.1:2525\n", None, None, "servers"),
    "recover without domains": (GOOD + "recipients:\n  recover_from: [Delivered-To]\n", None, None, "local_domains"),
    "a page for strangers": (GOOD + "http:\n  address: 192.0.2.1:9925\n", 6, 12, "loopback"),
    "no YAML": ("listen: [\n", None, None, ""),
    "nested brackets": ("listen: " + "[" * 20_000 + "\n", None, None, ""),
    "anchors": (GOOD + "grouping: &a\n  window: 30s\n", None, None, ""),
    "empty": ("", None, None, "listen"),
    "no text": ("\x00\x01\x02", None, None, ""),
}


def onecopyd(*arguments):
    return subprocess.run([ONECOPYD, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)


class Configuration(Case):
    def file(self, text):
        path = self.directory / "onecopyd.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def test_a_good_one_is_said_to_be_good(self):
        self.assertEqual(onecopyd("--check-config", "--config", self.file(GOOD)).returncode, 0)

    def test_what_the_manual_shows_is_good(self):
        """Each example, with what it leaves out."""
        top = pathlib.Path(__file__).parents[2]
        pages = "".join((top / "man" / page).read_text(encoding="utf-8") for page in ("onecopy.7", "onecopyd.8", "onecopyd.yaml.5"))
        examples = re.findall(r"^\.Bd -literal.*\n([\s\S]*?)^\.Ed", pages, re.MULTILINE)
        examples += re.findall(r"^```\w*\n([\s\S]*?)^```", (top / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
        examples = [each for each in examples if re.match(r"(listen|backend|recipients|grouping):\n", each)]
        self.assertGreaterEqual(len(examples), 5)
        for example in examples:
            rest = "".join(part for part in re.split(r"(?m)^(?=\w)", GOOD) if part and part.split(":")[0] + ":" not in example)
            with self.subTest(example):
                self.assertEqual(onecopyd("--check-config", "--config", self.file(example + rest)).returncode, 0)

    def test_what_is_wrong_is_told_by_line_and_column(self):
        for name, (text, line, column, what) in WRONG.items():
            with self.subTest(name):
                path = self.file(text)
                done = onecopyd("--check-config", "--config", path)
                self.assertEqual(done.returncode, 78, done.stderr)
                place = rf"^{path}:{line or r'[0-9]+'}:{column or r'[0-9]+'}: "
                self.assertRegex(done.stderr, f"(?m){place}.*{what}" if line else f"(?s){path}.*{what}")
                self.assertNotIn("terminate", done.stderr)

    def test_everything_wrong_is_told_at_once_in_the_order_of_the_file(self):
        path = self.file(GOOD + "groping:\n  window: 1\ngrouping:\n  window: 30\n  quiet: x\nlog:\n  level: loud\n")
        done = onecopyd("--check-config", "--config", path)
        lines = [line for line in done.stderr.splitlines() if line.startswith(path)]
        self.assertEqual([line.split(":")[1] for line in lines], ["5", "8", "9", "11"], done.stderr)

    def test_the_daemon_does_not_start_with_a_wrong_one(self):
        done = onecopyd("--config", self.file(GOOD + "groping: 1\n"))
        self.assertEqual(done.returncode, 78)

    def test_a_file_that_is_not_there_is_told(self):
        done = onecopyd("--check-config", "--config", str(self.directory / "absent.yaml"))
        self.assertEqual(done.returncode, 78)
        self.assertIn("absent.yaml", done.stderr)

    def test_what_is_shown_loads_again_and_shows_the_same(self):
        text = GOOD + (
            "hostname: proxy.corp.example\ngrouping:\n  window: 90s\n  match: [content]\nrecipients:\n  local_domains: [corp.example]\n"
            "  recover_from: [Delivered-To, {field: X-Envelope-To, strip: 'mbox-\"é'}]\n  rewrite_domains: {localhost: corp.example, '': corp.example}\n"
            "limits:\n  message_size: 1536K\n"
        )
        first = onecopyd("--show-config", "--config", self.file(text))
        self.assertEqual(first.returncode, 0, first.stderr)
        second = onecopyd("--show-config", "--config", self.file(first.stdout))
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertEqual(second.stdout, first.stdout)
        self.assertRegex(first.stdout, r"keep_failed: 7d")

    def test_version_and_usage(self):
        done = onecopyd("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"(?s)onecopy.*\d+\.\d+.*(?i:sqlite)")
        self.assertNotEqual(onecopyd("--no-such-option").returncode, 0)


class Reload(Case):
    def setUp(self):
        super().setUp()
        self.received = self.sink()

    def test_a_good_configuration_comes_into_force(self):
        daemon = self.daemon(self.received, grouping={"window": "1h"})
        daemon.configure({"grouping": {"window": "0s"}})
        self.reload(daemon)
        daemon.send("a@far.example", [at("anna")], Message(2).text())
        self.received.wait_for(lambda: self.received.of(Message(2).id), PATIENCE, "the mail")

    def reload(self, daemon):
        before = len(daemon.log())
        daemon.signal(signal.SIGHUP)
        return daemon.wait_log("reload", before)

    def test_a_wrong_one_is_told_and_the_old_one_stays(self):
        daemon = self.daemon(self.received, grouping={"window": "0s"})
        daemon.file.write_text("listen: [\n", encoding="ascii")
        before = len(daemon.log())
        daemon.signal(signal.SIGHUP)
        daemon.wait_log(str(daemon.file), before)
        daemon.send("a@far.example", [at("anna")], Message(1).text())
        self.received.wait(1)

    def test_held_mail_stays_and_sessions_go_on(self):
        daemon = self.daemon(self.received, grouping={"window": "1h"})
        (first, data), (second, other) = copies(Message(1))
        with daemon.client() as client:
            offer(client, "sender@far.example", [first], data)
            daemon.configure({"grouping": {"window": "2h"}})
            self.reload(daemon)
            offer(client, "sender@far.example", [second], other)
        daemon.ctl("release", "--all")
        self.received.wait(1)
        self.assertEqual(self.received.recipients_of(Message(1).id), sorted([first, second]))


class Stop(Case):
    def setUp(self):
        super().setUp()
        self.received = self.sink()

    def test_it_ends_well_by_either_signal(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                daemon = self.daemon(self.received)
                daemon.signal(number)
                self.assertEqual(daemon.process.wait(PATIENCE), 0, daemon.log())
                self.assert_sound(daemon)

    def test_idle_sessions_are_told_and_nobody_new_is_let_in(self):
        daemon = self.daemon(self.received)
        with daemon.raw() as client:
            self.assertRegex(client.reply(), "^220 ")
            daemon.signal(signal.SIGTERM)
            self.assertRegex(client.line(), r"^421 4\.3\.2")
            self.assertTrue(client.closed())
        self.assertEqual(daemon.process.wait(PATIENCE), 0)
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE)

    def test_a_running_transaction_gets_its_true_answer(self):
        daemon = self.daemon(self.received, grouping={"window": "1h"})
        recipient, data = copies(Message(1))[0]
        with daemon.raw() as client:
            client.to_data(recipients=[recipient])
            daemon.signal(signal.SIGTERM)
            client.send(data.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            self.assertRegex(client.reply(), "^250 ")
        self.assertEqual(daemon.process.wait(PATIENCE), 0)
        daemon.start()
        daemon.ctl("release", "--all")
        self.received.wait(1)

    def test_a_client_that_does_not_finish_is_not_waited_for_longer_than_told(self):
        daemon = self.daemon(self.received, limits={"shutdown": "500ms"})
        with daemon.raw() as client:
            client.to_data()
            daemon.signal(signal.SIGTERM)
            self.assertEqual(daemon.process.wait(PATIENCE), 0)

    def test_an_open_final_dot_is_awaited_and_the_mail_comes_once(self):
        gate = Gate()
        self.received.hooks = gate
        daemon = self.daemon(self.received, grouping={"window": "0s"})
        daemon.send("a@far.example", [at("anna")], Message(1).text())
        self.assertTrue(gate.reached.wait(PATIENCE))
        daemon.signal(signal.SIGTERM)
        gate.open()
        self.assertEqual(daemon.process.wait(PATIENCE), 0)
        daemon.start()
        self.sentinel(daemon, self.received)
        self.assertEqual(len(self.received.of(Message(1).id)), 1)


class Spool(Case):
    def setUp(self):
        super().setUp()
        self.received = self.sink()

    def test_two_daemons_do_not_share_one(self):
        daemon = self.daemon(self.received)
        second = self.daemon(self.received, start=False, spool={"directory": str(daemon.spool), "min_free": "1M"})
        status, log = second.run_to_end()
        self.assertEqual(status, 73)
        self.assertIn(str(daemon.spool), log)
        self.sentinel(daemon, self.received)

    def test_one_of_another_version_is_refused_and_left_as_it_is(self):
        daemon = self.daemon(self.received)
        daemon.stop()
        database = self.database(daemon)
        with sqlite3.connect(database) as ledger:
            ledger.execute("PRAGMA user_version = 9999")
        ledger.close()
        before = database.read_bytes()
        status, log = daemon.run_to_end()
        self.assertEqual(status, 73)
        self.assertRegex(log, "(?i)version.*9999|9999.*version")
        self.assertEqual(database.read_bytes(), before)

    def database(self, daemon):
        files = [each for each in daemon.spool.rglob("*") if each.is_file() and each.read_bytes()[:15] == b"SQLite format 3"]
        self.assertEqual(len(files), 1)
        return files[0]

    def test_one_that_is_broken_is_never_replaced(self):
        daemon = self.daemon(self.received)
        daemon.stop()
        database = self.database(daemon)
        database.write_bytes(b"this is no database\n" * 1000)
        status, log = daemon.run_to_end()
        self.assertEqual(status, 73, log)
        self.assertTrue(database.read_bytes().startswith(b"this is no database"))

    def test_a_directory_that_can_not_be_used_is_told(self):
        blocker = self.directory / "file"
        blocker.write_text("x")
        daemon = self.daemon(self.received, start=False, spool={"directory": str(blocker / "spool")})
        status, log = daemon.run_to_end()
        self.assertEqual(status, 73, log)
        self.assertIn(str(blocker), log)

    def test_segments_with_nothing_alive_are_unlinked(self):
        daemon = self.daemon(self.received, grouping={"window": "0s"})
        for number in range(5):
            daemon.send("a@far.example", [at("anna")], Message(number, kind="large").text())
        self.received.wait(5)
        self.sentinel(daemon, self.received)
        daemon.stop()
        daemon.start()
        until(lambda: self.bytes_of_segments(daemon) < 300_000, what="a spool without dead bodies")

    @staticmethod
    def bytes_of_segments(daemon):
        return sum(each.stat().st_blocks * 512 for each in daemon.spool.rglob("*seg*") if each.is_file())


class Sockets(Case):
    def setUp(self):
        super().setUp()
        self.received = self.sink()

    def test_a_unix_socket_serves_and_is_served_again_after_a_kill(self):
        path = self.directory / "smtp.sock"
        daemon = self.daemon(self.received, listen=[{"address": f"unix:{path}"}])
        for number in range(2):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE)
                client.connect(str(path))
                self.assertTrue(client.recv(100).startswith(b"220 "))
            daemon.kill()
            daemon.start()

    def test_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no IPv6 here")
        daemon = self.daemon(self.received, start=False)
        daemon.configure({"listen": [{"address": f"[::1]:{daemon.port}"}, {"address": f"127.0.0.1:{daemon.port}"}]})
        daemon.start()
        for host in ("::1", "127.0.0.1"):
            with socket.create_connection((host, daemon.port), timeout=PATIENCE) as client:
                self.assertTrue(client.recv(100).startswith(b"220 "))

    def test_an_address_in_use_is_told(self):
        daemon = self.daemon("mail.corp.example:25", start=False)
        daemon.configure({"listen": [{"address": self.received.address}]})
        status, log = daemon.run_to_end()
        self.assertEqual(status, 1, log)
        self.assertIn(self.received.address, log)

    def test_a_socket_from_systemd(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            activate = ["systemd-socket-activate", "--fdname=smtp"]
            if subprocess.run(["which", activate[0]], capture_output=True, check=False).returncode:
                self.skipTest("not installed: systemd-socket-activate")
            port = listener.getsockname()[1]
        daemon = self.daemon(self.received, start=False, listen=[{"address": "systemd:smtp"}])
        daemon.wrapper = [*activate, f"--listen=127.0.0.1:{port}"]
        daemon._spawn({})  # it starts with the first connection
        with until(lambda: connected(port), what="a socket of systemd") as client:
            client.settimeout(PATIENCE)
            self.assertTrue(client.recv(100).startswith(b"220 "))


def connected(port):
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    except OSError:
        return None


if __name__ == "__main__":
    unittest.main()
