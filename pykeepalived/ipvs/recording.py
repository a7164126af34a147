"""Flight records of the IPVS core: what is kept of its life, as JSON lines, and how a record is replayed.

Pure: the ring of entries and the text are observe/recorder.py, files and clocks are the shell's. What a record holds of
the state of servers is held.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import pykeepalived.config.model as model
from pykeepalived.config.model import Config
from pykeepalived.ipvs import effects
from pykeepalived.ipvs.checks.attempt import SUCCESS, Outcome, Reason
from pykeepalived.ipvs.checks.framework import Conclusion
from pykeepalived.ipvs.core import IpvsCore
from pykeepalived.ipvs.desired import table
from pykeepalived.ipvs.held import Held, hold, restore
from pykeepalived.netlink.services import (
    Command,
    DestinationKey,
    DestinationSettings,
    OperationFailure,
    ServiceKey,
    ServiceSettings,
    Table,
    Timeouts,
)
from pykeepalived.observe.cause import LogLine
from pykeepalived.observe.codec import Codec, CodecError
from pykeepalived.observe.recorder import (
    LENGTH,
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

CORE = "checker"
_MODULES = (model, model.bfd, model.globals, model.ipvs, model.network, model.values, model.vrrp, effects)

ENTRIES_A_CHECKER = 4
"""With many checkers the ring is longer: taking down the state of them all is to be rare."""

RandomBelow = Callable[[int], int]

# The end of an attempt of checker N of IpvsCore.checks is the entry (moment, N, outcome), without the outcome if it is
# plain success: there is one for each check, so it is small, and nothing that the garbage collector has to look at.


class Reported(NamedTuple):
    """A check worker reported on checker `number`."""

    number: int
    conclusion: Conclusion
    figures: tuple[Any, ...]


class Begun(NamedTuple):
    """A start or a reload, the random numbers drawn for it, and the figures that workers had told before it."""

    message: effects.Start | effects.Reload
    drawn: list[int]
    figures: tuple[tuple[int, tuple[Any, ...]], ...] = ()


class Look(NamedTuple):
    """The kernel's table was read; these of our entries were not in it (destination None = the whole service).

    `wrong` are those that had to be changed or taken out, each with the command that does it.
    """

    gone: tuple[tuple[ServiceKey, DestinationKey | None], ...]
    wrong: tuple[tuple[Command, ServiceKey, DestinationKey | None], ...] = ()


class Base(NamedTuple):
    """Where a record begins. `held` None = as the process began; else the state that had come about by then."""

    config: Config
    at: int
    held: Held | None = None


class Recorder:
    """Keeps the last inputs of one IpvsCore. It is the core's source of chance, too, to know what was drawn."""

    def __init__(self, config: Config, now: int, random_below: RandomBelow) -> None:
        self.base = Base(config, now)
        self.ring = Ring(self._forget)
        self._random = random_below
        self._drawn: list[int] | None = None
        self._next = self.base
        self._checks: list[Any] | None = None
        self._numbers: dict[int, int] = {}

    def random_below(self, limit: int) -> int:
        number = self._random(limit)
        if self._drawn is not None:
            self._drawn.append(number)
        return number

    def message(self, core: IpvsCore, message: effects.Message, now: int) -> None:
        """Note what the core hears next."""
        if type(message) is effects.CheckEnded:
            number = self._number(core, message.checker)
            if number is not None:
                outcome = message.outcome
                self.ring.append((now, number) if outcome is SUCCESS else (now, number, outcome))
            return
        self._drawn = None
        match message:
            case effects.CheckReported(checker, conclusion, figures):
                number = self._number(core, checker)
                if number is not None:
                    self.ring.append((now, Reported(number, conclusion, figures)))
            case effects.CheckFigures():
                pass  # what matters of them is noted at the next reload
            case effects.Start() | effects.Reload():
                self._drawn = []
                told = ((number, check.figures()) for number, check in enumerate(core.checks) if check.delegated)
                self.ring.append((now, Begun(message, self._drawn, tuple(told))))
            case effects.TableRead(found) if found is not None:
                pass  # noted by `looked`
            case _:
                self.ring.append((now, message))

    def looked(self, core: IpvsCore, now: int) -> None:
        """Note which entries the core missed in the table that it has just read, and which it found wrong."""
        missed = ((each.service, each.destination) for each in core.gone if each.service is not None)
        wrong = ((each.command, each.service, each.destination) for each in core.wrong if each.service is not None)
        self.ring.append((now, Look(tuple(missed), tuple(wrong))))

    def tick(self, core: IpvsCore, now: int) -> None:
        """Note that time passes; the core has done everything by now that it wanted."""
        self._drawn = None
        if self.ring.trim():
            self.ring.length = max(LENGTH, ENTRIES_A_CHECKER * len(core.checks))
            self._next = Base(core.config, now, hold(core))
        self.ring.append((now,))

    def shown(self, effect: effects.Tell, now: int) -> None:
        """An outcome, for comparison."""
        if not effect.trap_only:
            self.ring.append((now, shown(effect)))

    def text(self, secrets: bool = False) -> str:
        """The record as JSON lines. Passwords and keys are left out unless `secrets`."""
        return encode(self.base, self.ring.entries(), secrets)

    def _number(self, core: IpvsCore, checker: Any) -> int | None:
        if core.checks is not self._checks:
            self._checks = core.checks
            self._numbers = {id(check): number for number, check in enumerate(core.checks)}
        return self._numbers.get(id(checker))

    def _forget(self, _entries: list[Entry]) -> None:
        self.base = self._next


def shown(effect: effects.Tell) -> Shown:
    """What a notification says about a server."""
    state = "UP" if effect.up else "DOWN"
    if effect.real is None:
        return Shown("virtual", effect.virtual_name, state)
    return Shown("real", f"{effect.real_name} of {effect.virtual_name}", state)


# text


def encode(base: Base, entries: Iterable[Entry], secrets: bool = False) -> str:
    """A record of this beginning and these entries."""
    codec = Codec(_MODULES)
    header = {
        "core": CORE,
        "at": base.at,
        "exact": base.held is None,
        "config": codec.encode(base.config, secrets),
        "held": None if base.held is None else codec.encode(tuple(base.held)),
    }
    return write_lines(header, (_line(codec, entry, secrets) for entry in entries))


def _line(codec: Codec, entry: Entry, secrets: bool) -> dict[str, Any]:
    at = entry[0]
    if len(entry) == 1:
        return {"at": at, "tick": True}
    if len(entry) == 3:
        return {"at": at, "check": entry[1], "outcome": list(entry[2])}
    match entry[1]:
        case int():
            return {"at": at, "check": entry[1]}
        case Shown(kind, name, state):
            return {"at": at, "shows": [kind, name, state]}
        case Reported(number, conclusion, figures):
            return {
                "at": at,
                "report": number,
                "conclusion": codec.encode(conclusion),
                "figures": codec.encode(figures),
            }
        case Begun(message, drawn, figures):
            told = codec.encode(figures)
            return {"at": at, "begin": codec.encode(message, secrets), "drawn": list(drawn), "figures": told}
        case Look(gone, wrong):
            more = {"wrong": codec.encode(tuple((int(command), *entry) for command, *entry in wrong))} if wrong else {}
            return {"at": at, "gone": codec.encode(gone), **more}
    return {"at": at, "input": codec.encode(entry[1], secrets)}


def decode(text: str) -> tuple[Base, list[Entry]]:
    """The beginning and the entries of a record. Raises CodecError and nothing else."""
    codec = Codec(_MODULES)
    lines = read_lines(text)
    base = head_of(lines, lambda head: _base(codec, head))
    return base, [entry for _, entry in entries_of(lines, lambda line: _entry(codec, line))]


def _base(codec: Codec, head: dict[str, Any]) -> Base:
    config = codec.decode(head["config"])
    if head["core"] != CORE or not isinstance(config, Config):
        raise CodecError("not a record of the checkers")
    held = codec.decode(head["held"])
    return Base(config, moment(head["at"]), None if held is None else Held(*held))


def _entry(codec: Codec, line: dict[str, Any]) -> Entry:
    at = moment(line["at"])
    if "tick" in line:
        return (at,)
    if "shows" in line:
        kind, name, state = line["shows"]
        return (at, Shown(str(kind), str(name), str(state)))
    if "check" in line:
        if "outcome" not in line:
            return (at, int(line["check"]))
        ok, reason, text, value = line["outcome"]
        return (at, int(line["check"]), Outcome(bool(ok), Reason(reason), str(text), int(value)))
    if "report" in line:
        conclusion = Conclusion(*codec.decode(line["conclusion"]))
        return (at, Reported(int(line["report"]), conclusion, codec.decode(line["figures"])))
    if "begin" in line:
        drawn = [int(number) for number in line["drawn"]]
        return (at, Begun(_begun(codec.decode(line["begin"])), drawn, codec.decode(line["figures"])))
    if "gone" in line:
        gone = (_place(*entry) for entry in codec.decode(line["gone"]))
        found = codec.decode(line["wrong"]) if "wrong" in line else ()
        wrong = ((Command(command), *_place(*entry)) for command, *entry in found)
        return (at, Look(tuple(gone), tuple(wrong)))
    return (at, _input(codec.decode(line["input"])))


def _begun(message: Any) -> effects.Start | effects.Reload:
    """With what is a plain tuple in the text as what it was."""
    if not isinstance(message, effects.Start | effects.Reload):
        raise CodecError(f"{type(message).__name__} begins nothing")
    timeouts = None if message.timeouts is None else Timeouts(*message.timeouts)
    if isinstance(message, effects.Reload) or message.left is None:
        return replace(message, timeouts=timeouts)
    services, destinations = message.left
    left = Table(
        {_service(key): ServiceSettings(*settings) for key, settings in services.items()},
        {
            _service(key): {DestinationKey(*place): DestinationSettings(*values) for place, values in places.items()}
            for key, places in destinations.items()
        },
    )
    return replace(message, timeouts=timeouts, left=left)


def _service(key: Iterable[Any]) -> ServiceKey:
    return ServiceKey(*key)


def _place(key: Iterable[Any], place: Iterable[Any] | None) -> tuple[ServiceKey, DestinationKey | None]:
    return _service(key), None if place is None else DestinationKey(*place)


def _input(message: Any) -> effects.Message:
    if isinstance(message, effects.Operated):
        return effects.Operated(tuple(OperationFailure(*failure) for failure in message.failures))
    inputs = effects.Stop | effects.BfdChanged | effects.FileRead | effects.AddressChanged | effects.SetWeight
    if isinstance(message, inputs) or (isinstance(message, effects.TableRead) and message.table is None):
        known: effects.Message = message
        return known
    raise CodecError(f"{type(message).__name__} is no input")


# replay


def replay(base: Base, entries: list[Entry]) -> Replay:
    """Run a record through a core of its own in virtual time. Raises CodecError where the core cannot follow it.

    Attempts are not made again: their outcomes are in the record.
    """
    player = begun(lambda: _Player(base))
    play_all(entries, player.play)
    return replay_of(base.held is None, entries, base.at, player.moments)


class _Player:
    def __init__(self, base: Base) -> None:
        self._base = base
        self._now = base.at
        self._numbers: list[int] = []
        self._waiting = False
        self._core = IpvsCore(base.config, self._drawn)
        self.moments: list[Moment] = []
        if base.held is not None:
            self._core.receive(effects.Start(), self._now)
            self._settle()
            restore(self._core, base.held)
            self.moments.clear()

    def play(self, entry: Entry) -> None:
        if len(entry) == 1:  # by then the recorded core had done everything that it wanted
            self._settle()
        self._now = now = entry[0]
        if len(entry) == 1:
            self._core.tick(now)
        elif len(entry) == 3:
            self._core.receive(effects.CheckEnded(self._core.checks[entry[1]], entry[2]), now)
        else:
            self._hear(entry[1], now)
        self._take()

    def _hear(self, what: Any, now: int) -> None:
        core = self._core
        match what:
            case Shown():
                pass
            case int():
                core.receive(effects.CheckEnded(core.checks[what], SUCCESS), now)
            case Reported(number, conclusion, figures):
                core.receive(effects.CheckReported(core.checks[number], conclusion, figures), now)
            case Begun(message, drawn, figures):
                for number, values in figures:
                    core.checks[number].take_figures(values)
                self._numbers = drawn[::-1]
                core.receive(message, now)
                self._numbers = []
            case effects.Operated():
                if self._waiting:
                    self._waiting = False
                    core.receive(what, now)
            case Look():
                core.receive(effects.TableRead(_found(table(core.director.virtuals), what)), now)
            case _:
                core.receive(what, now)

    def _drawn(self, limit: int) -> int:
        return min(self._numbers.pop() if self._numbers else 0, limit - 1)

    def _take(self) -> None:
        """Take the effects. What the kernel said to operations is in the record."""
        at = self._now - self._base.at
        for effect in self._core.drain():
            match effect:
                case LogLine():
                    self.moments.append(Moment(at, effect.text))
                case effects.Tell() if not effect.trap_only:
                    self.moments.append(Moment(at, shown(effect)))
                case effects.Operate():
                    self._waiting = True

    def _settle(self) -> None:
        """All was well with operations of which the record says nothing: those of the beginning, or of another life."""
        self._take()
        while self._waiting:
            self._waiting = False
            self._core.receive(effects.Operated(), self._now)
            self._take()


def _found(whole: Table, look: Look) -> Table:
    """A table in which the same is gone and wrong as in the one that was read."""
    services = dict(whole.services)
    destinations = {key: dict(places) for key, places in whole.destinations.items()}
    for key, place in look.gone:
        if place is None:
            services.pop(key, None)
            destinations.pop(key, None)
        elif key in destinations:
            destinations[key].pop(place, None)
    for command, key, place in look.wrong:
        if command is Command.DEL_SERVICE:
            services[key] = ServiceSettings("")
        elif place is None and key in services:
            services[key] = services[key]._replace(scheduler="")
        elif place is not None:
            places = destinations.setdefault(key, {})
            wanted = places.get(place)
            places[place] = DestinationSettings(0) if wanted is None else wanted._replace(weight=wanted.weight + 1)
    return Table(services, destinations)
