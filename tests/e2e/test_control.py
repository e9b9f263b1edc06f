"""onecopyctl: what it tells of held, queued, delivered and failed mail, and what it does to it."""

import json
import os
import pathlib
import pty
import pwd
import re
import select
import subprocess
import time
import unittest

from harness import ONECOPYCTL, PATIENCE, Case, until
from messages import Message, at, copies
from sink import Refuse


class Control(Case):
    def setUp(self):
        super().setUp()
        self.received = self.sink()
        self.message = Message(1, to=("anna", "bert"))

    def start(self, **changes):
        return self.daemon(self.received, grouping={"window": "1h"}, **changes)

    def send(self, daemon, message=None):
        for recipient, data in copies(message or self.message):
            daemon.send((message or self.message).sender, [recipient], data)

    def group(self, daemon, which="held"):
        return until(lambda: daemon.json("list", which), what=f"a {which} group")[0]

    def test_status_counts(self):
        daemon = self.start()
        self.assertEqual(self.counts(daemon), {"held": 0, "queued": 0, "delivered": 0, "suppressed": 0, "failed": 0})
        self.send(daemon)
        self.assertEqual(self.counts(daemon)["held"], 1)
        daemon.ctl("release", "--all")
        until(lambda: self.counts(daemon)["delivered"] == 2, what="two delivered recipients")
        self.send(daemon)
        self.assertEqual(self.counts(daemon), {"held": 0, "queued": 0, "delivered": 2, "suppressed": 2, "failed": 0})

    def counts(self, daemon):
        status = daemon.json("status")
        status = status.get("counts", status)
        return {name: status[name] for name in ("held", "queued", "delivered", "suppressed", "failed")}

    def test_status_tells_of_a_backend_that_is_down(self):
        daemon = self.start()
        self.received.stop()
        self.send(daemon)
        daemon.ctl("release", "--all")
        until(lambda: re.search(r"(?i)refused|down|unreachable", daemon.ctl("status")), what="a word about the backend")
        self.assertIn(self.received.address, daemon.ctl("status"))

    def test_list_shows_groups_by_where_they_stand(self):
        daemon = self.start()
        self.assertEqual([daemon.json("list", which) for which in ("held", "queued", "failed", "all")], [[], [], [], []])
        self.send(daemon)
        for which in ("held", "all"):
            text = daemon.ctl("list", which)
            self.assertIn(at("anna"), text)
            self.assertIn(self.message.sender, text)
        self.assertEqual(daemon.json("list", "queued"), [])
        self.assertEqual(len(daemon.json("list")), 1)

    def test_why_tells_the_whole_story(self):
        self.received.hooks = Refuse({at("bert"): "550 5.1.1 he left the company"})
        daemon = self.start()
        self.send(daemon)
        self.send(daemon)
        daemon.ctl("release", "--all")
        until(lambda: daemon.json("list", "failed"), what="a failed recipient")
        text = daemon.ctl("why", self.message.id)
        for part in (at("anna"), at("bert"), "he left the company", "250 2.0.0 taken", "127.0.0.1"):
            self.assertIn(part, text)
        self.assertEqual(text, daemon.ctl("why", self.message.id.strip("<>")), "brackets may be left out")
        json.dumps(daemon.json("why", self.message.id))

    def test_why_finds_a_message_by_whatever_is_known_of_it(self):
        daemon = self.start()
        self.send(daemon)
        subject = "Gr\u00fc\u00dfe aus Bonn"
        other = Message(2, to=("carl",)).text().replace(b"Subject: message 2,\r\n folded  as it pleases", b"Subject: =?iso-8859-1?q?Gr=fc=dfe_aus?= Bonn")
        self.assertIn(b"Gr=fc", other)
        daemon.send("far@else.example", [at("carl")], other)
        first, second = (each["id"] for each in daemon.json("list"))
        rows = ((at("carl"), second), ("CARL@Corp.Example", second), ("far@else.example", second), (str(second), second), ("aus bonn", second), (subject, second), (at("anna"), first), (str(first), first))
        for word, group in rows:
            self.assertEqual([each["id"] for each in daemon.json("why", word)], [group], word)
        self.assertEqual(daemon.json("why", *subject.split())[0]["subject"], subject, "words need no quotes")
        self.assertIn(subject, daemon.ctl("list"))
        for word in ("nobody@far.example", "987654", "no such subject", "%"):
            self.assertIn("no message has that", daemon.ctl_result("why", word).stderr)

    def test_release_of_one_leaves_the_others(self):
        daemon = self.start()
        self.send(daemon)
        self.send(daemon, Message(2))
        groups = {each["message_id"]: each["id"] for each in daemon.json("list", "held")}
        daemon.ctl("release", str(groups[self.message.id]))
        self.received.wait(1)
        self.assertEqual(self.received.delivered[0].id, self.message.id)
        until(lambda: [each["message_id"] for each in daemon.json("list", "held")] == [Message(2).id], what="the other one alone")

    def test_what_is_not_there_is_told(self):
        daemon = self.start()
        daemon.ctl("why", "<nobody@far.example>", status=1)
        daemon.ctl("release", "999999", status=1)

    def test_wrong_use_is_told(self):
        daemon = self.start()
        for arguments in ((), ("frobnicate",), ("why",), ("release",), ("list", "everything"), ("release", "x y"), ("--bogus",)):
            with self.subTest(arguments):
                daemon.ctl(*arguments, status=2)
        told = daemon.ctl_result("lst").stderr
        for word in ("lst", "status", "list", "why", "release"):
            self.assertIn(word, told)

    def test_without_a_daemon_it_says_so(self):
        daemon = self.daemon(self.received, start=False)
        self.assertEqual(daemon.ctl_result("status").returncode, 69)
        daemon.start()
        daemon.kill()
        self.assertEqual(daemon.ctl_result("status").returncode, 69, "a socket left behind is no daemon")

    def test_the_socket_is_for_its_owner(self):
        daemon = self.start()
        self.assertEqual(daemon.control.stat().st_mode & 0o007, 0)

    @unittest.skipUnless(os.geteuid() == 0, "another user is root's to become")
    def test_whoever_may_open_the_socket_may_look_and_only_its_owner_and_root_may_change(self):
        daemon = self.start()
        self.send(daemon)
        nobody = pwd.getpwnam("nobody").pw_uid
        for folder in (daemon.control, *daemon.control.parents):
            folder.chmod(folder.stat().st_mode | 0o007 if folder == daemon.control else folder.stat().st_mode | 0o001)
        group = str(daemon.json("list")[0]["id"])

        def as_nobody(*arguments):
            command = ["/proc/self/fd/3", "--socket", str(daemon.control), *arguments]
            with open(ONECOPYCTL, "rb") as program:
                return subprocess.run(
                    command, capture_output=True, text=True, check=False, user=nobody, group=nobody, extra_groups=[], pass_fds=[3],
                    preexec_fn=lambda: os.dup2(program.fileno(), 3), timeout=PATIENCE)  # fmt: skip

        for arguments in (("status",), ("list",), ("why", self.message.id), ("show", group)):
            done = as_nobody(*arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
        for arguments in (("release", "--all"), ("retry", group), ("drop", "--yes", group), ("forget", group), ("reload",), ("pause",), ("resume",)):
            done = as_nobody(*arguments)
            self.assertEqual((done.returncode, done.stdout), (1, ""), arguments)
            self.assertIn("root and the service's own user", done.stderr)
        self.assertEqual(self.counts(daemon)["held"], 1)
        self.assertFalse(daemon.json("status")["paused"])

    def test_every_command_answers_in_words_and_in_json(self):
        daemon = self.start()
        self.send(daemon)
        group = str(daemon.json("list")[0]["id"])
        commands = (("status",), ("list",), ("list", "all"), ("show", group), ("why", self.message.id), ("pause",), ("resume",), ("reload",), ("release", group), ("retry", "--all"), ("forget", self.message.id), ("drop", "--yes", group))
        for arguments in commands:
            if arguments[0] == "forget":
                self.received.wait(1)
                until(lambda: daemon.json("list") == [], what="a group that has gone")
            if arguments[0] == "drop":
                self.received.hooks = Refuse({at("bert"): "450 4.2.0 later"})
                self.send(daemon)
                group = str(daemon.json("list")[0]["id"])
                arguments = ("drop", "--yes", group)
            self.assertTrue(daemon.ctl(*arguments).strip() or arguments[0] in ("list",), arguments)
            if arguments[0] not in ("release", "drop", "forget"):
                json.loads(daemon.ctl("--json", *arguments))
        self.assertEqual(json.loads(daemon.ctl("--json", "release", "--all")), {"released": 0})
        self.assertEqual(json.loads(daemon.ctl("--json", "drop", "--yes", "999", status=1)), {"error": "no such group waits or has failed"})

    # In a terminal

    def terminal(self, daemon, *arguments, rows=24, columns=200, **environment):
        return Terminal([ONECOPYCTL, "--socket", str(daemon.control), *arguments], rows, columns, environment)

    def test_a_terminal_gets_colours_and_nothing_else_does(self):
        daemon = self.start()
        self.send(daemon)
        painted = "\x1b[1m1\x1b[0m"
        self.assertIn(painted, self.terminal(daemon, "list").end())
        self.assertNotIn("\x1b", self.terminal(daemon, "list", NO_COLOR="1").end())
        self.assertNotIn("\x1b", self.terminal(daemon, "list", TERM="dumb").end())
        self.assertNotIn("\x1b", self.terminal(daemon, "--json", "list").end())
        self.assertNotIn("\x1b", daemon.ctl("list"))

    def test_what_is_longer_than_the_terminal_goes_through_the_pager(self):
        daemon = self.start()
        for number in range(1, 9):
            self.send(daemon, Message(number))
        self.assertIn("paged\r\n", self.terminal(daemon, "list", rows=10, PAGER="sed -e '$a paged'").end())
        self.assertNotIn("paged\r\n", self.terminal(daemon, "list", rows=60, PAGER="sed -e '$a paged'").end())
        told = self.terminal(daemon, "list", rows=10, PAGER="/no/such/pager").end()
        self.assertIn(Message(8).id, told, "without a pager all of it is printed")

    def test_top_shows_what_happens_until_it_is_left(self):
        daemon = self.start()
        screen = self.terminal(daemon, "top")
        screen.until("no mail waits")
        self.send(daemon)
        screen.until(self.message.id)
        screen.type("x")
        ledger = daemon.spool / "ledger.db"
        ledger.rename(ledger.with_suffix(".gone"))
        screen.until("unable to open")
        screen.seen = ""
        ledger.with_suffix(".gone").rename(ledger)
        screen.until(self.message.id)
        self.received.stop()
        daemon.kill()
        screen.until("does onecopyd run")
        screen.type("q")
        screen.end()
        self.assertEqual(screen.status, 0)
        self.assertEqual(daemon.ctl_result("top").returncode, 2, "a pipe is no terminal")
        gone = self.terminal(daemon, "top")
        self.assertIn("does onecopyd run", gone.end())
        self.assertEqual(gone.status, 69)

    def test_where_there_is_no_answer_json_is_silent(self):
        daemon = self.start()
        self.send(daemon)
        command = [ONECOPYCTL, "--socket", str(daemon.control), "--json", "drop", str(self.group(daemon)["id"])]
        done = subprocess.run(command, input="n\n", capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""), "not confirmed")
        done = daemon.ctl_result("--json", "show", "99")
        self.assertEqual((done.returncode, list(json.loads(done.stdout))), (1, ["error"]))
        self.assertEqual((daemon.ctl_result("--json", "show", "x").stdout, daemon.ctl_result("--json", "top").stdout), ("", ""))
        daemon.stop()
        done = daemon.ctl_result("--json", "status")
        self.assertEqual((done.returncode, done.stdout), (69, ""))

    def test_what_is_no_number_of_a_group_is_told_so_in_a_sentence(self):
        daemon = self.start()
        for command in ("show", "drop", "release", "retry"):
            for number in ("x", "0", "1x", "1.5", "", "9223372036854775808", "9" * 400):
                done = daemon.ctl_result(command, number)
                self.assertEqual((done.returncode, done.stdout), (2, ""), (command, number))
                said = f"ID: '{number[:40]}{'...' if len(number) > 40 else ''}' is not the number of a group; onecopyctl list tells them\n"
                self.assertTrue(done.stderr.startswith(said), done.stderr)
        self.assertEqual(daemon.ctl_result("show", "9223372036854775807").returncode, 1, "none has it")

    def test_top_can_be_scrolled_and_interrupted(self):
        daemon = self.start()
        for number in range(1, 9):
            self.send(daemon, Message(number))
        self.send(daemon, Message(9, to=("zoe",)))
        screen = self.terminal(daemon, "top", rows=14)
        screen.until(Message(1).id)
        self.assertNotIn("zoe", screen.seen)
        for key in ("\x1bOB", "\x1b[6~", "\x1b[6~", "\x1b[6~"):
            screen.type(key)
        screen.until("zoe")
        screen.type("\x03")
        screen.end()
        self.assertEqual(screen.status, 0)

    def test_bash_completes_commands_and_groups(self):
        daemon = self.start()
        self.send(daemon)
        script = pathlib.Path(__file__).parents[2] / "conf" / "onecopyctl.bash"

        def complete(*words):
            call = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _onecopyctl; printf "%s\\n" "${COMPREPLY[@]}"'
            path = f"{pathlib.Path(ONECOPYCTL).parent}:{os.environ['PATH']}"
            done = subprocess.run(["bash", "-c", call, str(script), "onecopyctl", *words], capture_output=True, text=True, check=True, env={**os.environ, "PATH": path})
            return done.stdout.split()

        self.assertEqual(complete("re"), ["release", "retry", "reload", "resume"])
        self.assertEqual(complete("list", "f"), ["failed"])
        self.assertEqual(complete("--socket", str(daemon.control), "show", ""), ["1"])
        self.assertEqual(complete("--socket", str(daemon.control), "drop", "-"), ["--yes"])
        self.assertIn(str(daemon.control), complete("--socket", str(daemon.control)[:-2]))
        commands = set(complete(""))
        told = daemon.ctl_result("nonsense").stderr.split("the commands are ")[1].strip()
        self.assertEqual(set(told.split(", ")), {word for word in commands if not word.startswith("-")})

    def test_hostile_text_is_shown_harmless(self):
        daemon = self.start()
        text = Message(1).text().replace(b"Message-ID: <m1", b"Message-ID: <\x1b]0;x\x07m1")
        daemon.send('"\x1b[31m"@far.example'.replace("\x1b", "e"), [at("anna")], text)
        for output in (daemon.ctl("list"), daemon.ctl("--json", "list")):
            self.assertNotIn("\x1b", output)
            self.assertNotIn("\x07", output)

    def test_bytes_that_are_no_request_harm_nothing(self):
        import socket  # the only test that speaks to the socket itself

        daemon = self.start()
        for request in (b"\n", b"x" * 1_000_000, b"{" * 100_000 + b"\n", b"\xff\x00\n", b'{"command":', b'{"command": 7}\n', b"GET / HTTP/1.0\r\n\r\n"):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(daemon.control))
                try:
                    client.sendall(request)
                except OSError:
                    pass
        daemon.ctl("status")


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, command, rows, columns, environment):
        self.seen = ""
        self.status = None
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            environment = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", "LINES": str(rows), "COLUMNS": str(columns), **environment}
            os.system(f"stty rows {rows} cols {columns}")  # of the terminal that is ours now
            os.execve(command[0], command, environment)

    def read(self, patience):
        if not select.select([self.descriptor], [], [], patience)[0]:
            return False
        try:
            piece = os.read(self.descriptor, 65536)
        except OSError:  # its last user has gone
            return False
        self.seen += piece.decode("utf-8", "replace")
        return bool(piece)

    def until(self, words):
        limit = time.monotonic() + PATIENCE
        while words not in self.seen:
            if time.monotonic() > limit or not self.read(max(0, limit - time.monotonic())):
                raise AssertionError(f"no {words!r} in {self.seen!r}")

    def type(self, keys):
        os.write(self.descriptor, keys.encode())

    def end(self):
        while self.read(PATIENCE):
            pass
        os.close(self.descriptor)
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.seen


if __name__ == "__main__":
    unittest.main()
