"""Classic BPF programs for sockets: the few instructions we need, and how a socket gets them (socket(7))."""

from __future__ import annotations

import ctypes
import socket
import struct

_SO_ATTACH_FILTER = 26
_INSTRUCTION = struct.Struct("=HBBI")

LOAD_BYTE, LOAD_HALF, LOAD_WORD = 0x30, 0x28, 0x20
JUMP_EQUAL, RETURN = 0x15, 0x06
TAKE = 0xFFFFFFFF

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant."""

DROP_ALL: tuple[Instruction, ...] = ((RETURN, 0, 0, 0),)


def as_loaded(value: int, size: int) -> int:
    """A number in host byte order as a BPF load, which reads network byte order, sees it."""
    return int.from_bytes(struct.pack("=H" if size == 2 else "=I", value), "big")


def attach(sock: socket.socket, program: tuple[Instruction, ...]) -> None:
    """Let the program decide what the socket receives, instead of an earlier one. Raises OSError."""
    code = ctypes.create_string_buffer(b"".join(_INSTRUCTION.pack(*instruction) for instruction in program))
    descriptor = struct.pack("HL", len(program), ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, descriptor)
