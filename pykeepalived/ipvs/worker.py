"""A check worker: the process that makes the attempts of one shard. Shell around ShardCore (shard.py).

It is forked from the loaded checker process, needs nothing but its checkers, the loop and the dialler, and ends with
its owner. What it holds is also known to the owner, so it may be killed at any moment.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Any

from pykeepalived.config.model import Config
from pykeepalived.ipvs.checks.attempt import Outcome, Reason
from pykeepalived.ipvs.checks.framework import CheckState
from pykeepalived.ipvs.dial import Dialler
from pykeepalived.ipvs.effects import CheckEnded, StartCheck
from pykeepalived.ipvs.shard import Assumption, Figures, Report, ShardCore, TellFigures
from pykeepalived.ipvs.tls import TlsFactory
from pykeepalived.observe.cause import LogLine
from pykeepalived.runtime.channel import Channel
from pykeepalived.runtime.child_loop import EXIT_INTERNAL, EXIT_OK, NOT_IGNORED
from pykeepalived.runtime.forking import close_all_but, fork, fresh_signals
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import Ping, Pong
from pykeepalived.runtime.privileges import (
    CAP_IPC_LOCK,
    CAP_NET_ADMIN,
    CAP_NET_BIND_SERVICE,
    CAP_NET_RAW,
    CAP_SYS_NICE,
    refuse_others,
)
from pykeepalived.runtime.scheduling import ChildScheduling, set_parent_death_signal

_CAPABILITIES = frozenset({CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE, CAP_IPC_LOCK, CAP_SYS_NICE})
"""For fwmark, bind_if and bind_port, and for the scheduling class and locked memory."""
_PORTION = 32
"""So many reports or figures fit into one datagram: none needs a descriptor of its own."""
_ERRORS_TO_GIVE_UP = 100


def fork_check_worker(
    sock: socket.socket,
    shard: Sequence[CheckState[Any]],
    config: Config,
    tls: TlsFactory,
    detail: int,
    reseed: Callable[[], object],
) -> int:
    """Fork a worker for this shard that talks over `sock`; return its pid. Raises OSError.

    `detail` is how many -D were given; `reseed` is called so that no two workers draw the same random numbers.
    """
    owner = os.getpid()

    def work() -> int:
        set_parent_death_signal(signal.SIGKILL)
        if os.getppid() != owner:
            return EXIT_OK
        gc.freeze()
        fresh_signals()
        for signum in signal.valid_signals() - NOT_IGNORED:
            signal.signal(signum, signal.SIG_IGN)
        close_all_but({0, 1, 2, sock.fileno()})
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        reseed()
        return CheckWorker(sock, shard, config, tls, detail).run()

    return fork(work)


class _OwnersLog:
    """The log of the owner: a sink that hands lines over."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def emit(self, line: LogLine) -> bool:
        self._channel.send(line)
        return True

    def close(self) -> None:
        """Nothing of its own."""


class CheckWorker:
    """Everything around one ShardCore."""

    def __init__(
        self, sock: socket.socket, shard: Sequence[CheckState[Any]], config: Config, tls: TlsFactory, detail: int
    ) -> None:
        self._loop = loop = Loop()
        self._channel = Channel(sock)
        self._channel.attach(loop, self._receive, loop.stop)
        self._log = Log((_OwnersLog(self._channel),), detail)
        self._schedule(config)
        loop.on_error = self._survive
        self._errors = 0
        self._core = ShardCore(shard)
        self._dialler = Dialler(loop, self._ended, self._settle, tls)
        self._timer = loop.idle_timer(self._tick)

    def run(self) -> int:
        """Check servers until the owner is gone; returns the exit status."""
        self._settle()
        self._loop.run()
        return EXIT_INTERNAL if self._errors >= _ERRORS_TO_GIVE_UP else EXIT_OK

    def _schedule(self, config: Config) -> None:
        """What the kernel does not hand on at a fork: memory lock and real-time class. Then privileges go."""
        wanted = config.globals
        scheduling = ChildScheduling(
            "checker", wanted.checker, self._log, wanted.max_auto_priority, wanted.min_auto_priority_delay_us
        )
        scheduling.apply_at_start()
        scheduling.apply_real_time()
        self._loop.on_late(scheduling.min_auto_delay_ns, scheduling.raise_priority)
        refuse_others(_CAPABILITIES, self._log)

    # checking

    def _tick(self) -> None:
        self._core.tick(self._loop.now())
        self._settle()

    def _ended(self, check: CheckState[Any], outcome: Outcome) -> None:
        self._core.receive(CheckEnded(check, outcome), self._loop.now())

    def _settle(self) -> None:
        """Start what is due, report what is new, sleep until the next attempt."""
        reports: list[Report] = []
        while wanted := self._core.drain():
            for effect in wanted:
                if isinstance(effect, StartCheck):
                    self._start(effect)
                else:
                    reports.append(effect)
        for first in range(0, len(reports), _PORTION):
            self._channel.send(reports[first : first + _PORTION])
        deadline = self._core.deadline()
        if deadline is None:
            self._timer.cancel()
        elif deadline != self._timer.when:
            self._timer.move(deadline)

    def _start(self, effect: StartCheck) -> None:
        try:
            self._dialler.start(effect.checker, effect.attempt)
        except Exception as error:
            self._survive(error)
            self._ended(effect.checker, Outcome(False, Reason.SKIPPED, str(error)))

    # the owner

    def _receive(self, messages: list[Any]) -> None:
        for message in messages:
            match message:
                case Ping(number):
                    self._channel.send(Pong(number))
                case Assumption():
                    self._core.receive(message, self._loop.now())
                case TellFigures(number):
                    self._tell_figures(number)

    def _tell_figures(self, number: int) -> None:
        figures = self._core.figures()
        for first in range(0, len(figures), _PORTION):
            end = first + _PORTION
            self._channel.send(Figures(number, first, figures[first:end], end >= len(figures)))

    def _survive(self, error: Exception) -> None:
        """An internal error: tell it and go on; a worker that cannot is replaced by its owner."""
        self._log.internal_error(error, " in check worker")
        self._errors += 1
        if self._errors >= _ERRORS_TO_GIVE_UP:
            self._loop.stop()
