"""What every child does besides its protocol: signals, the parent's messages, heartbeat, reload hand-over, leaving.

A child's `run(context)` makes a Loop and its own handler, wraps both in a ChildService, calls `ready()` when it has
taken over its configuration, and returns `run()`.
"""

from __future__ import annotations

import contextlib
import gc
import resource
import signal
import socket
from collections.abc import Callable
from typing import Any, Protocol

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import Scheduling
from pykeepalived.observe.dump_files import reload_path
from pykeepalived.runtime import early_signals
from pykeepalived.runtime.channel import Channel
from pykeepalived.runtime.child import ChildContext, scheduling_of
from pykeepalived.runtime.delta import ConfigDelta, DeltaReader
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import (
    Adopted,
    Answer,
    ChildKind,
    Dump,
    MessageLost,
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
from pykeepalived.runtime.rest import Rest
from pykeepalived.runtime.scheduling import ChildScheduling, giving_way

EXIT_OK, EXIT_FATAL, EXIT_CONFIG, EXIT_PERMISSION, EXIT_INTERNAL = 0, 1, 2, 4, 70
"""Exit statuses of a child (1, 2 and 4 end the daemon, anything else means: start it again)."""

_SLICE_NS = 300_000
_QUIET_NS, _PATIENCE_NS = 15_000_000, 200_000_000
"""A pause as long as adopting a large configuration takes, and how long to wait for one."""
_COLLECT_EVERY_NS = 60_000_000_000
_MOST_SIGNALS = 4096
_ERROR_WINDOW_NS, _ERRORS_TO_GIVE_UP = 1_000_000_000, 100

_DUMPS = {
    signal.SIGUSR2: Dump.STATS,
    signal.SIGRTMAX - 1: Dump.STATS_CLEAR,
    signal.SIGRTMIN + 2: Dump.JSON,
}
NOT_IGNORED = {
    signal.SIGILL,
    signal.SIGFPE,
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGABRT,
    signal.SIGKILL,
    signal.SIGSTOP,
    signal.SIGCHLD,
}
"""Signals that keep their meaning in a process that ignores all others it has no handler for."""


class ChildHandler(Protocol):
    """What a child does when told. Every call must return quickly."""

    def on_reload(self, config: Config, generation: int) -> tuple[str, ...]:
        """Adopt the configuration and return what changed, line by line. What did not change is the same object."""

    def on_stop(self) -> None:
        """Give up what is owned, then call ChildService.finish, at once or later. Called once."""

    def on_dump(self, kind: Dump) -> None:
        """Write a dump file."""

    def save_state(self, path: str) -> None:
        """Write what SIGUSR1 writes, as it is now, to this file."""

    def on_query(self, words: tuple[str, ...]) -> dict[str, Any]:
        """Answer an operator's question. To ("snapshot",) the answer is {"snapshot": the child's snapshot}, from
        which the parent makes status and why; to words that are not known it is {}."""

    def on_peer_started(self, kind: ChildKind) -> None:
        """BFD child only: send the state of every session to this new reader."""


class ChildService:
    """The housekeeping of one child around its loop. `config` is the configuration in force."""

    def __init__(self, context: ChildContext, loop: Loop, handler: ChildHandler) -> None:
        self.config = context.config
        self.generation = context.generation
        self._context = context
        self._loop = loop
        self._handler = handler
        self._log = context.log
        self._way = giving_way if context.kind is ChildKind.CHECKER else contextlib.nullcontext
        """What a long adoption runs in: checks may be late, adverts and BFD packets may not."""
        self._status = EXIT_OK
        self._finished = False
        self._stopping = False
        self._reloads = 0
        self._errors: list[int] = []
        self.on_internal_error: Callable[[], object] | None = None
        """Called after an internal error was told."""
        self.next_due: Callable[[], int | None] = lambda: None
        """When the child has to be on time next (monotonic ns). A reload is adopted when that is not soon."""
        self._reader: DeltaReader | None = None
        self._waiting: list[ConfigDelta] = []
        self._channel = Channel(context.channel)
        self._channel.attach(loop, self._receive, self.stop)
        self.rest = Rest(loop.now)
        """For work that may follow work for long: naps where the kernel would end a busy process."""
        self._scheduling = self._make_scheduling(context.config)
        self._scheduling.apply_at_start()
        self._install_signals()
        if context.signal_fd >= 0:
            overheard = socket.socket(fileno=context.signal_fd)
            loop.add_reader(overheard, lambda: self._overhear(overheard), edge=True)
        loop.on_error = self._survive
        if context.kind is not ChildKind.CHECKER:
            gc.disable()
            self._collector = loop.call_at(loop.now() + _COLLECT_EVERY_NS, self._collect)

    def ready(self) -> None:
        """The configuration is taken over: tell the parent, and take the real-time class if one is configured."""
        self._channel.send(Ready(self._context.kind))
        self._scheduling.apply_real_time()
        self._watch_lateness()

    def run(self) -> int:
        """Run the loop until `finish`; return the exit status."""
        if not self._finished:
            self._loop.run()
        self._tell_stopped()
        return self._status

    def alive(self) -> None:
        """Answer the heartbeat before it is asked: for work that may take seconds."""
        self._channel.send(Pong(0))

    def finish(self, status: int = EXIT_OK) -> None:
        """End `run` with this exit status."""
        self._status = status
        self._finished = True
        self._loop.stop()

    def stop(self) -> None:
        """Leave: what SIGTERM, SIGINT and the parent's death come to."""
        if self._stopping:
            return
        self._stopping = True
        try:
            self._handler.on_stop()
        except Exception as error:
            self._tell(error)
            self.finish(EXIT_INTERNAL)

    def request_reload(self) -> None:
        """Ask the parent for a reload of the whole daemon (SIGHUP to a child, D-Bus ReloadConfig)."""
        self._channel.send(ReloadRequest())

    def fork_script_helper(self, connection: socket.socket) -> int:
        """Have the parent fork a script helper for this end of a connection; for ScriptRunner."""
        self._channel.send(ScriptHelper(connection.detach()))
        return 0

    # signals

    def _install_signals(self) -> None:
        handlers: dict[int, Callable[[], object]] = {
            signal.SIGTERM: self.stop,
            signal.SIGHUP: self.request_reload,
            signal.SIGUSR1: lambda: self._handler.on_dump(Dump.DATA),
            signal.SIGXCPU: self._tell_cpu_time,
        }
        if not self._context.options.ignore_sigint:
            handlers[signal.SIGINT] = self.stop
        if self._context.kind is ChildKind.VRRP:
            for number, kind in _DUMPS.items():
                handlers[number] = lambda kind=kind: self._handler.on_dump(kind)  # type: ignore[misc]
        for signum in signal.valid_signals() - NOT_IGNORED - handlers.keys():
            if signal.getsignal(signum) is not signal.SIG_IGN:  # most are, already in the parent
                signal.signal(signum, signal.SIG_IGN)
        for number, handler in handlers.items():
            self._loop.on_signal(number, handler, urgent=number == signal.SIGTERM)
        early_signals.release()

    def _overhear(self, signals: socket.socket) -> None:
        """The parent gets a signal. SIGTERM is for us too: others wait for our farewell, and the parent may be busy."""
        with contextlib.suppress(BlockingIOError):
            if signal.SIGTERM in signals.recv(_MOST_SIGNALS, socket.MSG_PEEK):
                self.stop()

    def _tell_cpu_time(self) -> None:
        kind = self._context.kind
        who = {ChildKind.VRRP: "VRRP", ChildKind.CHECKER: "Checker", ChildKind.BFD: "BFD"}[kind]
        self._log.info(f"{who} process has used too much CPU time, {kind}_rlimit_rttime may need to be increased")

    # the parent's messages

    def _receive(self, messages: list[Any]) -> None:
        for message in messages:
            try:
                self._obey(message)
            except Exception as error:
                self._survive(error)  # the messages behind it are not to be lost with it

    def _obey(self, message: Any) -> None:
        match message:
            case Ping(number):
                self._channel.send(Pong(number))
            case ConfigDelta():
                self._waiting.append(message)
                self._next_reload()
            case WriteDump(kind):
                self._handler.on_dump(kind)
            case PeerStarted(kind):
                self._handler.on_peer_started(kind)
            case Query(number, words):
                self._channel.send(Answer(number, self._handler.on_query(words)))
            case MessageLost():
                self._no_memory()

    def _no_memory(self) -> None:
        """A configuration does not fit beside the old one; a new process has room for it, and adopts what is there."""
        self._log.error("No memory for the new configuration, starting again")
        self.finish(EXIT_INTERNAL)

    def _next_reload(self) -> None:
        if self._reader is None and self._waiting:
            delta = self._waiting.pop(0)
            if delta.base != self.generation:
                self._log.error(f"Configuration {delta.generation} does not follow {self.generation}, starting again")
                self.finish(EXIT_INTERNAL)
                return
            self._reader = DeltaReader(self.config, delta)
            self._load_some()

    def _load_some(self) -> None:
        """Load parts of the new configuration for a moment, then let adverts and timers have their turn."""
        reader = self._reader
        if reader is None or self._stopping:
            return
        until = self._loop.now() + _SLICE_NS
        try:
            while reader.step():
                if self._loop.now() >= until:
                    self._loop.call_at(until, self._load_some)
                    return
            config = reader.result()
        except MemoryError:
            self._no_memory()
            return
        self._adopt_when_quiet(config, reader.generation, self._loop.now() + _PATIENCE_NS)

    def _adopt_when_quiet(self, config: Config, generation: int, until: int) -> None:
        """Adopt it between two moments at which the child has to be on time, or when there is no such pause."""
        if self._stopping:
            return
        now, due = self._loop.now(), self.next_due()
        if due is not None and due < now + _QUIET_NS and now < until:
            again = max(due, now) + _SLICE_NS
            self._loop.call_at(again, lambda: self._adopt_when_quiet(config, generation, until))
            return
        self._reader = None
        self._adopt(config, generation)
        self._next_reload()

    def _adopt(self, config: Config, generation: int) -> None:
        kind = self._context.kind
        self._log.info("Reloading")
        self._reloads += 1
        try:
            with self._scheduling.normal(), self._way():
                self._save_state(self.config, "pre")
                summary = self._handler.on_reload(config, generation)
                self._save_state(config, "post")
        except Exception as error:
            self._tell(error)
            self._channel.send(ReloadFailed(kind, generation, f"{type(error).__name__}: {error}"))
            return
        if self._scheduling_words(config) != self._scheduling_words(self.config):
            self._scheduling.take_back()
            self._scheduling = self._make_scheduling(config)
            self._scheduling.apply_at_start()
            self._scheduling.apply_real_time()
        self.config, self.generation = config, generation
        self._watch_lateness()
        self._channel.send(Adopted(kind, generation, summary))

    def _save_state(self, config: Config, moment: str) -> None:
        """config_save_dir: the state before and after each reload."""
        path = reload_path(config.globals, str(self._context.kind), f"{self._reloads}.{moment}")
        if path:
            self._handler.save_state(path)

    # scheduling

    def _settings(self, config: Config) -> Scheduling:
        return scheduling_of(self._context.kind, config.globals)

    def _scheduling_words(self, config: Config) -> tuple[object, ...]:
        """All that the configuration says about it."""
        wanted = config.globals
        return self._settings(config), wanted.max_auto_priority, wanted.min_auto_priority_delay_us

    def _make_scheduling(self, config: Config) -> ChildScheduling:
        wanted, settings = config.globals, self._settings(config)
        self.rest.needed = bool(settings.rt_priority or wanted.max_auto_priority)
        return ChildScheduling(
            str(self._context.kind),
            settings,
            self._log,
            wanted.max_auto_priority,
            wanted.min_auto_priority_delay_us,
        )

    def _watch_lateness(self) -> None:
        self._loop.on_late(self._scheduling.min_auto_delay_ns, self._scheduling.raise_priority)

    def _collect(self) -> None:
        """Free cyclic garbage of the last minute; what existed at start is frozen and not looked at."""
        gc.collect(1)
        self._collector.move(self._loop.now() + _COLLECT_EVERY_NS)

    # errors and the end

    def _survive(self, error: Exception) -> None:
        """An internal error: keep the service as it is and tell loudly; start again if errors do not end."""
        self._tell(error)
        now = self._loop.now()
        self._errors = [at for at in self._errors if now - at < _ERROR_WINDOW_NS]
        self._errors.append(now)
        if len(self._errors) >= _ERRORS_TO_GIVE_UP:
            self._log.error("Internal errors do not end, starting again")
            self.finish(EXIT_INTERNAL)

    def _tell(self, error: Exception) -> None:
        self._log.internal_error(error)
        if self.on_internal_error is not None:
            self.on_internal_error()

    def _tell_stopped(self) -> None:
        if self._log.detail:
            used = resource.getrusage(resource.RUSAGE_SELF)
            self._log.info(f"Stopped - used {used.ru_utime:.6f} user time, {used.ru_stime:.6f} system time")
        else:
            self._log.info("Stopped")
