"""The addresses, routes and rules this process has put into the kernel, noted for the successor of a killed daemon.

That one may have another configuration, which does not name them. What it names it cleans up or goes on with itself.
Shell: the notes are written in quiet moments, never while addresses change.
"""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence

from pykeepalived.config.model import Config, network
from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.netlink import operations as ko
from pykeepalived.netlink.facts import Facts, Link, Route
from pykeepalived.netlink.journal import Journal
from pykeepalived.netlink.routes import match_route, route_key
from pykeepalived.netlink.rules import kernel_key, rule_key
from pykeepalived.observe.codec import Codec, CodecError
from pykeepalived.vrrp import effects

_ADDED, _REMOVED = "+", "-"

Object = IpAddress | IpRoute | IpRule


@dataclass(frozen=True, slots=True)
class Held:
    """One object; `interface` and its index count for addresses."""

    what: Object
    interface: str = ""
    index: int = 0

    @property
    def key(self) -> Hashable:
        """What the kernel tells such objects apart by."""
        match self.what:
            case IpAddress() as address:
                return ("address", self.interface, address.address, address.prefix_length)
            case IpRoute() as route:
                return ("route", route_key(route))
            case IpRule() as rule:
                return ("rule", rule_key(rule))


class _Present:
    """What the kernel has, arranged to find things."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._addresses = {(each.index, each.address, each.prefix_length) for each in facts.addresses}
        self._routes: dict[Hashable, list[Route]] = {}
        for route in facts.routes:
            self._routes.setdefault(route.key, []).append(route)
        self._rules = {kernel_key(rule) for rule in facts.rules if rule.protocol == network.RTPROT_KEEPALIVED}

    def removal(self, held: Held) -> ko.Operation | None:
        """What removes it, if the kernel has it still as it was."""
        match held.what:
            case IpAddress() as address:
                link = self._facts.links.get(held.index)
                same = link is not None and link.name == held.interface
                present = same and (held.index, address.address, address.prefix_length) in self._addresses
                return ko.DeleteAddress(address, held.interface) if present else None
            case IpRoute() as route:
                alike = self._routes.get(route_key(route), ())
                found = any(match_route(actual, (route,), self._facts.links) for actual in alike)
                return ko.DeleteRoute(route, lenient=True) if found else None
            case IpRule() as rule:
                return ko.DeleteRule(rule, lenient=True) if rule_key(rule) in self._rules else None


class HeldObjects:
    """What was added and not yet removed. `find_link` gives the index of an interface."""

    def __init__(self, journal: Journal | None, find_link: Callable[[str], Link | None]) -> None:
        self._journal = journal
        self._find_link = find_link
        self._codec = Codec((network,))
        self._texts: dict[Hashable, str] = {}
        self._left: dict[Hashable, Held] = {}
        self._pending: deque[effects.Operation] = deque()
        if journal is not None:
            self._read(journal.read())

    @property
    def are_left(self) -> bool:
        """Whether a predecessor has noted anything."""
        return bool(self._left)

    @property
    def waits(self) -> bool:
        """Whether there is something to be written."""
        return bool(self._pending)

    def unwanted(self, config: Config, facts: Facts) -> list[ko.Operation]:
        """What removes objects of a predecessor that this configuration does not name; they are forgotten."""
        wanted, present = _named(config), _Present(facts)
        removals = []
        for key, held in self._left.items():
            removal = present.removal(held)
            named = key in wanted or (isinstance(held.what, IpAddress) and _anywhere(held.what) in wanted)
            if removal is None or not named:
                del self._texts[key]
            if removal is not None and not named:
                removals.append(removal)
        self._left = {}
        self._write_anew()
        return removals

    def done(self, operations: Sequence[effects.Operation], refused: Sequence[effects.Operation]) -> None:
        """These were asked of the kernel."""
        if self._journal is None:
            return
        failed = {id(operation) for operation in refused}
        self._pending += (operation for operation in operations if id(operation) not in failed)

    def write(self) -> Iterator[None]:
        """Write down what is pending, a step at a time."""
        while self._pending:
            self._note(self._pending.popleft())
            yield

    def close(self, look: Callable[[], Facts]) -> None:
        """The process ends in order: what is still there, if anything, is written at once. `look` asks the kernel."""
        journal, self._journal = self._journal, None
        for _ in self.write():
            pass
        self._journal = journal
        with contextlib.suppress(OSError):  # an orderly end does not depend on an answer
            present = _Present(look() if self._texts else Facts())
            known = ((key, text, self._understood(text)) for key, text in self._texts.items())
            self._texts = {key: text for key, text, held in known if held is not None and present.removal(held)}
        self._write_anew()

    def _note(self, operation: effects.Operation) -> None:
        match operation:
            case effects.AddAddress(address, interface):
                link = self._find_link(interface)
                self._add(Held(address, interface, link.index if link is not None else 0))
            case effects.AddRoute(route):
                self._add(Held(route))
            case effects.AddRule(rule):
                self._add(Held(rule))
            case effects.RemoveAddress(address, interface):
                self._remove(Held(address, interface).key)
            case effects.RemoveRoute(route):
                self._remove(Held(route).key)
            case effects.RemoveRule(rule):
                self._remove(Held(rule).key)

    def _add(self, held: Held) -> None:
        key = held.key
        text = json.dumps([held.index, held.interface, self._codec.encode(held.what)])
        if self._texts.get(key) != text:
            self._remove(key)
            self._texts[key] = text
            self._append(_ADDED + text)

    def _remove(self, key: Hashable) -> None:
        text = self._texts.pop(key, None)
        if text is None:
            return
        if self._texts:
            self._append(_REMOVED + text)
        else:
            self._write_anew()

    def _append(self, line: str) -> None:
        if self._journal is None:
            return
        self._journal.append(line)
        if self._journal.is_outgrown(len(self._texts)):
            self._write_anew()

    def _write_anew(self) -> None:
        if self._journal is not None:
            self._journal.replace([_ADDED + text for text in self._texts.values()])

    def _read(self, lines: list[str]) -> None:
        for line in lines:
            held = self._understood(line[1:])
            if held is None:
                continue
            if line[0] == _ADDED:
                self._left[held.key], self._texts[held.key] = held, line[1:]
            else:
                self._left.pop(held.key, None)
                self._texts.pop(held.key, None)

    def _understood(self, text: str) -> Held | None:
        """The object of a line; None for one that is damaged, or of another version."""
        try:
            index, interface, encoded = json.loads(text)
            what = self._codec.decode(encoded)
        except (ValueError, RecursionError, CodecError):
            return None
        sound = isinstance(what, IpAddress | IpRoute | IpRule) and isinstance(index, int) and isinstance(interface, str)
        return Held(what, interface, index) if sound else None


def _anywhere(address: IpAddress) -> Hashable:
    """The key of an address whose interface depends on VMACs."""
    return ("address", "", address.address, address.prefix_length)


def _named(config: Config) -> set[Hashable]:
    """Keys of everything the configuration names."""
    named: set[Hashable] = {Held(each, each.interface).key for each in config.static_addresses}
    routes, rules = list(config.static_routes), list(config.static_rules)
    for instance in config.vrrp_instances:
        plain = instance.vmac is None and instance.ipvlan is None
        for address in (*instance.virtual_addresses, *instance.excluded_addresses):
            here = Held(address, address.interface or instance.interface).key
            named.add(here if plain and not address.use_vmac else _anywhere(address))
        routes += instance.virtual_routes
        rules += instance.virtual_rules
    named.update(Held(route).key for route in routes)
    named.update(Held(rule).key for rule in rules)
    return named
