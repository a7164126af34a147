"""What changed between two configurations, in a form that a real-time child can take over in small steps.

Equal parts are not sent: the child goes on using its own objects, so `is` tells it what did not change. Changed parts
travel as separate pickles, so that the child may stop between any two of them to send an advert. Of a virtual server
that changed, the real servers that did not are not sent either: there may be thousands.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import cache
from operator import attrgetter
from typing import Any, get_args, get_type_hints

from pykeepalived.config.model import Config
from pykeepalived.config.model.ipvs import RealServer, VirtualServer
from pykeepalived.light_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConfigDelta:
    """`plan` tells for each field of Config: an index into `parts`, None for unchanged, or for a tuple a list that
    holds old positions as they are and new elements as -1 - (index into parts)."""

    base: int
    generation: int
    plan: dict[str, int | list[int] | None]
    parts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Changed:
    """A virtual server that changed: its predecessor's position, itself without real servers, and these as in a plan:
    old positions as they are, and -1 - (index into `fresh`)."""

    position: int
    hollow: VirtualServer
    steps: list[int]
    fresh: list[RealServer]

    def whole(self, before: tuple[VirtualServer, ...]) -> VirtualServer:
        known = before[self.position].real_servers
        servers = tuple(known[step] if step >= 0 else self.fresh[-1 - step] for step in self.steps)
        return replace(self.hollow, real_servers=servers)


def make_delta(old: Config, new: Config, base: int, generation: int) -> ConfigDelta:
    """The delta that leads from `old` (of generation `base`) to `new`. Time is linear in the number of elements."""
    parts: list[bytes] = []

    def part(value: object) -> int:
        parts.append(pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))
        return len(parts) - 1

    plan: dict[str, int | list[int] | None] = {}
    for field in fields(Config):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if before is after:
            plan[field.name] = None
        elif isinstance(before, tuple) and isinstance(after, tuple):
            steps, places = [], dict[object, int]()
            for item, position in zip(after, _positions(before, after), strict=True):
                steps.append(-1 - part(_shortened(item, before, places)) if position is None else position)
            plan[field.name] = None if steps == list(range(len(before))) else steps
        else:
            plan[field.name] = None if _same(before, after) else part(after)
    return ConfigDelta(base, generation, plan, tuple(parts))


class DeltaReader:
    """Turns a delta back into a configuration. `step` loads one part; `result` is to be called when none is left."""

    def __init__(self, old: Config, delta: ConfigDelta) -> None:
        self._old = old
        self._delta = delta
        self._loaded: list[Any] = []

    @property
    def generation(self) -> int:
        return self._delta.generation

    def step(self) -> bool:
        """Load one more part; False when there was none left."""
        position = len(self._loaded)
        if position >= len(self._delta.parts):
            return False
        self._loaded.append(pickle.loads(self._delta.parts[position]))
        return True

    def result(self) -> Config:
        values: dict[str, Any] = {}
        for name, steps in self._delta.plan.items():
            before = getattr(self._old, name)
            if steps is None:
                values[name] = before
            elif isinstance(steps, int):
                values[name] = self._loaded[steps]
            else:
                values[name] = tuple(before[step] if step >= 0 else self._element(-1 - step, before) for step in steps)
        return Config(**values)

    def _element(self, part: int, before: Any) -> Any:
        loaded = self._loaded[part]
        return loaded.whole(before) if isinstance(loaded, _Changed) else loaded


def _shortened(item: Any, before: tuple[Any, ...], places: dict[object, int]) -> Any:
    """What to send for a changed element: a virtual server without the real servers that its predecessor has.

    `places` is filled at the first call: virtual servers of `before` to their positions.
    """
    if not isinstance(item, VirtualServer):
        return item
    if not places:
        places.update((_service(old), number) for number, old in enumerate(before))
    position = places.get(_service(item))
    if position is None:
        return item
    fresh: list[RealServer] = []
    steps = []
    for server, known in zip(
        item.real_servers, _positions(before[position].real_servers, item.real_servers), strict=True
    ):
        if known is None:
            fresh.append(server)
        steps.append(-len(fresh) if known is None else known)
    return _Changed(position, replace(item, real_servers=()), steps, fresh)


def _service(server: VirtualServer) -> tuple[object, ...]:
    return server.address, server.port, server.protocol, server.fwmark, server.family, server.group, server.group_index


def _positions(before: tuple[Any, ...], after: tuple[Any, ...]) -> list[int | None]:
    """For each new element the position of the same, unchanged element among the old ones, or None."""
    by_object = {id(item): position for position, item in enumerate(before)}
    by_key: dict[object, int] | None = None
    positions: list[int | None] = []
    for place, item in enumerate(after):
        position = by_object.get(id(item))
        if position is None and place < len(before) and _same(before[place], item):
            position = place
        if position is None:
            if by_key is None:
                kept = {id(new) for new in after}
                by_key = {_key(old): place for place, old in enumerate(before) if id(old) not in kept}
            candidate = by_key.get(_key(item))
            if candidate is not None and _same(before[candidate], item):
                position = candidate
        positions.append(position)
    return positions


def _key(item: Any) -> object:
    """A cheap fingerprint: the plain fields of an element. Nested ones are left to the comparison."""
    if not is_dataclass(item):
        return item
    values = (getattr(item, field.name) for field in fields(item))
    return tuple(value for value in values if value is None or isinstance(value, (str, int, bytes)))


def _same(before: object, after: object) -> bool:
    """Equal including what plain equality leaves out, such as positions in the file, at any depth."""
    return before is after or (before == after and _told_alike(before, after))


def _told_alike(before: Any, after: Any) -> bool:
    """The same for two objects that are equal."""
    if before is after:
        return True
    if isinstance(before, tuple):
        return all(map(_told_alike, before, after))
    kind: Any = type(before)
    hidden, inner = _looks(kind)
    return bool(hidden(before) == hidden(after)) and all(map(_told_alike, inner(before), inner(after)))


@cache
def _looks(kind: type) -> tuple[Callable[[Any], Any], Callable[[Any], tuple[Any, ...]]]:
    """What gives the values of an object that equality leaves out, and those that may have such inside."""
    if not is_dataclass(kind):
        return _nothing, _nothing
    hints = get_type_hints(kind)
    hidden = [one.name for one in fields(kind) if not one.compare]
    inner = [one.name for one in fields(kind) if one.compare and _holds_records(hints[one.name])]
    return _values(hidden), _values(inner)


def _values(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    match names:
        case []:
            return _nothing
        case [name]:
            return lambda item: (getattr(item, name),)
        case _:
            return attrgetter(*names)


def _nothing(item: Any) -> tuple[Any, ...]:
    return ()


def _holds_records(hint: Any) -> bool:
    return is_dataclass(hint) or any(map(_holds_records, get_args(hint)))
