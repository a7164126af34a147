"""Sends frames (hexadecimal, one a line of standard input) into a segment as fast as they are to come: 64 in a system
call, past the queue of the interface. Runs as a program inside a namespace: `flood.py INTERFACE SECONDS PER_SECOND`.
"""

from __future__ import annotations

import itertools
import socket
import sys
import time

from pykeepalived.vrrp.mmsg import SLOTS, BatchSender

_SOL_PACKET, _PACKET_QDISC_BYPASS = 263, 20
_CATCH_UP_S = 0.05
"""What came so much too late is made up for."""


def flood(interface: str, seconds: float, rate: float, frames: list[bytes]) -> None:
    """What finds no room on the way is lost; what cannot be sent nearly in time is left out."""
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind((interface, 0))
    sender.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
    batch, fd = BatchSender(), sender.fileno()
    endless = itertools.cycle(frames)
    portions = [[(next(endless), b"", b"") for _ in range(SLOTS)] for _ in range(len(frames) // SLOTS + 1)]
    now = time.monotonic()
    due, end = now, now + seconds
    for portion in itertools.cycle(portions):
        batch.send(fd, portion)
        due = max(due + SLOTS / rate, now - _CATCH_UP_S)
        now = time.monotonic()
        if now > end:
            return
        if due > now:
            time.sleep(due - now)


if __name__ == "__main__":
    flood(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), [bytes.fromhex(line) for line in sys.stdin])
