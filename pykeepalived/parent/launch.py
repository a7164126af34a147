"""Making a child process: the fork, and what the child does before its own code runs. No policy lives here."""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Protocol

from pykeepalived.config.model import Config
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.notify.spawner import fork_helper
from pykeepalived.parent.namespace import in_initial_network_namespace
from pykeepalived.runtime import early_signals
from pykeepalived.runtime.channel import Channel, channel_pair
from pykeepalived.runtime.child import ChildContext, DaemonOptions, scheduling_of
from pykeepalived.runtime.child_loop import EXIT_INTERNAL
from pykeepalived.runtime.forking import close_all_but, fork, fresh_signals
from pykeepalived.runtime.log import IDENT_BFD, IDENT_CHECKER, IDENT_VRRP, Log
from pykeepalived.runtime.messages import ChildKind, Leaving
from pykeepalived.runtime.pidfile import AlreadyRunningError, PidFile
from pykeepalived.runtime.privileges import (
    BFD_CAPABILITIES,
    CHECKER_CAPABILITIES,
    NAMESPACE_CAPABILITIES,
    SCRIPT_CAPABILITIES,
    VRRP_CAPABILITIES,
    keep_only,
    refuse_others,
)
from pykeepalived.runtime.scheduling import original_limits, set_parent_death_signal, set_process_name

RunChild = Callable[[ChildContext], int]

IDENTS = {ChildKind.VRRP: IDENT_VRRP, ChildKind.CHECKER: IDENT_CHECKER, ChildKind.BFD: IDENT_BFD}
LOG_FILE_INFIXES = {ChildKind.VRRP: "vrrp", ChildKind.CHECKER: "check", ChildKind.BFD: "bfd"}
_GENERIC_NAMES = {
    ChildKind.VRRP: "keepalived_vrrp",
    ChildKind.CHECKER: "keepalived_lvs",
    ChildKind.BFD: "keepalived_bfd",
}
PARENT_NAME = "keepalived"
_CHANNEL_DESCRIPTOR = 250


def fork_worker(work: Callable[[], object]) -> int:
    """Run `work` beside the daemon, in a process that dies with it; return the pid. Raises OSError."""

    def in_worker() -> int:
        set_parent_death_signal(signal.SIGKILL)
        fresh_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        work()
        return 0

    return fork(in_worker)


class Launcher(Protocol):
    """Starts one child; returns its pid and the parent's end of the channel. Raises OSError."""

    def launch(
        self, kind: ChildKind, config: Config, generation: int, respawned: bool
    ) -> tuple[int, socket.socket]: ...

    def launch_helper(self, kind: ChildKind, config: Config, connection: socket.socket) -> None:
        """Start the process that runs this child's scripts and serves `connection`, which is closed here."""

    def release(self, kind: ChildKind) -> None:
        """This child is not started now: leave no pid file of it."""


@dataclass(slots=True, kw_only=True)
class ForkLauncher:
    """Starts children by fork, so that they share the code and the configuration that the parent has loaded.

    `runs` are the children's entry points, `open_log(kind)` makes a child's own log, `pid_files` are locked already,
    `signal_fd()` is the parent's Loop.signal_fd.
    """

    runs: Mapping[ChildKind, RunChild]
    options: DaemonOptions
    open_log: Callable[[ChildKind], Log]
    pid_files: Mapping[ChildKind, PidFile]
    signal_fd: Callable[[], int] = lambda: -1
    _pipes: dict[ChildKind, tuple[int, int]] = field(default_factory=dict)

    def launch(self, kind: ChildKind, config: Config, generation: int, respawned: bool) -> tuple[int, socket.socket]:
        self._make_pipes()
        ours, theirs = channel_pair()
        gc.freeze()
        parent, begin = os.getpid(), time.monotonic_ns()
        try:
            pid = fork(lambda: self._child(kind, config, generation, respawned, theirs, parent, begin))
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return pid, ours

    def launch_helper(self, kind: ChildKind, config: Config, connection: socket.socket) -> None:
        """The helper ends with the connection, not with this process: scripts of a stop still have to run."""

        def prepare() -> None:
            set_process_name(_process_name(kind, config))
            keep_only(SCRIPT_CAPABILITIES, self.open_log(kind))

        gc.freeze()
        fork_helper(connection, original_limits(), prepare)

    def release(self, kind: ChildKind) -> None:
        if kind in self.pid_files:
            self.pid_files[kind].remove()

    def _make_pipes(self) -> None:
        """The pipes from the BFD child to its readers; the parent holds both ends, so that either side may restart."""
        for kind in (ChildKind.VRRP, ChildKind.CHECKER):
            if kind not in self._pipes:
                self._pipes[kind] = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def _child(
        self,
        kind: ChildKind,
        config: Config,
        generation: int,
        respawned: bool,
        channel: socket.socket,
        parent: int,
        begin: int,
    ) -> int:
        set_parent_death_signal(signal.SIGTERM)
        if os.getppid() != parent:
            return 0
        fresh_signals()
        early_signals.begin()
        bfd_in = self._pipes[kind][0] if kind in self._pipes else None
        bfd_out = {k: pipe[1] for k, pipe in self._pipes.items()} if kind is ChildKind.BFD else {}
        pid_file = self.pid_files.get(kind)
        signal_fd = self.signal_fd() if kind is ChildKind.VRRP else -1
        channel = _out_of_the_way(channel)
        keep = {0, 1, 2, channel.fileno(), *bfd_out.values()}
        keep |= {
            fd for fd in (bfd_in, signal_fd, pid_file.fileno() if pid_file else None) if fd is not None and fd >= 0
        }
        close_all_but(keep)
        log = self.open_log(kind)
        set_process_name(_process_name(kind, config))
        if pid_file is not None:
            _write_pid(pid_file, log)
        refuse_others(_capabilities(kind, config), log)
        context = ChildContext(
            kind=kind,
            config=config,
            options=self.options,
            channel=channel,
            log=log,
            bfd_in=bfd_in,
            bfd_out=bfd_out,
            respawned=respawned,
            generation=generation,
            forked_ns=begin,
            signal_fd=signal_fd,
        )
        status = self._run(context)
        if pid_file is not None:
            pid_file.remove()
        Channel(channel).send(Leaving(status))
        return status

    def _run(self, context: ChildContext) -> int:
        try:
            return self.runs[context.kind](context)
        except Exception as error:
            context.log.internal_error(error, detail=0)
            return EXIT_INTERNAL


def _write_pid(file: PidFile, log: Log) -> None:
    """A child goes on without its pid file."""
    try:
        file.write(os.getpid())
    except (OSError, AlreadyRunningError) as error:
        log.error(f"Unable to write pid file {file.path} - {error}")


def _out_of_the_way(channel: socket.socket) -> socket.socket:
    """The channel under a high number.

    The kernel closes a killed process' descriptors from the highest down, and waits some ten milliseconds over each
    packet socket. The parent should see the end of the channel before that.
    """
    try:
        fd = fcntl.fcntl(channel.fileno(), fcntl.F_DUPFD_CLOEXEC, _CHANNEL_DESCRIPTOR)
    except OSError:
        return channel
    channel.close()
    return socket.socket(fileno=fd)


def _capabilities(kind: ChildKind, config: Config) -> frozenset[int]:
    """What a child keeps. Which namespaces there are cannot change at a reload."""
    if kind is ChildKind.BFD:
        return BFD_CAPABILITIES
    wanted = VRRP_CAPABILITIES if kind is ChildKind.VRRP else CHECKER_CAPABILITIES
    abroad = config.globals.net_namespace_ipvs is not None or not in_initial_network_namespace()
    return wanted | NAMESPACE_CAPABILITIES if abroad else wanted


def _process_name(kind: ChildKind, config: Config) -> str:
    settings = scheduling_of(kind, config.globals)
    generic = _GENERIC_NAMES[kind] if config.globals.process_names else ""
    return settings.process_name or generic or config.globals.process_name or PARENT_NAME
