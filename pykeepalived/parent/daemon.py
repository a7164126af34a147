"""The parent while it runs: it ties signals, children, reload, systemd and the operator's socket together.

What happens before (reading the configuration, pid files, detaching) is start.py.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from pykeepalived.config.model import Config
from pykeepalived.notify.scripts import ScriptRunner
from pykeepalived.observe.dump_files import DumpWriter, data_path, dump_directory
from pykeepalived.parent.children import Children
from pykeepalived.parent.hooks import Hook
from pykeepalived.parent.launch import Launcher
from pykeepalived.parent.loaded import Loader
from pykeepalived.parent.modules import IpvsModule
from pykeepalived.parent.options import Options
from pykeepalived.parent.parts import wanted_children
from pykeepalived.parent.process import cpu_usage
from pykeepalived.parent.reload import Reloader
from pykeepalived.parent.systemd import ServiceManager
from pykeepalived.runtime import early_signals
from pykeepalived.runtime.child_loop import EXIT_PERMISSION, NOT_IGNORED
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import ChildKind, Dump

if TYPE_CHECKING:
    from pykeepalived.parent.reload_time import ReloadTimer

_EINVAL, _EPERM = 22, 1
_SECOND_NS = 1_000_000_000


class Phase(Enum):
    STARTING = "starting"
    RUNNING = "running"
    RELOADING = "reloading"
    STOPPING = "stopping"


class Daemon:
    """The running parent. `run` returns the exit status of the daemon.

    `loader` reads the daemon's own configuration, `make_loader` is for looking at others.
    """

    def __init__(
        self,
        options: Options,
        config: Config,
        *,
        loop: Loop,
        log: Log,
        launcher: Launcher,
        product: str,
        loader: Loader,
        make_loader: Callable[[Options], Loader],
        manager: ServiceManager,
        prepare: Callable[[ChildKind], object] = lambda kind: None,
        clear: Callable[[ChildKind], object] = lambda kind: None,
        reload_file: Callable[[Config], str] = lambda config: "",
    ) -> None:
        self.options = options
        self.loop = loop
        self.log = log
        self.product = product
        self.make_loader = make_loader
        self.last_reload = ""
        self.last_reload_ns = 0
        self.config = config
        self.phase = Phase.STARTING
        self.started_ns = loop.now()
        self._launcher = launcher
        self._prepare = prepare
        self._clear = clear
        self._dumps = DumpWriter(log)
        self._manager = manager
        self._status = 0
        self._scripts = ScriptRunner(loop, log)
        self.children = Children(loop, log, launcher, self, respawn=not options.dont_respawn)
        self.reloader = Reloader(log, loader, self, lambda: self.config)
        self._reload_file = reload_file
        self.reloader.reload_file = reload_file(config)
        self._reload_timer: ReloadTimer | None = None
        kinds = {
            ChildKind.VRRP: options.run_vrrp,
            ChildKind.CHECKER: options.run_checker,
            ChildKind.BFD: options.run_bfd,
        }
        self.enabled = frozenset(kind for kind, enabled in kinds.items() if enabled)
        loop.on_error = self._survive

    def run(self) -> int:
        """Start what is configured and serve until told to stop."""
        if self._install_signals():
            self.stop()
        else:
            self._begin()
        self.loop.run()
        self._scripts.close()
        if self._reload_timer is not None:
            self._reload_timer.close()
        return self._status

    # start

    def _begin(self) -> None:
        if self._manager.watchdog_ns:
            self._keep_alive()
        script = self.config.globals.startup_script
        if script is None:
            self._start_children()
        else:
            hook = Hook(self.loop, self.log, "startup", self._start_children)
            hook.start(self._scripts, script, self.config.globals.startup_script_timeout_s)

    def _start_children(self) -> None:
        if self.phase is not Phase.STARTING:
            return
        wanted = self._wanted(self.config)
        for kind in self.enabled.difference(wanted):
            self._launcher.release(kind)
            self._clear_leftovers(kind)
        self.children.adopt(self.config, wanted)
        self._watch_reload_time()
        if not wanted:
            self.log.warning("Warning - keepalived has no configuration to run")
            self.on_settled()

    def _clear_leftovers(self, kind: ChildKind) -> None:
        """No such child runs, but one may have run before, and been killed."""
        try:
            self._clear(kind)
        except Exception as error:
            self.log.error(f"Unable to remove what a predecessor left - {type(error).__name__}: {error}")

    def _wanted(self, config: Config) -> list[ChildKind]:
        """The children that this configuration needs and that can run, with what they need of the kernel loaded."""
        kinds = wanted_children(config, self.enabled, self.options.run_all)
        module = IpvsModule()
        module.begin(config, ChildKind.CHECKER in kinds)
        prepared = self._prepared(kinds)
        module.wait()
        return prepared

    def _prepared(self, kinds: tuple[ChildKind, ...]) -> list[ChildKind]:
        """Import the code of these children; one that cannot be imported costs only itself."""
        prepared = []
        for kind in kinds:
            try:
                self._prepare(kind)
            except Exception as error:
                self.log.error(f"Unable to run the {kind} process - {type(error).__name__}: {error}")
            else:
                prepared.append(kind)
        return prepared

    def _watch_reload_time(self) -> None:
        settings = self.config.globals
        if self._reload_timer is None and settings.reload_time_file:
            from pykeepalived.parent.reload_time import ReloadTimer

            self._reload_timer = ReloadTimer(self.loop, self.log, self.reload)
        if self._reload_timer is not None:
            self._reload_timer.configure(settings.reload_time_file, settings.reload_repeat)

    def on_settled(self) -> None:
        if self.phase is Phase.STARTING:
            if self.children.running:
                self.log.info("Startup complete")
        elif self.phase is Phase.RELOADING:
            self.log.info("Reload complete")
        else:
            return
        self.phase = Phase.RUNNING
        self._manager.ready(self._status_line())
        self.reloader.completed()

    def _status_line(self) -> str:
        names = [str(child.kind) for child in self.children.running]
        return f"Running {', '.join(names)}" if names else "No configuration to run"

    # reload

    def reload(self) -> None:
        """SIGHUP, a child's request, or the time of reload_time_file."""
        if self.phase is not Phase.STOPPING:
            self.reloader.request()

    def on_reload_request(self) -> None:
        self.reload()

    def on_reload_accepted(self, config: Config) -> None:
        self.phase = Phase.RELOADING
        self._note_reload("complete")
        self._manager.reloading(self.loop.now())
        if self.log.detail:
            from pykeepalived.config.diff import diff

            for change in diff(self.config, config):
                self.log.info(f"Reload: {change}", detail=1)
        self.config = config
        self.reloader.reload_file = self._reload_file(config)
        wanted = self._wanted(config)
        self.children.adopt(config, wanted)
        self._watch_reload_time()
        if self.children.settled:
            self.on_settled()

    def on_reload_refused(self, reason: str) -> None:
        self._note_reload(reason)
        # Type=notify-reload waits for both messages whatever becomes of the reload.
        self._manager.reloading(self.loop.now())
        self._manager.ready(f"{self._status_line()}; {reason}")

    def on_reload_failed(self, kind: ChildKind, reason: str) -> None:
        self._note_reload(f"The {kind} process could not adopt the new configuration: {reason}")
        self.log.error(self.last_reload)

    def _note_reload(self, outcome: str) -> None:
        self.last_reload, self.last_reload_ns = outcome, self.loop.now()

    # signals

    def _install_signals(self) -> bool:
        """Returns whether one that stops the daemon has come already."""
        handlers: dict[int, Callable[[], object]] = {
            signal.SIGHUP: self.reload,
            signal.SIGTERM: self.stop,
            signal.SIGCHLD: self._reap,
            signal.SIGUSR1: self.dump_data,
            signal.SIGUSR2: lambda: self.children.dump(ChildKind.VRRP, Dump.STATS),
            signal.SIGRTMAX - 1: lambda: self.children.dump(ChildKind.VRRP, Dump.STATS_CLEAR),
            signal.SIGRTMIN + 2: lambda: self.children.dump(ChildKind.VRRP, Dump.JSON),
        }
        if not self.options.ignore_sigint:
            handlers[signal.SIGINT] = self.stop
        for signum in signal.valid_signals() - NOT_IGNORED - handlers.keys():
            signal.signal(signum, signal.SIG_IGN)
        for number, handler in handlers.items():
            self.loop.on_signal(number, handler, urgent=number == signal.SIGTERM)
        stopped = early_signals.stop_waits()
        early_signals.release()
        return stopped

    def _reap(self) -> None:
        self._dumps.reap()
        self._scripts.reap()
        self.children.reap()

    def dump_data(self) -> None:
        """SIGUSR1: every process writes its data file."""
        for kind in ChildKind:
            self.children.dump(kind, Dump.DATA)
        self.log.info(f"Printing parent data for process({os.getpid()}) on signal")
        config = self.config
        directory, _ = dump_directory(os.environ)
        self._dumps.write(data_path(config.globals, "parent", directory), lambda: _parent_data(config))

    # stop

    def stop(self) -> None:
        """SIGTERM or SIGINT: children first, then the shutdown script, then the end."""
        self._stop(0, "Stopping")

    def _stop(self, status: int, text: str) -> None:
        if self.phase is Phase.STOPPING:
            return
        self.phase = Phase.STOPPING
        self._status = status

        def tell() -> None:
            if text:
                self.log.info(text)

        self.children.stop(self.config.globals.child_wait_time_s * _SECOND_NS, tell)
        self._manager.stopping()
        self._scripts.terminate_all(_SECOND_NS)

    def on_permanent_error(self, status: int) -> None:
        self._manager.failed(_EPERM if status == EXIT_PERMISSION else _EINVAL)
        self._stop(status, "")

    def on_dead_for_good(self) -> None:
        self.stop()

    def on_all_gone(self) -> None:
        script = self.config.globals.shutdown_script
        if script is None or self._status:
            self._end()
        else:
            hook = Hook(self.loop, self.log, "shutdown", self._end)
            hook.start(self._scripts, script, self.config.globals.shutdown_script_timeout_s)

    def _end(self) -> None:
        if self.log.detail:
            self.log.info(cpu_usage())
        self.loop.stop()

    # health

    def _keep_alive(self) -> None:
        self._manager.alive()
        self.loop.call_at(self.loop.now() + self._manager.watchdog_ns // 2, self._keep_alive)

    def _survive(self, error: Exception) -> None:
        """An internal error in the parent must not end the service."""
        self.log.internal_error(error)


def _parent_data(config: Config) -> str:
    """Runs in the process that writes the dump; nobody else needs the code."""
    from pykeepalived.observe.dump.parent import parent_data

    return parent_data(config)
