"""Clients that come one after the other, without a pause, while something is done to the daemon."""

import contextlib
import threading

from harness import PATIENCE, Raw


class Callers:
    """Each connects, waits for a greeting and takes its leave. One that was let in is answered, if only by 421."""

    def __init__(self, port, count=4):
        self.greeted, self.turned_away = 0, 0
        self.lost = []  # refused, or ended without a word
        self._port = port
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(count)]

    def _call(self):
        while not self._end.is_set():
            greeting = self._greeting()
            with self._lock:
                self.greeted += greeting.startswith("220")
                self.turned_away += greeting.startswith("421")
                if not greeting.startswith(("220", "421")):
                    self.lost.append(greeting or "closed without a word")

    def _greeting(self):
        try:
            with Raw("127.0.0.1", self._port) as caller:
                greeting = caller.reply()
                with contextlib.suppress(OSError):  # the daemon may end first
                    caller.ask("QUIT")
                return greeting
        except OSError as problem:
            return str(problem)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join(PATIENCE)
