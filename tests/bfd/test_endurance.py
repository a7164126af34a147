"""One hour of 50 ms x 3 between processes that get the processor late and are stalled at random: nobody goes Down.

Virtual time. What a process does between two sleeps follows runtime/loop.py: it hears what is readable, then looks at
its timers; packets that arrive during a stall wait in the socket. Quiet, it sleeps through the packets of settled
sessions and hears them now and then, with the moments of their arrival, before it looks at its timers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

import pytest

from pykeepalived.bfd.effects import DrainSockets, Effect, SendPacket
from pykeepalived.bfd.process import LATE_NS, QUIET_EVERY_NS
from pykeepalived.bfd.speaker import Speaker
from pykeepalived.bfd.table import State
from pykeepalived.config.model.values import Ip
from tests.bfd.lan import MS, SECOND, START, US, A, B, Node, instance

MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
DETECTION = 150 * MS
LONGEST_INTERVAL = 45 * MS
LATENESS, JITTER = 4 * MS, 5 * MS
LONGEST_STALL = DETECTION - LONGEST_INTERVAL - LATENESS - JITTER - MS
"""A longer one may silence a process for a whole detection time: then its neighbor is right to give it up."""
CALM = 200 * MS
PACKET_COST = 50 * US


@dataclass
class Process(Node):
    """A node that acts only when it is given the processor. `drains`: whether it reads its socket when asked to."""

    quiet: bool = False
    random: Random = field(default_factory=Random)
    longest_stall: int = LONGEST_STALL
    drains: bool = True
    socket: deque[tuple[int, bytes]] = field(default_factory=deque)
    stalls: int = 0
    _since: int = START
    _stall: int = 0
    _read: int = START
    _step: int = 0
    _awake_from: int = START
    _next_stall: int = START + SECOND

    def wants(self) -> int:
        """When it will want the processor, or get it."""
        due = self.speaker.deadline()
        assert due is not None
        asleep = not self.socket or (self.quiet and self.speaker.settled)
        return max(self._awake_from, due if asleep else min(due, self.socket[0][0]))

    def given(self, now: int) -> list[SendPacket]:
        """What it sends now: nothing as long as it has to wait for the processor."""
        self._step += 1
        if self._step == 1:
            self._awake_from = now + int(self.random.random() * LATENESS) + self._kept(now)
            return []
        if self._step == 2:
            if self.socket and self.socket[0][0] <= now and not (self.quiet and self.speaker.settled):
                self._read = now
                self._hear(now, now - LATE_NS, 0)
            self._awake_from = now + PACKET_COST + self._kept(now)
            return []
        self._step = 0
        due = self.speaker.deadline()
        if due is not None and due <= now:
            self._stall = max(0, now - due - LATE_NS)
            self._since = self._read
            if self.quiet and now - self._read >= max(QUIET_EVERY_NS, self.speaker.patience_ns):
                self._read = now
                self._hear_all(now)
            self.speaker.tick(now)
        return self.perform(now)

    def _kept(self, now: int) -> int:
        """How long nothing happens now: mostly not at all. It may strike before as well as after hearing."""
        if now < self._next_stall or self.random.random() < 0.5:
            return 0
        stall = int(self.random.random() * self.longest_stall)
        self._next_stall = now + stall + CALM + int(self.random.expovariate(1 / SECOND))
        self.stalls += 1
        return stall

    def _hear_all(self, now: int) -> None:
        while self.socket and self.socket[0][0] <= now:
            self._hear(now, self._since, self._stall)

    def _hear(self, now: int, since: int, stall: int) -> None:
        neighbor = B if self.address == A else A
        arrived, data = self.socket.popleft()
        at = min(now, max(arrived + stall, since))
        self.speaker.hear(data, neighbor, 50_000, self.address, 255, False, at)

    def _do(self, effect: Effect, now: int, out: list[SendPacket]) -> None:
        if isinstance(effect, DrainSockets) and self.drains:
            self._hear_all(now)
        super()._do(effect, now, out)


def run(
    seed: int, duration: int, *longest_stalls: int, drains: bool = True, quiet: bool = False
) -> tuple[Process, Process]:
    """Two neighbors for so long; each with its longest stall."""
    random = Random(seed)

    def process(own: Ip, neighbor: Ip, longest_stall: int) -> Process:
        core = Speaker((instance(neighbor=neighbor),), START, Random(random.getrandbits(32)))
        made = Process(own, core, random=random, longest_stall=longest_stall, drains=drains, quiet=quiet)
        made.perform(START)
        return made

    a, b = process(A, B, longest_stalls[0]), process(B, A, longest_stalls[1])
    now = START
    while now < START + duration:
        actor, other = (a, b) if a.wants() <= b.wants() else (b, a)
        assert actor.wants() >= now
        now = actor.wants()
        for packet in actor.given(now):
            arrival = now + int(random.random() * JITTER)
            other.socket.append((max(arrival, other.socket[-1][0]) if other.socket else arrival, packet.data))
        actor.sent.clear()
    return a, b


def expired(process: Process) -> int:
    """How often it gave its neighbor up."""
    return sum(cause == "detection_time_expired" for _, _, _, cause in process.changes)


@pytest.mark.parametrize(("seed", "quiet"), [(1, False), (2, True)])
def test_one_hour_of_stalls_below_the_detection_time_shows_no_down(seed: int, quiet: bool) -> None:
    both = run(seed, HOUR, LONGEST_STALL, LONGEST_STALL, quiet=quiet)
    for process in both:
        assert process.stalls > 2000
        counters = process.session().counters
        assert (process.session().state, counters.ups, counters.downs) == (State.UP, 1, 0)
        assert counters.heard > 70_000


@pytest.mark.parametrize("quiet", [False, True])
def test_a_process_stalled_for_seconds_never_gives_up_a_neighbor_that_spoke(quiet: bool) -> None:
    a, b = run(3, 10 * MINUTE, 3 * SECOND, 0, quiet=quiet)
    assert a.stalls > 200
    assert expired(a) == 0
    assert expired(b) > 100


def test_without_reading_what_waits_it_would() -> None:
    a, _ = run(3, MINUTE, 3 * SECOND, 0, drains=False)
    assert expired(a) > 0
