"""The owner's side of the check workers: start, reports, heartbeat, death, replacement. Shell; shard.py has the rules.

The worker itself is worker.py. A worker that dies is replaced at once; until then its servers keep their verdicts.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

from pykeepalived.ipvs.checks.framework import CheckState
from pykeepalived.ipvs.effects import CheckFigures, CheckReported, Message
from pykeepalived.ipvs.shard import Assumption, Figures, TellFigures, spread_again
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.observe.cause import LogLine
from pykeepalived.observe.snapshot import CheckWorkerSnapshot
from pykeepalived.runtime.channel import Channel, channel_pair
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop, Timer
from pykeepalived.runtime.messages import Ping, Pong
from pykeepalived.runtime.respawn import RespawnRule

HEARTBEAT_NS = 1_000_000_000
SILENT_BEATS = 10
"""Unanswered heartbeats after which a worker counts as hung; counted, not timed, so a stall of the machine is one."""
COLLECT_LIMIT_MS = 500
"""How long a status, dump or reload waits for figures; later the last known must do."""

Shard = Sequence[CheckState[Any]]
ForkWorker = Callable[[socket.socket, Shard], int]


@dataclass(slots=True)
class _Post:
    """One shard and the process that runs it; `channel` None while there is none."""

    shard: Shard
    pid: int = 0
    channel: Channel | None = None
    started_ns: int = 0
    silent_beats: int = 0
    deaths: int = 0
    answered: int = 0
    rule: RespawnRule = field(default_factory=RespawnRule)
    again: Timer | None = None


class Workers:
    """All workers of the checker process.

    `fork(socket, shard)` starts one and returns its pid, or raises OSError. `feed` takes their reports to the core.
    """

    def __init__(
        self,
        loop: Loop,
        log: Log,
        fork: ForkWorker,
        feed: Callable[[Sequence[Message]], object],
        random_below: Callable[[int], int],
    ) -> None:
        self._loop = loop
        self._log = log
        self._fork = fork
        self._feed = feed
        self._random = random_below
        self._posts: list[_Post] = []
        self._places: dict[int, tuple[_Post, int]] = {}
        self._children: dict[int, bool] = {}
        """Processes not reaped yet, and whether their end is our doing."""
        self._number = 0
        self._heart = loop.idle_timer(self._beat)
        self.restarts = 0
        """Of all workers since the start."""

    def __len__(self) -> int:
        return len(self._posts)

    def snapshots(self) -> tuple[CheckWorkerSnapshot, ...]:
        return tuple(
            CheckWorkerSnapshot(pid=post.pid, checkers=len(post.shard), restarts=post.deaths) for post in self._posts
        )

    # start and end

    def start(self, shards: Sequence[Shard]) -> None:
        """A worker for each shard."""
        self._posts = [_Post(shard) for shard in shards]
        self._places = {id(check): (post, number) for post in self._posts for number, check in enumerate(post.shard)}
        for post in self._posts:
            self._start(post)
        if self._posts:
            self._heart.move(self._loop.now() + HEARTBEAT_NS)

    def _start(self, post: _Post) -> None:
        post.again = None
        post.started_ns = self._loop.now()
        try:
            post.channel = channel = self._launch(post)
        except OSError as error:
            self._log.error(f"Check worker process: fork error({error.strerror})")
            self._start_again(post)
            return
        self._children[post.pid] = False
        post.silent_beats = 0
        channel.attach(self._loop, lambda messages: self._receive(post, messages), lambda: self._lost(post))
        text = f"Starting check worker process for {len(post.shard)} checkers, pid={post.pid}"
        self._log.info(text, CHILD_PID=str(post.pid))

    def _launch(self, post: _Post) -> Channel:
        ours, theirs = channel_pair()
        try:
            post.pid = self._fork(theirs, post.shard)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return Channel(ours)

    def stop(self) -> None:
        """End all of them; what they have not said by now is not heard."""
        self._heart.cancel()
        for post in self._posts:
            if post.again is not None:
                post.again.cancel()
            self._end(post, ours=True)
        self._posts = []
        self._places = {}

    def _end(self, post: _Post, ours: bool) -> None:
        if post.channel is None:
            return
        post.channel.close()
        post.channel = None
        if post.pid in self._children:
            self._children[post.pid] = ours
            os.kill(post.pid, signal.SIGKILL)

    def reap(self) -> None:
        """To be called on SIGCHLD."""
        for pid, ours in list(self._children.items()):
            ended, status = pid, 0
            with contextlib.suppress(ChildProcessError):
                ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            del self._children[pid]
            code = os.waitstatus_to_exitcode(status)
            if code < 0 and not ours:
                self._log.error(f"pid {pid} exited due to signal {-code} ({signal.strsignal(-code)})")
            elif not ours:
                self._log.info(f"pid {pid} exited with status {code}")

    # death

    def _lost(self, post: _Post) -> None:
        """The end of the channel is the end of the worker."""
        if post.channel is None:
            return
        post.deaths += 1
        self.restarts += 1
        self._log.alert(f"Check worker process({post.pid}) died: Respawning")
        self._start_again(post)

    def _start_again(self, post: _Post) -> None:
        self.reap()
        self._end(post, ours=False)
        post.pid = 0
        delay = post.rule.delay_s(self._loop.now() - post.started_ns)
        if delay is not None:
            self._log.info(f"Restart of check worker process delayed {delay} seconds to limit respawn rate")

        def due() -> None:
            spread_again(post.shard, self._loop.now(), self._random)
            self._start(post)

        post.again = self._loop.call_at(self._loop.now() + (delay or 0) * 1_000_000_000, due)

    def _beat(self) -> None:
        for post in self._posts:
            if post.channel is None:
                continue
            if post.silent_beats >= SILENT_BEATS:
                post.silent_beats = 0
                self._log.alert(f"Check worker process({post.pid}) silent for {SILENT_BEATS} s: killing it")
                if post.pid in self._children:
                    os.kill(post.pid, signal.SIGKILL)
                continue
            if not post.silent_beats:
                post.channel.send(Ping(0))
            post.silent_beats += 1
        self._heart.move(self._loop.now() + HEARTBEAT_NS)

    # messages

    def _receive(self, post: _Post, messages: list[Any]) -> None:
        heard: list[Message] = []
        for message in messages:
            match message:
                case Pong():
                    post.silent_beats = 0
                case LogLine():
                    self._log.write(message)
                case Figures(number, first, values, last):
                    heard.append(CheckFigures(post.shard[first : first + len(values)], values))
                    if last:
                        post.answered = number
                case list():
                    heard += [CheckReported(post.shard[number], *report) for number, *report in message]
        if heard:
            self._feed(heard)

    def correct(self, check: CheckState[Any]) -> None:
        """Tell the worker that runs it how things are; one that is still to start will see it."""
        post, number = self._places[id(check)]
        if post.channel is not None:
            post.channel.send(Assumption(number, check.is_up, check.enabled))

    def collect(self) -> None:
        """Hear all that the workers have to say, and the figures of their checkers; waits half a second at most."""
        self._number += 1
        end = self._loop.now() + COLLECT_LIMIT_MS * 1_000_000
        for post in self._posts:
            if post.channel is not None:
                post.channel.send(TellFigures(self._number))
        while (waiting := self._unanswered()) and (left := end - self._loop.now()) > 0:
            poll = select.poll()
            for _, channel in waiting:
                poll.register(channel, select.POLLIN)
            poll.poll(left // 1_000_000 + 1)
            for post, channel in waiting:
                self._receive(post, channel.receive())

    def _unanswered(self) -> list[tuple[_Post, Channel]]:
        """Who has still to answer the last question, and can."""
        return [
            (post, post.channel)
            for post in self._posts
            if post.channel is not None and not post.channel.closed and post.answered != self._number
        ]
