"""The contract every core keeps, and how a shell drives one. Typing only: no I/O, no event loop."""

from __future__ import annotations

from typing import Protocol, TypeVar

MessageT = TypeVar("MessageT", contravariant=True)
EffectT = TypeVar("EffectT")

NANOSECONDS_PER_SECOND = 1_000_000_000
NANOSECONDS_PER_MICROSECOND = 1_000


class Core(Protocol[MessageT, EffectT]):
    """A decision maker without a clock: messages and time go in, effects come out.

    `now` is monotonic nanoseconds and never decreases. `deadline()` is the time at which `tick` wants to be called
    next, or None. `drain()` returns the effects decided since the last call, in the order in which they are performed.
    """

    def receive(self, message: MessageT, now: int) -> None: ...

    def tick(self, now: int) -> None: ...

    def deadline(self) -> int | None: ...

    def drain(self) -> list[EffectT]: ...
