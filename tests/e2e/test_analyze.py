"""onecopyctl analyze: mailboxes on disk, read without a daemon, and what it says against what onecopyd does."""

import array
import collections
import fcntl
import json
import mailbox
import os
import pty
import select
import signal
import subprocess
import termios
import time
import unittest

from harness import ONECOPYCTL, PATIENCE, SANITIZED, Case, until
from messages import Message, at, copies, copy_for, interleaved

FROM = b"From sender@far.example Mon Nov  2 09:00:00 2026\n"


def lines_of_unix(data):
    return data.replace(b"\r\n", b"\n")


def quoted(text):
    """As mboxrd has it."""
    lines = text.split(b"\n")
    return b"\n".join(b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines)


def mbox(messages, ends=b"\n"):
    text = b"".join(FROM + quoted(lines_of_unix(each)) + b"\n" for each in messages)
    return text.replace(b"\n", ends)


class Analyze(Case):
    def analyze(self, *paths, status=0, options=("--json",)):
        done = subprocess.run(
            [ONECOPYCTL, "--socket", "/nonexistent", *options, "analyze", *map(str, paths)],
            capture_output=True,
            timeout=4 * PATIENCE,
            check=False,
        )
        self.assertEqual(done.returncode, status, done.stderr.decode("utf-8", "replace"))
        self.assertNotIn(b"Sanitizer", done.stderr)
        self.errors = done.stderr.decode()
        return json.loads(done.stdout) if "--json" in options else done.stdout.decode()

    def file(self, name, data):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def maildir(self, name, messages):
        """As a delivery agent makes it, a part of it seen by a reader."""
        (self.directory / name).parent.mkdir(exist_ok=True)
        box = mailbox.Maildir(self.directory / name)
        for number, each in enumerate(messages):
            key = box.add(lines_of_unix(each))
            if number % 2:
                os.rename(self.directory / name / "new" / key, self.directory / name / "cur" / f"{key}:2,S")
        return self.directory / name


def mailbox_of_the_case():
    """KB264249 three times, and mail that came once."""
    split = [
        Message(1, to=("anna", "bert"), cc=("carl",), blind=("dora",)),
        Message(2, to=("anna", "bert"), kind="eight_bit"),
        Message(3, to=("anna",), blind=("bert", "carl"), kind="large"),
    ]
    single = [Message(number, to=("anna",)) for number in range(4, 9)]
    return split, [data for _, data in interleaved(split + single)]


class Mailboxes(Analyze):
    """The same mail, however it is stored."""

    def assert_the_case(self, told, mailboxes=1):
        self.assertEqual(told["messages"], 14)
        self.assertEqual(told["mailboxes"], mailboxes)
        self.assertTrue(told["complete"])
        split = told["split"]
        self.assertEqual((split["messages"], split["copies"]), (3, 9))
        self.assertEqual({each["message_id"]: each["copies"] for each in split["largest"]}, self.expected)
        self.assertEqual(split["sizes"], [{"name": "2", "count": 1}, {"name": "3", "count": 1}, {"name": "4", "count": 1}])
        self.assertEqual(split["arrival_by"], [{"name": "Received", "count": 9}])
        self.assertEqual(split["advice"]["recover_from"], "Delivered-To")
        delivered_to = next(each for each in split["recipients"] if each["field"] == "Delivered-To")
        self.assertEqual(delivered_to, {"field": "Delivered-To", "copies": 9, "messages": 3, "recipients": 9, "blind": 3})
        self.assertEqual(sum(each["copies"] for each in split["delays"]), 6)
        self.assertEqual(split["windows"][-1]["copies"], 6)

    def setUp(self):
        super().setUp()
        split, self.messages = mailbox_of_the_case()
        self.expected = {each.id: len(each.everyone) for each in split}

    def test_an_mbox_with_either_line_end(self):
        for ends in (b"\n", b"\r\n"):
            self.assert_the_case(self.analyze(self.file("mbox", mbox(self.messages, ends))))

    def test_a_maildir(self):
        self.assert_the_case(self.analyze(self.maildir("box", self.messages)), 2)

    def test_message_files(self):
        for number, each in enumerate(self.messages):
            self.file(f"mh/{number}", each)
        self.assert_the_case(self.analyze(*(self.directory / "mh").iterdir()), 14)
        self.assert_the_case(self.analyze(self.directory / "mh"))

    def test_a_tree_of_all_these(self):
        box = self.maildir("tree/box", self.messages[:4])
        folder = mailbox.Maildir(box).add_folder("Archive")
        for each in self.messages[4:8]:
            folder.add(lines_of_unix(each))
        (box / "dovecot-uidlist").write_text("3 V1 N1\nFrom: none\n", encoding="ascii")
        self.file("tree/deep/er/mbox", mbox(self.messages[8:]))
        self.file("tree/notes.txt", b"Buy milk.\n")
        told = self.analyze(self.directory / "tree")
        self.assert_the_case(told, 4)
        self.assertEqual(told["skipped_files"], 1)
        self.assertEqual(told["split"]["in_several_mailboxes"], 3)
        again = self.analyze(self.directory / "tree", box, self.directory / "tree")
        self.assertEqual(again["messages"], 14)

    def test_a_pipe(self):
        path = self.file("mbox", mbox(self.messages))
        command = f'exec "{ONECOPYCTL}" --json analyze <(cat "{path}")'
        done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=PATIENCE, check=True)
        self.assert_the_case(json.loads(done.stdout))

    def test_lines_that_look_like_separators_are_told_apart(self):
        text = self.messages[0] + b"From here it goes on\r\n>From there too\r\nFrom x Mon Nov  2 09:00:00 2026\r\n"
        told = self.analyze(self.file("mbox", mbox([text, text])), self.maildir("box", [text]))
        self.assertEqual(told["split"]["largest"][0]["copies"], 3)

    def test_what_people_read(self):
        text = self.analyze(self.file("mbox", mbox(self.messages)), options=())
        for part in ("14 messages in 1 mailbox", "3 messages came in 9 copies: 6 more", "grouping.window: ", "[Delivered-To]"):
            self.assertIn(part, text)
        self.assertEqual(self.errors, "")


class Verdict(Analyze):
    """What it says is merged is what onecopyd merges."""

    def odd_mail(self):
        """(sender, recipient, message): every reason to be merged or not."""
        message = Message(1, to=("anna", "bert"))
        base = copy_for(message, "anna")
        other = copy_for(message, "bert")
        anonymous = base.replace(f"Message-ID: {message.id}\r\n".encode(), b"")
        large_header = b"".join(b"X-Filler: %s\r\n" % (b"x" * 900) for _ in range(1200))
        list_copy = copy_for(Message(2), "anna")
        verp = copy_for(Message(3), "anna")
        trailing = copy_for(Message(4), "anna")
        folded = copy_for(Message(5), "anna")
        bare = copy_for(Message(6), "anna")
        return [
            base,
            other,
            anonymous,
            anonymous.replace(b"Delivered-To: anna", b"Delivered-To: bert"),
            base.replace(b"Message-ID: <", b"Message-ID: <other."),
            list_copy,
            list_copy.replace(b"Subject: ", b"Subject: [list] "),
            list_copy + b"-- \r\nlist footer\r\n",
            verp,
            verp.replace(b"Return-Path: <sender@", b"Return-Path: <bounces+1@"),
            verp.replace(b"Return-Path: <sender@far.example>", b"Return-Path: <sender@FAR.example>"),
            trailing,
            trailing + b"\r\n\r\n",
            trailing.replace(b"Subject: ", b"X-Spam-Score: 4\r\nSubject: "),
            folded,
            folded.replace(b"To: ", b"To:\r\n\t"),
            folded.replace(b"Message-ID: <", b"MESSAGE-ID : (a comment)\r\n <"),
            bare,
            bare.replace(b"Message-ID: <", b"Message-ID: <two@x>\r\nMessage-ID: <"),
            bare.replace(b"Message-ID: <", b"Message-ID: two@x <"),
            bare.replace(b"Date: ", b"X-Date: "),
            large_header + copy_for(Message(7), "anna"),
            large_header + copy_for(Message(7), "anna"),
        ]

    def of_daemon(self, messages):
        """How many copies each group of a running onecopyd holds, by Message-ID."""
        daemon = self.daemon(self.sink(), grouping={"window": "1h"})
        for each in messages:
            head = each.split(b"\r\n\r\n", 1)[0]
            sender = head.partition(b"Return-Path: <")[2].partition(b">")[0].decode()
            daemon.send(sender, [at("anna")], each)
        groups = daemon.json("list", "all")
        copies_of = [len(daemon.json("show", str(each["id"]))[0]["copies"]) for each in groups]
        return collections.Counter((each["message_id"], count) for each, count in zip(groups, copies_of) if count > 1)

    def of_analyze(self, *paths):
        told = self.analyze(*paths)
        self.assertEqual(len(told["split"]["largest"]), told["split"]["messages"], "all are shown")
        return collections.Counter((each["message_id"], each["copies"]) for each in told["split"]["largest"])

    def assert_same(self, messages):
        merged = self.of_daemon(messages)
        self.assertTrue(merged)
        self.assertEqual(self.of_analyze(self.file("mbox", mbox(messages))), merged)
        self.assertEqual(self.of_analyze(self.file("crlf", mbox(messages, b"\r\n"))), merged)
        self.assertEqual(self.of_analyze(self.maildir("box", messages)), merged)

    def test_of_the_case(self):
        self.assert_same(mailbox_of_the_case()[1])

    def test_of_odd_mail(self):
        self.assert_same(self.odd_mail())

    def test_reasons_are_told(self):
        told = self.analyze(self.file("mbox", mbox(self.odd_mail())))
        apart, ids = told["not_merged"], told["message_ids"]
        other = apart["same_id_other_content"]
        self.assertEqual([each["message_id"] for each in other["examples"]], [Message(2).id, Message(6).id])
        self.assertEqual(other["fields"], [{"name": "Subject", "count": 1}, {"name": "Date", "count": 1}])
        self.assertEqual([each["message_id"] for each in apart["other_sender"]["examples"]], [Message(3).id])
        self.assertEqual(apart["header_too_large"]["count"], 2)
        self.assertEqual(apart["same_content_other_id"]["count"], 2)
        self.assertEqual([ids[kind]["count"] for kind in ("none", "malformed", "several")], [2, 1, 1])


class Times(Analyze):
    def at_second(self, second, field="Received"):
        data = copy_for(Message(1), "anna")
        start, end = data.index(b"Received: "), data.index(b"From: The Sender")
        when = f"Mon, 2 Nov 2026 10:{second // 60:02}:{second % 60:02} +0100"
        line = {"Received": f"Received: from a by b; {when}", "Delivery-date": f"Delivery-date: {when}"}.get(field, "X-None: 0")
        return data[:start] + line.encode() + b"\r\n" + data[end:]

    def windows(self, told):
        return {each["window"]: each["copies"] for each in told["split"]["windows"]}

    def test_which_window_catches_how_many(self):
        told = self.analyze(self.file("mbox", mbox(self.at_second(second) for second in (0, 0, 4, 29, 100))))
        self.assertEqual(
            self.windows(told), {"0s": 0, "5s": 2, "10s": 2, "30s": 3, "1m": 3, "2m": 4, "5m": 4, "15m": 4, "1h": 4}
        )
        self.assertEqual(told["split"]["smallest_window_all_seconds"], 101)
        self.assertEqual(told["split"]["advice"]["window"], "2m")

    def test_other_clocks(self):
        told = self.analyze(self.file("mbox", mbox(self.at_second(second, "Delivery-date") for second in (0, 7))))
        self.assertEqual(told["split"]["arrival_by"], [{"name": "Delivery-date", "count": 2}])
        self.assertEqual(told["split"]["smallest_window_all_seconds"], 8)
        box = self.file("mbox", mbox([self.at_second(0, "")]) + mbox([self.at_second(0, "")]).replace(b"09:00:00", b"09:00:03"))
        told = self.analyze(box)
        self.assertEqual(told["split"]["arrival_by"], [{"name": "From line", "count": 2}])
        self.assertEqual(told["split"]["smallest_window_all_seconds"], 4)
        for number in range(2):
            os.utime(self.file(f"files/{number}", self.at_second(0, "")), (0, 1_700_000_000 + 20 * number))
        told = self.analyze(self.directory / "files")
        self.assertEqual(told["split"]["arrival_by"], [{"name": "time of the file", "count": 2}])
        self.assertEqual(told["split"]["smallest_window_all_seconds"], 21)


class Faults(Analyze):
    def test_wrong_use(self):
        done = subprocess.run([ONECOPYCTL, "analyze"], capture_output=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 2)

    def test_what_is_not_there_is_named_and_the_rest_is_read(self):
        good = self.file("mbox", mbox([data for _, data in copies(Message(1))]))
        told = self.analyze(self.directory / "missing", good, status=1)
        self.assertIn("missing: No such file or directory", self.errors)
        self.assertEqual(told["split"]["messages"], 1)
        self.assertFalse(told["complete"])

    @unittest.skipIf(os.geteuid() == 0, "root may read anything")
    def test_what_may_not_be_read_is_named(self):
        self.file("tree/mbox", mbox([copy_for(Message(1), "anna")]))
        self.file("tree/closed", b"x").chmod(0)
        told = self.analyze(self.directory / "tree", status=1)
        self.assertIn("closed: Permission denied", self.errors)
        self.assertEqual(told["messages"], 1)

    def test_nothing_there(self):
        empty = self.directory / "empty"
        empty.mkdir()
        self.assertEqual(self.analyze(empty, status=1)["messages"], 0)
        self.assertEqual(self.analyze(self.file("void", b""), status=1, options=()), "")
        self.assertIn("no message is there", self.errors)
        self.analyze(self.file("text", b"hello\n"), status=1)
        self.assertIn("neither an mbox nor a message", self.errors)

    def test_nothing_reaches_the_terminal(self):
        bad = "<\x1b]0;title\x07\u202e\x9b@x>".encode() + b"\xff\n"
        evil = b"Message-ID: " + bad.replace(b"\n", b"").replace(b"\x1b", b"").replace(b"\x07", b"") + b"\nFrom: a@x\n\nbody\n"
        name = "mbox\x1b[31m"
        text = self.analyze(self.file(name, mbox([evil, evil, evil.replace(b"body", b"other")])), options=())
        self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
        self.assertIn(r"\x1b[31m", text)
        self.analyze(str(self.directory / name) + "none", status=1)
        self.assertNotIn("\x1b", self.errors)

    def test_hostile_mailboxes(self):
        mail = b"Message-ID: <1@x>\nFrom: a@x\n"
        hostile = {
            "no_blank_line": FROM + mail * 3,
            "only_from_lines": FROM * 20000,
            "one_line": FROM + mail + b"\n" + b"x" * (8 << 20),
            "quotes": FROM + mail + b"\n" + b">" * (4 << 20),
            "half_from_lines": FROM + mail + b"\n" + b"From \n>From" * 200_000,
            "long_from_line": FROM + mail + b"\n" + b"From " + b"a " * (2 << 20) + b"\n",
            "header_without_end": FROM + b"A: b\n" * (1 << 20),
            "one_field": FROM + mail + b"X: " + b"y" * (4 << 20) + b"\n\nbody\n",
            "folds": FROM + mail + b"Received: (" + b"(;\n " * 100_000 + b"\n\nbody\n",
            "addresses": FROM + mail + b"Delivered-To: a@x\nTo: " + b"a@b," * 200_000 + b"\n\nbody\n",
            "nul": FROM + b"\0" * (1 << 20),
            "bare_returns": FROM + mail + b"\r" * (1 << 20),
            "same_id": b"".join(FROM + mail + b"\nbody %d\n\n" % number for number in range(20000)),
            "dates": FROM + b"Received: x; " + b"Mon, " * 100_000 + b"\nDelivery-date: 99 Foo 99999 99:99\n\n",
        }
        for name, data in hostile.items():
            with self.subTest(name):
                told = self.analyze(self.file(name, data), status=1 if name == "only_from_lines" else 0)
                self.assertLessEqual(told["messages"], 20000)


class Resources(Analyze):
    def peak(self, path):
        """In KiB, of the process that reads it."""
        code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
        code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        command = ["python3", "-c", code, ONECOPYCTL, "--json", "analyze", str(path)]
        return int(subprocess.run(command, capture_output=True, timeout=4 * PATIENCE, check=True).stdout)

    @unittest.skipIf(SANITIZED, "a sanitizer has memory of its own")
    def test_memory_does_not_grow_with_the_mailbox(self):
        message = copy_for(Message(1), "anna")
        body = (b"x" * 75 + b"\n") * 14000
        path = self.directory / "mbox"
        with path.open("wb") as file:
            for _ in range(2):
                file.write(FROM + lines_of_unix(message))
                for _ in range(100):
                    file.write(body)
        self.assertGreater(path.stat().st_size, 200 << 20)
        self.assertLess(self.peak(path), 64 << 10)

    def fifo(self):
        path = self.directory / "fifo"
        os.mkfifo(path)
        return path

    def test_an_interrupt_ends_it_with_what_was_read(self):
        path = self.fifo()
        with subprocess.Popen(
            [ONECOPYCTL, "--json", "analyze", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process, path.open("wb", buffering=0) as writer:
            writer.write(mbox([data for _, data in copies(Message(1))]) + FROM + b"Message-ID: <half")
            until(lambda: self.pipe_is_empty(writer), what="a reader that waits for more")
            process.send_signal(signal.SIGINT)
            out, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 130)
        self.assertIn(b"interrupted", errors)
        told = json.loads(out)
        self.assertFalse(told["complete"])
        self.assertEqual((told["messages"], told["split"]["messages"]), (2, 1))

    @staticmethod
    def pipe_is_empty(writer):
        waiting = array.array("i", [0])
        fcntl.ioctl(writer.fileno(), termios.FIONREAD, waiting)
        return waiting[0] == 0

    def test_progress_is_shown_on_a_terminal_alone(self):
        path = self.fifo()
        data = mbox([data for _, data in copies(Message(1))])
        master, slave = pty.openpty()
        with subprocess.Popen([ONECOPYCTL, "analyze", str(path)], stdout=subprocess.PIPE, stderr=slave) as process:
            os.close(slave)
            with path.open("wb", buffering=0) as writer:
                seen = self.feed_until_seen(writer, data, master, b"messages")
            out, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0)
        self.assertIn(b"split", out)
        self.assertNotIn(b"\033", out)
        self.assertTrue(seen.startswith(b"\r"), seen)
        os.close(master)

    @staticmethod
    def feed_until_seen(writer, data, terminal, word):
        seen = b""
        end = time.monotonic() + PATIENCE
        while word not in seen:
            if time.monotonic() > end:
                raise TimeoutError("no progress is shown")
            writer.write(data)
            if select.select([terminal], [], [], 0.01)[0]:
                seen += os.read(terminal, 4096)
        return seen


if __name__ == "__main__":
    unittest.main()
