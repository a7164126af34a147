"""The flight recorder: the last inputs of a core, kept in memory as they came, and written down when asked.

The ring is bounded. What falls out of it is folded into the starting point of the record by the core's own rules, so
that a record always begins with a state. The entries of a core and what it is folded into are the core's business.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from pykeepalived.light_dataclasses import dataclass
from pykeepalived.observe.codec import CodecError

BaseT = TypeVar("BaseT")
StepT = TypeVar("StepT")

LENGTH = 2048
"""Entries in each half of the ring: a record has at most about twice as many."""

FORMAT, VERSION = "pykeepalived record", 1

_DAMAGE = (CodecError, KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What a line that something has happened to can raise."""

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
        self.length = length
        self._old: list[Entry] = []
        self._new: list[Entry] = []
        self.append: Callable[[Entry], None] = self._new.append

    def trim(self) -> bool:
        """When the younger half is full, give up the older one and begin another: True. It takes `length` entries."""
        if len(self._new) < self.length:
            return False
        if self._old:
            self._forget(self._old)
        self._old, self._new = self._new, []
        self.append = self._new.append
        return True

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


def moment(value: Any) -> int:
    """A clock's value in nanoseconds. Raises ValueError when no clock has shown it."""
    if not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise ValueError(f"{value!r} is no moment")
    return value


def head_of(lines: Iterator[dict[str, Any]], base: Callable[[dict[str, Any]], BaseT]) -> BaseT:
    """What `base` makes of the header. Raises CodecError."""
    try:
        return base(next(lines))
    except StopIteration:
        raise CodecError("an empty file") from None
    except _DAMAGE as error:
        raise CodecError(f"line 1 is not understood: {_words(error)}") from None


def entries_of(
    lines: Iterator[dict[str, Any]], entry: Callable[[dict[str, Any]], Entry]
) -> Iterator[tuple[dict[str, Any], Entry]]:
    """The lines behind the header and what `entry` makes of each. Raises CodecError, which names the line."""
    for number, line in enumerate(lines, 2):
        try:
            made = entry(line)
        except _DAMAGE as error:
            raise CodecError(f"line {number} is not understood: {_words(error)}") from None
        yield line, made


def begun(make: Callable[[], BaseT]) -> BaseT:
    """What `make` brings into the state in which a record begins. Raises CodecError where that cannot be."""
    try:
        return make()
    except Exception as error:
        raise CodecError(f"no core can begin like this record: {_words(error)}") from None


def play_all(steps: Iterable[StepT], play: Callable[[StepT], object]) -> None:
    """Play the steps of a record. Raises CodecError at what a core does not go through with:

    a record that says something else than any core has ever heard can have it do anything.
    """
    for number, step in enumerate(steps, 1):
        try:
            play(step)
        except Exception as error:
            raise CodecError(f"the core stops at input {number} of the record: {_words(error)}") from None


def _words(error: Exception) -> str:
    return f"{error}" if isinstance(error, CodecError) else f"{type(error).__name__}: {error}"


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
