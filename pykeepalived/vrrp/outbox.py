"""Where the objects of the VRRP core put what they want done, until the shell fetches it in the right phases."""

from __future__ import annotations

from collections.abc import Callable

from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.vrrp.effects import (
    ChangeNetwork,
    Effect,
    Flow,
    Frame,
    OpenPool,
    Operation,
    Pool,
    RehearseAdvert,
    SendAdverts,
    SendFrames,
    WriteLog,
)


class Outbox:
    """Collects effects; see effects.py for the phases. `batch` counts the drains, so that whoever put something in can
    tell whether it is still waiting there. `detail` is the number of -D options: lines nobody reads are not made."""

    __slots__ = ("_later", "_operations", "_pools", "batch", "detail", "frames", "packets", "rehearsed_batch")

    def __init__(self, detail: int = 0) -> None:
        self.detail = detail
        self.batch = 0
        self.rehearsed_batch = -1
        self.packets: list[tuple[Flow, bytes]] = []
        self.frames: list[Frame] = []
        self._pools: list[Pool] = []
        self._operations: list[Operation] = []
        self._later: list[Effect] = []

    def open_pool(self, pool: Pool) -> None:
        self._pools.append(pool)

    def operation(self, operation: Operation) -> None:
        self._operations.append(operation)

    def later(self, effect: Effect) -> None:
        """Anything that belongs behind the batches."""
        self._later.append(effect)

    def log(self, text: str, *, detail: int = 0, priority: Priority = Priority.INFO, **fields: str) -> None:
        if detail <= self.detail:
            self._later.append(WriteLog(LogLine(text, priority, detail, fields)))

    def rehearse(self, flow: Flow) -> None:
        """An advert may go this way in a moment."""
        self.rehearsed_batch = self.batch
        self._later.append(RehearseAdvert(flow))

    def drain_adverts(self) -> list[Effect]:
        """The first phases alone: sockets and adverts."""
        self.batch += 1
        effects: list[Effect] = [OpenPool(pool) for pool in self._pools]
        self._pools = []
        if self.packets:
            effects.append(SendAdverts(self.packets))
            self.packets = []
        return effects

    def drain(self) -> list[Effect]:
        if not (self.packets or self._later or self._operations or self.frames or self._pools):
            return []
        effects = self.drain_adverts()
        if self._operations:
            effects.append(ChangeNetwork(self._operations))
            self._operations = []
        if self.frames:
            effects.append(SendFrames(self.frames))
            self.frames = []
        effects += self._later
        self._later = []
        return effects


Wall = Callable[[], int]
"""Nanoseconds since 1970."""
