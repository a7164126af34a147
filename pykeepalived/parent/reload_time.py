"""reload_time_file: a file that says when to reload (keepalived.conf(5)). Reading of the time, and the watch on it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from pykeepalived.light_dataclasses import dataclass
from pykeepalived.runtime.inotify import DirectoryWatch
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop

_FORMAT = re.compile(r"(?:(\d{2}|\d{4})-(\d{2})-(\d{2})[ \t]+)?(\d{2}):(\d{2}):(\d{2})(Z?)\s*")
_CENTURY = 2000


class ReloadTimeError(Exception):
    """The text is no time to come; str() is keepalived's log line, or several."""


@dataclass(frozen=True, slots=True)
class ReloadTime:
    """When to reload; `dated` tells that a date was given, so that it cannot repeat."""

    at: datetime
    dated: bool


def read_reload_time(text: str, now: datetime, local: tzinfo | None = None) -> ReloadTime:
    """The time in the first line of the file. `now` is aware; `local` None = the system's zone.

    A time of day that has passed means tomorrow. Raises ReloadTimeError.
    """
    match = _FORMAT.fullmatch(text)
    if match is None:
        raise ReloadTimeError(f"Reload time {text} format is incorrect - ignoring")
    year, month, day, hour, minute, second, utc = match.groups()
    zone: tzinfo | None = UTC if utc else local
    here = now.astimezone(zone)
    try:
        if year is None:
            at = _at(here, zone, here.year, here.month, here.day, int(hour), int(minute), int(second))
            if at <= now:
                at = _at(here, zone, at.year, at.month, at.day, int(hour), int(minute), int(second), days=1)
            return ReloadTime(at, dated=False)
        full_year = int(year) + (_CENTURY if len(year) == len("YY") else 0)
        at = _at(here, zone, full_year, int(month), int(day), int(hour), int(minute), int(second))
    except ValueError:
        raise ReloadTimeError(f"Reload date/time {text} invalid - ignoring") from None
    if at <= now:
        raise ReloadTimeError(
            f"Reload time {text} is in the past - ignoring\nReload date/time is in the past - ignoring"
        )
    return ReloadTime(at, dated=True)


def _at(here: datetime, zone: tzinfo | None, *parts: int, days: int = 0) -> datetime:
    naive = datetime(*parts) + timedelta(days=days)  # type: ignore[arg-type]
    return naive.replace(tzinfo=zone) if zone is not None else naive.astimezone()


class ReloadTimer:
    """Watches the file and calls `reload` when its time has come. Wall clock: a clock step moves the reload with it."""

    _CHECK_NS = 30_000_000_000

    def __init__(
        self,
        loop: Loop,
        log: Log,
        reload: Callable[[], object],
        wall: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        self._loop = loop
        self._log = log
        self._reload = reload
        self._wall = wall
        self._path = ""
        self._repeat = False
        self._watch: DirectoryWatch | None = None
        self._timer = loop.idle_timer(self._due)
        self._next: ReloadTime | None = None

    def configure(self, path: str, repeat: bool) -> None:
        """Watch `path` ("" = nothing) from now on."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        self._timer.cancel()
        self._next = None
        self._path, self._repeat = path, repeat
        if not path:
            return
        try:
            self._watch = DirectoryWatch(self._loop, lambda _path: self._read())
            self._watch.add(path)
        except OSError as error:
            self._log.warning(f"Unable to monitor reload time file {path} - {error.strerror}")
            return
        self._read()

    def close(self) -> None:
        self.configure("", False)

    def _read(self) -> None:
        before = self._next
        try:
            line = _first_line(self._path)
            self._next = read_reload_time(line, self._wall()) if line else None
        except OSError:
            self._next = None
        except ReloadTimeError as error:
            self._next = None
            for text in str(error).split("\n"):
                self._log.info(text)
        self._tell(before)
        self._arm()

    def _tell(self, before: ReloadTime | None) -> None:
        after = self._next
        if after is None and before is not None:
            self._log.info(f"Cancelling reload scheduled for {_text(before)}")
        elif after is not None and before is None:
            self._log.info(f"Scheduling reload for {_text(after)}")
        elif after is not None and before is not None and after.at != before.at:
            self._log.info(f"Reload time updated from {_text(before)} to {_text(after)}")

    def _arm(self) -> None:
        if self._next is None:
            self._timer.cancel()
            return
        left = int((self._next.at - self._wall()).total_seconds() * 1e9)
        self._timer.move(self._loop.now() + max(min(left, self._CHECK_NS), 0))

    def _due(self) -> None:
        due = self._next
        if due is None:
            return
        if self._wall() < due.at:
            self._arm()
            return
        self._next = None
        if self._repeat and not due.dated:
            self._next = ReloadTime(_tomorrow(due.at), dated=False)
            self._log.info(f"Scheduling reload for {_text(self._next)}")
            self._arm()
        else:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        self._reload()


def _first_line(path: str) -> str:
    """What stands in the first line, as far as a time can reach; never waits for a writer. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(fd, 64).decode("utf-8", "replace").partition("\n")[0]
    finally:
        os.close(fd)


def _tomorrow(at: datetime) -> datetime:
    """The same time of day on the next day, also where the clocks change in between."""
    if at.tzinfo is UTC:
        return at + timedelta(days=1)
    return (at.replace(tzinfo=None) + timedelta(days=1)).astimezone()


def _text(when: ReloadTime) -> str:
    suffix = "Z" if when.at.tzinfo is UTC else ""
    return f"{when.at:%Y-%m-%d %H:%M:%S}{suffix}"
