"""A spool that is full, by mail or by someone else's file: refused for now, nothing lost, and it goes on by itself."""

import errno
import json
import os
import pathlib
import sqlite3
import subprocess
import unittest

from harness import PATIENCE, Case, Refused, offer, until
from messages import Message, copies

SIZE = 160 << 20
RESERVE = "16M"


def big(number, size=2 << 20):
    """A message of about 2 MiB; its text is its number again and again."""
    message = Message(number, to=("anna",), kind="empty")
    line = (f"{number:08} " * 8).encode() + b"\r\n"
    return message, message.author_header() + b"\r\n" + line * (size // len(line))


class FullDisk(Case):
    def setUp(self):
        super().setUp()
        self.disk = self.directory / "disk"
        self.disk.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "onecopy-test", str(self.disk)], capture_output=True, check=False
        )
        if mounted.returncode:
            self.skipTest(f"no tmpfs may be mounted here: {mounted.stderr.decode().strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.disk)], check=True)
        self.received = self.sink()

    def start(self, **changes):
        spool = {"directory": str(self.disk / "spool"), "min_free": RESERVE}
        (self.disk / "spool").mkdir(mode=0o700)
        return self.daemon(self.received, spool=spool, grouping={"window": "0s"}, **changes)

    def free(self):
        state = os.statvfs(self.disk)
        return state.f_bavail * state.f_frsize

    def occupy(self, leave):
        """Someone else's file takes the disk but for so many bytes."""
        path = pathlib.Path(self.disk / "foreign")
        with open(path, "wb") as file:
            while True:
                try:
                    os.posix_fallocate(file.fileno(), 0, max(1, self.free() - leave))
                    return path
                except OSError as error:  # the daemon took some of it between the two calls
                    if error.errno != errno.ENOSPC:
                        raise

    def send_until_refused(self, daemon):
        """Sends big messages until one is put off: those taken, and what the refusal said."""
        taken = []
        with daemon.client() as client:
            for number in range(1, SIZE >> 20):
                message, data = big(number)
                try:
                    offer(client, message.sender, [message.everyone[0]], data)
                    taken.append((message, data))
                except Refused as refused:
                    return taken, str(refused)
        raise AssertionError("a disk of 160 MiB took more than that")

    def accepts(self, daemon, number):
        message, data = big(number)
        try:
            daemon.send(message.sender, [message.everyone[0]], data)
        except Refused as refused:
            self.assertLess(refused.code, 500, "a full disk is no reason to refuse for good")
            return False
        return True

    def test_filled_by_mail_it_puts_off_and_goes_on_when_mail_has_left(self):
        self.received.stop()
        daemon = self.start()
        taken, refusal = self.send_until_refused(daemon)
        self.assertGreater(len(taken), 5)
        self.assertRegex(refusal, r"^452 .*4\.3\.1")
        self.received.start()
        self.received.wait(len(taken), 2 * PATIENCE)
        until(lambda: self.accepts(daemon, 1000), what="room again")
        self.received.wait_for(lambda: self.received.of(big(1000)[0].id), PATIENCE, "the mail after the fill")
        for message, data in taken:
            found = self.received.of(message.id)
            self.assertEqual(len(found), 1)
            self.assertTrue(found[0].message.endswith(data.partition(b"\r\n\r\n")[2]))

    def test_filled_by_another_file_it_puts_off_until_that_is_gone(self):
        daemon = self.start()
        self.assertTrue(self.accepts(daemon, 1))
        foreign = self.occupy(leave=1 << 20)
        with daemon.client() as client:
            client.ehlo()
            code, text = client.docmd("MAIL", "FROM:<sender@far.example> SIZE=2000000")
            if code == 250:
                client.rset()
                with self.assertRaises(Refused) as refused:
                    offer(client, "sender@far.example", ["anna@corp.example"], big(2)[1])
                text = str(refused.exception).encode()
                code = refused.exception.code
        self.assertEqual(code, 452)
        self.assertIn(b"4.3.1", text)
        foreign.unlink()
        until(lambda: self.accepts(daemon, 2), what="room again")
        self.received.wait(2)
        self.sentinel(daemon, self.received)
        self.assertEqual(len(self.received.of(big(1)[0].id)), 1)
        self.assertEqual(len(self.received.of(big(2)[0].id)), 1)

    def test_filled_to_the_last_byte_while_a_message_arrives(self):
        daemon = self.start()
        message, data = big(1)
        half = len(data) // 2
        with daemon.raw() as client:
            client.to_data().send(data[:half])
            until(lambda: any(each.stat().st_size for each in (self.disk / "spool").rglob("*")), what="a spool")
            foreign = self.occupy(leave=0)
            client.send(data[half:] + b".\r\n")
            answer = client.reply()
        self.assertRegex(answer, r"^(4\d\d|250|$)")
        foreign.unlink()
        if not answer.startswith("250"):
            until(lambda: daemon.running() or daemon.start(), what="a running daemon")
            until(lambda: self.accepts(daemon, 1), what="room again")
        self.received.wait(1)
        self.sentinel(daemon, self.received)
        self.assertEqual(len(self.received.of(message.id)), 1)

    def test_a_last_piece_too_large_for_the_room_is_put_off_for_that(self):
        daemon = self.start()
        foreign = self.occupy(leave=(16 << 20) + (50 << 10))  # RESERVE, and less than what comes
        daemon.ctl("release", "--all")  # whoever asks lets it look how much room there is
        with daemon.raw() as client:
            client.to_data().send(big(1, size=100 << 10)[1] + b".\r\n")
            self.assertRegex(client.reply(), r"^452 .*4\.3\.1")
        foreign.unlink()
        until(lambda: self.accepts(daemon, 1), what="room again")
        self.received.wait(1)

    def test_mail_held_on_a_full_disk_is_still_delivered_and_settled(self):
        self.received.stop()
        daemon = self.start()
        message = Message(1, kind="large")
        for recipient, data in copies(message):
            daemon.send(message.sender, [recipient], data)
        foreign = self.occupy(leave=0)
        self.received.start()
        self.received.wait_for(
            lambda: self.received.recipients_of(message.id) == sorted(message.everyone), PATIENCE, "the held mail"
        )
        foreign.unlink()
        until(lambda: not daemon.json("list", "queued"), what="an empty queue")
        until(lambda: self.accepts(daemon, 2), what="room again")
        self.sentinel(daemon, self.received)
        self.assertEqual(self.received.recipients_of(message.id), sorted(message.everyone))

    def test_a_restart_on_a_full_disk_keeps_what_was_accepted(self):
        self.received.stop()
        daemon = self.start()
        message = Message(1)
        daemon.send(message.sender, [message.everyone[0]], copies(message)[0][1])
        foreign = self.occupy(leave=0)
        daemon.kill()
        self.received.start()
        try:
            daemon.start()
        except Exception:  # it may refuse to start without room, but must not forget
            foreign.unlink()
            daemon.start()
        self.received.wait(1)
        foreign.unlink(missing_ok=True)
        self.assertEqual(self.received.recipients_of(message.id), [message.everyone[0]])


class DamagedSpool(Case):
    """A page of the database that a disk gave back as something else."""

    def overwrite(self, daemon, table):
        path = daemon.spool / "ledger.db"
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
            (size,) = database.execute("PRAGMA page_size").fetchone()
        with open(path, "r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)

    def holding(self, message):
        """A sink, and a daemon that ended with all copies of the message held."""
        received = self.sink()
        daemon = self.daemon(received, grouping={"window": "1h"})
        for recipient, data in copies(message):
            daemon.send(message.sender, [recipient], data)
        daemon.stop()
        return received, daemon

    def test_it_is_told_no_mail_is_added_and_what_is_held_goes_out(self):
        message = Message(1, to=("anna",))
        received, daemon = self.holding(message)
        self.overwrite(daemon, "copies")
        daemon.start()
        until(lambda: daemon.json("status")["spool"]["damage"], what="the damage")
        self.assertIn("DAMAGED", daemon.ctl("status"))
        self.assertIn("spool_damaged", daemon.log())
        with daemon.client() as client:
            client.ehlo()
            self.assertEqual(client.mail("s@far.example")[0], 452)
        daemon.ctl("release", "--all")
        received.wait(1)
        self.assertEqual(received.recipients_of(message.id), sorted(message.everyone))

    def break_rows(self, daemon, filler):
        """A long run of one character lies in a chain of pages of its own; now it can't be read."""
        path = daemon.spool / "ledger.db"
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        data = bytearray(path.read_bytes())
        whole = filler.encode() * (4096 - 4)
        chain = [at for at in range(0, len(data), 4096) if data[at + 4 : at + 4096] == whole and any(data[at : at + 4])]
        self.assertTrue(chain)
        for at in chain:
            data[at : at + 4] = b"\x7f\xff\xff\xff"
        path.write_bytes(data)

    def test_a_message_that_cant_be_read_holds_up_no_other(self):
        received = self.sink()
        daemon = self.daemon(received, grouping={"window": "1h"})
        broken, sound = Message(1, to=("anna",)), Message(2, to=("anna", "bert"))
        daemon.send(broken.sender, ["anna@corp.example"], b"X-Long: " + b"v" * 20000 + b"\r\n" + copies(broken)[0][1])
        for recipient, data in copies(sound):
            daemon.send(sound.sender, [recipient], data)
        daemon.kill()
        self.break_rows(daemon, "v")
        daemon.start()
        daemon.ctl("release", "--all")
        received.wait(1)
        self.assertEqual(received.recipients_of(sound.id), sorted(sound.everyone))
        until(lambda: "group 1 can't be read" in (daemon.json("status")["spool"]["damage"] or ""), what="which group it is")
        self.assertEqual(daemon.log().count("group 1 can't be read"), 1)
        with daemon.client() as client:
            client.ehlo()
            self.assertEqual(client.mail("s@far.example")[0], 452)

    def test_a_group_that_cant_be_read_is_named_beside_the_others(self):
        received = self.sink()
        daemon = self.daemon(received, grouping={"window": "1h"})
        broken, sound = Message(1, to=("anna",)), Message(2, to=("bert",))
        for message in (broken, sound):
            daemon.send(message.sender, message.everyone, copies(message)[0][1])
        daemon.stop()
        with sqlite3.connect(daemon.spool / "ledger.db") as database:
            database.execute("UPDATE groups SET message_id = ? WHERE id = 1", (b"v" * 20000,))
        self.break_rows(daemon, "v")
        daemon.start()
        for command in ("list",), ("list", "all"):
            groups = json.loads(daemon.ctl("--json", *command, status=1))
            self.assertEqual([(each["id"], each["state"]) for each in groups], [(1, "unreadable"), (2, "held")], command)
            self.assertIn("malformed", groups[0]["damage"])
        told = daemon.ctl("list", status=1)
        self.assertIn("unreadable", told)
        self.assertIn(sound.everyone[0], told)
        for about in sound.id, sound.everyone[0]:
            self.assertEqual([each["id"] for each in daemon.json("why", about)], [2], "nothing that it is about is missing")
        self.assertIn(broken.everyone[0], daemon.ctl("show", "1", status=1), "its copies stand elsewhere")
        self.assertIn("can't be read", daemon.ctl_result("retry", "1").stderr)
        self.assertEqual(json.loads(daemon.ctl("--json", "retry", "--all", status=1)), {"retried": 1, "unreadable": 1})
        received.wait(1)
        self.assertEqual(received.recipients_of(sound.id), sorted(sound.everyone))

    def test_who_may_stand_in_what_cant_be_read_is_not_called_unknown(self):
        _, daemon = self.holding(Message(1, to=("anna",)))
        with sqlite3.connect(daemon.spool / "ledger.db") as database:
            database.execute("UPDATE members SET address = ?", (b"v" * 20000,))
        self.break_rows(daemon, "v")
        daemon.start()
        groups = json.loads(daemon.ctl("--json", "why", "anna@corp.example", status=1))
        self.assertEqual([(each["id"], each["state"]) for each in groups], [(1, "unreadable")])

    def test_status_tells_what_it_can_where_no_group_can_be_read(self):
        _, daemon = self.holding(Message(1, to=("anna",)))
        self.overwrite(daemon, "groups")
        daemon.start()

        def status():
            return json.loads(daemon.ctl("--json", "status", status=1))

        until(lambda: status()["spool"]["damage"], what="the damage")
        self.assertIn("malformed", status()["unreadable"])
        self.assertNotIn("counts", status())
        told = daemon.ctl("status", status=1)
        self.assertIn("DAMAGED", told)
        self.assertIn("the figures can't be read", told)
        self.assertEqual([each["state"] for each in json.loads(daemon.ctl("--json", "list", status=1))], ["unreadable"])

    def test_mail_that_waits_for_nothing_is_named_and_goes_out_by_hand(self):
        message = Message(1, to=("anna",))
        received, daemon = self.holding(message)
        with sqlite3.connect(daemon.spool / "ledger.db") as database:
            database.execute("UPDATE groups SET due = NULL")
        daemon.start()
        until(lambda: "group 1" in (daemon.json("status")["spool"]["damage"] or ""), what="which group it is")
        daemon.ctl("retry", "1")
        received.wait(1)
        self.assertEqual(received.recipients_of(message.id), sorted(message.everyone))

    def test_a_sound_one_is_not_called_damaged(self):
        daemon = self.daemon(self.sink())
        daemon.stop()
        daemon.start()
        self.assertIsNone(daemon.json("status")["spool"]["damage"])


if __name__ == "__main__":
    unittest.main()
