"""The startup and shutdown scripts: run one, wait for its end without blocking, tell how it ended."""

from __future__ import annotations

from collections.abc import Callable

from pykeepalived.config.model.values import Script
from pykeepalived.notify.scripts import ScriptResult, ScriptRunner
from pykeepalived.runtime.log import Log


def run_hook(
    runner: ScriptRunner, log: Log, word: str, script: Script, timeout_s: int, done: Callable[[], object]
) -> None:
    """Run the `word` ("startup" or "shutdown") script; `done` is called at its end, whatever its status."""
    log.info(f"Running {word} script {script.command_line}", detail=1)

    def ended(result: ScriptResult) -> None:
        if result.timed_out:
            log.info(f"{word} script timed out")
        elif result.status:
            log.info(f"{word} script script failed, status {result.status}")
        elif result.signal:
            log.info(f"{word} script exited due to signal {result.signal}")
        elif result.success:
            log.info(f"{word} script script succeeded", detail=1)
        done()

    runner.start(script, timeout_ns=timeout_s * 1_000_000_000, done=ended, name=f"{word} script")
