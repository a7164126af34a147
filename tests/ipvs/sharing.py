"""The laboratory of harness.py with check workers: copies of the shards, as a fork would make them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from pykeepalived.config.model import Config
from pykeepalived.ipvs import effects
from pykeepalived.ipvs.checks.attempt import Outcome
from pykeepalived.ipvs.shard import Assumption, Report, ShardCore
from pykeepalived.netlink.fake_ipvs import FakeIpvs
from tests.ipvs.harness import SECOND, Lab


class Copy:
    """A worker without a process: its own copies of the checkers."""

    def __init__(self, shard: Sequence[Any]) -> None:
        self.shard = shard
        self.core = ShardCore(copy.deepcopy(shard))
        self.alive = True


class SharedLab(Lab):
    """`delay_ns` is how long a report or a correction is on its way."""

    def __init__(self, configuration: Config, processors: int = 2, kernel: FakeIpvs | None = None) -> None:
        super().__init__(configuration, kernel)
        self.processors = processors
        self.workers: list[Copy] = []
        self.delay_ns = 0
        self._post: list[tuple[int, Copy, Any]] = []

    def start(self, respawned: bool = False) -> SharedLab:
        left = self.kernel.table() if respawned else None
        self.core.receive(effects.Start(self.kernel.timeouts(), left, self.processors), self.now)
        self.settle()
        return self

    def reload(self, configuration: Config) -> SharedLab:
        self.collect()
        self.core.receive(effects.Reload(configuration, self.kernel.timeouts(), self.processors), self.now)
        self.settle()
        return self

    def collect(self) -> SharedLab:
        """What the owner asks before a reload, a dump or a status."""
        self._deliver(None)
        for worker in self.workers:
            self._gather(worker)
            self._deliver(None)
            self.say(effects.CheckFigures(worker.shard, worker.core.figures()))
        return self

    def run(self, seconds: float) -> SharedLab:
        end = self.now + int(seconds * SECOND)
        while (deadline := self._deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self._deliver(self.now)
            self.core.tick(self.now)
            self.settle()
            for worker in self.workers:
                self._run_worker(worker)
            self._deliver(self.now)
        self.now = end
        return self

    def _deadline(self) -> int | None:
        known = [self.core.deadline(), *(worker.core.deadline() for worker in self.workers if worker.alive)]
        known += [due for due, _, _ in self._post]
        return min([due for due in known if due is not None], default=None)

    def _run_worker(self, worker: Copy) -> None:
        if not worker.alive:
            return
        worker.core.tick(self.now)
        self._gather(worker)

    def _gather(self, worker: Copy) -> None:
        while wanted := worker.core.drain():
            for effect in wanted:
                if isinstance(effect, Report):
                    self._post.append((self.now + self.delay_ns, worker, effect))
                    continue
                self.checks.append(effect.checker)
                outcome: Outcome | None = self.answer(effect)
                if outcome is not None:
                    worker.core.receive(effects.CheckEnded(effect.checker, outcome), self.now)

    def _deliver(self, until: int | None) -> None:
        """Everything that has arrived by then; None = everything."""
        while self._post and (until is None or self._post[0][0] <= until):
            _, worker, message = self._post.pop(0)
            if worker not in self.workers:
                continue
            if isinstance(message, Assumption):
                worker.core.receive(message, self.now)
            else:
                checker = worker.shard[message.number]
                self.say(effects.CheckReported(checker, message.conclusion, message.figures))

    def _perform(self, effect: Any) -> None:
        match effect:
            case effects.StartWorkers(shards):
                self.workers = [Copy(shard) for shard in shards]
            case effects.CorrectWorker(checker):
                for worker in self.workers:
                    for number, check in enumerate(worker.shard):
                        if check is checker:
                            told = Assumption(number, checker.is_up, checker.enabled)
                            self._post.append((self.now + self.delay_ns, worker, told))
            case effects.CancelChecks():
                self.workers = []
            case _:
                super()._perform(effect)
