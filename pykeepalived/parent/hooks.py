"""The startup and shutdown scripts: run one, wait for its end without blocking, tell how it ended."""

from __future__ import annotations

from collections.abc import Callable

from pykeepalived.config.model.values import Script
from pykeepalived.notify.scripts import KILL_AFTER_NS, KILL_AGAIN_NS, ScriptResult, ScriptRun, ScriptRunner
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop

_GIVE_UP_NS = 2 * KILL_AFTER_NS + KILL_AGAIN_NS
"""From SIGTERM to going on without the end of a script that SIGKILL does not end."""


class Hook:
    """One run of the `word` ("startup" or "shutdown") script.

    `done` is called once: at its end, whatever its status, or when it has outlived its timeout, SIGTERM and SIGKILL.
    """

    def __init__(self, loop: Loop, log: Log, word: str, done: Callable[[], object]) -> None:
        self._loop = loop
        self._log = log
        self._word = word
        self._done = done
        self._timed_out = False
        self._over = False

    def start(self, runner: ScriptRunner, script: Script, timeout_s: int) -> None:
        """Run the script, for at most this many seconds."""
        self._log.info(f"Running {self._word} script {script.command_line}", detail=1)
        run = runner.start(script, done=self._ended, name=f"{self._word} script")
        at = self._loop.now() + timeout_s * 1_000_000_000
        self._timer = self._loop.call_at(at, lambda: self._time_out(run))

    def _time_out(self, run: ScriptRun) -> None:
        self._timed_out = True
        self._log.info(f"{self._word} script timed out")
        run.terminate()
        self._timer = self._loop.call_at(self._loop.now() + _GIVE_UP_NS, self._finish)

    def _ended(self, result: ScriptResult) -> None:
        word = self._word
        if self._timed_out:
            pass  # told already
        elif result.status:
            self._log.info(f"{word} script script failed, status {result.status}")
        elif result.signal:
            self._log.info(f"{word} script exited due to signal {result.signal}")
        elif result.success:
            self._log.info(f"{word} script script succeeded", detail=1)
        self._finish()

    def _finish(self) -> None:
        if not self._over:
            self._over = True
            self._timer.cancel()
            self._done()
