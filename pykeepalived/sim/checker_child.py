"""The checker child of a node: a production IpvsCore on an IPVS table in memory. No I/O.

How the real servers answer and when its time passes is cluster.py's business; every outcome and every state is compared
with reference.py.
"""

from __future__ import annotations

import errno
from typing import Any, Protocol

from pykeepalived.config.model import Config
from pykeepalived.ipvs import effects
from pykeepalived.ipvs.checks.attempt import Outcome
from pykeepalived.ipvs.core import AUDIT_NS, IpvsCore
from pykeepalived.netlink.fake_ipvs import FakeIpvs
from pykeepalived.netlink.services import OperationFailure
from pykeepalived.sim.lan import RandomSource
from pykeepalived.sim.machine import NEVER
from pykeepalived.sim.reference import Reference

REPAIR_NS = 2 * AUDIT_NS + 2_000_000_000
"""Within this time after the last refusal or theft the table is as it should be."""


class CheckerHost(Protocol):
    """The world outside of the checker child."""

    def start_check(self, effect: effects.StartCheck, number: int, /) -> None:
        """Make an attempt, and give the outcome with this number to `ended`."""

    def checker_did(self, effect: effects.Tell, /) -> None:
        """A real server or a virtual server went up or down."""

    def broken(self, what: str, /) -> None:
        """An invariant does not hold."""


class CheckerChild:
    """The virtual servers of one node. `due` is when `tick` wants to be called; `refusing`: the kernel says no."""

    def __init__(self, config: Config, kernel: FakeIpvs, random: RandomSource, host: CheckerHost) -> None:
        self.due = NEVER
        self.core = IpvsCore(config, lambda limit: int(random.random() * limit))
        self.kernel = kernel
        self.refusing = False
        self._host = host
        self._reference = Reference()
        self._number = 0
        self._trouble = 0

    # life

    def start(self, now: int, files: dict[str, int], left: bool = False) -> None:
        """Build the table; `left` = take over that of a predecessor that died."""
        for name, value in files.items():
            self.core.receive(effects.FileRead(name, value), now)
        table = self.kernel.table() if left else None
        if self.kernel.services:
            self.forgive(now)
        self.feed(effects.Start(self.kernel.timeouts(), table), now)

    def reload(self, config: Config, now: int) -> None:
        """A new configuration."""
        self.feed(effects.Reload(config, self.kernel.timeouts()), now)

    def forgive(self, now: int) -> None:
        """The table was changed behind the core's back: it has time to notice."""
        self._trouble = now + REPAIR_NS

    # the core

    def feed(self, message: effects.Message, now: int) -> None:
        """Tell the core, then do what it wants."""
        self.core.receive(message, now)
        self.settle(now)

    def ended(self, number: int, check: Any, outcome: Outcome, now: int) -> None:
        """An attempt is over; of those that were cancelled nothing is heard."""
        if number != self._number:
            return
        predicted = self._reference.predict(check, outcome)
        self.feed(effects.CheckEnded(check, outcome), now)
        if self._excused(now):
            self._reference.forget()
        elif predicted is not None and check.is_up is not predicted:
            word = "up" if predicted else "down"
            self._host.broken(f"a checker of {check.real_name} should be {word} after {outcome.reason.name}")

    def tick(self, now: int) -> None:
        """Time has passed."""
        self.core.tick(now)
        self.settle(now)

    def exact_due(self) -> int:
        """When something will really happen."""
        due = self.core.deadline()
        return NEVER if due is None else due

    def settle(self, now: int) -> None:
        """Perform what the core wants until it wants nothing more, then compare."""
        core, changed = self.core, False
        while wanted := core.drain():
            for effect in wanted:
                changed = self._perform(effect, now) or changed
        self.due = self.exact_due()
        if changed:
            self.compare(now)

    def compare(self, now: int) -> None:
        """Quorums, weights and the kernel's table are those of the reference model."""
        problems = self._reference.compare(self.core, self.kernel.table(), strict=not self._excused(now))
        for problem in problems:
            self._host.broken(problem)

    def _excused(self, now: int) -> bool:
        return self.refusing or now < self._trouble

    def _perform(self, effect: effects.Effect, now: int) -> bool:
        """Do one thing; returns whether it may have changed the state of servers."""
        match effect:
            case effects.StartCheck():
                self._host.start_check(effect, self._number)
                return False
            case effects.Operate(operations):
                self.core.receive(effects.Operated(tuple(self._operate(operations, now))), now)
            case effects.ReadTable():
                self.core.receive(effects.TableRead(self.kernel.table()), now)
            case effects.CancelChecks():
                self._number += 1
                self._reference.forget()
            case effects.Tell():
                self._host.checker_did(effect)
            case _:
                return False
        return True

    def _operate(self, operations: tuple[Any, ...], now: int) -> list[OperationFailure]:
        if not self.refusing:
            return self.kernel.perform(operations)
        self.forgive(now)
        return [OperationFailure(position, errno.ENOBUFS) for position in range(len(operations))]
