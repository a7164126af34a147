"""Many datagrams in one system call: sendmmsg(2) and recvmmsg(2), through ctypes on structures that are made once.

For bursts only (a block of gratuitous ARPs, the adverts of many instances): a single datagram is cheaper with sendto or
recv.
"""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Sequence

SLOTS = 64
_NAME_ROOM = 28
"""struct sockaddr_in6."""
SO_TIMESTAMPNS = 35
_STAMP = socket.SOL_SOCKET | SO_TIMESTAMPNS << 32
"""Level and type of the time stamp among the control messages, as one number of the machine's byte order."""
_STAMP_SPACE = socket.CMSG_SPACE(16)


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


class BatchReceiver:
    """Takes what waits in a socket, at most SLOTS datagrams a call; not to be shared by threads. Lists are those of the
    last call, an element for each datagram.

    Control messages begin with the time stamp (SO_TIMESTAMPNS), if there is any.
    """

    def __init__(self, room: int, control_room: int) -> None:
        """Bytes for each datagram and for its control messages (a multiple of 8)."""
        self._call = ctypes.CDLL(None, use_errno=True).recvmmsg
        self._call.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]
        self._room, self._control_room = room, control_room
        data, names, controls = (ctypes.create_string_buffer(SLOTS * each) for each in (room, _NAME_ROOM, control_room))
        self._data, self._names, self._controls = (memoryview(each).cast("B") for each in (data, names, controls))
        self._vectors = (_Vector * SLOTS)()
        self._messages = (_Message * SLOTS)()
        for slot in range(SLOTS):
            vector, header = self._vectors[slot], self._messages[slot].header
            _point(vector, "base", data, slot * room)
            vector.length = room
            _point(header, "name", names, slot * _NAME_ROOM)
            header.name_length = _NAME_ROOM
            header.vector = ctypes.pointer(vector)
            header.vectors = 1
            _point(header, "control", controls, slot * control_room)
            header.control_length = control_room
        self._fresh = bytes(self._messages)
        self._words = memoryview(self._messages).cast("B").cast("I")
        self._numbers = self._controls.cast("q")
        self._no_controls = memoryview(bytes(controls)).cast("q")

    def receive(self, fd: int) -> int:
        """Take what waits without waiting for more; returns how many, 0 also for an error of the socket."""
        ctypes.memmove(self._messages, self._fresh, len(self._fresh))
        self._numbers[:] = self._no_controls
        count: int = self._call(fd, self._messages, SLOTS, socket.MSG_DONTWAIT, None)
        return max(count, 0)

    def data(self, count: int) -> list[bytes]:
        """The datagrams, cut off behind the room there is."""
        step = ctypes.sizeof(_Message) // 4
        lengths = self._words[_Message.length.offset // 4 : step * count : step].tolist()
        data, room = self._data, self._room
        return [
            data[start : start + length].tobytes()
            for start, length in zip(range(0, count * room, room), lengths, strict=True)
        ]

    def stamps(self, count: int) -> list[int]:
        """When they came, nanoseconds since 1970; 0 where that is not known."""
        numbers, step = self._numbers, self._control_room // 8
        kinds = numbers[1 : step * count : step].tolist()
        seconds = numbers[2 : step * count : step].tolist()
        rest = numbers[3 : step * count : step].tolist()
        return [
            second * 1_000_000_000 + nanosecond if kind == _STAMP else 0
            for kind, second, nanosecond in zip(kinds, seconds, rest, strict=True)
        ]

    def names(self, count: int) -> list[bytes]:
        """The senders as socket addresses, filled up with what was there before."""
        room, names = _NAME_ROOM, self._names
        return [names[start : start + room].tobytes() for start in range(0, count * room, room)]

    def controls(self, count: int) -> list[bytes]:
        """The control messages behind the time stamp."""
        room, controls = self._control_room, self._controls
        return [controls[start + _STAMP_SPACE : start + room].tobytes() for start in range(0, count * room, room)]


def _point(structure: ctypes.Structure, field: str, buffer: ctypes.Array[ctypes.c_char], offset: int) -> None:
    """Let a pointer of a structure show into a buffer."""
    place = ctypes.addressof(structure) + getattr(type(structure), field).offset
    ctypes.c_void_p.from_address(place).value = ctypes.addressof(buffer) + offset


SENDER = BatchSender()
"""One for the whole process, made before the fork: it holds nothing between calls."""
