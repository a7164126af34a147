"""The flight recorder: the last inputs of a core, kept in memory as they came, and written down when asked.

The ring is bounded. What falls out of it is folded into the starting point of the record by the core's own rules, so
that a record always begins with a state. The entries of a core and what it is folded into are the core's business.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pykeepalived.observe.codec import CodecError

LENGTH = 2048
"""Entries in each half of the ring: a record has at most about twice as many."""

FORMAT, VERSION = "pykeepalived record", 1

Entry = tuple[Any, ...]
"""Begins with the moment in monotonic nanoseconds. Alone it is a tick, followed by one value it is an input or a
Shown, followed by more it is a datagram and where it came from."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An outcome, kept beside the inputs so that a replay can be compared: an object entered a state."""

    kind: str
    name: str
    state: str


class Ring:
    """The last entries. `append` takes one, `trim` is to be called now and then; `forget` gets what falls out."""

    def __init__(self, forget: Callable[[list[Entry]], object], length: int = LENGTH) -> None:
        self._forget = forget
        self._length = length
        self._old: list[Entry] = []
        self._new: list[Entry] = []
        self.append: Callable[[Entry], None] = self._new.append

    def trim(self) -> None:
        """Give up the older half when the younger one is full."""
        if len(self._new) >= self._length:
            if self._old:
                self._forget(self._old)
            self._old, self._new = self._new, []
            self.append = self._new.append

    def entries(self) -> list[Entry]:
        """All that is kept, oldest first."""
        return self._old + self._new

    def clear(self) -> None:
        self._old, self._new = [], []
        self.append = self._new.append


def write_lines(header: dict[str, Any], body: Iterable[dict[str, Any]]) -> str:
    """A record as text: one JSON object a line, the header first."""
    lines = [{"format": FORMAT, "version": VERSION, **header}, *body]
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def read_lines(text: str) -> Iterator[dict[str, Any]]:
    """The objects of a record, the header first. Raises CodecError."""
    for number, line in enumerate(text.splitlines()):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise CodecError(f"line {number + 1} is not JSON") from None
        if not isinstance(value, dict):
            raise CodecError(f"line {number + 1} is no object")
        if number == 0 and (value.get("format"), value.get("version")) != (FORMAT, VERSION):
            raise CodecError(f"not a {FORMAT} of version {VERSION}")
        yield value


# replays


@dataclass(frozen=True, slots=True)
class Moment:
    """Something of a replay: when (ns since the beginning of the record) and what; a line of the log or a Shown."""

    at: int
    what: str | Shown


@dataclass(frozen=True, slots=True)
class Replay:
    """A record that was run again. `exact`: it begins where the process began."""

    exact: bool
    entries: int
    seconds: float
    recorded: list[Moment]
    replayed: list[Moment]

    @property
    def same(self) -> bool:
        """Whether every object went through the same states in the same order."""
        return _paths(self.recorded) == _paths(self.replayed)

    @property
    def missing(self) -> list[Moment]:
        """Recorded states of objects whose ways differ."""
        return self._of_others(self.recorded)

    @property
    def extra(self) -> list[Moment]:
        """Replayed states of objects whose ways differ."""
        return self._of_others(self.replayed)

    def _of_others(self, moments: list[Moment]) -> list[Moment]:
        before, after = _paths(self.recorded), _paths(self.replayed)
        return [
            moment
            for moment in moments
            if isinstance(moment.what, Shown)
            and before.get((moment.what.kind, moment.what.name)) != after.get((moment.what.kind, moment.what.name))
        ]


def replay_of(exact: bool, entries: list[Entry], begin: int, replayed: list[Moment]) -> Replay:
    """The replay of these entries of a record that begins at `begin`."""
    shown = [Moment(each[0] - begin, each[1]) for each in entries if len(each) == 2 and isinstance(each[1], Shown)]
    length = max((entry[0] for entry in entries), default=begin) - begin
    return Replay(
        exact, sum(1 for e in entries if len(e) != 2 or not isinstance(e[1], Shown)), length / 1e9, shown, replayed
    )


def _paths(moments: list[Moment]) -> dict[tuple[str, str], list[str]]:
    """The states of each object in their order."""
    paths: dict[tuple[str, str], list[str]] = {}
    for moment in moments:
        if isinstance(moment.what, Shown):
            paths.setdefault((moment.what.kind, moment.what.name), []).append(moment.what.state)
    return paths
