"""Life and death of the children: start, heartbeat, death, respawn, stop. How one is forked is launch.py.

A child is known by its kind; at most one of each runs. What the rest of the parent wants to hear about them goes
through `ChildEvents`.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterable
from dataclasses import field
from typing import Any, Protocol

from pykeepalived.config.model import Config
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.parent.launch import Launcher
from pykeepalived.parent.parts import part_for
from pykeepalived.runtime.channel import Channel
from pykeepalived.runtime.child_loop import EXIT_CONFIG, EXIT_FATAL, EXIT_PERMISSION
from pykeepalived.runtime.delta import make_delta
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop, Timer
from pykeepalived.runtime.messages import (
    Adopted,
    Answer,
    ChildKind,
    Dump,
    Leaving,
    PeerStarted,
    Ping,
    Pong,
    Query,
    Ready,
    ReloadFailed,
    ReloadRequest,
    ScriptHelper,
    WriteDump,
)
from pykeepalived.runtime.respawn import RespawnRule

START_ORDER = (ChildKind.CHECKER, ChildKind.VRRP, ChildKind.BFD)
NAMES = {ChildKind.CHECKER: "Healthcheck", ChildKind.VRRP: "VRRP", ChildKind.BFD: "BFD"}

_SECOND_NS = 1_000_000_000
HEARTBEAT_NS = _SECOND_NS
SILENT_BEATS = {ChildKind.VRRP: 5, ChildKind.BFD: 5, ChildKind.CHECKER: 30}
"""Unanswered heartbeats after which a child counts as hung. They are counted, not timed: a stall of the whole machine
is one beat, however long."""
STARTING_BEATS = 120

_PERMANENT = {EXIT_FATAL: "FATAL", EXIT_CONFIG: "CONFIG", EXIT_PERMISSION: "missing permission"}


class ChildEvents(Protocol):
    """What the parent wants to hear of its children."""

    def on_settled(self) -> None:
        """No child is starting or reloading any more."""

    def on_permanent_error(self, status: int) -> None:
        """A child ended with a status that starting it again cannot mend."""

    def on_dead_for_good(self) -> None:
        """A child died and must not be started again (-R)."""

    def on_all_gone(self) -> None:
        """The last child is gone, after `stop`."""

    def on_reload_request(self) -> None:
        """A child was asked to reload from outside."""

    def on_reload_failed(self, kind: ChildKind, reason: str) -> None:
        """A child could not adopt its new configuration and goes on with the old one."""


@dataclass(slots=True)
class Child:
    """One running child. `config` is the part it has adopted, `sent` what it was sent and has not yet adopted."""

    kind: ChildKind
    pid: int
    channel: Channel
    started_ns: int
    config: Config
    generation: int
    sent: dict[int, Config] = field(default_factory=dict)
    ready: bool = False
    beat: int = 0
    silent_beats: int = 0
    leaving: bool = False
    summary: tuple[str, ...] = ()


class Children:
    """All children. `config` is the last good configuration: what a respawned child gets."""

    def __init__(self, loop: Loop, log: Log, launcher: Launcher, events: ChildEvents, respawn: bool = True) -> None:
        self._loop = loop
        self._log = log
        self._launcher = launcher
        self._events = events
        self._respawn = respawn
        self._children: dict[ChildKind, Child] = {}
        self._rules = {kind: RespawnRule() for kind in ChildKind}
        self._waiting: dict[ChildKind, Timer] = {}
        self._dying: set[int] = set()
        self._questions: dict[int, tuple[ChildKind, Callable[[dict[str, Any] | None], object]]] = {}
        self._number = 0
        self._stopping = False
        self._gone = False
        self._heart = loop.idle_timer(self._beat)
        self.config = Config()
        self.generation = 0
        self.deaths = dict.fromkeys(ChildKind, 0)

    # looking

    @property
    def running(self) -> tuple[Child, ...]:
        return tuple(self._children.values())

    def get(self, kind: ChildKind) -> Child | None:
        return self._children.get(kind)

    @property
    def settled(self) -> bool:
        """Whether every child is ready and has adopted what it was sent."""
        return all(child.ready and not child.sent for child in self._children.values())

    # starting and reloading

    def adopt(self, config: Config, wanted: Iterable[ChildKind]) -> None:
        """Make `config` the configuration in force: hand it to the running children, start those that are wanted."""
        self.config = config
        self.generation += 1
        wanted = set(wanted)
        for child in self.running:
            self._hand_over(child)
        for kind in START_ORDER:
            if kind in wanted and kind not in self._children and kind not in self._waiting:
                self.start(kind)

    def start(self, kind: ChildKind, respawned: bool = False) -> None:
        """Fork a child with the configuration in force. A failing fork counts as an early death."""
        if self._stopping:
            return
        part = part_for(kind, self.config)
        try:
            pid, sock = self._launcher.launch(kind, part, self.generation, respawned)
        except OSError as error:
            self._log.error(f"{NAMES[kind]} child process: fork error({error.strerror})")
            self._start_again(kind, 0)
            return
        child = Child(kind, pid, Channel(sock), self._loop.now(), part, self.generation)
        self._children[kind] = child
        child.channel.attach(
            self._loop, lambda messages: self._receive(child, messages), lambda: self._channel_closed(child)
        )
        self._log.info(f"Starting {NAMES[kind]} child process, pid={pid}", KIND=kind, CHILD_PID=str(pid))
        if self._heart.when is None:
            self._heart.move(self._loop.now() + HEARTBEAT_NS)
        bfd = self._children.get(ChildKind.BFD)
        if kind is not ChildKind.BFD and bfd is not None:
            bfd.channel.send(PeerStarted(kind))

    def _hand_over(self, child: Child) -> None:
        part = part_for(child.kind, self.config)
        base = max(child.sent, default=child.generation)
        before = child.sent.get(base, child.config)
        try:
            child.channel.send(make_delta(before, part, base, self.generation))
        except (OSError, MemoryError) as error:
            self._events.on_reload_failed(child.kind, f"it cannot be sent - {error}")
        else:
            child.sent[self.generation] = part

    # messages

    def _receive(self, child: Child, messages: list[Any]) -> None:
        for message in messages:
            match message:
                case Pong():
                    child.silent_beats = 0
                case Ready():
                    child.ready = True
                    self._check_settled()
                case Adopted(_, generation, summary):
                    child.config = child.sent.pop(generation, child.config)
                    child.generation = generation
                    child.summary = summary
                    self._check_settled()
                case ReloadFailed(kind, generation, reason):
                    child.sent.clear()
                    self._events.on_reload_failed(kind, reason)
                    self._check_settled()
                case Answer(number, body):
                    _, done = self._questions.pop(number, (None, None))
                    if done is not None:
                        done(body)
                case Leaving():
                    child.leaving = True
                case ReloadRequest():
                    self._events.on_reload_request()
                case ScriptHelper(descriptor):
                    self._launch_helper(child, descriptor)

    def _launch_helper(self, child: Child, descriptor: int) -> None:
        """Fork a child's script helper; without one the child is told by the end of the connection."""
        if descriptor < 0:
            return
        connection = socket.socket(fileno=descriptor)
        if self._children.get(child.kind) is not child:
            connection.close()
            return
        try:
            self._launcher.launch_helper(child.kind, child.config, connection)
        except OSError as error:
            self._log.error(f"{NAMES[child.kind]} script process: fork error({error.strerror})")

    def _check_settled(self) -> None:
        if self.settled:
            self._events.on_settled()

    def ask(self, kind: ChildKind, words: tuple[str, ...], done: Callable[[dict[str, Any] | None], object]) -> int:
        """Ask a child; `done(answer)` comes later, with None if it dies first. Returns a number for `forget`."""
        self._number += 1
        child = self._children.get(kind)
        if child is None:
            done(None)
        else:
            self._questions[self._number] = (kind, done)
            child.channel.send(Query(self._number, words))
        return self._number

    def forget(self, number: int) -> None:
        """No longer wait for the answer to a question."""
        self._questions.pop(number, None)

    def dump(self, kind: ChildKind, what: Dump) -> None:
        """Tell a child, if it runs, to write a dump file."""
        child = self._children.get(kind)
        if child is not None:
            child.channel.send(WriteDump(what))

    # heartbeat

    def _beat(self) -> None:
        for child in self.running:
            limit = SILENT_BEATS[child.kind] if child.ready else STARTING_BEATS
            if child.silent_beats >= limit:
                child.silent_beats = 0
                seconds = limit * HEARTBEAT_NS // _SECOND_NS
                self._log.alert(f"{NAMES[child.kind]} child process({child.pid}) silent for {seconds} s: killing it")
                _kill(child.pid, signal.SIGKILL)
                continue
            if not child.silent_beats:
                child.beat += 1
                child.channel.send(Ping(child.beat))
            child.silent_beats += 1
        if self._children:
            self._heart.move(self._loop.now() + HEARTBEAT_NS)

    # death

    def reap(self) -> None:
        """To be called on SIGCHLD: collect every process that ended, ours and adopted orphans alike."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.ended(pid, status)

    def ended(self, pid: int, status: int) -> None:
        """A process has ended with this wait status."""
        for child in self.running:
            if child.pid == pid:
                del self._children[child.kind]
                self._bury(child)
                self._died(child, status)
                return
        if pid in self._dying:
            self._dying.remove(pid)
            self._tell_how(pid, os.waitstatus_to_exitcode(status))
            if self._stopping:
                self._check_all_gone()

    def _channel_closed(self, child: Child) -> None:
        """A child that was killed is known by its closed channel long before the kernel is done with it.

        Its sockets take the kernel tens of milliseconds to close; the successor need not wait for that.
        """
        if child.leaving or self._stopping or not self._respawn or self._children.get(child.kind) is not child:
            return
        _kill(child.pid, signal.SIGKILL)
        self._dying.add(child.pid)
        del self._children[child.kind]
        self._bury(child)
        self._replace(child)

    def _bury(self, child: Child) -> None:
        """Take the last words of a dead child, then let go of it."""
        if not child.channel.closed:
            self._receive(child, child.channel.receive())
        child.channel.close()
        for number, (kind, done) in list(self._questions.items()):
            if kind is child.kind:
                del self._questions[number]
                done(None)

    def _died(self, child: Child, wait_status: int) -> None:
        status = os.waitstatus_to_exitcode(wait_status)
        if self._stopping:
            self._check_all_gone()
            return
        name = NAMES[child.kind]
        if status in _PERMANENT:
            reason = _PERMANENT[status]
            self._log.error(f"pid {child.pid} exited with permanent error {reason}. Terminating")
            self._events.on_permanent_error(status)
            return
        self._tell_how(child.pid, status)
        if not self._respawn:
            self._log.alert(f"{name} child process({child.pid}) died: Exiting")
            self._events.on_dead_for_good()
            return
        self._replace(child)

    def _replace(self, child: Child) -> None:
        self.deaths[child.kind] += 1
        self._log.alert(f"{NAMES[child.kind]} child process({child.pid}) died: Respawning")
        self._start_again(child.kind, self._loop.now() - child.started_ns)
        self._check_settled()

    def _tell_how(self, pid: int, status: int) -> None:
        if status > 0:
            self._log.info(f"pid {pid} exited with status {status}")
        elif status < 0:
            text = f"pid {pid} exited due to signal {-status} ({signal.strsignal(-status)})"
            if status == -signal.SIGKILL:
                text += " - has rlimit_rttime been exceeded?"
            self._log.error(text)

    def _start_again(self, kind: ChildKind, lived_ns: int) -> None:
        delay = self._rules[kind].delay_s(lived_ns)
        if delay is not None:
            self._log.info(f"Restart of {NAMES[kind]} process delayed {delay} seconds to limit respawn rate")
        if not delay:
            self.start(kind, respawned=True)
            return

        def due() -> None:
            del self._waiting[kind]
            self.start(kind, respawned=True)

        self._waiting[kind] = self._loop.call_at(self._loop.now() + delay * _SECOND_NS, due)

    # stopping

    def stop(self, wait_ns: int, tell: Callable[[], object] = lambda: None) -> None:
        """SIGTERM to all, SIGKILL to those left after `wait_ns`; then, never from within, ChildEvents.on_all_gone.

        The VRRP child is first: until it has said farewell, no other node takes the addresses. `tell` is called next.
        """
        if self._stopping:
            return
        self._stopping = True
        first = self._children.get(ChildKind.VRRP)
        if first is not None:
            _kill(first.pid, signal.SIGTERM)
        tell()
        for child in self.running:
            if child is not first:
                _kill(child.pid, signal.SIGTERM)
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()
        self._loop.call_at(self._loop.now() + wait_ns, self._force)
        self._loop.call_at(self._loop.now(), self._check_all_gone)

    def _force(self) -> None:
        for child in self.running:
            self._log.error(f"{child.kind} process failed to die - forcing termination")
            _kill(child.pid, signal.SIGKILL)

    def _check_all_gone(self) -> None:
        if not self._children and not self._dying and not self._gone:
            self._gone = True
            self._heart.cancel()
            self._events.on_all_gone()


def _kill(pid: int, signum: int) -> None:
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        pass  # it has ended and is about to be reaped
