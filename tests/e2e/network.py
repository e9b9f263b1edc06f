"""A bad network between onecopyd and a mail server: a proxy that delays, falls silent, cuts and resets, as it is told for each
connection; and a network namespace, whose cable can be pulled.
"""

import collections
import contextlib
import ctypes
import itertools
import os
import select
import socket
import struct
import subprocess
import threading
import time

from ports import free_port

# How a connection is cut: in order, by a reset, or not at all: nothing passes any more, and nobody is told for a while.
END, RESET, SILENCE = "end", "reset", "silence"


class Fate:
    """What befalls one connection: a delay of every piece, or a cut once so many bytes have passed in one direction. A hole
    takes the connection and does not read."""

    def __init__(self, delay=0.0, replies=None, sent=None, how=RESET, hole=False, silent_for=0.5):
        self.delay = delay
        self.left = {"replies": replies, "sent": sent}
        self.how = SILENCE if hole else how
        self.hole = hole
        self.silent_for = silent_for  # then it is reset

    def __str__(self):
        limits = [f"{way} {left}" for way, left in self.left.items() if left is not None]
        return "hole" if self.hole else " ".join([self.how, *limits]) if limits else "delayed" if self.delay else "well"


class Network:
    """Listens for onecopyd at so many addresses, and carries what comes to a sink."""

    def __init__(self, sink, fates=(), doors=1):
        self.met = collections.Counter()  # what befell how many
        self.spoiled = set()  # connections that were cut, as the sink numbers them
        self._sink = sink
        self._fates = itertools.chain(fates, itertools.repeat(None))
        self._well = threading.Event()
        self._lock = threading.Lock()
        self._connected = 0
        self._alarm = socket.socketpair()  # its far end is closed to sever what was connected till then
        self._listeners = [socket.create_server(("127.0.0.1", free_port()), backlog=128) for _ in range(doors)]
        self.addresses = [f"127.0.0.1:{listener.getsockname()[1]}" for listener in self._listeners]
        for listener in self._listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def befall(self, fate):
        """The next connection."""
        with self._lock:
            self._fates = itertools.chain([fate], self._fates)

    def heal(self):
        """No fate from now on; who is silent is reset."""
        self._well.set()

    def sever(self):
        """Everything that is connected is reset, as by a router that starts anew."""
        with self._lock:
            alarm, self._alarm = self._alarm, socket.socketpair()
        alarm[1].close()

    def stop(self):
        self.heal()
        self.sever()
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                fate = next(self._fates)
            fate = Fate() if fate is None or self._well.is_set() else fate
            threading.Thread(target=self._serve, args=(client, fate), daemon=True).start()

    def _serve(self, client, fate):
        with client:
            if fate.hole:
                self._cut((client,), fate)
                return
            try:
                server, number, alarm = self._connect()
            except OSError:  # the test is over
                return
            with server:
                self._carry(client, server, alarm, fate, number)

    def _connect(self):
        """One at a time, so that both sides count alike."""
        with self._lock:
            server = socket.create_connection(("127.0.0.1", self._sink.port))
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connected += 1
            return server, self._connected, self._alarm[0]

    def _carry(self, client, server, alarm, fate, number):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        other = {client: server, server: client}
        left = {client: fate.left["sent"], server: fate.left["replies"]}
        open_ends = [client, server]
        with contextlib.suppress(OSError):  # one of them was reset: the other hears of an end
            while open_ends:
                for source in select.select([alarm, *open_ends], [], [])[0]:
                    if source is alarm:
                        self.spoiled.add(number)
                        return self._cut((client, server), Fate())
                    data = source.recv(65536)
                    if fate.delay:
                        time.sleep(fate.delay)
                    if left[source] is not None and len(data) >= left[source]:
                        self.spoiled.add(number)
                        other[source].sendall(data[: left[source]])
                        return self._cut((client, server), fate)
                    if left[source] is not None:
                        left[source] -= len(data)
                    other[source].sendall(data)
                    if not data:
                        open_ends.remove(source)
                        other[source].shutdown(socket.SHUT_WR)
        self._note(fate)

    def _cut(self, ends, fate):
        if fate.how == SILENCE:
            self._well.wait(fate.silent_for)
        for each in ends:
            if fate.how != END:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()
        self._note(fate)

    def _note(self, fate):
        with self._lock:
            self.met[str(fate).split()[0]] += 1


class Namespace:
    """A network of its own, at the other end of a cable."""

    def __init__(self):
        self.name = f"onecopy{os.getpid()}"
        self.host = f"198.18.{os.getpid() // 64 % 256}.{os.getpid() % 64 * 4 + 2}"  # RFC 2544: for tests between networks
        self._near, self._far = f"oc{os.getpid() % 0xFFFFFF:x}n", f"oc{os.getpid() % 0xFFFFFF:x}f"
        near_host = self.host[: self.host.rindex(".") + 1] + str(int(self.host.rpartition(".")[2]) - 1)
        self._ip("netns", "add", self.name)
        try:
            self._ip("link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", self.name)
            self._ip("address", "add", f"{near_host}/30", "dev", self._near)
            self._ip("link", "set", self._near, "up")
            self._ip("-n", self.name, "address", "add", f"{self.host}/30", "dev", self._far)
            self.plug_in()
        except OSError:
            self.forget()
            raise

    @staticmethod
    def _ip(*arguments):
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")

    def pull_out(self):
        self._ip("-n", self.name, "link", "set", self._far, "down")

    def plug_in(self):
        self._ip("-n", self.name, "link", "set", self._far, "up")

    def forget(self):
        self._ip("netns", "delete", self.name)  # the cable goes with it

    def inside(self, job):
        """What `job` returns, run there by a thread; threads that it starts stay there."""
        results = []

        def run():
            with open(f"/run/netns/{self.name}", "rb") as place:
                library = ctypes.CDLL(None, use_errno=True)
                if library.setns(place.fileno(), 0x40000000) != 0:  # CLONE_NEWNET
                    results.append(OSError(ctypes.get_errno(), "setns"))
                    return
            results.append(job())

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if isinstance(results[0], OSError):
            raise results[0]
        return results[0]
