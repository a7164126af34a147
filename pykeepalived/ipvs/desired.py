"""What the kernel's table should hold: services of a virtual server, the entry of each server, the whole table. Pure.

The weight of an entry is a function of health alone: a server that is alive has its weight, unless the sorry server
stands in for it; a server that is not alive is absent, or at weight 0 with inhibit_on_failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pykeepalived.config.model.ipvs import Forwarding, GroupEntry, LvsMethod, VirtualServer
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs.effects import MarkElement
from pykeepalived.ipvs.state import Real, Server, Sorry, Virtual, entry_identity
from pykeepalived.netlink.services import (
    FLAG_PERSISTENT,
    FORWARD_DIRECT,
    FORWARD_MASQUERADE,
    FORWARD_TUNNEL,
    PROTOCOL_NUMBERS,
    TUNNEL_CHECKSUMS,
    TUNNEL_TYPES,
    DestinationKey,
    DestinationSettings,
    ServiceKey,
    ServiceSettings,
    Table,
)

_FORWARDING = {
    Forwarding.NAT: FORWARD_MASQUERADE,
    Forwarding.TUN: FORWARD_TUNNEL,
    Forwarding.DR: FORWARD_DIRECT,
}
Marks = Mapping[tuple[str, str], int]
"""nftables_ipvs: the fwmark of each pair of group name and protocol."""


def settings(model: VirtualServer, family: int) -> ServiceSettings:
    """The service attributes of a virtual server, for its services of one family."""
    netmask = model.persistence_granularity
    if family == 6 and netmask > 128:
        netmask = 128
    if model.persistence_timeout_s:
        flags = model.flags | FLAG_PERSISTENT
        return ServiceSettings(model.scheduler, flags, model.persistence_timeout_s, netmask, model.persistence_engine)
    return ServiceSettings(model.scheduler, model.flags, 0, netmask)


def addresses(entry: GroupEntry) -> Iterator[bytes]:
    """Every address of a group entry, ascending."""
    if entry.first is None:
        return
    last = entry.last if entry.last is not None else entry.first
    size = len(entry.first)
    for number in range(int.from_bytes(entry.first, "big"), int.from_bytes(last, "big") + 1):
        yield number.to_bytes(size, "big")


def entry_services(entry: GroupEntry, model: VirtualServer) -> tuple[ServiceKey, ...]:
    """The services of one line of a virtual_server_group."""
    if entry.fwmark is not None:
        return (ServiceKey.of_fwmark(entry.family or model.family or 4, entry.fwmark),)
    protocol = PROTOCOL_NUMBERS[model.protocol]
    family = entry.first.family if entry.first is not None else 4
    return tuple(ServiceKey(family, protocol, address, entry.port) for address in addresses(entry))


def uses_marks(virtual: Virtual) -> bool:
    """Whether nftables_ipvs serves this virtual server: a group without fwmark entries."""
    return virtual.group is not None and all(entry.fwmark is None for entry in virtual.group.entries)


def services(virtual: Virtual, marks: Marks) -> tuple[ServiceKey, ...]:
    """The services of a virtual server: of a group first all addresses in file order, then all fwmarks."""
    model = virtual.model
    if virtual.group is None:
        if model.address is None:
            return (ServiceKey.of_fwmark(model.family or 4, model.fwmark or 0),)
        return (ServiceKey(model.address.family, PROTOCOL_NUMBERS[model.protocol], bytes(model.address), model.port),)
    entries = virtual.group.entries
    mark = marks.get((model.group, model.protocol))
    if mark is not None:
        families = sorted({entry.first.family for entry in entries if entry.first is not None})
        return tuple(ServiceKey.of_fwmark(family, mark) for family in families)
    found = [key for entry in entries if entry.fwmark is None for key in entry_services(entry, model)]
    found += [key for entry in entries if entry.fwmark is not None for key in entry_services(entry, model)]
    return tuple(dict.fromkeys(found))


def mark_elements(virtual: Virtual, entries: Iterable[GroupEntry], mark: int) -> tuple[MarkElement, ...]:
    """nftables_ipvs: the map elements that give the packets to these entries the virtual server's mark."""
    return tuple(
        MarkElement(virtual.model.protocol, Ip(entry.first), Ip(entry.last or entry.first), entry.port, mark)
        for entry in entries
        if entry.first is not None
    )


def entry_name(entry: GroupEntry, protocol: str) -> str:
    """A group entry as keepalived's reload lines show it, without the outer brackets."""
    if entry.fwmark is not None:
        return f"FWM {entry.fwmark}"
    end = f"-{entry.last}" if entry.last is not None and entry.last != entry.first else ""
    return f"[{entry.first}]:{protocol}:{entry.port}{end}"


def destination_key(service: ServiceKey, server: Server) -> DestinationKey:
    """A server's place in a service: NAT keeps the server's port, other methods the service's (none for a fwmark)."""
    model = server.model
    if model.method.forwarding is Forwarding.NAT:
        return DestinationKey(bytes(model.address), model.port)
    return DestinationKey(bytes(model.address), service.port)


def destination_settings(server: Server, weight: int) -> DestinationSettings:
    method: LvsMethod = server.model.method
    upper, lower = (0, 0) if isinstance(server, Sorry) else (server.model.upper_threshold, server.model.lower_threshold)
    if method.forwarding is not Forwarding.TUN:
        return DestinationSettings(weight, _FORWARDING[method.forwarding], upper, lower)
    tunnel = TUNNEL_TYPES[method.tunnel]
    return DestinationSettings(
        weight,
        FORWARD_TUNNEL,
        upper,
        lower,
        tunnel,
        method.port if method.tunnel == "gue" else 0,
        TUNNEL_CHECKSUMS[method.checksum] if tunnel else 0,
    )


def wanted_weight(real: Real) -> int | None:
    """The weight a real server should have in the kernel; None = it should not be there."""
    if real.alive and not real.virtual.displaced:
        return real.kernel_weight
    return 0 if real.model.inhibit_on_failure else None


def wanted_sorry_weight(sorry: Sorry) -> int | None:
    if sorry.in_use:
        return 1
    return 0 if sorry.model.inhibit else None


def table(virtuals: Iterable[Virtual]) -> Table:
    """The whole table that the health of these virtual servers asks for."""
    wanted: dict[ServiceKey, ServiceSettings] = {}
    destinations: dict[ServiceKey, dict[DestinationKey, DestinationSettings]] = {}
    for virtual in virtuals:
        if not virtual.alive:
            continue
        for service in virtual.services:
            wanted.setdefault(service, settings(virtual.model, service.family))
            found = destinations.setdefault(service, {})
            for real in virtual.reals:
                weight = wanted_weight(real)
                if weight is not None:
                    found[destination_key(service, real)] = destination_settings(real, weight)
            sorry = virtual.sorry
            if sorry is not None:
                weight = wanted_sorry_weight(sorry)
                key = destination_key(service, sorry)
                if weight is not None and (sorry.in_use or key not in found):
                    found[key] = destination_settings(sorry, weight)
    return Table(wanted, destinations)


def changed_entries(old: Virtual, new: Virtual) -> tuple[tuple[GroupEntry, ...], tuple[GroupEntry, ...]]:
    """The group entries that a reload takes away and those it adds."""
    before, after = old.entries, new.entries
    have, want = {entry_identity(entry) for entry in before}, {entry_identity(entry) for entry in after}
    gone = tuple(entry for entry in before if entry_identity(entry) not in want)
    return gone, tuple(entry for entry in after if entry_identity(entry) not in have)
