"""reload_time_file: which times are understood, and when the reload happens."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone

import pytest

from pykeepalived.parent.reload_time import ReloadTimeError, ReloadTimer, read_reload_time
from pykeepalived.runtime.clock import VirtualClock
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop

ZONE = timezone(timedelta(hours=2))
NOW = datetime(2026, 11, 22, 15, 0, 0, tzinfo=ZONE)
PATH = "global_defs/reload_time_file"


@pytest.mark.keyword(PATH)
@pytest.mark.parametrize(
    ("text", "at", "dated"),
    [
        ("15:16:08", datetime(2026, 11, 22, 15, 16, 8, tzinfo=ZONE), False),
        ("14:59:59", datetime(2026, 11, 23, 14, 59, 59, tzinfo=ZONE), False),
        ("15:00:00", datetime(2026, 11, 23, 15, 0, 0, tzinfo=ZONE), False),
        ("15:16:08Z", datetime(2026, 11, 22, 15, 16, 8, tzinfo=UTC), False),
        ("12:00:00Z", datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC), False),
        ("26-11-22 15:16:08", datetime(2026, 11, 22, 15, 16, 8, tzinfo=ZONE), True),
        ("2027-01-01 00:00:00", datetime(2027, 1, 1, tzinfo=ZONE), True),
        ("2027-01-01 00:00:00Z", datetime(2027, 1, 1, tzinfo=UTC), True),
    ],
)
def test_times(text, at, dated):
    time = read_reload_time(text, NOW, ZONE)
    assert (time.at, time.dated) == (at, dated)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Reload time  format is incorrect - ignoring"),
        ("15:16", "Reload time 15:16 format is incorrect - ignoring"),
        ("tomorrow", "Reload time tomorrow format is incorrect - ignoring"),
        ("25:00:00", "Reload date/time 25:00:00 invalid - ignoring"),
        ("2026-02-30 10:00:00", "Reload date/time 2026-02-30 10:00:00 invalid - ignoring"),
        (
            "2026-11-22 14:00:00",
            "Reload time 2026-11-22 14:00:00 is in the past - ignoring\nReload date/time is in the past - ignoring",
        ),
    ],
)
def test_what_is_no_time_to_come(text, message):
    with pytest.raises(ReloadTimeError) as error:
        read_reload_time(text, NOW, ZONE)
    assert str(error.value) == message


class World:
    def __init__(self, tmp_path):
        self.clock = VirtualClock()
        self.loop = Loop(self.clock)
        self.start = self.clock.now()
        self.lines = []
        self.reloads = []
        self.path = tmp_path / "when"
        self.timer = ReloadTimer(self.loop, Log([self]), lambda: self.reloads.append(self.wall()), self.wall)

    def emit(self, line):
        self.lines.append(line.text)
        return True

    def close(self):
        pass

    def wall(self):
        seconds = (self.clock.now() - self.start) / 1e9
        return datetime(2026, 11, 22, 15, 0, 0, tzinfo=UTC) + timedelta(seconds=seconds)

    def run_for(self, seconds):
        until = self.clock.now() + int(seconds * 1e9)
        while self.clock.now() < until:
            self.loop.run_once(until)

    def turn(self):
        for _ in range(5):
            self.loop.run_once(self.loop.now())


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.timer.close()
    world.loop.close()


@pytest.mark.keyword(PATH)
def test_the_file_is_followed_and_removed_when_its_time_has_come(world):
    world.timer.configure(str(world.path), repeat=False)
    world.path.write_text("15:16:08Z\n")
    world.turn()
    assert world.lines == ["Scheduling reload for 2026-11-22 15:16:08Z"]
    world.path.write_text("15:20:00Z\n")
    world.turn()
    assert world.lines[-1] == "Reload time updated from 2026-11-22 15:16:08Z to 2026-11-22 15:20:00Z"
    world.run_for(20 * 60 - 1)
    assert world.reloads == []
    world.run_for(2)
    assert world.reloads == [datetime(2026, 11, 22, 15, 20, 0, tzinfo=UTC)]
    assert not world.path.exists()


def test_what_is_no_file_stops_nobody(world):
    os.mkfifo(world.path)
    world.timer.configure(str(world.path), repeat=False)
    writer = os.open(world.path, os.O_RDWR)
    world.timer.configure(str(world.path), repeat=False)
    os.close(writer)
    assert world.lines == []


@pytest.mark.keyword(PATH)
@pytest.mark.parametrize("end", ["remove", "empty", "invalid", "move"])
def test_a_schedule_is_cancelled_with_its_file(world, end):
    world.path.write_text("15:16:08Z")
    world.timer.configure(str(world.path), repeat=False)
    if end == "remove":
        world.path.unlink()
    elif end == "move":
        world.path.rename(world.path.with_name("elsewhere"))
    else:
        world.path.write_text("" if end == "empty" else "x")
    world.turn()
    assert world.lines[0] == "Scheduling reload for 2026-11-22 15:16:08Z"
    assert world.lines[-1] == "Cancelling reload scheduled for 2026-11-22 15:16:08Z"
    world.run_for(3600)
    assert world.reloads == []


@pytest.mark.keyword("global_defs/reload_repeat")
def test_a_time_of_day_repeats_every_day(world):
    world.path.write_text("15:16:08Z")
    world.timer.configure(str(world.path), repeat=True)
    world.run_for(3 * 86400)
    assert [at.day for at in world.reloads] == [22, 23, 24]
    assert world.path.exists()


@pytest.mark.keyword("global_defs/reload_repeat")
def test_a_date_does_not_repeat(world):
    world.path.write_text("2026-11-22 15:16:08Z")
    world.timer.configure(str(world.path), repeat=True)
    world.run_for(3 * 86400)
    assert len(world.reloads) == 1
    assert not world.path.exists()
