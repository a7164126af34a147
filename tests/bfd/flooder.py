"""Floods port 3784 of an address with 120,000 bad datagrams a second: `python3 flooder.py ADDRESS KIND SECONDS`.

Stands alone, for the other side of a line. One system call sends many (sendmmsg(2)), and whatever else the machine
does, it goes on: of the real-time processes it has the lowest priority. It could send twice as many, but would then
fill the queue that all interfaces of a processor share, to the harm of tests beside it. Prints how many were sent.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
import time

PORT = 3784
STRANGER = "10.99.0.3"
"""An address of the sender that is nobody's neighbor."""
KINDS = ("random", "short", "still-up", "first", "ttl")
_BATCH = 256
_A_SECOND = 120_000
_LIBRARY = ctypes.CDLL(None, use_errno=True)


class _Piece(ctypes.Structure):
    _fields_ = (("base", ctypes.c_char_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint),
        ("pieces", ctypes.POINTER(_Piece)),
        ("count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    _fields_ = (("header", _Header), ("sent", ctypes.c_uint))


def datagram(kind: str) -> bytes:
    """One that no session can use: nonsense, too short, of an unknown session that is up, of an unknown neighbor that
    begins one, of a neighbor that is too far away."""
    if kind == "random":
        return os.urandom(24)
    if kind == "short":
        return os.urandom(7)
    mine, yours = struct.unpack("=II", os.urandom(8))
    state, diagnostic = (3, 0) if kind == "still-up" else (1, 0)
    yours = yours if kind == "still-up" else 0
    return struct.pack("!BBBBIIIII", 0x20 | diagnostic, state << 6, 3, 24, mine or 1, yours, 50_000, 50_000, 0)


def flood(address: str, kind: str, seconds: float) -> int:
    """Send for so long; how many."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        if kind == "first":
            sender.bind((STRANGER, 0))
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 254 if kind == "ttl" else 255)
        sender.connect((address, PORT))
        data = [datagram(kind) for _ in range(_BATCH)]
        pieces = (_Piece * _BATCH)(*((item, len(item)) for item in data))
        messages = (_Message * _BATCH)()
        for piece, message in zip(pieces, messages, strict=True):
            message.header.pieces = ctypes.pointer(piece)
            message.header.count = 1
        total, begin = 0, time.monotonic()
        while (spent := time.monotonic() - begin) < seconds:
            if total > spent * _A_SECOND:
                time.sleep(total / _A_SECOND - spent)
            done = _LIBRARY.sendmmsg(sender.fileno(), messages, _BATCH, 0)
            total += max(done, 0)
        return total


if __name__ == "__main__":
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    print(flood(sys.argv[1], sys.argv[2], float(sys.argv[3])))
