"""Flight records of the VRRP core: what is kept of its life, as JSON lines, and how a record is replayed.

Pure: the ring of entries and the text are observe/recorder.py, files and clocks are the shell's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace
from types import ModuleType
from typing import Any

import pykeepalived.config.model as model
from pykeepalived.config.model import Config
from pykeepalived.config.model.values import Ip
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.observe.codec import Codec, CodecError, placeholder
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
from pykeepalived.runtime.contract import NANOSECONDS_PER_MICROSECOND
from pykeepalived.vrrp import effects, inputs
from pykeepalived.vrrp.packet import AUTH_DATA_LENGTH, AUTH_PASS, PROTOCOL_VRRP, seal
from pykeepalived.vrrp.router import Router

CORE = "vrrp"
_MODULES: tuple[ModuleType, ...] = (
    *(model, model.bfd, model.globals, model.ipvs, model.network, model.values, model.vrrp),
    *(inputs, effects),
)
_UNUSED = {"virtual_servers": (), "virtual_server_groups": (), "ssl": None}

_MISSED = 4
"""A master that has missed so many adverts is gone (RFC 9568 section 6.1: three and a part)."""

_PoolKey = tuple[int, int, str, str, Ip | None, Ip | None]
_Addresses = dict[tuple[str, Ip, int], inputs.Address]


def make_codec() -> Codec:
    """A codec for everything a record of this core holds."""
    return Codec(_MODULES)


@dataclass(slots=True)
class Base:
    """Where a record begins: what a Router is made of, then what it is told before the first entry.

    `exact`: this is how the process began. Otherwise it is made up from what fell out of the ring: the last thing known
    about everything, so that states are right and timers are right within an advertisement interval.
    """

    config: Config
    view: inputs.View
    at: int
    wall: int
    adopt: bool = False
    exact: bool = True
    told: dict[object, Entry] = field(default_factory=dict)
    heard: dict[object, Entry] = field(default_factory=dict)

    def before(self) -> list[Entry]:
        """What a Router is told before the first entry, in this order. Masters that fell silent are not heard of."""
        return [*self.told.values(), *self._lately().values()]

    def _lately(self) -> dict[object, Entry]:
        """Of what was heard, that which may come from a master that is still there."""
        longest_us = max((instance.advert_int_us for instance in self.config.vrrp_instances), default=0)
        since = self.at - _MISSED * longest_us * NANOSECONDS_PER_MICROSECOND
        return {origin: entry for origin, entry in self.heard.items() if entry[0] >= since}

    def fold(self, entries: list[Entry]) -> None:
        """Take in what is no longer kept one by one."""
        self.exact = False
        heard: dict[object, Entry] = {}
        links = {each.name: each for each in self.view.interfaces}
        addresses = {each.place: each for each in self.view.addresses}
        for entry in entries:
            if len(entry) > 2:
                # of repetitions only the last one; IPv4 from the addresses on, as identification and sum differ
                heard[entry[1], entry[2] if entry[3] else entry[2][12:]] = entry
            elif len(entry) == 2:
                if isinstance(entry[1], Shown) and entry[1].state == "MASTER":
                    # whoever was master before is not any more
                    heard.clear()
                    self.heard.clear()
                self._fold(entry, links, addresses)
        self.wall += entries[-1][0] - self.at
        self.at = entries[-1][0]
        for entry in heard.values():
            self.heard[_pool_key(entry[1]), _origin(entry)] = entry
        self.heard = self._lately()
        self.view = replace(self.view, interfaces=tuple(links.values()), addresses=tuple(addresses.values()))

    def _fold(self, entry: Entry, links: dict[str, inputs.Interface], addresses: _Addresses) -> None:
        message = entry[1]
        match message:
            case inputs.InterfaceChanged(interface):
                links[interface.name] = interface
            case inputs.InterfaceRemoved(name):
                links.pop(name, None)
                for place in [place for place, known in addresses.items() if known.interface == name]:
                    del addresses[place]
            case inputs.AddressAdded(address):
                addresses[address.place] = address
            case inputs.AddressRemoved(address):
                addresses.pop(address.place, None)
            case inputs.Resynced(view) | inputs.Reload(_, view):
                self.view = view
                if isinstance(message, inputs.Reload):
                    self.config = message.config
                links.clear()
                addresses.clear()
                links.update((each.name, each) for each in view.interfaces)
                addresses.update((each.place, each) for each in view.addresses)
            case inputs.Attached():
                made = {**self.view.attachments, (message.instance, message.parent, message.family): message.name}
                self.view = replace(self.view, attachments=made)
            case inputs.PoolFailed(pool):
                self.told["pool", _pool_key(pool)] = entry
            case inputs.PoolOpened(pool):
                self.told.pop(("pool", _pool_key(pool)), None)
            case inputs.LinkbeatChanged(name) | inputs.ScriptFinished(name) | inputs.FileChanged(name):
                self.told[type(message), name] = entry
            case inputs.ProcessCount(name) | inputs.BfdChanged(name):
                self.told[type(message), name] = entry


class Recorder:
    """Keeps the last inputs of one Router. The shell notes everything that goes in; datagrams go right into `ring`."""

    def __init__(self, config: Config, view: inputs.View, now: int, wall: int, *, adopt: bool) -> None:
        self.base = Base(config, view, now, wall, adopt)
        self.ring = Ring(self.base.fold)

    def message(self, message: inputs.Input, now: int) -> None:
        self.ring.append((now, message))

    def tick(self, now: int) -> None:
        self.ring.append((now,))
        self.ring.trim()

    def shown(self, effect: effects.NotifyInstance | effects.NotifyGroup, now: int) -> None:
        """An outcome, for comparison."""
        self.ring.append((now, shown(effect)))

    def text(self, secrets: bool = False) -> str:
        """The record as JSON lines. Passwords and keys are left out unless `secrets`."""
        return encode(self.base, self.ring.entries(), secrets)


def shown(effect: effects.NotifyInstance | effects.NotifyGroup) -> Shown:
    """What a notification says about a state."""
    if isinstance(effect, effects.NotifyGroup):
        return Shown("group", effect.group.name, effect.state)
    return Shown("instance", effect.instance.name, effect.state)


# text


def encode(base: Base, entries: Iterable[Entry], secrets: bool = False) -> str:
    """A record of this beginning and these entries."""
    codec = make_codec()
    hidden = [] if secrets else _passwords(base.config)
    header = {
        "core": CORE,
        "at": base.at,
        "wall": base.wall,
        "adopt": base.adopt,
        "exact": base.exact,
        "config": codec.encode(_own_part(base.config), secrets),
        "view": codec.encode(base.view),
    }
    told = ({"before": True, **_line(codec, entry, hidden, secrets)} for entry in base.before())
    return write_lines(header, (*told, *(_line(codec, entry, hidden, secrets) for entry in entries)))


def _own_part(config: Config) -> Config:
    return replace(config, **_UNUSED)  # type: ignore[arg-type]


def _line(codec: Codec, entry: Entry, hidden: list[bytes], secrets: bool) -> dict[str, Any]:
    at = entry[0]
    if len(entry) == 1:
        return {"at": at, "tick": True}
    if len(entry) == 2:
        message = entry[1]
        if isinstance(message, Shown):
            return {"at": at, "shows": [message.kind, message.name, message.state]}
        if isinstance(message, inputs.Reload):
            message = replace(message, config=_own_part(message.config))
        return {"at": at, "input": codec.encode(message, secrets)}
    pool, data, source, destination, limit, waited = entry[1:]
    line = {"at": at, "pool": codec.encode(pool), "heard": (_without(data, hidden, pool) if hidden else data).hex()}
    if source:
        line |= {"source": source.hex(), "destination": destination.hex(), "limit": limit}
    return {**line, "waited": waited} if waited else line


def decode(text: str) -> tuple[Base, list[Entry]]:
    """The beginning and the entries of a record. Raises CodecError and nothing else."""
    codec = make_codec()
    lines = read_lines(text)
    base = head_of(lines, lambda head: _base(codec, head))
    pools: dict[_PoolKey, effects.Pool] = {}
    entries: list[Entry] = []
    for line, entry in entries_of(lines, lambda line: _entry(codec, line, pools)):
        if line.get("before"):
            base.told[len(base.told)] = entry
        else:
            entries.append(entry)
    return base, entries


def _base(codec: Codec, head: dict[str, Any]) -> Base:
    config, view = codec.decode(head["config"]), codec.decode(head["view"])
    if head["core"] != CORE or not isinstance(config, Config) or not isinstance(view, inputs.View):
        raise CodecError("not a record of VRRP")
    return Base(config, view, moment(head["at"]), moment(head["wall"]), bool(head["adopt"]), bool(head["exact"]))


def _entry(codec: Codec, line: dict[str, Any], pools: dict[_PoolKey, effects.Pool]) -> Entry:
    at = moment(line["at"])
    if "tick" in line:
        return (at,)
    if "shows" in line:
        kind, name, state = line["shows"]
        return (at, Shown(str(kind), str(name), str(state)))
    if "input" in line:
        message = codec.decode(line["input"])
        if not isinstance(message, inputs.Input):
            raise CodecError(f"{type(message).__name__} is no input")
        return (at, message)
    pool = codec.decode(line["pool"])
    if not isinstance(pool, effects.Pool):
        raise CodecError("not a pool")
    pool = pools.setdefault(_pool_key(pool), pool)
    source, destination = bytes.fromhex(line.get("source", "")), bytes.fromhex(line.get("destination", ""))
    limit, waited = int(line.get("limit", -1)), int(line.get("waited", 0))
    return (at, pool, bytes.fromhex(line["heard"]), source, destination, limit, waited)


# secrets


def _passwords(config: Config) -> list[bytes]:
    found = {instance.auth_pass for instance in config.vrrp_instances if instance.auth_pass}
    return [password[:AUTH_DATA_LENGTH] for password in found]


def _without(data: bytes, hidden: list[bytes], pool: effects.Pool) -> bytes:
    """An advert with another password in place of the simple password (RFC 2338 section 5.3.10).

    The sum is right again if it was: a replay judges the advert as the core did.
    """
    if pool.family != 4 or pool.protocol != PROTOCOL_VRRP or len(data) < 28:
        return data
    start = (data[0] & 15) * 4
    message = bytearray(data[start:])
    if len(message) < 8 + AUTH_DATA_LENGTH or message[0] >> 4 != 2 or message[4] != AUTH_PASS:
        return data
    place = 8 + 4 * message[3]
    secret = bytes(message[place : place + AUTH_DATA_LENGTH])
    for password in hidden:
        if secret.rstrip(b"\0") == password.rstrip(b"\0"):
            message[place : place + AUTH_DATA_LENGTH] = placeholder(len(password)).ljust(AUTH_DATA_LENGTH, b"\0")
            seal(message)
            return data[:start] + bytes(message)
    message[place : place + AUTH_DATA_LENGTH] = b"?" * len(secret)
    return data[:start] + bytes(message)


# replay


def replay(base: Base, entries: list[Entry]) -> Replay:
    """Run a record through a Router of its own in virtual time: what it says and which states come about.

    What happens before the first entry of a record that is not exact is left out. Raises CodecError where the Router
    cannot follow.
    """
    player = begun(lambda: _Player(base))
    play_all(base.before(), lambda entry: player.play((base.at, *entry[1:])))
    if not base.exact:
        player.moments.clear()
    play_all(entries, player.play)
    return replay_of(base.exact, entries, base.at, player.moments)


class _Player:
    def __init__(self, base: Base) -> None:
        self._base = base
        self._now = base.at
        self._pools: dict[_PoolKey, effects.Pool] = {}
        self.moments: list[Moment] = []
        config = base.config
        if not base.exact:
            still = replace(config.globals.vrrp_defaults, startup_delay_us=0, delay_after_boot_us=0)
            config = replace(config, globals=replace(config.globals, vrrp_defaults=still))
        self._router = Router(config, base.view, base.at, self._wall, adopt=base.adopt or not base.exact, log_detail=1)
        self._drain()
        if not base.exact:
            self._router.tick(base.at)
            self._drain()

    def _wall(self) -> int:
        return self._base.wall + self._now - self._base.at

    def play(self, entry: Entry) -> None:
        router = self._router
        self._now = now = entry[0]
        if len(entry) == 1:
            router.tick(now)
            if not self._base.exact and (router.deadline() or now + 1) <= now:
                # a made-up beginning gives timers a phase of their own: what is late here was in time there
                router.tick(now)
        elif len(entry) > 2:
            pool = self._pools.get(_pool_key(entry[1]))
            if pool is not None:
                router.hear(pool, entry[2], now, *entry[3:])
        elif not isinstance(entry[1], Shown):
            router.receive(self._with_pool(entry[1]), now)
        self._drain()

    def _with_pool(self, message: inputs.Input) -> inputs.Input:
        if isinstance(message, inputs.PoolFailed | inputs.PoolOpened):
            return replace(message, pool=self._pools.get(_pool_key(message.pool), message.pool))
        return message

    def _drain(self) -> None:
        at = self._now - self._base.at
        while wanted := self._router.drain():
            for effect in wanted:
                match effect:
                    case effects.OpenPool(pool):
                        self._pools[_pool_key(pool)] = pool
                    case effects.WriteLog(line):
                        self.moments.append(Moment(at, line.text))
                    case effects.NotifyInstance() | effects.NotifyGroup():
                        self.moments.append(Moment(at, shown(effect)))
                    case _:
                        pass


def _pool_key(pool: effects.Pool) -> _PoolKey:
    return pool.family, pool.protocol, pool.interface, pool.vrf, pool.group, pool.source


def _origin(entry: Entry) -> object:
    """Sender and virtual router of a datagram, as far as they can be told from outside."""
    pool, data, source = entry[1], entry[2], entry[3]
    if pool.family == 6 or not data:
        return source, data[1:2]
    start = (data[0] & 15) * 4 + (0 if pool.protocol == PROTOCOL_VRRP else 24)
    return data[12:16], data[start + 1 : start + 2]
