"""What the machine alone takes: CPU of a loop that only sends, receives or connects, an interpreter that does nothing.

A program in any language pays nearly all of it; it stands beside the daemons' figures as the limit. Run as a program
(`python -m bench.floors`) it needs a network namespace with an `eth0`; the subjects see to that.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

from pykeepalived.lab.net import Namespace

PACKETS = 20_000
BURST = 500
GROUP = ("224.0.0.18", 0)
VRRP = 112
SO_RCVBUFFORCE = 33
ADVERT = bytes(12)


def sending() -> float:
    """CPU time of one multicast datagram of an advert's size leaving a raw socket, microseconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, VRRP) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        begin = time.process_time_ns()
        for _ in range(PACKETS):
            sender.sendto(ADVERT, GROUP)
        return (time.process_time_ns() - begin) / 1000 / PACKETS


def receiving() -> float:
    """CPU time of taking one waiting datagram from a raw socket, microseconds."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_RAW, VRRP) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_RAW, VRRP) as sender,
    ):
        receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        buffer, spent = bytearray(2048), 0
        receiver.settimeout(2)
        for _ in range(PACKETS // BURST):
            for _ in range(BURST):
                sender.sendto(ADVERT, ("127.0.0.1", 0))
            begin = time.process_time_ns()
            for _ in range(BURST):
                receiver.recv_into(buffer)
            spent += time.process_time_ns() - begin
        return spent / 1000 / (PACKETS // BURST * BURST)


def connecting() -> float:
    """CPU time of one TCP connection to loopback, opened and reset, without the listener's share, microseconds."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
        child = os.fork()
        if child == 0:
            while True:
                server.accept()[0].close()
        address, begin = server.getsockname(), time.process_time_ns()
        for _ in range(PACKETS // 4):
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.connect(address)
        spent = (time.process_time_ns() - begin) / 1000 / (PACKETS // 4)
        os.kill(child, 9)
        os.waitpid(child, 0)
        return spent


def interpreter() -> list[float]:
    """Milliseconds of an interpreter that starts, does nothing and ends."""
    took = []
    for _ in range(5):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
        took.append((time.perf_counter() - begin) * 1000)
    return took


def of_packets(host: Namespace, rounds: int = 3) -> dict[str, list[float]]:
    """Samples of `sending`, `receiving` and `connecting`, taken in a host of the laboratory with an eth0."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, value in json.loads(host.run(sys.executable, "-m", "bench.floors")).items():
            found.setdefault(name, []).append(value)
    return found


if __name__ == "__main__":
    print(json.dumps({"sending": sending(), "receiving": receiving(), "connecting": connecting()}))
