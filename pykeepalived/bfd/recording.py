"""Flight records of the BFD core: what is kept of its life, as JSON lines, and how a record is replayed.

Pure: the ring of entries and the text are observe/recorder.py, files and clocks are the shell's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

import pykeepalived.config.model.bfd as model
import pykeepalived.config.model.values as values
from pykeepalived.bfd import effects, messages
from pykeepalived.bfd.effects import Reconfigure, StateChanged, TransmitterOpened
from pykeepalived.bfd.speaker import RandomSource, Speaker
from pykeepalived.bfd.table import State
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.values import Ip
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.observe.cause import LogLine
from pykeepalived.observe.codec import Codec, CodecError
from pykeepalived.observe.recorder import (
    Entry,
    Moment,
    Replay,
    Ring,
    Shown,
    begun,
    entries_of,
    head_of,
    moment,
    play_all,
    read_lines,
    replay_of,
    write_lines,
)
from pykeepalived.runtime import messages as processes

CORE = "bfd"
_PACKET = 24
_JITTER = 0.5
_BEFORE = {State.UP.text: State.INIT, State.INIT.text: State.DOWN}
"""The state of a neighbor whose packet leads a session from Down into this one (RFC 5880 section 6.2)."""


Hear = Callable[[bytes, Ip, int, Ip, int, bool, int], None]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A random number that the core was given."""

    number: int


@dataclass(slots=True)
class Base:
    """Where a record begins: the instances, their states, the numbers that were drawn, the last word of each neighbor.

    `exact`: this is how the process began. Otherwise it is made up from what fell out of the ring.
    """

    instances: tuple[BfdInstance, ...]
    at: int
    exact: bool = True
    states: dict[str, str] = field(default_factory=dict)
    heard: dict[object, Entry] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    drawn: list[int] = field(default_factory=list)

    def fold(self, entries: list[Entry]) -> None:
        """Take in what is no longer kept one by one."""
        self.exact = False
        self.at = max(self.at, entries[-1][0])
        for entry in entries:
            if len(entry) > 2:
                self.heard[entry[2], entry[6]] = entry
            elif len(entry) == 2:
                self._fold(entry[1])
        # strangers are not kept: there is no end of them in a flood
        wanted = {(each.neighbor, each.multihop) for each in self.instances}
        self.heard = {way: entry for way, entry in self.heard.items() if way in wanted}

    def _fold(self, message: object) -> None:
        match message:
            case Drawn(number):
                new = [each.name for each in self.instances if each.name not in self.numbers]
                if new:
                    self.numbers[new[0]] = number
                else:
                    self.drawn.append(number)
            case Shown(_, name, state):
                # a session that leaves Up takes another discriminator, drawn just before
                if self.states.get(name) == State.UP.text and state == State.DOWN.text and self.drawn:
                    self.numbers[name] = self.drawn.pop(0)
                self.states[name] = state
            case Reconfigure(instances):
                kept = {(each.name, each.neighbor, each.multihop) for each in self.instances}
                same = [each.name for each in instances if (each.name, each.neighbor, each.multihop) in kept]
                self.instances = instances
                self.numbers = {name: number for name, number in self.numbers.items() if name in same}
                self.states = {name: state for name, state in self.states.items() if name in same}
            case _:
                pass

    def last_of(self, instance: BfdInstance) -> Entry | None:
        """The last datagram of a neighbor."""
        return self.heard.get((instance.neighbor, instance.multihop))


class Recorder:
    """Keeps the last inputs of one Speaker. It is the Speaker's source of chance, too, to know what was drawn."""

    def __init__(
        self, instances: tuple[BfdInstance, ...], began: int, now: Callable[[], int], random: RandomSource
    ) -> None:
        self._now = now
        self._random = random
        self.random = random.random
        self.base = Base(instances, began)
        self.ring = Ring(self.base.fold)

    def getrandbits(self, k: int, /) -> int:
        number = self._random.getrandbits(k)
        self.ring.append((self._now(), Drawn(number)))
        return number

    def listener(self, take: Hear) -> Hear:
        """Speaker.hear that also notes what it hears."""
        ring = self.ring

        def hear(data: bytes, source: Ip, port: int, destination: Ip, ttl: int, multihop: bool, now: int) -> None:
            ring.append((now, data, source, port, destination, ttl, multihop))
            take(data, source, port, destination, ttl, multihop, now)

        return hear

    def message(self, message: effects.Input, now: int) -> None:
        self.ring.append((now, message))

    def tick(self, now: int) -> None:
        self.ring.append((now,))
        self.ring.trim()

    def shown(self, change: StateChanged) -> None:
        """An outcome, for comparison."""
        self.ring.append((change.at_ns, _shown(change)))

    def text(self, _secrets: bool = False) -> str:
        """The record as JSON lines. BFD has no secrets."""
        return encode(self.base, self.ring.entries())


def _shown(change: StateChanged) -> Shown:
    return Shown("session", change.name, change.new.text)


# text


def _codec() -> Codec:
    return Codec((model, values, effects, processes))


def encode(base: Base, entries: list[Entry], _secrets: bool = False) -> str:
    """A record of this beginning and these entries. BFD has no secrets."""
    codec = _codec()
    header = {
        "core": CORE,
        "at": base.at,
        "exact": base.exact,
        "instances": codec.encode(base.instances),
        "states": base.states,
        "numbers": base.numbers,
        "drawn": base.drawn,
    }
    before = ({"before": True, **_line(codec, entry)} for entry in base.heard.values())
    return write_lines(header, (*before, *(_line(codec, entry) for entry in entries)))


def _line(codec: Codec, entry: Entry) -> dict[str, Any]:
    at = entry[0]
    if len(entry) == 1:
        return {"at": at, "tick": True}
    if len(entry) == 2:
        message = entry[1]
        if isinstance(message, Shown):
            return {"at": at, "shows": [message.kind, message.name, message.state]}
        if isinstance(message, Drawn):
            return {"at": at, "drawn": message.number}
        return {"at": at, "input": codec.encode(message)}
    data, source, port, destination, ttl, multihop = entry[1:]
    return {
        "at": at,
        "heard": data.hex(),
        "source": str(source),
        "port": port,
        "destination": str(destination),
        "ttl": ttl,
        "multihop": multihop,
    }


def decode(text: str) -> tuple[Base, list[Entry]]:
    """The beginning and the entries of a record. Raises CodecError and nothing else."""
    codec = _codec()
    lines = read_lines(text)
    base = head_of(lines, lambda head: _base(codec, head))
    entries: list[Entry] = []
    for line, entry in entries_of(lines, lambda line: _entry(codec, line)):
        if line.get("before"):
            if len(entry) < 3:
                raise CodecError("what came before the beginning can only be datagrams")
            base.heard[entry[2], entry[6]] = entry
        else:
            entries.append(entry)
    return base, entries


def _base(codec: Codec, head: dict[str, Any]) -> Base:
    instances = codec.decode(head["instances"])
    if head["core"] != CORE or not all(isinstance(each, BfdInstance) for each in instances):
        raise CodecError("not a record of BFD")
    base = Base(instances, moment(head["at"]), bool(head["exact"]))
    base.states.update((str(name), str(state)) for name, state in head["states"].items())
    base.numbers.update((str(name), int(number)) for name, number in head["numbers"].items())
    base.drawn.extend(int(number) for number in head["drawn"])
    return base


def _entry(codec: Codec, line: dict[str, Any]) -> Entry:
    at = moment(line["at"])
    if "tick" in line:
        return (at,)
    if "shows" in line:
        kind, name, state = line["shows"]
        return (at, Shown(str(kind), str(name), str(state)))
    if "drawn" in line:
        return (at, Drawn(int(line["drawn"])))
    if "input" in line:
        message = codec.decode(line["input"])
        if not isinstance(message, effects.Input):
            raise CodecError(f"{type(message).__name__} is no input")
        return (at, message)
    source, destination = Ip.parse(line["source"]), Ip.parse(line["destination"])
    data = bytes.fromhex(line["heard"])
    return (at, data, source, int(line["port"]), destination, int(line["ttl"]), bool(line["multihop"]))


# replay


def replay(base: Base, entries: list[Entry]) -> Replay:
    """Run a record through a Speaker of its own in virtual time: what it says and which states come about.

    Raises CodecError where the Speaker cannot follow.
    """
    drawn = [entry[1].number for entry in entries if len(entry) == 2 and isinstance(entry[1], Drawn)]
    player = begun(lambda: _Player(base, drawn))
    play_all(entries, player.play)
    entries = [entry for entry in entries if len(entry) != 2 or not isinstance(entry[1], Drawn)]
    return replay_of(base.exact, entries, base.at, player.moments)


class _Chance:
    """The numbers that were drawn, then others that nobody has."""

    def __init__(self, numbers: list[int]) -> None:
        self._numbers = numbers[::-1]
        self._next = 1

    def random(self) -> float:
        return _JITTER

    def getrandbits(self, _k: int, /) -> int:
        if self._numbers:
            return self._numbers.pop()
        self._next += 1
        return self._next


class _Player:
    def __init__(self, base: Base, drawn: list[int]) -> None:
        self._base = base
        self._now = base.at
        self.moments: list[Moment] = []
        known = [] if base.exact else [base.numbers.get(each.name, 1) for each in base.instances]
        self._speaker = Speaker(base.instances, base.at, _Chance([*known, *base.drawn, *drawn]), messages.DETAILED)
        self._drain()
        if not base.exact:
            self._establish()

    def _establish(self) -> None:
        """Bring the sessions into the states they were in, by their neighbors' last packets in another state."""
        for instance in self._base.instances:
            self._speaker.receive(TransmitterOpened(instance.name), self._now)
            last, state = self._base.last_of(instance), self._base.states.get(instance.name)
            before = _BEFORE.get(state or "")
            if last is not None and len(last[1]) >= _PACKET and before is not None:
                data = bytearray(last[1])
                data[1] = before << 6
                self.play((last[0], bytes(data), *last[2:]))
                self.play(last)
        self._now = self._base.at
        self._speaker.tick(self._now)
        self._drain()
        self.moments.clear()

    def play(self, entry: Entry) -> None:
        speaker = self._speaker
        self._now = now = entry[0]
        if len(entry) == 1:
            speaker.tick(now)
        elif len(entry) > 2:
            data, source, port, destination, ttl, multihop = entry[1:]
            speaker.hear(data, source, port, destination, ttl, multihop, now)
        elif not isinstance(entry[1], Shown | Drawn):
            speaker.receive(entry[1], now)
        self._drain()

    def _drain(self) -> None:
        while wanted := self._speaker.drain():
            for effect in wanted:
                if isinstance(effect, StateChanged):
                    at = effect.at_ns - self._base.at
                    self.moments += [Moment(at, line.text) for line in messages.state_changed(effect)]
                    self.moments.append(Moment(at, _shown(effect)))
                elif isinstance(effect, LogLine):
                    self.moments.append(Moment(self._now - self._base.at, effect.text))
