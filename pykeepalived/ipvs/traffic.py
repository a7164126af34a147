"""From the kernel's statistics to what each virtual and real server carries: sums over all services. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pykeepalived.ipvs.desired import destination_key
from pykeepalived.ipvs.state import Server, Virtual
from pykeepalived.netlink.services import ServiceKey, ServiceStatistics, Statistics
from pykeepalived.observe.snapshot import TrafficSnapshot, VirtualTrafficSnapshot

_NOTHING = Statistics()


def traffic(
    virtuals: Iterable[Virtual], found: Mapping[ServiceKey, ServiceStatistics]
) -> tuple[VirtualTrafficSnapshot, ...]:
    """One entry a virtual server; what is not in the kernel carries nothing."""
    return tuple(_virtual(virtual, found) for virtual in virtuals)


def _virtual(virtual: Virtual, found: Mapping[ServiceKey, ServiceStatistics]) -> VirtualTrafficSnapshot:
    here = [(service, found[service]) for service in virtual.services if service in found]

    def carried(server: Server) -> TrafficSnapshot:
        return _sum(each.destinations.get(destination_key(service, server), _NOTHING) for service, each in here)

    return VirtualTrafficSnapshot(
        total=_sum(each.total for _, each in here),
        real_servers=tuple(carried(real) for real in virtual.reals),
        sorry_server=carried(virtual.sorry) if virtual.sorry is not None else TrafficSnapshot(),
    )


def _sum(parts: Iterable[Statistics]) -> TrafficSnapshot:
    columns = zip(_NOTHING, *parts, strict=True)
    return TrafficSnapshot(**dict(zip(Statistics._fields, map(sum, columns), strict=True)))
