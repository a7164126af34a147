"""Checkers shared out among processes: how many, who gets which, and the core of a check worker. Pure.

The checker process (core.py) owns the table, the verdicts and everything that is told; it checks the first share of the
real servers itself. Each worker, forked from it, makes the attempts of another share, judges them with the same state
machines, and reports what is new. It assumes that its verdicts are accepted; the owner corrects it where they are not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from pykeepalived.ipvs.checks.attempt import Outcome
from pykeepalived.ipvs.checks.framework import CheckState, Conclusion
from pykeepalived.ipvs.checks.misc import MiscState
from pykeepalived.ipvs.effects import CheckEnded, StartCheck
from pykeepalived.ipvs.timetable import Timetable

CHECKERS_A_PROCESS = 500
"""So many checkers that use the network are worth a process of their own."""

Check = CheckState[Any]


def goes_out(check: Check) -> bool:
    """Whether any process may run this checker: it uses the network, and neither scripts nor events."""
    return check.timed and not isinstance(check, MiscState)


def processes(checkers: int, processors: int) -> int:
    """How many processes check: one for every 500 checkers that use the network, at most one a processor."""
    return max(1, min(processors, checkers // CHECKERS_A_PROCESS))


def share(address: bytes, port: int, count: int) -> int:
    """Which of `count` processes checks this real server, in whatever virtual servers it stands; 0 = the owner."""
    digest = blake2b(address + port.to_bytes(2, "big"), digest_size=4).digest()
    return int.from_bytes(digest, "big") % count


def share_out(checks: Iterable[Check], processors: int) -> list[list[Check]]:
    """The checkers that workers run, worker by worker; none: the owner runs all. What is left out is the owner's."""
    outgoing = [check for check in checks if goes_out(check)]
    count = processes(len(outgoing), processors)
    shards: list[list[Check]] = [[] for _ in range(count)]
    if count > 1:
        for check in outgoing:
            model = check.real.model
            shards[share(model.address, model.port, count)].append(check)
    return shards[1:]


def spread_again(checks: Collection[Check], now: int, random_below: Callable[[int], int]) -> None:
    """New due times for the checkers of a worker that died: each within its delay_loop."""
    for check in checks:
        check.due = now + random_below(max(1, check.delay_loop))


class Report(NamedTuple):
    """From a worker: checker `number` of its shard came to this conclusion; `figures` as they were then."""

    number: int
    conclusion: Conclusion
    figures: tuple[Any, ...]


class Assumption(NamedTuple):
    """To a worker: what holds of checker `number`, where it may have assumed something else."""

    number: int
    is_up: bool
    enabled: bool


class TellFigures(NamedTuple):
    """To a worker: answer with Figures of this number."""

    number: int


class Figures(NamedTuple):
    """From a worker: the figures of its checkers from the `first` on; `last` = there are no more."""

    number: int
    first: int
    values: list[tuple[Any, ...]]
    last: bool


class ShardCore:
    """The core of a check worker over its shard, whose due times are set; keeps the contract of runtime/contract.py."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self.checks = checks
        self._numbers = {id(check): number for number, check in enumerate(checks)}
        self._timetable = Timetable()
        self._out: list[StartCheck | Report] = []
        for check in checks:
            self._timetable.arm(check)

    def receive(self, message: CheckEnded | Assumption, now: int) -> None:
        if isinstance(message, CheckEnded):
            self._ended(message.checker, message.outcome, now)
        else:
            check = self.checks[message.number]
            check.is_up, check.enabled = message.is_up, message.enabled

    def _ended(self, check: Check, outcome: Outcome, now: int) -> None:
        conclusion = self._timetable.end(check, outcome, now)
        if conclusion is None:
            return
        self._out.append(Report(self._numbers[id(check)], conclusion, check.figures()))
        if conclusion.verdict is not None:
            check.is_up, check.has_run = conclusion.verdict, True

    def tick(self, now: int) -> None:
        self._out += self._timetable.begin(now)

    def deadline(self) -> int | None:
        return self._timetable.deadline()

    def drain(self) -> list[StartCheck | Report]:
        effects, self._out = self._out, []
        return effects

    def figures(self) -> list[tuple[Any, ...]]:
        """Of every checker, in the order of the shard."""
        return [check.figures() for check in self.checks]
