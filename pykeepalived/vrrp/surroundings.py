"""What the VRRP process watches for its trackers: files, links that tell nothing, processes, scripts it runs. Shell.

What follows from it is decided in track.py and tracking.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from pykeepalived.config.model import Config
from pykeepalived.notify.scripts import ScriptResult, ScriptRun, ScriptRunner
from pykeepalived.observe.cause import LogLine
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.tracked_files import FileWatcher, read_tracked, write_initial
from pykeepalived.vrrp import effects, inputs
from pykeepalived.vrrp.processes import ProcessWatcher
from pykeepalived.vrrp.watchers import LinkbeatPoller

_NOT_STARTED = 127
"""The exit status of a script that could not be run, as sh(1) has it."""


class Surroundings:
    """`feed` takes what has changed to the core."""

    def __init__(
        self,
        loop: Loop,
        log: Callable[[LogLine], object],
        runner: ScriptRunner,
        feed: Callable[[Iterable[inputs.Input]], object],
    ) -> None:
        self._log = log
        self._runner = runner
        self._feed = feed
        self._files = FileWatcher(loop, log, self._file_changed, "vrrp track file")
        self._linkbeat = LinkbeatPoller(loop, log, self._linkbeat_changed)
        self._processes = ProcessWatcher(loop, log, self._process_count_changed)
        self._runs: dict[str, ScriptRun] = {}

    def begin(self, config: Config, view: inputs.View) -> inputs.View:
        """At the start: write the files that are to be written first; the view with files and processes as they are."""
        for file in config.track_files:
            write_initial(file, self._log)
        return replace(
            view,
            files={file.name: read_tracked(file.path) for file in config.track_files},
            processes=self._processes.begin(config.track_processes, config.globals.process_monitor_rcv_bufs),
        )

    def watch(self, effect: effects.WatchTrackers, config: Config) -> None:
        """Watch exactly these from now on."""
        self._files.watch(file for file in config.track_files if file.name in effect.files)
        self._linkbeat.watch(effect.polled_interfaces, config.linkbeat_interfaces)
        self._processes.watch(
            (entry for entry in config.track_processes if entry.name in effect.processes),
            config.globals.process_monitor_rcv_bufs,
        )

    def close(self) -> None:
        """Watch nothing any more, and terminate scripts that run."""
        self._files.close()
        self._linkbeat.close()
        self._processes.close()
        for run in self._runs.values():
            run.terminate()
        self._runs.clear()

    # scripts

    def start_script(self, effect: effects.StartScript) -> None:
        """Run a script; the core hears of its end."""
        name = effect.name

        def done(result: ScriptResult) -> None:
            if self._runs.get(name) is not started:
                return
            del self._runs[name]
            status = _NOT_STARTED if result.failed_to_start else result.status or 0
            message = inputs.ScriptFinished(name, status, result.signal or 0, result.timed_out)
            self._feed([message])

        started = self._runner.start(effect.script, (), effect.timeout_ns or None, done, name, repeatable=True)
        self._runs[name] = started

    def stop_script(self, effect: effects.StopScript) -> None:
        """Terminate a script that runs; nothing is heard of its end."""
        run = self._runs.pop(effect.name, None)
        if run is not None:
            run.terminate()

    def script_states(self) -> dict[str, str]:
        """The scripts that run, in the words of dumps."""
        return {name: run.state for name, run in self._runs.items()}

    # what has changed

    def _file_changed(self, name: str, content: bytes | None) -> None:
        self._feed([inputs.FileChanged(name, content)])

    def _linkbeat_changed(self, name: str, up: bool) -> None:
        self._feed([inputs.LinkbeatChanged(name, up)])

    def _process_count_changed(self, name: str, count: int) -> None:
        self._feed([inputs.ProcessCount(name, count)])
