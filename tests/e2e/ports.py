"""Free ports on the loopback, outside the range that the kernel gives to outgoing connections, so that a server which
is stopped and started again finds its own port free."""

import random
import socket


def _ephemeral():
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        return int(file.read().split()[0])


def free_port(host="127.0.0.1"):
    choice = random.SystemRandom()
    for _ in range(1000):
        port = choice.randrange(10240, max(_ephemeral(), 20480))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError("no free port")


if __name__ == "__main__":
    print(free_port())
