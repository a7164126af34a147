"""Startup and shutdown scripts, in virtual time: their ends, their timeout, and the script that nothing ends."""

from __future__ import annotations

import pytest

from pykeepalived.config.model.values import Account, Script
from pykeepalived.notify.scripts import ScriptResult
from pykeepalived.parent.hooks import Hook
from pykeepalived.runtime.clock import VirtualClock
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop

SECOND = 1_000_000_000


class Run:
    def __init__(self) -> None:
        self.terminated = 0

    def terminate(self) -> None:
        self.terminated += 1


class Runner:
    """Starts nothing; `end` is the end of what was started."""

    def __init__(self) -> None:
        self.run = Run()

    def start(self, script, done, name):
        self.end = done
        self.name = name
        return self.run


class Lines:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def emit(self, line) -> bool:
        self.texts.append(line.text)
        return True

    def close(self) -> None:
        pass


class World:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.loop = Loop(self.clock)
        self.lines = Lines()
        self.runner = Runner()
        self.ends: list[int] = []
        hook = Hook(self.loop, Log([self.lines], detail=1), "startup", lambda: self.ends.append(self.clock.now()))
        self.begun = self.clock.now()
        hook.start(self.runner, Script(words=("/bin/x",), account=Account(0, 0), path="/bin/x"), 10)

    def wait(self, seconds: float) -> None:
        self.clock.advance(int(seconds * SECOND))
        self.loop.run_once(self.clock.now())


@pytest.fixture
def world():
    world = World()
    yield world
    world.loop.close()


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (ScriptResult(status=0), "startup script script succeeded"),
        (ScriptResult(status=3), "startup script script failed, status 3"),
        (ScriptResult(signal=9), "startup script exited due to signal 9"),
    ],
)
def test_any_end_is_told_and_lets_the_daemon_go_on(world, result, text):
    world.runner.end(result)
    assert world.lines.texts == ["Running startup script /bin/x", text]
    assert len(world.ends) == 1
    world.wait(60)
    assert len(world.ends) == 1
    assert world.runner.run.terminated == 0


@pytest.mark.keyword("global_defs/startup_script_timeout")
@pytest.mark.keyword("global_defs/shutdown_script_timeout")
def test_the_timeout_is_told_at_once_and_its_end_is_awaited(world):
    world.wait(9.9)
    assert world.runner.run.terminated == 0
    world.wait(0.1)
    assert world.lines.texts[1:] == ["startup script timed out"]
    assert world.runner.run.terminated == 1
    assert world.ends == []
    world.runner.end(ScriptResult(signal=15))
    assert len(world.ends) == 1
    assert world.lines.texts[1:] == ["startup script timed out"]


def test_what_cannot_be_killed_is_given_up(world):
    world.wait(10)
    world.wait(13.9)
    assert world.ends == []
    world.wait(0.1)
    assert world.ends == [world.begun + 24 * SECOND]
    world.runner.end(ScriptResult(signal=9))
    assert len(world.ends) == 1
