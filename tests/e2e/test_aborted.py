"""A file system that gives up under a running onecopyd: aborted, as ext4 does after an error (errors=remount-ro), and cut off
at once, as by a loss of power. Nothing more is accepted, and what was accepted is there once the file system was repaired.

One thing is the file system's own. A sync that is under way at the moment of the abort may return 0 though nothing of it is
kept: seen with Linux 6.18 of a program that does nothing but append to a file and sync it, in one file of twenty; its next sync
fails. So what was accepted in that moment may be gone, and that is what one commit holds.
"""

import fcntl
import os
import random
import struct
import subprocess
import threading
import time
import unittest

from harness import PATIENCE, Case, in_threads
from load import Load, Tally

SEED = int(os.environ.get("ONECOPY_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
SIZE = 384 << 20
CLIENTS = 4
BEFORE, AFTER = 1.5, 1.5
# Until the last 250 of what was committed has been read, and until what was delivered has been stored.
AT_MOST = 1.0
# EXT4_IOC_SHUTDOWN, and that nothing is written to the journal before.
SHUTDOWN, NOTHING_MORE = 0x8004587D, struct.pack("I", 2)


class Ext4:
    """A file system in a file."""

    def __init__(self, directory):
        self.path = directory / "disk"
        self._image = directory / "image"
        self.path.mkdir()
        with open(self._image, "wb") as image:
            image.truncate(SIZE)
        self._run("mkfs.ext4", "-q", str(self._image))

    @staticmethod
    def _run(*command, good=(0,)):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in good:
            raise OSError(f"{' '.join(command)}: {done.stdout}{done.stderr}")

    def mount(self):
        self._run("mount", "-o", "loop", str(self._image), str(self.path))

    def abort(self):
        """Its journal takes nothing more, and nothing can be written."""
        self._run("mount", "-o", "remount,abort", str(self.path))

    def cut_off(self):
        """What is not on the disk by now never will be."""
        directory = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(directory, SHUTDOWN, NOTHING_MORE)
        finally:
            os.close(directory)

    def unmount(self):
        self._run("umount", str(self.path))

    def repair(self):
        self._run("fsck.ext4", "-f", "-y", str(self._image), good=(0, 1))

    def forget(self):
        subprocess.run(["umount", "-l", str(self.path)], capture_output=True, check=False)


class Aborted(Case):
    def setUp(self):
        super().setUp()
        try:
            self.disk = Ext4(self.directory)
            self.disk.mount()
        except OSError as error:
            self.skipTest(f"no ext4 may be made and mounted here: {error}")
        self.addCleanup(self.disk.forget)
        self.load = Load(None, random.Random(SEED))
        self.tally = Tally(self.load)
        self.received = self.sink(on_message=self.tally)
        spool = self.disk.path / "spool"
        spool.mkdir(mode=0o700)
        self.daemon_ = self.daemon(self.received, spool={"directory": str(spool)}, grouping={"window": "150ms"})
        self.load.daemon = self.daemon_
        self.began = self.ended = None  # of the fault

    def give_up(self, how):
        try:
            threading.Event().wait(BEFORE)
            self.began = time.monotonic()
            how()
            self.ended = time.monotonic()
            threading.Event().wait(AFTER)
        finally:
            self.load.stop(finish=False)

    def repair(self):
        self.daemon_.close()
        self.disk.unmount()
        self.disk.repair()
        self.disk.mount()
        self.daemon_.start()

    def assert_doubles_only_where_the_answer_was_not_stored(self):
        doubled = 0
        for key, first, second in self.tally.again():
            self.assertGreater(first.ended, self.began - AT_MOST, f"{key} came again (seed {SEED})")
            self.assertGreater(second.began, self.ended, f"{key} came again at once (seed {SEED})")
            doubled += 1
        return doubled

    def play(self, how):
        in_threads([self.load.client] * CLIENTS + [lambda: self.give_up(how)], deadline=2 * PATIENCE)
        lived = self.daemon_.running()
        self.assertEqual(self.load.obligations(since=self.ended + AT_MOST), set(), "accepted by a disk that takes nothing")
        self.repair()
        self.tally.wait(but=self.load.obligations(since=self.began))
        self.sentinel(self.daemon_, self.received)
        lost = self.tally.missing()
        self.assertLessEqual(len(lost), CLIENTS, f"more than one commit is gone: {lost} (seed {SEED})")
        self.assertEqual(self.tally.changed, [], f"seed {SEED}")
        doubled = self.assert_doubles_only_where_the_answer_was_not_stored()
        unsure = len(self.load.obligations(since=self.began))
        fate = "lived" if lived else "ended"
        print(
            f"{len(self.load.accepted)} copies, {unsure} of them accepted during the fault, {len(lost)} lost by the file system, "
            f"{doubled} came twice; onecopyd {fate} (seed {SEED})"
        )

    def test_an_aborted_file_system(self):
        self.play(self.disk.abort)

    def test_one_that_is_cut_off(self):
        self.play(self.disk.cut_off)


if __name__ == "__main__":
    unittest.main()
