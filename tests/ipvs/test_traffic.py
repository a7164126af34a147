"""Statistics of the kernel become those of virtual and real servers: sums over all services."""

from __future__ import annotations

import struct

from pykeepalived.config.model.ipvs import GroupEntry, SorryServer, VirtualServerGroup
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs.desired import destination_key
from pykeepalived.ipvs.traffic import traffic
from pykeepalived.netlink.kernel_ipvs import _decode_statistics
from pykeepalived.netlink.services import ServiceStatistics, Statistics
from pykeepalived.observe.snapshot import TrafficSnapshot
from tests.ipvs.harness import Lab, config, real, virtual


def test_a_group_is_summed_over_its_services() -> None:
    entries = [GroupEntry(first=Ip.parse(f"10.99.1.{n}"), last=Ip.parse(f"10.99.1.{n}"), port=80) for n in (1, 2, 3)]
    sorry = SorryServer(address=Ip.parse("10.10.0.14"), port=80)
    service = virtual(real("10.10.0.11"), real("10.10.0.12"), address=None, group="G", sorry_server=sorry)
    groups = (VirtualServerGroup(name="G", entries=tuple(entries)),)
    lab = Lab(config(service, virtual(real("10.10.0.11")), virtual_server_groups=groups)).start()
    (grouped, _alone) = lab.core.director.virtuals
    first, second, _third = grouped.services
    one, two = (destination_key(first, server) for server in grouped.reals)
    assert grouped.sorry is not None
    spare = destination_key(first, grouped.sorry)
    found = {
        first: ServiceStatistics(Statistics(connections=7), {one: Statistics(connections=3, active=1)}),
        second: ServiceStatistics(
            Statistics(connections=5, bytes_in=9),
            {one: Statistics(connections=4, active=2), two: Statistics(persistent=6), spare: Statistics(inactive=8)},
        ),
    }
    of_group, of_other = traffic(lab.core.director.virtuals, found)
    assert of_group.total == TrafficSnapshot(connections=12, bytes_in=9)
    assert of_group.real_servers == (TrafficSnapshot(connections=7, active=3), TrafficSnapshot(persistent=6))
    assert of_group.sorry_server == TrafficSnapshot(inactive=8)
    assert of_other.total == TrafficSnapshot()
    assert of_other.real_servers == (TrafficSnapshot(),)


def attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", len(data) + 4, kind) + data + bytes(-len(data) % 4)


def test_counters_are_read_from_their_attributes() -> None:
    """linux/ip_vs.h: the 64-bit statistics are attribute 12 of both, the numbers of connections 7 to 9 of a server."""
    counters = b"".join(attribute(kind, struct.pack("=Q", 2**40 + kind)) for kind in range(1, 11))
    numbers = b"".join(attribute(kind, struct.pack("=I", kind)) for kind in (7, 8, 9))
    data = numbers + attribute(12, counters)
    wide = [2**40 + kind for kind in range(1, 11)]
    assert _decode_statistics(data, True) == Statistics(*wide, 7, 8, 9)
    assert _decode_statistics(attribute(12, counters)) == Statistics(*wide)
    assert _decode_statistics(b"") == Statistics()
