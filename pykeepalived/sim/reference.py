"""What keepalived.conf(5) says of health, quorum and the IPVS table, said once more: the simulator's second opinion.

It shares no rule with ipvs/: it counts outcomes and weights by itself and compares with what the core has made of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pykeepalived.config.model.ipvs import Forwarding, GroupEntry, VirtualServer
from pykeepalived.ipvs.checks.attempt import Outcome, Reason
from pykeepalived.ipvs.checks.framework import RetryingCheck
from pykeepalived.ipvs.core import IpvsCore
from pykeepalived.ipvs.state import Virtual
from pykeepalived.netlink.services import PROTOCOL_NUMBERS, Table

Where = tuple[str, int]
"""Address in hexadecimal digits, and port."""
Service = tuple[int, int, str, int]
"""0, protocol, address in hexadecimal digits and port; or fwmark, family, nothing and 0."""
Entries = dict[Service, dict[Where, int]]
"""The weight of each entry of each service."""
_HIGHEST = 2**31 - 1


@dataclass(slots=True)
class _Health:
    """One checker: its verdict and the failures in a row that were borne so far."""

    check: Any
    up: bool
    borne: int


@dataclass(slots=True)
class Reference:
    """The model of one checker process. `forget` at a reload: what stays is taken from the core."""

    _health: dict[int, _Health] = field(default_factory=dict)
    _quorum: dict[tuple[object, ...], bool] = field(default_factory=dict)

    def forget(self) -> None:
        self._health.clear()
        self._quorum.clear()

    def predict(self, check: Any, outcome: Outcome) -> bool | None:
        """The verdict after this outcome: a success is one at once; the first result, or one failure more than `retry`
        in a row, is a failure. None for checkers with rules of their own."""
        if not isinstance(check, RetryingCheck) or outcome.reason is Reason.SKIPPED:
            return None
        known = self._health.get(id(check))
        if known is None:
            known = self._health[id(check)] = _Health(check, check.is_up, check.retry_it)
        if outcome.ok:
            known.up, known.borne = True, 0
        elif known.up and known.borne < check.model.retry:
            known.borne += 1
        else:
            known.up, known.borne = False, 0
        return known.up

    def compare(self, core: IpvsCore, table: Table, strict: bool) -> list[str]:
        """What differs. Without `strict` nothing is compared: the kernel has refused or lost something lately."""
        if not strict:
            self._quorum.clear()
            return []
        problems: list[str] = []
        wanted: Entries = {}
        for virtual in core.director.virtuals:
            if virtual.alive:
                problems += self._compare_health(virtual)
                self._describe(virtual, wanted)
        if not core.director.marks:
            problems += _differences(wanted, _shown(table))
        return problems

    def _compare_health(self, virtual: Virtual) -> list[str]:
        problems = []
        total = 0
        for real in virtual.reals:
            up = all(check.is_up for check in real.checks)
            if real.alive is not up:
                problems.append(
                    f"{real.name} of {virtual.name} is {'alive' if real.alive else 'dead'} against its checks"
                )
            if up:
                total += _weight(real)
        model = virtual.model
        before = self._quorum.get(virtual.identity())
        if not model.quorum:  # no server has a weight: the quorum is both reached and missed
            expected: bool | None = None
        elif total >= model.quorum + model.hysteresis:
            expected = True
        elif total == 0 or total < model.quorum - model.hysteresis:
            expected = False
        else:
            expected = before
        if expected is not None and virtual.quorum_up is not expected:
            word = "up" if expected else "down"
            problems.append(f"the quorum of {virtual.name} should be {word} at weight {total}")
        self._quorum[virtual.identity()] = virtual.quorum_up
        if virtual.sorry is not None and virtual.sorry.in_use is virtual.quorum_up:
            problems.append(f"the sorry server of {virtual.name} is in use at the wrong time")
        return problems

    def _describe(self, virtual: Virtual, wanted: Entries) -> None:
        """Add the entries this virtual server should have."""
        sorry = virtual.model.sorry_server
        serving = virtual.quorum_up or sorry is None
        for service in _services(virtual):
            entries = wanted.setdefault(service, {})
            for real in virtual.reals:
                alive = all(check.is_up for check in real.checks)
                where = _where(real.model, service[3])
                if alive and serving:
                    entries[where] = _weight(real)
                elif real.model.inhibit_on_failure:
                    entries[where] = 0
            if sorry is not None:
                where = _where(sorry, service[3])
                if not serving:
                    entries[where] = 1
                elif sorry.inhibit:
                    entries.setdefault(where, 0)


def _weight(real: Any) -> int:
    """The configured weight and what the checkers add, in the kernel's range."""
    weight: int = real.model.weight + sum(check.weight for check in real.checks)
    return min(max(weight, 0), _HIGHEST)


def _where(server: Any, service_port: int) -> Where:
    port = server.port if server.method.forwarding is Forwarding.NAT else service_port
    return bytes(server.address).hex(), port


def _services(virtual: Virtual) -> Iterator[Service]:
    """The services of a virtual server."""
    model = virtual.model
    if virtual.group is not None:
        for entry in virtual.group.entries:
            yield from _entry(entry, model)
    elif model.address is not None:
        yield 0, PROTOCOL_NUMBERS[model.protocol], bytes(model.address).hex(), model.port
    else:
        yield model.fwmark or 0, model.family or 4, "", 0


def _entry(entry: GroupEntry, model: VirtualServer) -> Iterator[Service]:
    if entry.fwmark is not None or entry.first is None or entry.last is None:
        yield entry.fwmark or 0, entry.family or model.family or 4, "", 0
        return
    size = len(bytes(entry.first))
    for number in range(int.from_bytes(entry.first, "big"), int.from_bytes(entry.last, "big") + 1):
        yield 0, PROTOCOL_NUMBERS[model.protocol], number.to_bytes(size, "big").hex(), entry.port


def _shown(table: Table) -> Entries:
    found = {}
    for service in table.services:
        key = (
            (service.fwmark, service.family, "", 0)
            if service.fwmark
            else (0, service.protocol, service.address.hex(), service.port)
        )
        entries = table.destinations.get(service, {})
        found[key] = {(place.address.hex(), place.port): values.weight for place, values in entries.items()}
    return found


def _differences(wanted: Entries, found: Entries) -> list[str]:
    return [
        f"the IPVS service {service} holds {found.get(service)} instead of {wanted.get(service)}"
        for service in sorted(wanted.keys() | found.keys())
        if wanted.get(service) != found.get(service)
    ]
