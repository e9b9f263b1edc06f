"""Free ports on the loopback, outside the range that the kernel gives to outgoing connections, so that a server which
is stopped and started again finds its own port free. Programs that run side by side have ports of their own: a server of
one that is down for a moment has clients, and servers to come back to, that must not meet one of another."""

import atexit
import functools
import itertools
import random
import socket
import threading

LOWEST, EACH = 10240, 128
_lock = threading.Lock()


def _ephemeral():
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        return int(file.read().split()[0])


def _bound(port, host="127.0.0.1", again=True):
    """A socket that has the port; none: somebody else has it. `again`: though connections of an earlier one linger."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, again)
    try:
        taken.bind((host, port))
    except OSError:
        taken.close()
        return None
    return taken


@functools.cache
def _ours():
    """Ports of this process, one after the other, again and again. Who has the first one bound has the others too."""
    blocks = list(range(LOWEST, max(_ephemeral(), 2 * LOWEST) - EACH, EACH))
    random.SystemRandom().shuffle(blocks)
    for first in blocks:
        claim = _bound(first, again=False)
        if claim:
            atexit.register(claim.close)
            return itertools.cycle(range(first + 1, first + EACH))
    raise OSError("no free ports")


def free_port(host="127.0.0.1"):
    with _lock:
        for port in itertools.islice(_ours(), EACH):
            probe = _bound(port, host)
            if probe:
                probe.close()
                return port
    raise OSError("no free port")


if __name__ == "__main__":
    print(free_port())
