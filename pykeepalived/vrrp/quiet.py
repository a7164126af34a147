"""The quiet socket of a pool: adverts that only repeat what is known wait in it until a timer is due. Shell.

Nobody is woken for them; they are read before anything is decided. What they are is in repeats.py, the program of the
kernel that sorts them out in sieve.py.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable

from pykeepalived.netlink import bpf
from pykeepalived.vrrp import sieve
from pykeepalived.vrrp.mmsg import SLOTS, SO_TIMESTAMPNS, BatchReceiver

Take = Callable[[bytes, int, bytes, bytes, int], object]
"""Gets data, monotonic nanoseconds; IPv6 also source, destination and hop limit."""

ROOM_EACH = 8 << 10
"""Receive buffer for each virtual router: the kernel doubles it, and a few adverts of a virtual router wait at most."""
LEAST_ROOM = 512 << 10
"""A thousand small packets, four times what the kernel gives."""
_DATA_ROOM, _CONTROL_ROOM = 2048, 128
SO_RCVBUFFORCE, _SO_MEMINFO = 33, 55
_MEMINFO = struct.Struct("=9I")
_MOST_ROUNDS = 128
_CLOCKS_APART_NS = 1_000_000
_GLANCES, _GLANCE_NS = 8, 20_000
_IN6_CONTROL = struct.Struct("=16x16s8x16xi")
"""IPV6_PKTINFO and IPV6_HOPLIMIT in the order in which the kernel gives them (ipv6(7))."""
_RECEIVER = BatchReceiver(_DATA_ROOM, _CONTROL_ROOM)


class QuietSocket:
    """`sock` is set up like the receive socket of the pool and takes nothing yet. Raises OSError."""

    def __init__(self, sock: socket.socket, family: int, now: Callable[[], int]) -> None:
        self.socket = sock
        self._family = family
        self._now = now
        self._since = now()
        self._wall_ahead = self._compare_clocks()
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def fileno(self) -> int:
        return self.socket.fileno()

    def close(self) -> None:
        self.socket.close()

    def sort(self, fingerprints: tuple[int, ...]) -> None:
        """Take adverts with these fingerprints, and nothing else. Raises OSError."""
        if fingerprints:
            room = max(LEAST_ROOM, ROOM_EACH * len(fingerprints))
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, room)
        bpf.attach(self.socket, tuple(sieve.waiting(self._family, fingerprints)) if fingerprints else bpf.DROP_ALL)

    def read(self, take: Take) -> None:
        """Hand over all that waits, in order, with the moments at which it came; with this moment where that is not
        certain: the clock has been set since the last reading, or there was no room (we stood still), so that the last
        ones are lost.
        """
        for round_number in range(_MOST_ROUNDS):
            count = _RECEIVER.receive(self.socket.fileno())
            now = self._now()
            if round_number == 0 and (self._clock_was_set() or (count == SLOTS and self._is_nearly_full())):
                self._since = now
            moments = self._moments(count, now)
            if self._family == 4:
                for data, moment in zip(_RECEIVER.data(count), moments, strict=True):
                    take(data, moment, b"", b"", -1)
            else:
                self._hand_over6(count, moments, take)
            if count < SLOTS:
                break
        self._since = now

    def _moments(self, count: int, now: int) -> list[int]:
        """When each came; between the last reading and now, whatever the stamps say."""
        since, ahead, stamps = self._since, self._wall_ahead, _RECEIVER.stamps(count)
        moments = [stamp - ahead for stamp in stamps]
        if moments and (min(moments) < since or max(moments) > now):
            return [
                min(max(moment, since), now) if stamp else now for moment, stamp in zip(moments, stamps, strict=True)
            ]
        return moments

    def _clock_was_set(self) -> bool:
        """Whether the wall clock has moved otherwise than the monotonic one, more than NTP slews it (500 ppm)."""
        former, self._wall_ahead = self._wall_ahead, self._compare_clocks()
        return abs(self._wall_ahead - former) > _CLOCKS_APART_NS + (self._now() - self._since) // 1000

    def _compare_clocks(self) -> int:
        """How far the wall clock is ahead of the monotonic one, by the quickest of some glances at both."""
        glances: list[tuple[int, int]] = []
        while len(glances) < _GLANCES:
            before, wall, after = self._now(), time.time_ns(), self._now()
            glances.append((after - before, wall - before))
            if after - before < _GLANCE_NS:
                break
        return min(glances)[1]

    def _hand_over6(self, count: int, moments: list[int], take: Take) -> None:
        messages = zip(_RECEIVER.data(count), moments, _RECEIVER.names(count), _RECEIVER.controls(count), strict=True)
        for data, moment, name, control in messages:
            destination, hop_limit = _IN6_CONTROL.unpack_from(control)
            take(data, moment, name[8:24], destination, hop_limit)

    def _is_nearly_full(self) -> bool:
        with contextlib.suppress(OSError):
            used, size, *_ = _MEMINFO.unpack(self.socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))
            return bool(used > size // 2)
        return True
