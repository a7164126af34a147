"""Many datagrams in one system call: sendmmsg(2), reached through ctypes on structures that are made once.

For bursts only (a block of gratuitous ARPs, the adverts of many instances): a single datagram is cheaper with sendto.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

SLOTS = 64


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]


class _Header(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("name_length", ctypes.c_uint32),
        ("vector", ctypes.POINTER(_Vector)),
        ("vectors", ctypes.c_size_t),
        ("control", ctypes.c_char_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class _Message(ctypes.Structure):
    _fields_ = [("header", _Header), ("length", ctypes.c_uint)]


class BatchSender:
    """Sends datagrams with raw socket addresses; not to be shared by threads."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._call = library.sendmmsg
        self._call.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
        self._vectors = (_Vector * SLOTS)()
        self._messages = (_Message * SLOTS)()
        self._headers = [self._messages[slot].header for slot in range(SLOTS)]
        self._slots = [self._vectors[slot] for slot in range(SLOTS)]
        for header, vector in zip(self._headers, self._slots, strict=True):
            header.vector = ctypes.pointer(vector)
            header.vectors = 1

    def send(self, fd: int, datagrams: Sequence[tuple[bytes, bytes, bytes]], flags: int = 0) -> list[tuple[int, int]]:
        """Send (data, socket address, control data) in order; returns (place, errno) of those that failed."""
        failed: list[tuple[int, int]] = []
        for start in range(0, len(datagrams), SLOTS):
            part = datagrams[start : start + SLOTS]
            for (data, name, control), header, vector in zip(part, self._headers, self._slots, strict=False):
                vector.base = data
                vector.length = len(data)
                header.name = name
                header.name_length = len(name)
                header.control = control or None
                header.control_length = len(control)
            done = 0
            while done < len(part):
                place = ctypes.byref(self._messages, done * ctypes.sizeof(_Message))
                sent = self._call(fd, place, len(part) - done, flags)
                if sent < 0:
                    failed.append((start + done, ctypes.get_errno()))
                    sent = 1
                done += sent
        return failed


SENDER = BatchSender()
"""One for the whole process, made before the fork: it holds nothing between calls."""
