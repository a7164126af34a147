"""The socket between parent and child: whole messages, in order, without ever making either side wait.

A message is one pickled object a datagram (SOCK_SEQPACKET). What does not fit into a datagram (a configuration)
travels in a memory file whose descriptor is passed along, as is the descriptor of a ScriptHelper. What the socket does
not take at once is kept and sent when there is room. Only processes of the daemon itself hold the two ends, so pickle
meets no stranger's bytes.
"""

from __future__ import annotations

import array
import errno
import os
import pickle
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import MessageLost, ScriptHelper

INLINE_MAX = 32_768
"""Longest pickled message in bytes that is sent in the datagram itself."""

_IN_DATAGRAM, _IN_FILE = b"\x00", b"\x01"
_FD_SIZE = array.array("i").itemsize


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """The two ends: the parent's, the child's."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Channel:
    """One end. `closed` becomes true when the other process is gone."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._pending: deque[tuple[bytes, int | None]] = deque()
        self._loop: Loop | None = None
        self.closed = False

    def fileno(self) -> int:
        return self._socket.fileno()

    def attach(self, loop: Loop, on_messages: Callable[[list[Any]], object], on_closed: Callable[[], object]) -> None:
        """Let the loop read and write this channel."""
        self._loop = loop

        def readable() -> None:
            messages = self.receive()
            if messages:
                on_messages(messages)
            if self.closed:
                loop.remove_reader(self._socket)
                loop.remove_writer(self._socket)
                on_closed()

        loop.add_reader(self._socket, readable)

    def send(self, message: object) -> None:
        """Send, or keep until there is room. To a process that is gone: nothing happens.

        Raises OSError where there is no memory file to be had for a long message.
        """
        along = message.descriptor if isinstance(message, ScriptHelper) else None
        if self.closed:
            if along is not None:
                os.close(along)
            return
        data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        if len(data) <= INLINE_MAX:
            self._pending.append((_IN_DATAGRAM + data, along))
        else:
            self._pending.append((_IN_FILE, _memory_file(data)))
        self.flush()

    def flush(self) -> None:
        """Send what was kept."""
        pending = self._pending
        while pending and not self.closed:
            data, fd = pending[0]
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd is not None else []
            try:
                self._socket.sendmsg([data], rights, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                if self._loop is not None:
                    self._loop.add_writer(self._socket, self.flush)
                return
            except OSError:
                self.closed = True
                break
            pending.popleft()
            if fd is not None:
                os.close(fd)
        if self._loop is not None:
            self._loop.remove_writer(self._socket)
        if self.closed:
            self._forget_pending()

    def receive(self) -> list[Any]:
        """Everything that has arrived, MessageLost for what there was no memory or descriptor for; sets `closed` at
        the end."""
        messages: list[Any] = []
        while not self.closed:
            try:
                data, ancillary, _flags, _address = self._socket.recvmsg(
                    INLINE_MAX + 1, socket.CMSG_SPACE(_FD_SIZE), socket.MSG_CMSG_CLOEXEC
                )
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self.closed = True
                break
            if not data:
                self.closed = True
                break
            along = _descriptor(ancillary)
            if data[:1] == _IN_DATAGRAM:
                message = pickle.loads(data[1:])
                messages.append(replace(message, descriptor=along) if isinstance(message, ScriptHelper) else message)
            else:
                try:
                    messages.append(pickle.loads(_read_memory_file(along)))
                except (MemoryError, OSError):
                    messages.append(MessageLost())
        return messages

    def close(self) -> None:
        if self._loop is not None and self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
        self.closed = True
        self._forget_pending()
        self._socket.close()

    def _forget_pending(self) -> None:
        for _, fd in self._pending:
            if fd is not None:
                os.close(fd)
        self._pending.clear()


def _memory_file(data: bytes) -> int:
    fd = os.memfd_create("pykeepalived", os.MFD_CLOEXEC)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
    except OSError:
        os.close(fd)
        raise
    return fd


def _descriptor(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The descriptor that came along, -1 without one."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS and len(data) >= _FD_SIZE:
            return array.array("i", data[:_FD_SIZE])[0]
    return -1


def _read_memory_file(fd: int) -> bytes:
    """Raises OSError, also for the -1 of a descriptor that this process had no room for."""
    if fd < 0:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    try:
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)
