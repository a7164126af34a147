"""A real loop, a log that remembers, and a runner that is closed in any case."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from pykeepalived.notify.scripts import ScriptRunner
from pykeepalived.observe.cause import LogLine
from pykeepalived.runtime.loop import Loop


class MemoryLog:
    def __init__(self) -> None:
        self.lines: list[LogLine] = []

    def write(self, line: LogLine) -> None:
        self.lines.append(line)

    @property
    def texts(self) -> list[str]:
        return [line.text for line in self.lines]


class Driver:
    """Runs the loop until a condition holds; the limit only keeps a broken test from hanging."""

    def __init__(self) -> None:
        self.loop = Loop()

    def until(self, condition: Callable[[], object], limit_s: float = 60.0) -> None:
        end = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > end:
                raise AssertionError("condition not reached")
            self.loop.run_once(self.loop.now() + 50_000_000)

    def for_seconds(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.loop.run_once(self.loop.now() + 20_000_000)


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.loop.close()


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def runner(driver: Driver, log: MemoryLog) -> Iterator[ScriptRunner]:
    runner = ScriptRunner(driver.loop, log)
    yield runner
    pid = runner._helper_pid
    runner.close()
    if pid:
        import os

        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass
