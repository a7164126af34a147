"""The pipe on which the BFD child tells the VRRP and checker children about its sessions: records, writer, reader.

One fixed record an event, smaller than PIPE_BUF, so that a write is whole or does not happen. Which sessions are told
to whom is decided in bfd/; what an event does is decided by its receiver.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable
from typing import Protocol

from pykeepalived.runtime.messages import BfdEvent

RECORD = struct.Struct("=32sB7xQ")
"""Name (31 bytes at most, padded with zeros), 1 = up, time of sending in monotonic nanoseconds."""

LONGEST_NAME = 31
_READ_SIZE = RECORD.size * 256


class BfdPipeError(ValueError):
    """A record that no writer makes."""


def encode_event(event: BfdEvent) -> bytes:
    """The record of an event. Raises BfdPipeError for a name that is empty or longer than 31 bytes."""
    name = os.fsencode(event.name)
    if not 0 < len(name) <= LONGEST_NAME or b"\0" in name:
        raise BfdPipeError(f"{event.name!r} is not a name of a BFD instance")
    return RECORD.pack(name, event.up, event.sent_ns)


def decode_events(data: bytes) -> list[BfdEvent]:
    """The events of whole records, in order. Raises BfdPipeError on anything else."""
    if len(data) % RECORD.size:
        raise BfdPipeError(f"{len(data)} bytes are not whole records")
    events = []
    for name, up, sent_ns in RECORD.iter_unpack(data):
        text = name.rstrip(b"\0")
        if not text or up > 1 or b"\0" in text:
            raise BfdPipeError("record without a name, or neither up nor down")
        events.append(BfdEvent(os.fsdecode(text), bool(up), sent_ns))
    return events


class WriterLoop(Protocol):
    """What the writer needs of runtime.loop.Loop."""

    def add_writer(self, fd: int, callback: Callable[[], object], /) -> None: ...

    def remove_writer(self, fd: int, /) -> None: ...


class ReaderLoop(Protocol):
    """What the reader needs of runtime.loop.Loop."""

    def add_reader(self, fd: int, callback: Callable[[], object], /) -> None: ...

    def remove_reader(self, fd: int, /) -> None: ...


class BfdPipeWriter:
    """The sending end: never blocks and never loses the latest state of a session.

    What does not fit into a full pipe waits here, one event a session, and leaves when the reader has made room. A
    receiver that sleeps so long misses changes that were undone meanwhile, never the outcome.
    """

    def __init__(self, fd: int, loop: WriterLoop) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._loop = loop
        self._waiting: dict[str, BfdEvent] = {}
        self.delayed = 0
        """How many events found the pipe full."""

    @property
    def waiting(self) -> int:
        """Events that have not left yet: at most one a session."""
        return len(self._waiting)

    def send(self, events: Iterable[BfdEvent]) -> None:
        """Write the events, or keep them until there is room. Raises OSError if the pipe itself is broken."""
        for event in events:
            self._waiting.pop(event.name, None)
            self._waiting[event.name] = event
        before = len(self._waiting)
        if not self._write_waiting():
            self.delayed += min(before, len(self._waiting))
            self._loop.add_writer(self._fd, self._has_room)

    def _has_room(self) -> None:
        if self._write_waiting():
            self._loop.remove_writer(self._fd)

    def _write_waiting(self) -> bool:
        while self._waiting:
            name, event = next(iter(self._waiting.items()))
            try:
                os.write(self._fd, encode_event(event))
            except BlockingIOError:
                return False
            except OSError:
                self._waiting.clear()
                raise
            del self._waiting[name]
        return True


class BfdPipeReader:
    """The receiving end. `since_ns` (monotonic) makes it pass over events that were meant for a predecessor."""

    def __init__(self, fd: int, since_ns: int = 0) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._since_ns = since_ns
        self._partial = b""
        self.closed = False
        """True once every writer is gone; the descriptor is then readable for ever and wants to be forgotten."""

    def attach(self, loop: ReaderLoop, hear: Callable[[list[BfdEvent]], object], log: Callable[[str], object]) -> None:
        """Let the loop read: events go to `hear`, until every writer is gone. What is no event is told to `log`."""

        def readable() -> None:
            try:
                events = self.read()
            except BfdPipeError as error:
                log(f"Event from the BFD process not understood: {error}")
                return
            if self.closed:
                loop.remove_reader(self._fd)
            hear(events)

        loop.add_reader(self._fd, readable)

    def read(self) -> list[BfdEvent]:
        """What has arrived (256 events at most, the rest next time); empty if nothing. Raises BfdPipeError."""
        try:
            data = os.read(self._fd, _READ_SIZE)
        except BlockingIOError:
            return []
        if not data:
            self.closed = True
            return []
        data = self._partial + data
        whole = len(data) - len(data) % RECORD.size
        self._partial = data[whole:]
        return [event for event in decode_events(data[:whole]) if event.sent_ns >= self._since_ns]
